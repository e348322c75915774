"""Placement groups: servers that shall run apart from each other, or close together. Both versions of the API."""

from __future__ import annotations

from typing import Any, Literal

from hideaway.api.call import Call
from hideaway.api.instance.shared import Page, Tokens, here, listed, tokened
from hideaway.api.instance.views import placement_view
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Name, Tags, given
from hideaway.base.errors import PreconditionFailed
from hideaway.cloud.kubernetes import Pool
from hideaway.cloud.servers import PlacementGroup, Server

Mode = Literal["optional", "enforced", "unknown_policy_mode"]
Kind = Literal["max_availability", "low_latency", "unknown_policy_type"]


class GroupBody(Body, frozen=True, kw_only=True):
    name: Name | None = None
    organization: str | None = None
    project: str | None = None
    project_id: str | None = None
    tags: Tags | None = None
    policy_mode: Mode | None = None
    policy_type: Kind | None = None


class SetServers(Body, frozen=True, kw_only=True):
    servers: list[str] | None = None


class ListGroups(Page, frozen=True, kw_only=True):
    name: str | None = None
    tags: list[str] | None = None


class ListGroups2(Tokens, frozen=True, kw_only=True):
    name: str | None = None
    tags: list[str] | None = None
    placement_group_ids: list[str] | None = None


def _changes(body: GroupBody) -> dict[str, Any]:
    fields = given(body, "organization", "project", "project_id")
    return {name: value for name, value in fields.items() if not str(value).startswith("unknown_policy")}


def _make(call: Call, body: GroupBody) -> PlacementGroup:
    common = call.common(body.project or body.project_id or body.organization, PlacementGroup.resource, "project")
    fields = {"name": f"pg-{call.change.ids.word()}"} | _changes(body)
    group = PlacementGroup(**common, zone=call.place, **fields)
    call.change.ledger.put(group)
    return group


def _own(call: Call) -> PlacementGroup:
    return call.own(PlacementGroup, param="placement_group_id")


def _change(call: Call, body: GroupBody) -> PlacementGroup:
    group = _own(call).changed(call.change.now, **_changes(body))
    call.change.ledger.put(group)
    return group


def _servers(call: Call, group: PlacementGroup) -> list[Server]:
    return [s for s in call.change.ledger.find(Server, ref=group.id) if s.placement_group_id == group.id]


def delete(call: Call) -> None:
    """Its servers stay, without a group; a Kubernetes pool that makes nodes in it holds it."""
    group = _own(call)
    if call.change.ledger.find(Pool, ref=group.id):
        raise PreconditionFailed("resource_still_in_use", "a pool uses it", group.resource, group.id)
    for server in _servers(call, group):
        call.change.ledger.put(server.changed(call.change.now, placement_group_id=None))
    call.change.ledger.remove(group)


# instance/v1


def create(call: Call, body: GroupBody) -> dict[str, Any]:
    return {"placement_group": placement_view(_make(call, body))}


def get(call: Call) -> dict[str, Any]:
    return {"placement_group": placement_view(_own(call))}


def list_(call: Call, query: ListGroups) -> dict[str, Any]:
    return listed(call, "placement_groups", call.visible(PlacementGroup), query, placement_view)


def update(call: Call, body: GroupBody) -> dict[str, Any]:
    return {"placement_group": placement_view(_change(call, body))}


def servers(call: Call) -> dict[str, Any]:
    return {"servers": [{"id": s.id, "name": s.name, "policy_respected": True} for s in _servers(call, _own(call))]}


def set_servers(call: Call, body: SetServers) -> dict[str, Any]:
    """Make these servers, and no others, the group's."""
    group = _own(call)
    wanted = {here(call, Server, id_, "servers", group.project_id).id for id_ in body.servers or []}
    for server in _servers(call, group):
        if server.id not in wanted:
            call.change.ledger.put(server.changed(call.change.now, placement_group_id=None))
    for id_ in wanted:
        server = call.change.need(Server, id_)
        if server.placement_group_id != group.id:
            call.change.ledger.put(server.changed(call.change.now, placement_group_id=group.id))
    return servers(call)


# instance/v2alpha1


def view2(group: PlacementGroup) -> dict[str, Any]:
    return {
        "project_id": group.project_id,
        "name": group.name,
        "id": group.id,
        "policy_type": group.policy_type,
        "tags": group.tags,
        "created_at": group.created_at,
        "updated_at": group.updated_at,
        "zone": group.zone,
    }


def create2(call: Call, body: GroupBody) -> dict[str, Any]:
    return view2(_make(call, body))


def get2(call: Call) -> dict[str, Any]:
    return view2(_own(call))


def list2(call: Call, query: ListGroups2) -> dict[str, Any]:
    special = {"placement_group_ids": lambda g, wanted: g.id in wanted}
    return tokened("placement_groups", call.visible(PlacementGroup), query, view2, special)


def update2(call: Call, body: GroupBody) -> dict[str, Any]:
    return view2(_change(call, body))


BASE, BASE2 = "/zones/{zone}/placement_groups", "/zones/{zone}/placement-groups"
ONE, ONE2 = BASE + "/{placement_group_id}", BASE2 + "/{placement_group_id}"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=GroupBody, status=201),
    Route(method="GET", path=BASE, handler=list_, query=ListGroups),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=GroupBody),
    Route(method="PUT", path=ONE, handler=update, body=GroupBody),
    Route(method="DELETE", path=ONE, handler=delete, status=204),
    Route(method="GET", path=ONE + "/servers", handler=servers),
    Route(method="PUT", path=ONE + "/servers", handler=set_servers, body=SetServers),
    Route(method="PATCH", path=ONE + "/servers", handler=set_servers, body=SetServers),
]
ROUTES2 = [
    Route(method="POST", path=BASE2, handler=create2, body=GroupBody),
    Route(method="GET", path=BASE2, handler=list2, query=ListGroups2),
    Route(method="GET", path=ONE2, handler=get2),
    Route(method="PATCH", path=ONE2, handler=update2, body=GroupBody),
    Route(method="DELETE", path=ONE2, handler=delete, status=204),
]
