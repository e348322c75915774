"""Security groups: the filter on a server's public port. Each project has a default one in every zone."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from hideaway.api.call import Call
from hideaway.api.instance.shared import Page, listed, owners, times
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Name, Tags, Text, given
from hideaway.base.errors import PreconditionFailed, invalid
from hideaway.cloud.instances import default_group
from hideaway.cloud.servers import SecurityGroup, Server

Policy = Literal["accept", "drop", "unknown_policy"]


class CreateGroup(Body, frozen=True, kw_only=True):
    name: Name | None = None
    description: Text | None = None
    organization: str | None = None
    project: str | None = None
    tags: Tags | None = None
    organization_default: bool | None = None
    project_default: bool | None = None
    stateful: bool | None = None
    inbound_default_policy: Policy | None = None
    outbound_default_policy: Policy | None = None
    enable_default_security: bool | None = None


class UpdateGroup(Body, frozen=True, kw_only=True):
    """PATCH changes what is given; PUT, too (what it leaves out stays: the vendor's PUT wants the whole group)."""

    name: Name | None = None
    description: Text | None = None
    tags: Tags | None = None
    organization_default: bool | None = None
    project_default: bool | None = None
    stateful: bool | None = None
    inbound_default_policy: Policy | None = None
    outbound_default_policy: Policy | None = None
    enable_default_security: bool | None = None


class ListGroups(Page, frozen=True, kw_only=True):
    name: str | None = None
    tags: list[str] | None = None
    project_default: bool | None = None


def view(call: Call, group: SecurityGroup) -> dict[str, Any]:
    servers = call.change.ledger.find(Server, ref=group.id)
    return {
        "id": group.id,
        **times(group),
        "name": group.name,
        "description": group.description,
        **owners(group),
        "servers": [{"id": s.id, "name": s.name} for s in servers if s.security_group_id == group.id],
        "stateful": group.stateful,
        "inbound_default_policy": group.inbound_default_policy,
        "outbound_default_policy": group.outbound_default_policy,
        "organization_default": group.project_default,
        "project_default": group.project_default,
        "enable_default_security": group.enable_default_security,
        "state": group.state,
        "tags": group.tags,
        "zone": group.zone,
    }


def wrapped(call: Call, group: SecurityGroup) -> dict[str, Any]:
    return {"security_group": view(call, group)}


def _policy(wanted: str | None) -> str:
    return "accept" if wanted in (None, "unknown_policy") else str(wanted)


def create(call: Call, body: CreateGroup) -> dict[str, Any]:
    common = call.common(body.project or body.organization, SecurityGroup.resource, "project")
    group = SecurityGroup(
        **common,
        zone=call.place,
        name=body.name or f"sg-{call.change.ids.word()}",
        description=body.description,
        tags=body.tags or [],
        stateful=body.stateful is not False,
        inbound_default_policy=_policy(body.inbound_default_policy),
        outbound_default_policy=_policy(body.outbound_default_policy),
        enable_default_security=body.enable_default_security is not False,
    )
    call.change.ledger.put(sound(group))
    if body.project_default:
        group = make_default(call, group)
    return wrapped(call, group)


def sound(group: SecurityGroup) -> SecurityGroup:
    """The group itself. Raises InvalidArguments: what drops inbound must know replies (refused by the vendor, too)."""
    if group.inbound_default_policy == "drop" and not group.stateful:
        raise invalid("stateful", "a security group that drops inbound traffic by default must be stateful")
    return group


def make_default(call: Call, group: SecurityGroup) -> SecurityGroup:
    """A project has one default group: the one that was it is it no more."""
    old = default_group(call.change, group.organization_id, group.project_id, group.zone)
    if old.id == group.id:
        return group
    call.change.ledger.put(old.changed(call.change.now, project_default=False))
    kept = group.changed(call.change.now, project_default=True)
    call.change.ledger.put(kept)
    return kept


def get(call: Call) -> dict[str, Any]:
    return wrapped(call, call.own(SecurityGroup, param="security_group_id"))


def list_(call: Call, query: ListGroups) -> dict[str, Any]:
    return listed(call, "security_groups", call.visible(SecurityGroup), query, lambda g: view(call, g))


def update(call: Call, body: UpdateGroup) -> dict[str, Any]:
    """Changes are in force once the state, syncing, is available again."""
    group = call.own(SecurityGroup, param="security_group_id")
    fields = given(body, "organization_default", "project_default")
    fields = {name: value for name, value in fields.items() if value != "unknown_policy"}
    new = {name: value for name, value in fields.items() if getattr(group, name) != value}
    if body.project_default:
        group = make_default(call, group)
    if new:
        group = call.change.begin(sound(msgspec.structs.replace(group, **new)), "syncing", "available")
    return wrapped(call, group)


def delete(call: Call) -> None:
    """The default group, too, while no server has it (recorded); it is made again when it is next looked for."""
    group = call.own(SecurityGroup, param="security_group_id")
    used = [s for s in call.change.ledger.find(Server, ref=group.id) if s.security_group_id == group.id]
    if used:
        raise PreconditionFailed(
            "resource_still_in_use", "group is in use. you cannot delete it.", group.resource, group.id
        )
    call.change.ledger.remove(group)


BASE = "/zones/{zone}/security_groups"
ONE = BASE + "/{security_group_id}"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=CreateGroup, status=201, records=False),
    Route(method="GET", path=BASE, handler=list_, query=ListGroups),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateGroup, records=False),
    Route(method="PUT", path=ONE, handler=update, body=UpdateGroup, records=False),
    Route(method="DELETE", path=ONE, handler=delete, status=204, records=False),
]
