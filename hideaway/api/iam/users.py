"""Users: the owner, members, and those who were invited."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from hideaway.api.call import Call, answer
from hideaway.api.iam.shared import common, keep, log, one_tag
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Name, Tags, given
from hideaway.base.errors import Conflict, PreconditionFailed, invalid
from hideaway.cloud.identity import User
from hideaway.cloud.principals import remove_bearer

Email = Annotated[str, msgspec.Meta(max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")]
Order = Literal[
    "created_at_asc", "created_at_desc", "updated_at_asc", "updated_at_desc", "email_asc", "email_desc",
    "last_login_asc", "last_login_desc", "username_asc", "username_desc",
]  # fmt: skip


class Member(Body, frozen=True, kw_only=True):
    """password and the e-mail switches are accepted and not kept: nobody logs in here, and nothing is sent."""

    email: Email
    username: Name
    password: Name | None = None
    send_password_email: bool | None = None
    send_welcome_email: bool | None = None
    first_name: Name | None = None
    last_name: Name | None = None
    phone_number: Name | None = None
    locale: Name | None = None


class CreateUser(Body, frozen=True, kw_only=True):
    organization_id: str | None = None
    email: Email | None = None
    member: Member | None = None
    tags: Tags | None = None


class UpdateUser(Body, frozen=True, kw_only=True):
    tags: Tags | None = None
    email: Email | None = None
    first_name: Name | None = None
    last_name: Name | None = None
    phone_number: Name | None = None
    locale: Name | None = None


class UpdateUsername(Body, frozen=True, kw_only=True):
    username: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class UpdatePassword(Body, frozen=True, kw_only=True):
    password: Name


class ListUsers(Listing, frozen=True, kw_only=True):
    order_by: Order | None = None
    user_ids: list[str] | None = None
    mfa: bool | None = None
    tag: str | None = None
    type: Literal["unknown_type", "owner", "member", "guest"] | None = None


def view(user: User) -> dict[str, Any]:
    shown = answer(user, deletable=user.type != "owner", two_factor_enabled=user.mfa)
    del shown["project_id"]
    return shown


def create(call: Call, body: CreateUser) -> dict[str, Any]:
    """A member, who is there at once (recorded), or an invitation to an e-mail address."""
    fields = common(call, body.organization_id, User.resource)
    if (body.member is None) == (body.email is None):
        raise invalid("member", "give either member or email")
    member = body.member
    username = member.username if member else str(body.email)
    _check_free(call, username)
    user = User(
        **fields,
        email=member.email if member else str(body.email),
        username=username,
        first_name=(member and member.first_name) or "",
        last_name=(member and member.last_name) or "",
        phone_number=(member and member.phone_number) or "",
        locale=(member and member.locale) or "en_US",
        status="activated" if member else "invitation_pending",
        tags=body.tags or [],
    )
    return view(keep(call, user, "created"))


def _check_free(call: Call, username: str) -> None:
    for other in call.change.ledger.find(User, organization=call.principal.organization_id, label=username):
        raise Conflict(User.resource, other.id, "a user of this name exists already")


def get(call: Call) -> dict[str, Any]:
    return view(call.own(User, param="user_id"))


def list_(call: Call, query: ListUsers) -> dict[str, Any]:
    special = {"user_ids": lambda u, ids: u.id in ids, "tag": one_tag}
    return listing("users", call.visible(User), query, view, special=special)


def _change(call: Call, **fields: Any) -> dict[str, Any]:
    user = call.own(User, param="user_id").changed(call.change.now, **fields)
    return view(keep(call, user, "updated"))


def update(call: Call, body: UpdateUser) -> dict[str, Any]:
    return _change(call, **given(body))


def update_username(call: Call, body: UpdateUsername) -> dict[str, Any]:
    user = call.own(User, param="user_id")
    if user.username != body.username:
        _check_free(call, body.username)
    return _change(call, username=body.username)


def update_password(call: Call, body: UpdatePassword) -> dict[str, Any]:
    """When is kept, the password is not: nobody logs in here."""
    return _change(call, password_set_at=call.change.now)


def lock(call: Call) -> dict[str, Any]:
    """A locked user's keys are refused from now on. The owner cannot be locked: nobody could undo it."""
    if call.own(User, param="user_id").type == "owner":
        raise PreconditionFailed("unknown_precondition", "the owner cannot be locked", User.resource)
    return _change(call, locked=True)


def unlock(call: Call) -> dict[str, Any]:
    return _change(call, locked=False)


def delete(call: Call) -> None:
    """With the user go its API keys, at once, and its places in groups and policies."""
    user = call.own(User, param="user_id")
    if user.type == "owner":
        raise PreconditionFailed("unknown_precondition", "the owner cannot be deleted", User.resource, user.id)
    remove_bearer(call.change, user)
    log(call, user, "deleted")


ONE = "/users/{user_id}"
ROUTES = [
    Route(method="GET", path="/users", handler=list_, query=ListUsers),
    Route(method="POST", path="/users", handler=create, body=CreateUser),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateUser),
    Route(method="DELETE", path=ONE, handler=delete, status=204),
    Route(method="POST", path=ONE + "/update-username", handler=update_username, body=UpdateUsername),
    Route(method="POST", path=ONE + "/update-password", handler=update_password, body=UpdatePassword),
    Route(method="POST", path=ONE + "/lock", handler=lock),
    Route(method="POST", path=ONE + "/unlock", handler=unlock),
]
