"""Servers in v2alpha1: made at rest out of their volumes, changed, started and stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from hideaway.api.call import Call
from hideaway.api.instance import views as v1
from hideaway.api.instance.servers import kind_of, password_key, placement_id
from hideaway.api.instance.shared import Tokens, here, tokened
from hideaway.api.instance.v2 import storage
from hideaway.api.instance.v2.ips import NewIp, public_ip
from hideaway.api.instance.v2.views import summary, view
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Name, Tags
from hideaway.base.errors import PreconditionFailed, TransientState, invalid
from hideaway.cloud import instances, public_ips
from hideaway.cloud.change import Change
from hideaway.cloud.interfaces import name_addresses
from hideaway.cloud.servers import PrivateNic, SecurityGroup, Server

KEY = "windows_rdp_ssh_key_id"


class ServerIpBody(Body, frozen=True, kw_only=True):
    """A public address of a new server: one that is reserved, or a new one."""

    ipam_ip_id: str | None = None
    new_ip: NewIp | None = None


class PublicInterface(Body, frozen=True, kw_only=True):
    ips: list[ServerIpBody] | None = None
    security_group_id: str | None = None


class CreateServer(Body, frozen=True, kw_only=True):
    name: Name
    server_type: str
    project_id: str | None = None
    tags: Tags | None = None
    placement_group_id: str | None = None
    volumes: list[storage.ServerVolume] | None = None
    windows_rdp_ssh_key_id: str | None = None
    public_network_interface: PublicInterface | None = None


class UpdateServer(Body, frozen=True, kw_only=True):
    """What is left out stays. An empty placement_group_id takes the server out of its group."""

    name: Name | None = None
    tags: Tags | None = None
    server_type: str | None = None
    placement_group_id: str | None = None
    rescue_mode: bool | None = None
    boot_volume_id: str | None = None
    windows_rdp_ssh_key_id: str | None = None
    protected: bool | None = None
    public_network_interface: PublicInterface | None = None


class ListServers(Tokens, frozen=True, kw_only=True):
    order_by: Literal["created_at_desc", "created_at_asc", "updated_at_desc", "updated_at_asc"] | None = None
    server_ids: list[str] | None = None
    name: str | None = None
    server_type: str | None = None
    tags: list[str] | None = None
    security_group_ids: list[str] | None = None
    placement_group_ids: list[str] | None = None
    private_network_ids: list[str] | None = None
    mac_addresses: list[str] | None = None


def create(call: Call, body: CreateServer) -> dict[str, Any]:
    return view(call, make(call, body))


def make(call: Call, body: CreateServer) -> Server:
    """Keep a new server, at rest. Nothing is changed before all that it refers to is found to be usable."""
    organization, project = call.project(body.project_id, Server.resource)
    kind = kind_of(body.server_type, "server_type")
    wanted = storage.plan(call, body.volumes or [], kind, project)
    public = body.public_network_interface or PublicInterface()
    group = _group(call, public.security_group_id, project) if public.security_group_id else ""
    server = instances.make_server(
        call.change,
        organization_id=organization,
        project_id=project,
        zone=call.place,
        name=body.name,
        commercial_type=kind.name,
        arch=wanted.image.arch if wanted.image else kind.arch,
        image_id=wanted.image.id if wanted.image else None,
        tags=body.tags or [],
        security_group_id=group,
        placement_group_id=placement_id(call, body.placement_group_id, "placement_group_id", project),
        root_volume=None,
        volumes=wanted.standing,
        password_key_id=password_key(call, body.windows_rdp_ssh_key_id, KEY, project),
    )
    for slot, new in sorted(wanted.new.items()):
        volume = instances.make_volume(call.change, server, new, slot)
        server = instances.attach_volume(call.change, server, volume, slot)
    for n, one in enumerate(public.ips or []):
        ip = public_ip(call, server, one.ipam_ip_id, one.new_ip, f"public_network_interface.ips.{n}")
        public_ips.attach_public_ip(call.change, server, ip)
    return server


def _group(call: Call, id_: str, project_id: str) -> str:
    return here(call, SecurityGroup, id_, "public_network_interface.security_group_id", project_id).id


def own(call: Call) -> Server:
    """The server of the path."""
    return call.own(Server, param="server_id")


def get(call: Call) -> dict[str, Any]:
    return view(call, own(call))


def list_(call: Call, query: ListServers) -> dict[str, Any]:
    def nics(server: Server) -> list[PrivateNic]:
        return call.change.ledger.find(PrivateNic, ref=server.id)

    special: dict[str, Callable[[Server, Any], bool]] = {
        "server_ids": lambda s, wanted: s.id in wanted,
        "server_type": lambda s, wanted: s.commercial_type == wanted,
        "tags": lambda s, wanted: all(tag in s.tags for tag in wanted),
        "security_group_ids": lambda s, wanted: s.security_group_id in wanted,
        "placement_group_ids": lambda s, wanted: s.placement_group_id in wanted,
        "private_network_ids": lambda s, wanted: any(n.private_network_id in wanted for n in nics(s)),
        "mac_addresses": lambda s, wanted: bool({s.mac_address, *(n.mac_address for n in nics(s))} & set(wanted)),
    }
    return tokened("servers", call.visible(Server), query, summary, special)


def update(call: Call, body: UpdateServer) -> dict[str, Any]:
    server = own(call)
    fields = {n: v for n in ("name", "tags", "protected") if (v := getattr(body, n)) is not None}
    if body.name is not None:
        fields["hostname"] = body.name
    if body.rescue_mode is not None:
        fields["boot_type"] = "rescue" if body.rescue_mode else "local"
    if body.placement_group_id is not None:
        fields["placement_group_id"] = placement_id(
            call, body.placement_group_id, "placement_group_id", server.project_id
        )
    if body.windows_rdp_ssh_key_id is not None:
        fields["password_key_id"] = password_key(call, body.windows_rdp_ssh_key_id, KEY, server.project_id)
    if body.public_network_interface is not None and body.public_network_interface.security_group_id:
        fields["security_group_id"] = _group(call, body.public_network_interface.security_group_id, server.project_id)
    if body.boot_volume_id:
        fields["boot_slots"] = [_slot(server, body.boot_volume_id)]
    if body.server_type is not None and body.server_type != server.commercial_type:
        _at_rest(server)
        fields["commercial_type"] = kind_of(body.server_type, "server_type").name
    server = server.changed(call.change.now, **fields)
    call.change.ledger.put(server)
    if body.name is not None:
        for nic in call.change.ledger.find(PrivateNic, ref=server.id):
            name_addresses(call.change, nic, server.name)
    return view(call, server)


def _slot(server: Server, volume_id: str) -> str:
    for slot, id_ in server.volumes.items():
        if id_ == volume_id.lower():
            return slot
    raise invalid("boot_volume_id", "the server has no such volume")


def _at_rest(server: Server) -> None:
    """Raises TransientState or PreconditionFailed unless the server is stopped."""
    if server.pending is not None:
        raise TransientState(server.resource, server.id, server.state)
    if server.state != "stopped":
        raise PreconditionFailed("resource_not_usable", "the server should be stopped", server.resource, server.id)


# what is done to them


def _act(action: str, step: Callable[[Change, Server], Server]) -> Callable[[Call], dict[str, Any]]:
    """The handler of an action that instance/v1 allows in the same states."""

    def act(call: Call) -> dict[str, Any]:
        server = own(call)
        if server.pending is not None:
            raise TransientState(server.resource, server.id, server.state)
        if action not in v1.ALLOWED.get(server.state, []):
            needed = "stopped" if action == "poweron" else "started"
            raise PreconditionFailed(
                "resource_not_usable", f"the server should be {needed}", server.resource, server.id
            )
        return view(call, step(call.change, server))

    return act


ACTIONS = {
    "start": _act("poweron", instances.power_on),
    "reboot": _act("reboot", instances.reboot),
    "pause": _act("stop_in_place", instances.stop_in_place),
    "stop": _act("poweroff", instances.power_off),
}

BASE = "/zones/{zone}/servers"
ONE = BASE + "/{server_id}"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=CreateServer, records=False),
    Route(method="GET", path=BASE, handler=list_, query=ListServers),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateServer, records=False),
    *(Route(method="POST", path=f"{ONE}/{name}", handler=handler, records=False) for name, handler in ACTIONS.items()),
]
