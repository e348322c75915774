"""A server as instance/v2alpha1 answers it. Source: the SDK's types; that what is unset is left out, recordings."""

from __future__ import annotations

from typing import Any

from hideaway.api.call import Call
from hideaway.api.instance.interfaces import STATUSES as NIC_STATUSES
from hideaway.api.instance.shared import present
from hideaway.api.instance.views import public_ips
from hideaway.cloud.servers import PrivateNic, SecurityGroup, Server, ServerIp
from hideaway.cloud.volumes import Volume

ARCHITECTURES = {"arm64": "aarch64"}
"""instance/v1's arch -> v2alpha1's architecture, where they differ."""
RESTING = {"running": "started", "stopped in place": "paused"}
PASSING = {
    ("starting", "rebooting"): "rebooting",
    ("stopping", "stopping in place"): "pausing",
}
"""instance/v1's state and its detail -> v2alpha1's status, where they differ."""


def status(server: Server) -> str:
    return PASSING.get((server.state, server.state_detail)) or RESTING.get(server.state, server.state)


def summary(server: Server) -> dict[str, Any]:
    """A server in a list."""
    return present(
        id=server.id,
        name=server.name,
        project_id=server.project_id,
        tags=server.tags,
        server_type=server.commercial_type,
        placement_group_id=server.placement_group_id,
        status=status(server),
        created_at=server.created_at,
        updated_at=server.updated_at,
        architecture=ARCHITECTURES.get(server.arch, server.arch),
        rescue_mode=server.boot_type == "rescue",
    )


def view(call: Call, server: Server) -> dict[str, Any]:
    """A server with all that is joined to it."""
    nics = call.change.ledger.find(PrivateNic, ref=server.id)
    password = {"encrypted_password": "", "rdp_ssh_key_id": server.password_key_id} if server.password_key_id else None
    return summary(server) | present(
        boot_volume_id=boot_volume_id(server),
        volumes=[{"id": id_, "volume_type": _type(call, id_)} for _, id_ in sorted(server.volumes.items(), key=_slot)],
        filesystems=[],
        windows_rdp_password=password,
        public_network_interface=_public(call, server),
        private_network_interfaces=[_private(nic) for nic in nics],
        status_detail=server.state_detail,
        zone=server.zone,
    )


def boot_volume_id(server: Server) -> str | None:
    """The volume that was asked to be booted from, else the one in slot 0."""
    return next((server.volumes[slot] for slot in (*server.boot_slots, "0") if slot in server.volumes), None)


def _slot(item: tuple[str, str]) -> int:
    return int(item[0])


def _type(call: Call, volume_id: str) -> str:
    volume = call.change.ledger.get(Volume, volume_id)
    return volume.volume_type if volume else "sbs"


def default_ip(call: Call, server: Server) -> ServerIp | None:
    """The public address that is answered as default: the one that was chosen, else the first."""
    return next(iter(public_ips(call, server)), None)


def _public(call: Call, server: Server) -> dict[str, Any]:
    group = call.change.ledger.get(SecurityGroup, server.security_group_id)
    default = default_ip(call, server)
    ips = [
        {
            "id": ip.ipam_id,
            "dynamic": ip.dynamic,
            "status": "attached",
            "default": ip == default,
        }
        for ip in public_ips(call, server)
    ]
    return {
        "status": "syncing" if group is not None and group.state == "syncing" else "available",
        "mac_address": server.mac_address,
        "security_group_id": server.security_group_id,
        "ips": ips,
        "dns": f"{server.id}.pub.instances.scw.cloud",
    }


def _private(nic: PrivateNic) -> dict[str, Any]:
    return {
        "id": nic.id,
        "private_network_id": nic.private_network_id,
        "mac_address": nic.mac_address,
        "status": NIC_STATUSES.get(nic.state, nic.state),
        "ip_ids": nic.ipam_ip_ids,
        "security_group_id": "",
    }
