"""Groups of users and applications: a policy for a group is one for each of its members."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from hideaway.api.call import Call, answer
from hideaway.api.iam.shared import MANAGED, common, keep, log, one_tag
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Name, Tags, Text, given
from hideaway.base.errors import NotFound, invalid
from hideaway.cloud.identity import Application, Group, User
from hideaway.cloud.principals import remove_group

Ids = Annotated[list[str], msgspec.Meta(max_length=1000)]
Order = Literal[
    "created_at_asc", "created_at_desc", "updated_at_asc", "updated_at_desc", "name_asc", "name_desc"
]  # fmt: skip


class CreateGroup(Body, frozen=True, kw_only=True):
    organization_id: str | None = None
    name: Name | None = None
    description: Text | None = None
    tags: Tags | None = None


class UpdateGroup(Body, frozen=True, kw_only=True):
    name: Name | None = None
    description: Text | None = None
    tags: Tags | None = None


class Members(Body, frozen=True, kw_only=True):
    user_ids: Ids | None = None
    application_ids: Ids | None = None


class OneMember(Body, frozen=True, kw_only=True):
    user_id: str | None = None
    application_id: str | None = None


class ListGroups(Listing, frozen=True, kw_only=True):
    order_by: Order | None = None
    name: str | None = None
    application_ids: list[str] | None = None
    user_ids: list[str] | None = None
    group_ids: list[str] | None = None
    tag: str | None = None


def view(group: Group) -> dict[str, Any]:
    shown = answer(group, **MANAGED, all_users=False, all_applications=False)
    del shown["project_id"]
    return shown


def create(call: Call, body: CreateGroup) -> dict[str, Any]:
    group = Group(
        **common(call, body.organization_id, Group.resource),
        name=body.name or f"group-{call.change.ids.word()}",
        description=body.description or "",
        tags=body.tags or [],
    )
    return view(keep(call, group, "created"))


def get(call: Call) -> dict[str, Any]:
    return view(call.own(Group, param="group_id"))


def list_(call: Call, query: ListGroups) -> dict[str, Any]:
    special = {
        "group_ids": lambda g, ids: g.id in ids,
        "user_ids": lambda g, ids: any(i in g.user_ids for i in ids),
        "application_ids": lambda g, ids: any(i in g.application_ids for i in ids),
        "tag": one_tag,
    }
    return listing("groups", call.visible(Group), query, view, special=special)


def update(call: Call, body: UpdateGroup) -> dict[str, Any]:
    return _change(call, call.own(Group, param="group_id"), **given(body))


def _change(call: Call, group: Group, **fields: Any) -> dict[str, Any]:
    return view(keep(call, group.changed(call.change.now, **fields), "updated"))


def _users(call: Call, ids: list[str] | None) -> list[str]:
    return list(dict.fromkeys(call.refer(User, i, "user_ids").id for i in ids or []))


def _applications(call: Call, ids: list[str] | None) -> list[str]:
    return list(dict.fromkeys(call.refer(Application, i, "application_ids").id for i in ids or []))


def set_members(call: Call, body: Members) -> dict[str, Any]:
    group = call.own(Group, param="group_id")
    users, applications = _users(call, body.user_ids), _applications(call, body.application_ids)
    return _change(call, group, user_ids=users, application_ids=applications)


def add_members(call: Call, body: Members) -> dict[str, Any]:
    group = call.own(Group, param="group_id")
    users = _users(call, [*group.user_ids, *(body.user_ids or [])])
    applications = _applications(call, [*group.application_ids, *(body.application_ids or [])])
    return _change(call, group, user_ids=users, application_ids=applications)


def _one(body: OneMember) -> Members:
    if bool(body.user_id) == bool(body.application_id):
        raise invalid("user_id", "give either user_id or application_id")
    return Members(
        user_ids=[body.user_id] if body.user_id else None,
        application_ids=[body.application_id] if body.application_id else None,
    )


def add_member(call: Call, body: OneMember) -> dict[str, Any]:
    return add_members(call, _one(body))


def remove_member(call: Call, body: OneMember) -> dict[str, Any]:
    group, gone = call.own(Group, param="group_id"), _one(body)
    leaving = [*_users(call, gone.user_ids), *_applications(call, gone.application_ids)]
    if leaving[0] not in group.refs:
        raise NotFound("member", leaving[0])
    return _change(
        call,
        group,
        user_ids=[i for i in group.user_ids if i not in leaving],
        application_ids=[i for i in group.application_ids if i not in leaving],
    )


def delete(call: Call) -> None:
    group = call.own(Group, param="group_id")
    remove_group(call.change, group)
    log(call, group, "deleted")


ONE = "/groups/{group_id}"
ROUTES = [
    Route(method="GET", path="/groups", handler=list_, query=ListGroups),
    Route(method="POST", path="/groups", handler=create, body=CreateGroup),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateGroup),
    Route(method="DELETE", path=ONE, handler=delete, status=204),
    Route(method="PUT", path=ONE + "/members", handler=set_members, body=Members),
    Route(method="POST", path=ONE + "/add-member", handler=add_member, body=OneMember),
    Route(method="POST", path=ONE + "/add-members", handler=add_members, body=Members),
    Route(method="POST", path=ONE + "/remove-member", handler=remove_member, body=OneMember),
]
