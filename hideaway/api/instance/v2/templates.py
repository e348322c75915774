"""Templates: what they refer to must be there when they are kept, and again when a server is made of one.

Labels of images are looked up only then (recorded: a template keeps one that no recorded marketplace lists).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from hideaway.api.call import Call
from hideaway.api.instance.filesystems import need_filesystem
from hideaway.api.instance.nics import join
from hideaway.api.instance.servers import kind_of, password_key, placement_id
from hideaway.api.instance.shared import Tokens, here, present, tokened
from hideaway.api.instance.v2 import servers, storage
from hideaway.api.instance.v2.ips import NewIp
from hideaway.api.instance.v2.views import view as server_view
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Name, Tags, given
from hideaway.base.errors import invalid
from hideaway.cloud.network import PrivateNetwork
from hideaway.cloud.quotas import RESOURCE_NETWORKS
from hideaway.cloud.servers import SecurityGroup
from hideaway.cloud.templates import Template, TemplateNetwork, TemplateVolume

Count = Annotated[int, msgspec.Meta(ge=0, le=10)]  # assumed: the vendor's limit of addresses a server


class Volume(storage.VolumeBody, frozen=True, kw_only=True):
    volume_type: storage.Type | None = None


class Network(Body, frozen=True, kw_only=True):
    private_network_id: str


class TemplateBody(Body, frozen=True, kw_only=True):
    """What a template is created with and what can be changed of it."""

    name: Name | None = None
    tags: Tags | None = None
    server_tags: Tags | None = None
    server_type: Name | None = None
    public_ip_v4_count: Count | None = None
    public_ip_v6_count: Count | None = None
    security_group_id: str | None = None
    placement_group_id: str | None = None
    filesystem_ids: list[str] | None = None
    windows_rdp_ssh_key_id: str | None = None


class CreateTemplate(TemplateBody, frozen=True, kw_only=True):
    project_id: str | None = None
    volumes: list[Volume] | None = None
    private_networks: list[Network] | None = None


class Volumes(Body, frozen=True, kw_only=True):
    volumes: list[Volume] | None = None


class Networks(Body, frozen=True, kw_only=True):
    private_networks: list[Network] | None = None


class UpdateTemplate(TemplateBody, frozen=True, kw_only=True):
    """update_volumes and update_private_networks replace all of them, also by none."""

    update_volumes: Volumes | None = None
    update_private_networks: Networks | None = None


class ListTemplates(Tokens, frozen=True, kw_only=True):
    order_by: Literal["created_at_desc", "created_at_asc", "updated_at_desc", "updated_at_asc"] | None = None
    template_ids: list[str] | None = None
    name: str | None = None
    tags: list[str] | None = None
    server_tags: list[str] | None = None
    security_group_ids: list[str] | None = None
    placement_group_ids: list[str] | None = None


class NamedServer(Body, frozen=True, kw_only=True):
    name: Name


def summary(template: Template) -> dict[str, Any]:
    """A template in a list."""
    return present(
        project_id=template.project_id,
        id=template.id,
        name=template.name,
        tags=template.tags,
        server_tags=template.server_tags,
        server_type=template.server_type,
        public_ip_v4_count=template.public_ip_v4_count,
        public_ip_v6_count=template.public_ip_v6_count,
        security_group_id=template.security_group_id,
        placement_group_id=template.placement_group_id,
        filesystem_ids=template.filesystem_ids,
        created_at=template.created_at,
        updated_at=template.updated_at,
        zone=template.zone,
    )


def view(template: Template) -> dict[str, Any]:
    return summary(template) | present(
        volumes=template.volumes,
        private_networks=template.private_networks,
        windows_rdp_ssh_key_id=template.windows_rdp_ssh_key_id,
    )


def create(call: Call, body: CreateTemplate) -> dict[str, Any]:
    if not body.server_type:
        raise invalid("server_type", "value is required", "required")
    fields = _fields(body, body.volumes or [], body.private_networks or [])
    fields = {"name": f"tpl-{call.change.ids.word()}"} | fields
    template = Template(**call.common(body.project_id, Template.resource), zone=call.place, **fields)
    usable(call, template, labels=False)
    call.change.ledger.put(template)
    return view(template)


def _fields(body: TemplateBody, volumes: list[Volume] | None, networks: list[Network] | None) -> dict[str, Any]:
    """What a request says of a template, as it is kept. An empty identifier takes away what was there."""
    fields = given(body, "project_id", "volumes", "private_networks", "update_volumes", "update_private_networks")
    if not fields.get("name", "x"):
        del fields["name"]
    for name in ("security_group_id", "placement_group_id", "windows_rdp_ssh_key_id"):
        if fields.get(name) == "":
            fields[name] = None
    if volumes is not None:
        fields["volumes"] = [_volume(one) for one in volumes]
    if networks is not None:
        fields["private_networks"] = [TemplateNetwork(private_network_id=n.private_network_id) for n in networks]
    return fields


def _volume(body: Volume) -> TemplateVolume:
    said = {name: value for name, value in given(body).items() if value not in ("", 0)}
    return TemplateVolume(**({"name": "", "tags": []} | said))


def own(call: Call) -> Template:
    """The template of the path."""
    return call.own(Template, param="template_id")


def get(call: Call) -> dict[str, Any]:
    return view(own(call))


def list_(call: Call, query: ListTemplates) -> dict[str, Any]:
    special = {
        "template_ids": lambda t, wanted: t.id in wanted,
        "tags": lambda t, wanted: all(tag in t.tags for tag in wanted),
        "server_tags": lambda t, wanted: all(tag in t.server_tags for tag in wanted),
        "security_group_ids": lambda t, wanted: t.security_group_id in wanted,
        "placement_group_ids": lambda t, wanted: t.placement_group_id in wanted,
    }
    return tokened("templates", call.visible(Template), query, summary, special)


def update(call: Call, body: UpdateTemplate) -> dict[str, Any]:
    volumes = None if body.update_volumes is None else body.update_volumes.volumes or []
    networks = None if body.update_private_networks is None else body.update_private_networks.private_networks or []
    template = own(call).changed(call.change.now, **_fields(body, volumes, networks))
    usable(call, template, labels=False)
    call.change.ledger.put(template)
    return view(template)


def delete(call: Call) -> None:
    call.change.ledger.remove(own(call))


def usable(call: Call, template: Template, *, labels: bool = True) -> None:
    """Raises what making a server of it now would raise for what it names: InvalidArguments, NotFound, ..."""
    project, kind = template.project_id, kind_of(template.server_type, "server_type")
    storage.plan(call, _server_volumes(template), kind, project, labels=labels)
    if template.security_group_id:
        here(call, SecurityGroup, template.security_group_id, "security_group_id", project)
    placement_id(call, template.placement_group_id, "placement_group_id", project)
    password_key(call, template.windows_rdp_ssh_key_id, servers.KEY, project)
    wanted = [network.private_network_id.lower() for network in template.private_networks]
    if len(set(wanted)) != len(wanted):
        raise invalid("private_networks", "a server is in a Private Network once")
    RESOURCE_NETWORKS.leaves_room(0, len(wanted))
    for id_ in wanted:
        call.refer(PrivateNetwork, id_, "private_networks.private_network_id", project_id=project)
    for id_ in template.filesystem_ids:
        need_filesystem(id_, "filesystem_ids")


def _server_volumes(template: Template) -> list[storage.ServerVolume]:
    return [
        storage.ServerVolume(
            volume_type=one.volume_type,  # type: ignore[arg-type]
            new_volume=storage.VolumeBody(
                name=one.name, tags=one.tags, size=one.size, perf_iops=one.perf_iops,
                base_snapshot_id=one.base_snapshot_id, image_label=one.image_label,
            ),
        )
        for one in template.volumes
    ]  # fmt: skip


def check(call: Call) -> None:
    """Whether a server could be made of it now: nothing, or the refusal that making one would meet."""
    usable(call, own(call))


def create_server(call: Call, body: NamedServer) -> dict[str, Any]:
    template = own(call)
    usable(call, template)
    kinds = ["zonal_ipv4"] * template.public_ip_v4_count + ["zonal_ipv6"] * template.public_ip_v6_count
    ips = [servers.ServerIpBody(new_ip=NewIp(type=kind)) for kind in kinds]  # type: ignore[arg-type]
    server = servers.make(
        call,
        servers.CreateServer(
            name=body.name,
            server_type=template.server_type,
            project_id=template.project_id,
            tags=template.server_tags,
            placement_group_id=template.placement_group_id,
            volumes=_server_volumes(template),
            windows_rdp_ssh_key_id=template.windows_rdp_ssh_key_id,
            public_network_interface=servers.PublicInterface(ips=ips, security_group_id=template.security_group_id),
        ),
    )
    server = server.changed(call.change.now, user_data=template.user_data)
    call.change.ledger.put(server)
    for network in template.private_networks:
        join(call, server, network.private_network_id, [], [], "ip_ids")
    return server_view(call, server)


BASE = "/zones/{zone}/templates"
ONE = BASE + "/{template_id}"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=CreateTemplate),
    Route(method="GET", path=BASE, handler=list_, query=ListTemplates),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateTemplate),
    Route(method="DELETE", path=ONE, handler=delete, status=204),
    Route(method="GET", path=ONE + "/check", handler=check, status=204),
    Route(method="POST", path=ONE + "/create-server", handler=create_server, body=NamedServer, records=False),
]
