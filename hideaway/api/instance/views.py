"""A server as instance/v1 answers it, with everything that is joined to it."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from typing import Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.instance.shared import owners, stamp, times
from hideaway.cloud.images import OWNER, public_image
from hideaway.cloud.server_types import server_type
from hideaway.cloud.servers import PlacementGroup, PrivateNic, SecurityGroup, Server, ServerIp
from hideaway.cloud.volumes import Image, Volume
from hideaway.fabric.model import EDGE_V4, EDGE_V6

ALLOWED: dict[str, list[str]] = {
    "stopped": ["poweron", "backup"],
    "starting": ["stop_in_place", "backup"],
    "running": ["poweroff", "terminate", "reboot", "stop_in_place", "backup"],
    "stopping": ["stop_in_place", "backup"],
    "stopped in place": ["poweron", "poweroff", "terminate", "reboot", "backup"],
}
"""State -> the actions that a server's answer names as allowed (every recording)."""


def server_view(call: Call, server: Server, attached: Collection[str] = ()) -> dict[str, Any]:
    """attached: the volumes that the request itself attached. Of these the block ones are answered as `attaching`.

    Until they are there the server allows no action (both recorded; a local volume is there at once).
    """
    ledger = call.change.ledger
    addresses = [_public_ip(ip, first=n == 0) for n, ip in enumerate(public_ips(call, server))]
    attaching = [id_ for id_ in attached if ledger.get(Volume, id_) is None]
    group = ledger.get(SecurityGroup, server.security_group_id)
    placement = ledger.get(PlacementGroup, server.placement_group_id) if server.placement_group_id else None
    kind = server_type(server.commercial_type)
    return {
        "id": server.id,
        "name": server.name,
        "arch": server.arch,
        "commercial_type": server.commercial_type,
        "boot_type": server.boot_type,
        **owners(server),
        "hostname": server.hostname,
        "image": image_of_server(call, server),
        "volumes": {slot: _volume(call, server, slot, attaching) for slot in server.volumes},
        "tags": server.tags,
        "state": server.state,
        "protected": server.protected,
        "state_detail": server.state_detail,
        "public_ip": addresses[0] if addresses else None,
        "public_ips": addresses,
        "mac_address": server.mac_address,
        "routed_ip_enabled": True,
        "ipv6": None,
        "extra_networks": [],
        "dynamic_ip_required": server.dynamic_ip_required,
        "enable_ipv6": server.enable_ipv6,
        "private_ip": None,
        **times(server),
        "bootscript": None,
        "security_group": {"id": group.id, "name": group.name} if group else None,
        "location": _location(server),
        "maintenances": [],
        "allowed_actions": [] if attaching else ALLOWED.get(server.state, []),
        # A server's answer says false whatever is the case, the group's own answer true (every recording).
        "placement_group": placement_view(placement) | {"policy_respected": False} if placement else None,
        "private_nics": [nic_view(nic) for nic in ledger.find(PrivateNic, ref=server.id)],
        "zone": server.zone,
        "filesystems": [],
        "end_of_service": kind.end_of_service if kind else False,
        "dns": f"{server.id}.pub.instances.scw.cloud",
        "admin_password_encryption_ssh_key_id": server.password_key_id,
        "admin_password_encrypted_value": None,
    }


def public_ips(call: Call, server: Server) -> list[ServerIp]:
    """A server's public addresses: IPv4 first, of each family the one that was chosen as default first."""
    held = call.change.ledger.find(ServerIp, ref=server.id)
    return sorted(held, key=lambda ip: (ip.type, ip.id != server.default_ip_id))


def _location(server: Server) -> dict[str, Any] | None:
    """Where it runs, made up of its id; nowhere while it is stopped."""
    if server.state in ("stopped", "starting"):
        return None
    number = zlib.crc32(server.id.encode())
    return {
        "zone_id": server.zone,
        "platform_id": "14",
        "cluster_id": str(number % 64 + 1),
        "hypervisor_id": str(number % 20 * 100 + 101),
        "node_id": str(number % 160 + 1),
    }


def _public_ip(ip: ServerIp, *, first: bool) -> dict[str, Any]:
    """DHCP gives a server the first of its IPv4 addresses; the others it must set by itself (recorded)."""
    v6 = ip.prefix is not None
    return {
        "id": ip.id,
        "address": ip.address,
        "dynamic": ip.dynamic,
        "gateway": EDGE_V6 if v6 else EDGE_V4,
        "netmask": "64" if v6 else "32",
        "family": "inet6" if v6 else "inet",
        "provisioning_mode": "slaac" if v6 else "dhcp" if first else "manual",
        "tags": ip.tags,
        "state": "attached",
        "ipam_id": ip.ipam_id,
    }


def _volume(call: Call, server: Server, slot: str, attaching: Collection[str]) -> dict[str, Any]:
    id_, boot = server.volumes[slot], slot in server.boot_slots
    volume = call.change.ledger.get(Volume, id_)
    if volume is None:
        state = "attaching" if id_ in attaching else "available"
        return {"boot": boot, "volume_type": "sbs_volume", "id": id_, "state": state, "zone": server.zone}
    return {"boot": boot, **volume_view(call, volume)}


def volume_view(call: Call, volume: Volume) -> dict[str, Any]:
    server = call.change.ledger.get(Server, volume.server_id) if volume.server_id else None
    return {
        "id": volume.id,
        "name": volume.name,
        "volume_type": volume.volume_type,
        "export_uri": None,
        **owners(volume),
        "server": {"id": server.id, "name": server.name} if server else None,
        "size": volume.size,
        "state": volume.state,
        **times(volume),
        "tags": volume.tags,
        "zone": volume.zone,
    }


def nic_view(nic: PrivateNic) -> dict[str, Any]:
    return {
        "id": nic.id,
        "private_network_id": nic.private_network_id,
        "server_id": nic.server_id,
        "mac_address": nic.mac_address,
        "state": nic.state,
        **times(nic),
        "zone": nic.zone,
        "tags": nic.tags,
        "ipam_ip_ids": nic.ipam_ip_ids,
    }


def placement_view(group: PlacementGroup) -> dict[str, Any]:
    return {
        "id": group.id,
        "name": group.name,
        **owners(group),
        "policy_mode": group.policy_mode,
        "policy_type": group.policy_type,
        "policy_respected": True,
        "tags": group.tags,
        "zone": group.zone,
    }


def image_of_server(call: Call, server: Server) -> dict[str, Any] | None:
    """The image that a server was made of; None for none, and for a user's image that is gone."""
    if server.image_id is None:
        return None
    known = public_image_view(server.image_id)
    if known is not None:
        return known
    image = call.change.ledger.get(Image, server.image_id)
    return image_view(image) if image else None


def public_image_view(id_: str) -> dict[str, Any] | None:
    """One of the vendor's images."""
    image = public_image(id_)
    if image is None:
        return None
    return {
        "id": image.id,
        "name": image.name,
        "organization": OWNER,
        "project": OWNER,
        "root_volume": msgspec.to_builtins(image.root_volume),
        "extra_volumes": {},
        "public": True,
        "arch": image.arch,
        "creation_date": image.created_at,
        "modification_date": image.created_at,
        "default_bootscript": None,
        "from_server": "",
        "state": "available",
        "tags": [],
        "zone": image.zone,
    }


def image_view(image: Image) -> dict[str, Any]:
    return {
        "id": image.id,
        "name": image.name,
        **owners(image),
        "root_volume": msgspec.to_builtins(image.root_volume),
        "extra_volumes": {slot: msgspec.to_builtins(part) for slot, part in image.extra_volumes.items()},
        "public": image.public,
        "arch": image.arch,
        **times(image),
        "default_bootscript": None,
        "from_server": image.from_server,
        "state": image.state,
        "tags": image.tags,
        "zone": image.zone,
    }


def task_view(call: Call, description: str, href_from: str, href_result: str) -> dict[str, Any]:
    """The task that an action answers. Its resource's state says how it goes: tasks cannot be asked for."""
    return {
        "id": call.change.ids.uuid(),
        "description": description,
        "status": "pending",
        "href_from": href_from,
        "href_result": href_result,
        "started_at": stamp(call.change.now),
        "terminated_at": None,
        "progress": 0,
        "zone": call.place,
    }
