"""Servers: made at rest, listed by many filters, changed, deleted when they are stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from hideaway.api.call import Call
from hideaway.api.instance.ips import find_ip
from hideaway.api.instance.shared import Page, here, owned_by, pages
from hideaway.api.instance.storage import VolumeTemplate, check_slots, find_image, free_volume, plan
from hideaway.api.instance.views import server_view
from hideaway.api.listing import Test, select
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Name, Tags
from hideaway.base.errors import NotFound, PlainError, PreconditionFailed, TransientState, invalid
from hideaway.base.ids import is_uuid
from hideaway.cloud import instances, public_ips
from hideaway.cloud.identity import SshKey
from hideaway.cloud.images import LOCAL, SBS, PublicImage, image_of
from hideaway.cloud.interfaces import name_addresses
from hideaway.cloud.network import Ip
from hideaway.cloud.server_types import ServerType, server_type
from hideaway.cloud.servers import PlacementGroup, PrivateNic, SecurityGroup, Server, ServerIp
from hideaway.cloud.volumes import Image

PASSWORD_KEY = "admin_password_encryption_ssh_key_id"
BootType = Literal["local", "rescue", "bootscript"]


class Reference(Body, frozen=True, kw_only=True):
    """A security group as a server's update spells it."""

    id: str
    name: str | None = None


class CreateServer(Body, frozen=True, kw_only=True):
    commercial_type: str
    name: Name | None = None
    dynamic_ip_required: bool | None = None
    routed_ip_enabled: bool | None = None
    image: str | None = None
    volumes: dict[str, VolumeTemplate] | None = None
    enable_ipv6: bool | None = None
    protected: bool | None = None
    public_ip: str | None = None
    public_ips: list[str] | None = None
    boot_type: BootType | None = None
    organization: str | None = None
    project: str | None = None
    tags: Tags | None = None
    security_group: str | Reference | None = None
    placement_group: str | None = None
    admin_password_encryption_ssh_key_id: str | None = None


class ListServers(Page, frozen=True, kw_only=True):
    name: str | None = None
    private_ip: str | None = None
    without_ip: bool | None = None
    with_ip: str | None = None
    commercial_type: str | None = None
    state: str | None = None
    tags: list[str] | None = None
    private_network: str | None = None
    private_networks: str | None = None
    private_nic_mac_address: str | None = None
    servers: str | None = None
    order: Literal["creation_date_desc", "creation_date_asc", "modification_date_desc", "modification_date_asc"] = (
        "creation_date_desc"
    )


def wrapped(call: Call, server: Server, before: Server | None = None) -> dict[str, Any]:
    """before: the server as it was, where the request may have attached volumes to it."""
    attached = set(server.volumes.values()) - set(before.volumes.values()) if before else ()
    return {"server": server_view(call, server, attached)}


def create(call: Call, body: CreateServer) -> dict[str, Any]:
    organization, project = call.project(body.project or body.organization, Server.resource, "project")
    kind = kind_of(body.commercial_type, "commercial_type")
    image = _image(call, body, kind, project) if body.image else None
    storage = plan(call, body.volumes or {}, kind, image, project)
    group = body.security_group.id if isinstance(body.security_group, Reference) else body.security_group
    wanted = [*([body.public_ip] if body.public_ip else []), *(body.public_ips or [])]
    ips = [_free_ip(call, id_, project) for id_ in dict.fromkeys(wanted)]
    server = instances.make_server(
        call.change,
        organization_id=organization,
        project_id=project,
        zone=call.place,
        name=body.name or f"srv-{call.change.ids.word()}",
        commercial_type=kind.name,
        arch=image.arch if image else kind.arch,
        image_id=image.id if image else None,
        tags=body.tags or [],
        security_group_id=here(call, SecurityGroup, group, "security_group", project).id if group else "",
        placement_group_id=placement_id(call, body.placement_group, "placement_group", project),
        root_volume=None,
        volumes=storage.standing,
        boot_slots=[slot for slot, one in (body.volumes or {}).items() if one.boot],
        dynamic_ip_required=bool(body.dynamic_ip_required),
        enable_ipv6=bool(body.enable_ipv6),
        boot_type=body.boot_type or "local",
        protected=bool(body.protected),
        password_key_id=password_key(call, body.admin_password_encryption_ssh_key_id, PASSWORD_KEY, project),
    )
    for slot, new in sorted(storage.new.items()):
        volume = instances.make_volume(call.change, server, new, slot)
        server = instances.attach_volume(call.change, server, volume, slot)
    for ip in ips:
        public_ips.attach_public_ip(call.change, server, ip)
    return wrapped(call, server)


def password_key(call: Call, id_: str | None, argument: str, project_id: str) -> str | None:
    """The SSH key, of the server's project, that a Windows server's password is encrypted for."""
    return call.refer(SshKey, id_, argument, project_id=project_id).id if id_ else None


def kind_of(name: str, argument: str) -> ServerType:
    """A type of the catalogue. Any zone takes any of them: what a zone lists changes from month to month."""
    kind = server_type(name)
    if kind is None:
        raise invalid(argument, f"{name!r} is no server type")
    return kind


def _image(call: Call, body: CreateServer, kind: ServerType, project_id: str) -> PublicImage | Image:
    """An image by its id or its marketplace label; of a label the kind that the root volume asks for."""
    wanted = body.image or ""
    if is_uuid(wanted):
        return find_image(call, wanted, "image", project_id)
    root = (body.volumes or {}).get("0")
    type_ = LOCAL if root is not None and root.volume_type == "l_ssd" else SBS
    image = image_of(call.place, wanted, kind.name, type_)
    if image is None:
        raise invalid("image", f"{wanted!r} is neither an image's id nor a label of the marketplace for {kind.name}")
    return image


def placement_id(call: Call, id_: str | None, argument: str, project_id: str) -> str | None:
    return here(call, PlacementGroup, id_, argument, project_id).id if id_ else None


def _free_ip(call: Call, wanted: str, project_id: str) -> ServerIp:
    ip = _ip(call, wanted, project_id)
    if ip.server_id:
        raise PreconditionFailed("resource_still_in_use", "the address is attached already", ip.resource, ip.id)
    return ip


def _ip(call: Call, wanted: str, project_id: str) -> ServerIp:
    """An address of a server's own project."""
    ip = find_ip(call, wanted)
    if ip.project_id != project_id:
        raise NotFound(ip.resource, wanted)
    return ip


def get(call: Call) -> dict[str, Any]:
    return wrapped(call, call.own(Server, param="server_id"))


def list_(call: Call, query: ListServers) -> dict[str, Any]:
    by_change = query.order.startswith("modification")
    chosen = select(call.visible(Server), query, owned_by(query) | _filters(call))
    if by_change:
        chosen = sorted(chosen, key=lambda s: s.updated_at)
    if query.order.endswith("desc"):
        chosen = chosen[::-1]
    return {"servers": [server_view(call, s) for s in pages(call, chosen, query, "/servers")]}


def _filters(call: Call) -> dict[str, Test]:
    """The filters of the list that look beyond the server itself."""
    ledger = call.change.ledger

    def nics(server: Server) -> list[PrivateNic]:
        return ledger.find(PrivateNic, ref=server.id)

    def has_ip(server: Server, wanted: str) -> bool:
        return any(ip.address == wanted.split("/")[0] for ip in ledger.find(ServerIp, ref=server.id))

    def private_ip(server: Server, wanted: str) -> bool:
        booked = [ledger.get(Ip, id_) for nic in nics(server) for id_ in nic.ipam_ip_ids]
        return any(ip is not None and ip.address.split("/")[0] == wanted for ip in booked)

    def networks(server: Server, wanted: str) -> bool:
        return any(nic.private_network_id in wanted.lower().split(",") for nic in nics(server))

    filters: dict[str, Callable[[Server, Any], bool]] = {
        "order": lambda s, wanted: True,
        "state": lambda s, wanted: s.state == str(wanted).replace("_", " "),
        "tags": lambda s, wanted: all(tag in s.tags for tag in wanted),
        "servers": lambda s, wanted: s.id in wanted.lower().split(","),
        "with_ip": has_ip,
        "without_ip": lambda s, wanted: bool(ledger.find(ServerIp, ref=s.id)) != wanted,
        "private_ip": private_ip,
        "private_network": networks,
        "private_networks": networks,
        "private_nic_mac_address": lambda s, wanted: any(n.mac_address == wanted.lower() for n in nics(s)),
    }
    return filters


class UpdateServer(Body, frozen=True, kw_only=True):
    """What is left out stays. placement_group: null takes the server out of its group."""

    name: Name | None = None
    boot_type: BootType | None = None
    tags: Tags | None = None
    volumes: dict[str, VolumeTemplate] | None = None
    dynamic_ip_required: bool | None = None
    public_ips: list[str] | None = None
    enable_ipv6: bool | None = None
    protected: bool | None = None
    security_group: str | Reference | None = None
    placement_group: str | UnsetType | None = UNSET
    commercial_type: str | None = None
    admin_password_encryption_ssh_key_id: str | UnsetType | None = UNSET


def update(call: Call, body: UpdateServer) -> dict[str, Any]:
    server = before = call.own(Server, param="server_id")
    fields = _plain_changes(call, server, body)
    if fields:
        server = server.changed(call.change.now, **fields)
        call.change.ledger.put(server)
    if "name" in fields:
        _rename_nics(call, server)
    if body.volumes is not None:
        server = _set_volumes(call, server, body.volumes)
    if body.public_ips is not None:
        _set_ips(call, server, body.public_ips)
    if body.dynamic_ip_required is not None:
        instances.settle_dynamic(call.change, server)
    return wrapped(call, server, before)


def _plain_changes(call: Call, server: Server, body: UpdateServer) -> dict[str, Any]:
    """The fields of the server itself that an update changes."""
    fields: dict[str, Any] = {}
    for name in ("name", "boot_type", "tags", "dynamic_ip_required", "enable_ipv6", "protected"):
        value = getattr(body, name)
        if value is not None and value != getattr(server, name):
            fields[name] = value
    if "name" in fields:
        fields["hostname"] = fields["name"]
    if body.security_group is not None:
        wanted = body.security_group.id if isinstance(body.security_group, Reference) else body.security_group
        fields["security_group_id"] = here(call, SecurityGroup, wanted, "security_group", server.project_id).id
    if not isinstance(body.placement_group, UnsetType):
        fields["placement_group_id"] = placement_id(call, body.placement_group, "placement_group", server.project_id)
    if not isinstance(body.admin_password_encryption_ssh_key_id, UnsetType):
        fields["password_key_id"] = password_key(
            call, body.admin_password_encryption_ssh_key_id, PASSWORD_KEY, server.project_id
        )
    if body.commercial_type is not None and body.commercial_type != server.commercial_type:
        if server.state != "stopped":
            raise PlainError(400, "server should be stopped to change its commercial type", "invalid_request_error")
        fields["commercial_type"] = kind_of(body.commercial_type, "commercial_type").name
    return fields


def _rename_nics(call: Call, server: Server) -> None:
    for nic in call.change.ledger.find(PrivateNic, ref=server.id):
        name_addresses(call.change, nic, server.name)


def _set_volumes(call: Call, server: Server, wanted: dict[str, VolumeTemplate]) -> Server:
    """Make a server's volumes exactly these: others are detached, new ones attached; each must stand already."""
    check_slots(wanted)
    present = set(server.volumes.values())
    for slot, one in wanted.items():
        if not one.id:
            raise invalid(f"volumes.{slot}.id", "id is required", "required")
    keep = {slot: str(one.id).lower() for slot, one in wanted.items()}
    if len(set(keep.values())) != len(keep):
        raise invalid("volumes", "a volume has one slot")
    for id_ in present:
        if id_ not in keep.values():
            server = instances.detach_volume(call.change, server, id_)
    for slot, id_ in keep.items():
        if id_ not in present:
            volume = free_volume(call, id_, f"volumes.{slot}.id", server.project_id)
            server = instances.attach_volume(call.change, server, volume, slot)
    boots = [slot for slot, one in wanted.items() if one.boot]
    server = server.changed(call.change.now, volumes=keep, boot_slots=boots)
    call.change.ledger.put(server)
    return server


def _set_ips(call: Call, server: Server, wanted: list[str]) -> None:
    """Make a server's flexible addresses exactly these."""
    ips = [_ip(call, id_, server.project_id) for id_ in dict.fromkeys(wanted)]
    for ip in ips:
        if ip.server_id not in (None, server.id):
            raise PreconditionFailed("resource_still_in_use", "the address is attached already", ip.resource, ip.id)
    for ip in call.change.ledger.find(ServerIp, ref=server.id):
        if not ip.dynamic and ip.id not in {one.id for one in ips}:
            public_ips.take_public_ip(call.change, ip)
    for ip in ips:
        if ip.server_id is None:
            public_ips.attach_public_ip(call.change, server, ip)


def delete(call: Call) -> None:
    """A stopped server goes with its NICs; its volumes and flexible addresses stay."""
    server = call.own(Server, param="server_id")
    if server.protected:
        raise PreconditionFailed("resource_not_usable", "the server is protected", server.resource, server.id)
    if server.pending is not None:
        raise TransientState(server.resource, server.id, server.state)
    if server.state != "stopped":
        raise PlainError(400, "server should be stopped", "invalid_request_error")
    instances.remove_server(call.change, server, local_volumes=False, block_volumes=False)


BASE = "/zones/{zone}/servers"
ONE = BASE + "/{server_id}"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=CreateServer, status=201, records=False),
    Route(method="GET", path=BASE, handler=list_, query=ListServers),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateServer, records=False),
    Route(method="PUT", path=ONE, handler=update, body=UpdateServer, records=False),
    Route(method="DELETE", path=ONE, handler=delete, status=204, records=False),
]
