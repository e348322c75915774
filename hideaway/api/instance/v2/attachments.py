"""What a server has: volumes, public addresses, interfaces, attached and detached; and deleting it with them."""

from __future__ import annotations

from typing import Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.instance.actions import add_volume, drop_volume
from hideaway.api.instance.filesystems import ROUTES as FILESYSTEMS
from hideaway.api.instance.ips import flexible
from hideaway.api.instance.nics import check_room
from hideaway.api.instance.shared import here
from hideaway.api.instance.v2.ips import free_ip, reserved_ip
from hideaway.api.instance.v2.servers import own
from hideaway.api.instance.v2.storage import Type, check_type
from hideaway.api.instance.v2.views import view
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Query
from hideaway.base.errors import Fault, InvalidArguments, NotFound, PreconditionFailed, TransientState
from hideaway.cloud import instances, public_ips
from hideaway.cloud.interfaces import plug, unplug
from hideaway.cloud.network import Ip
from hideaway.cloud.servers import PrivateNic, Server, ServerIp
from hideaway.cloud.volumes import BlockVolume, Volume


class OneVolume(Body, frozen=True, kw_only=True):
    volume_id: str
    volume_type: Type | None = None
    boot_volume: bool | None = None


class OneIp(Body, frozen=True, kw_only=True):
    ip_id: str
    default: bool | None = None
    move_allowed: bool | None = None


class OneInterface(Body, frozen=True, kw_only=True):
    private_network_interface_id: str


def attach_volume(call: Call, body: OneVolume) -> dict[str, Any]:
    server = own(call)
    local = call.change.ledger.get(Volume, body.volume_id.lower())
    if local is not None or call.change.ledger.get(BlockVolume, body.volume_id.lower()) is not None:
        check_type(body.volume_type, local.volume_type if local else "sbs", "volume")
    return view(call, add_volume(call, server, body.volume_id, boot=bool(body.boot_volume)))


def detach_volume(call: Call, body: OneVolume) -> dict[str, Any]:
    return view(call, drop_volume(call, own(call), body.volume_id))


def attach_ip(call: Call, body: OneIp) -> dict[str, Any]:
    """From the server that has it only if it may be moved."""
    server = own(call)
    ip = reserved_ip(call, server, body.ip_id, "ip_id")
    if ip.server_id != server.id:
        ip = flexible(ip) if body.move_allowed else free_ip(ip)
        public_ips.attach_public_ip(call.change, server, ip)
    return _default(call, server, ip) if body.default else view(call, server)


def detach_ip(call: Call, body: OneIp) -> dict[str, Any]:
    server = own(call)
    public_ips.take_public_ip(call.change, flexible(_held(call, server, body.ip_id)))
    return view(call, server)


def set_default_ip(call: Call, body: OneIp) -> dict[str, Any]:
    server = own(call)
    return _default(call, server, _held(call, server, body.ip_id))


def _default(call: Call, server: Server, ip: ServerIp) -> dict[str, Any]:
    server = server.changed(call.change.now, default_ip_id=ip.id)
    call.change.ledger.put(server)
    return view(call, server)


def _held(call: Call, server: Server, id_: str) -> ServerIp:
    """The server's public address with this id. Raises NotFound."""
    for ip in call.change.ledger.find(ServerIp, ref=server.id):
        if ip.ipam_id == id_.lower():
            return ip
    raise NotFound(Ip.resource, id_)


def attach_interface(call: Call, body: OneInterface) -> dict[str, Any]:
    server, argument = own(call), "private_network_interface_id"
    nic = here(call, PrivateNic, body.private_network_interface_id, argument, server.project_id)
    if nic.server_id:
        raise PreconditionFailed("resource_still_in_use", "the interface is attached already", nic.resource, nic.id)
    check_room(call, server, nic.private_network_id)
    plug(call.change, nic, server)
    return view(call, server)


def detach_interface(call: Call, body: OneInterface) -> dict[str, Any]:
    """The interface stays, with its addresses."""
    server, wanted = own(call), body.private_network_interface_id
    for nic in call.change.ledger.find(PrivateNic, ref=server.id):
        if nic.id == wanted.lower():
            unplug(call.change, nic)
            return view(call, server)
    raise NotFound(PrivateNic.resource, wanted)


# deleting a server


class DeleteServer(Query, frozen=True, kw_only=True):
    delete_all_ips: bool | None = None
    delete_ip_ids: list[str] | None = None
    delete_all_volumes: bool | None = None
    delete_volume_ids: list[str] | None = None
    keep_all_private_nics: bool | None = None
    delete_private_nic_ids: list[str] | None = None


class StopAndDelete(Body, frozen=True, kw_only=True):
    delete_all_ips: bool | None = None
    delete_ip_ids: list[str] | None = None
    delete_all_volumes: bool | None = None
    delete_volume_ids: list[str] | None = None
    keep_all_private_nics: bool | None = None
    delete_private_nic_ids: list[str] | None = None


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What goes along with a server (ips, volumes), and what does not though it would (nics)."""

    ips: list[ServerIp]
    volumes: list[Volume | BlockVolume]
    kept_nics: list[PrivateNic]


def _parts(call: Call, server: Server, wanted: DeleteServer | StopAndDelete) -> Parts:
    """What a request asks for. Unless it does, addresses and volumes stay and interfaces go, as in instance/v1."""
    faults = [
        Fault(name, "constraint", "at most one of the two can be set")
        for name, all_, some in (
            ("ips", wanted.delete_all_ips, wanted.delete_ip_ids),
            ("volumes", wanted.delete_all_volumes, wanted.delete_volume_ids),
            ("private_nics", wanted.keep_all_private_nics, wanted.delete_private_nic_ids),
        )
        if all_ and some
    ]
    ledger = call.change.ledger
    ips = {ip.ipam_id: ip for ip in ledger.find(ServerIp, ref=server.id) if not ip.dynamic}
    nics = {nic.id: nic for nic in ledger.find(PrivateNic, ref=server.id)}
    volumes = {id_: ledger.get(Volume, id_) or call.change.need(BlockVolume, id_) for id_ in server.volumes.values()}
    for name, some, held in (
        ("delete_ip_ids", wanted.delete_ip_ids, set(ips)),
        ("delete_volume_ids", wanted.delete_volume_ids, set(volumes)),
        ("delete_private_nic_ids", wanted.delete_private_nic_ids, set(nics)),
    ):
        if not _lower(some) <= held:
            faults.append(Fault(name, "constraint", "the server does not have all of them"))
    if faults:
        raise InvalidArguments(*faults)
    ip_ids, volume_ids = _lower(wanted.delete_ip_ids), _lower(wanted.delete_volume_ids)
    nic_ids = _lower(wanted.delete_private_nic_ids)
    keep = wanted.keep_all_private_nics or bool(nic_ids)
    return Parts(
        ips=[ip for id_, ip in ips.items() if wanted.delete_all_ips or id_ in ip_ids],
        volumes=[v for id_, v in volumes.items() if wanted.delete_all_volumes or id_ in volume_ids],
        kept_nics=[nic for id_, nic in nics.items() if keep and id_ not in nic_ids],
    )


def _lower(ids: list[str] | None) -> set[str]:
    return {id_.lower() for id_ in ids or []}


def _strip(call: Call, server: Server, wanted: DeleteServer | StopAndDelete) -> None:
    """Take everything from a server that is going, and forget what is to go with it."""
    if server.protected:
        raise PreconditionFailed("resource_not_usable", "the server is protected", server.resource, server.id)
    parts = _parts(call, server, wanted)
    for nic in parts.kept_nics:
        unplug(call.change, nic)
    instances.release(call.change, server)
    for ip in parts.ips:
        public_ips.release_ip(call.change, ip)
    for volume in parts.volumes:
        call.change.ledger.remove(call.change.need(type(volume), volume.id))


def delete(call: Call, query: DeleteServer) -> None:
    server = own(call)
    if server.pending is not None:
        raise TransientState(server.resource, server.id, server.state)
    if server.state != "stopped":
        raise PreconditionFailed("resource_not_usable", "the server should be stopped", server.resource, server.id)
    _strip(call, server, query)
    call.change.ledger.remove(server)


def stop_and_delete(call: Call, body: StopAndDelete) -> dict[str, Any]:
    server = own(call)
    if server.pending is not None:
        raise TransientState(server.resource, server.id, server.state)
    if server.state == "stopped":
        raise PreconditionFailed("resource_not_usable", "the server should be started", server.resource, server.id)
    _strip(call, server, body)
    return view(call, instances.depart(call.change, server))


ONE = "/zones/{zone}/servers/{server_id}"
ROUTES = [
    Route(method="DELETE", path=ONE, handler=delete, query=DeleteServer, status=204, records=False),
    Route(method="POST", path=ONE + "/stop-and-delete", handler=stop_and_delete, body=StopAndDelete, records=False),
    Route(method="POST", path=ONE + "/attach-volume", handler=attach_volume, body=OneVolume),
    Route(method="POST", path=ONE + "/detach-volume", handler=detach_volume, body=OneVolume),
    *FILESYSTEMS,
    Route(method="POST", path=ONE + "/attach-ip", handler=attach_ip, body=OneIp, records=False),
    Route(method="POST", path=ONE + "/detach-ip", handler=detach_ip, body=OneIp, records=False),
    Route(method="POST", path=ONE + "/set-default-ip", handler=set_default_ip, body=OneIp, records=False),
    Route(
        method="POST", path=ONE + "/attach-private-network-interface", handler=attach_interface, body=OneInterface,
        records=False,
    ),
    Route(
        method="POST", path=ONE + "/detach-private-network-interface", handler=detach_interface, body=OneInterface,
        records=False,
    ),
]  # fmt: skip
