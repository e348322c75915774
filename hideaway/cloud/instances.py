"""What is done to servers: making, starting, stopping and removing them, their addresses and private NICs.

Kubernetes' nodes are made with the same functions as a user's Instances.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from hideaway.cloud.change import Change
from hideaway.cloud.documents import GONE
from hideaway.cloud.interfaces import leave_network
from hideaway.cloud.kubernetes import Node, Pool
from hideaway.cloud.logging_in import KEY_TAG, enabled_keys
from hideaway.cloud.public_ips import give_public_ip, release_ip, take_public_ip
from hideaway.cloud.servers import PrivateNic, SecurityGroup, Server, ServerIp
from hideaway.cloud.volumes import BlockVolume, Reference, Volume

DEFAULT_GROUP = "Default security group"


class NewVolume(msgspec.Struct, frozen=True, kw_only=True):
    """A volume to make with a server. volume_type: sbs_volume (block/v1, iops 5000 or 15000), l_ssd or scratch."""

    volume_type: str = "sbs_volume"
    size: int = 20_000_000_000  # bytes
    iops: int = 5000
    name: str = ""
    tags: list[str] = []
    snapshot_id: str | None = None


DEFAULT_ROOT = NewVolume()


def root_volume_of(type_: str, size: int) -> NewVolume:
    """The root volume that k8s/v1 calls by type_ (sbs_5k, sbs_15k, l_ssd, b_ssd, ...), size in bytes."""
    if type_ == "l_ssd":
        return NewVolume(volume_type="l_ssd", size=size)
    return NewVolume(size=size, iops=15000 if type_ == "sbs_15k" else 5000)


def default_group(change: Change, organization_id: str, project_id: str, zone: str) -> SecurityGroup:
    """A project's default security group of a zone, made when it is first looked for: it accepts everything."""
    for group in change.ledger.find(SecurityGroup, project=project_id, locality=zone):
        if group.project_default:
            return group
    group = SecurityGroup(
        id=change.ids.uuid(),
        organization_id=organization_id,
        project_id=project_id,
        created_at=change.now,
        updated_at=change.now,
        zone=zone,
        name=DEFAULT_GROUP,
        description="Auto generated security group.",
        project_default=True,
    )
    change.ledger.put(group)
    return group


def make_server(
    change: Change,
    *,
    organization_id: str,
    project_id: str,
    zone: str,
    name: str,
    commercial_type: str,
    arch: str = "x86_64",
    image_id: str | None = None,
    tags: Sequence[str] = (),
    security_group_id: str = "",
    placement_group_id: str | None = None,
    node_id: str | None = None,
    state: str = "stopped",
    root_volume: NewVolume | None = DEFAULT_ROOT,
    volumes: Mapping[str, str] | None = None,
    dynamic_ip_required: bool = False,
    enable_ipv6: bool = False,
    boot_type: str = "local",
    boot_slots: Sequence[str] = (),
    password_key_id: str | None = None,
    protected: bool = False,
) -> Server:
    """Keep a new server, at rest in this state; `power_on` starts it.

    volumes: slot -> id of volumes that stand already and are attached; root_volume is made for slot "0" unless that is
    among them. security_group_id "" is the project's default group of the zone.
    """
    server = Server(
        id=change.ids.uuid(),
        organization_id=organization_id,
        project_id=project_id,
        created_at=change.now,
        updated_at=change.now,
        zone=zone,
        name=name,
        hostname=name,
        commercial_type=commercial_type,
        arch=arch,
        state=state,
        tags=list(tags),
        image_id=image_id,
        boot_type=boot_type,
        boot_slots=list(boot_slots),
        password_key_id=password_key_id,
        mac_address="de:" + change.ids.mac().lower()[3:],
        protected=protected,
        dynamic_ip_required=dynamic_ip_required,
        enable_ipv6=enable_ipv6,
        security_group_id=security_group_id or default_group(change, organization_id, project_id, zone).id,
        placement_group_id=placement_group_id,
        node_id=node_id,
    )
    change.ledger.put(server)
    if root_volume is not None and "0" not in (volumes or {}):
        server = attach_volume(change, server, make_volume(change, server, root_volume), "0")
    for slot, volume_id in (volumes or {}).items():
        volume = change.ledger.get(BlockVolume, volume_id) or change.need(Volume, volume_id)
        server = attach_volume(change, server, volume, slot)
    return server


def make_volume(change: Change, server: Server, wanted: NewVolume, slot: str = "0") -> Volume | BlockVolume:
    """Keep a new volume for a slot of a server, attached to nobody yet."""
    common: dict[str, Any] = {
        **change.of(server),
        "zone": server.zone,
        "size": wanted.size,
        "tags": wanted.tags,
    }
    volume: Volume | BlockVolume
    if wanted.volume_type == "sbs_volume":
        volume = BlockVolume(
            **common,
            name=wanted.name or f"{server.name}_sbs_volume_{slot}",
            perf_iops=wanted.iops,
            parent_snapshot_id=wanted.snapshot_id,
            status="available",
        )
    else:
        volume = Volume(**common, name=wanted.name or f"{server.name}-{slot}", volume_type=wanted.volume_type)
    change.ledger.put(volume)
    return volume


def attach_volume(change: Change, server: Server, volume: Volume | BlockVolume, slot: str) -> Server:
    """Give a volume to a server, in this slot."""
    if isinstance(volume, BlockVolume):
        reference = Reference(
            id=change.ids.uuid(),
            product_resource_type="instance_server",
            product_resource_id=server.id,
            created_at=change.now,
        )
        change.ledger.put(volume.changed(change.now, status="in_use", references=[*volume.references, reference]))
    else:
        change.ledger.put(volume.changed(change.now, server_id=server.id))
    kept = server.changed(change.now, volumes={**server.volumes, slot: volume.id})
    change.ledger.put(kept)
    return kept


def detach_volume(change: Change, server: Server, volume_id: str) -> Server:
    """Take a volume from a server; the volume stays."""
    _detach(change, server, volume_id)
    kept = server.changed(change.now, volumes={s: v for s, v in server.volumes.items() if v != volume_id})
    change.ledger.put(kept)
    return kept


def _detach(change: Change, server: Server, volume_id: str) -> None:
    block = change.ledger.get(BlockVolume, volume_id)
    if block is not None:
        left = [r for r in block.references if r.product_resource_id != server.id]
        status = "in_use" if left else "available"
        change.ledger.put(block.changed(change.now, references=left, status=status, last_detached_at=change.now))
    local = change.ledger.get(Volume, volume_id)
    if local is not None:
        change.ledger.put(local.changed(change.now, server_id=None))


def power_on(change: Change, server: Server) -> Server:
    """Start a server; one that asked for a dynamic address gets it, unless it has an IPv4 one already."""
    _give_dynamic(change, server)
    detail = "stopped in place" if server.state == "stopped in place" else "allocating node"
    return _begin(change, _booting(change, server), "starting", "running", detail)


def power_off(change: Change, server: Server) -> Server:
    """Stop a server and free its place; its dynamic address goes."""
    _drop_dynamic(change, server)
    return _begin(change, change.need(Server, server.id), "stopping", "stopped", "stopping")


def stop_in_place(change: Change, server: Server) -> Server:
    """Stop a server that keeps its place and its dynamic address."""
    return _begin(change, server, "stopping", "stopped in place", "stopping in place")


def reboot(change: Change, server: Server) -> Server:
    """Stop and start a server."""
    return _begin(change, _booting(change, server), "starting", "running", "rebooting")


def terminate(change: Change, server: Server) -> Server:
    """Stop a server for good: its local volumes go with it, its block volumes stay (every recorded terminate)."""
    release(change, server, local_volumes=True)
    return depart(change, server)


def depart(change: Change, server: Server) -> Server:
    """Stop a server that nothing belongs to any more; with its stop it is gone."""
    _leave_node(change, server)
    kept = server.changed(change.now, volumes={}, default_ip_id=None, state_detail="terminating", node_id=None)
    return change.begin(kept, "stopping", GONE)


def _booting(change: Change, server: Server) -> Server:
    """A server that starts, with the SSH keys that it finds at that moment."""
    tags = [tag for tag in server.tags if tag.startswith(KEY_TAG)]
    authorized = [*enabled_keys(change.ledger, server.project_id), *tags]
    return msgspec.structs.replace(server, boots=server.boots + 1, authorized=authorized)


def _begin(change: Change, server: Server, state: str, to: str, detail: str) -> Server:
    return change.begin(msgspec.structs.replace(server, state_detail=detail), state, to)


def remove_server(change: Change, server: Server, *, local_volumes: bool = True, block_volumes: bool = True) -> None:
    """Forget a server, its NICs, their addresses, its dynamic address and, as asked, its volumes; the rest stays."""
    release(change, server, local_volumes=local_volumes, block_volumes=block_volumes)
    _leave_node(change, server)
    change.ledger.remove(server)


def _leave_node(change: Change, server: Server) -> None:
    """A Kubernetes node whose server is deleted under it stays, not ready, until it is replaced; its pool warns."""
    node = change.ledger.get(Node, server.node_id) if server.node_id else None
    if node is None or node.status == "deleting":
        return
    lost = node.silent(change.now, "its server was deleted")
    change.ledger.put(msgspec.structs.replace(lost, server_id=""))
    pool = change.ledger.get(Pool, node.pool_id)
    if pool is not None and pool.pending is None:
        change.ledger.put(pool.changed(change.now, status="warning"))


def release(change: Change, server: Server, *, local_volumes: bool = False, block_volumes: bool = False) -> None:
    """Take everything from a server: NICs, addresses, volumes (those of the kinds named are removed, others stay)."""
    for nic in change.ledger.find(PrivateNic, ref=server.id):
        leave_network(change, nic)
    _drop_dynamic(change, server)
    for ip in change.ledger.find(ServerIp, ref=server.id):
        take_public_ip(change, ip)
    for volume_id in server.volumes.values():
        _detach(change, server, volume_id)
        local, block = change.ledger.get(Volume, volume_id), change.ledger.get(BlockVolume, volume_id)
        if local is not None and local_volumes:
            change.ledger.remove(local)
        if block is not None and block_volumes:
            change.ledger.remove(block)


def settle_dynamic(change: Change, server: Server) -> None:
    """Bring a server's dynamic address in line with whether it asks for one: it has one while it runs."""
    if not server.dynamic_ip_required:
        _drop_dynamic(change, server)
    elif server.state in ("starting", "running", "stopped in place"):
        _give_dynamic(change, server)


def _give_dynamic(change: Change, server: Server) -> None:
    addresses = change.ledger.find(ServerIp, ref=server.id)
    if server.dynamic_ip_required and not any(ip.type == "routed_ipv4" for ip in addresses):
        give_public_ip(change, server, dynamic=True)


def _drop_dynamic(change: Change, server: Server) -> None:
    for ip in change.ledger.find(ServerIp, ref=server.id):
        if ip.dynamic:
            release_ip(change, ip)
