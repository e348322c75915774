"""API keys. The secret is answered once, when the key is made; a deleted or expired key is dead at once.

Everybody may read the key that they are calling with: clients learn their project and organization from it. A user may
manage its own keys; for anybody else's it takes IAM's permissions.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from hideaway.api.access import require
from hideaway.api.call import Call, answer
from hideaway.api.iam.shared import MANAGED, common, keep, keys_of, log
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Text, given
from hideaway.base.errors import NotFound, PreconditionFailed, invalid
from hideaway.cloud.identity import ApiKey, Application, Project, User, digest

UNKNOWN = "access_key"
"""What the vendor's 404 calls a key (recorded); its 403 says api_key."""
Order = Literal[
    "created_at_asc", "created_at_desc", "updated_at_asc", "updated_at_desc", "expires_at_asc", "expires_at_desc",
    "access_key_asc", "access_key_desc",
]  # fmt: skip


class CreateKey(Body, frozen=True, kw_only=True):
    application_id: str | None = None
    user_id: str | None = None
    expires_at: datetime | None = None
    default_project_id: str | None = None
    description: Text | None = None


class UpdateKey(Body, frozen=True, kw_only=True):
    default_project_id: str | None = None
    description: Text | None = None
    expires_at: datetime | None = None


class ListKeys(Listing, frozen=True, kw_only=True):
    order_by: Order | None = None
    application_id: str | None = None
    user_id: str | None = None
    bearer_id: str | None = None
    bearer_type: Literal["unknown_bearer_type", "user", "application"] | None = None
    editable: bool | None = None
    expired: bool | None = None
    access_key: str | None = None
    access_keys: list[str] | None = None
    description: str | None = None


def view(key: ApiKey, secret: str | None = None) -> dict[str, Any]:
    shown = answer(key, access_key=key.id, secret_key=secret, **MANAGED)
    for name in ("id", "organization_id", "project_id", "user_id", "application_id"):
        del shown[name]
    return shown | ({"user_id": key.user_id} if key.user_id else {"application_id": key.application_id})


def create(call: Call, body: CreateKey) -> dict[str, Any]:
    if bool(body.application_id) == bool(body.user_id):
        raise invalid("application_id", "give either application_id or user_id")
    if body.application_id:
        bearer: dict[str, Any] = {"application_id": call.refer(Application, body.application_id, "application_id").id}
    else:
        bearer = {"user_id": call.refer(User, str(body.user_id), "user_id").id}
    fields = _fields(call, bearer.get("user_id")) | bearer | {"id": call.change.ids.access_key()}
    secret = call.change.ids.uuid()
    key = ApiKey(
        **fields,
        secret_digest=digest(secret),
        description=body.description or "",
        expires_at=_moment(call, body.expires_at),
        default_project_id=_default_project(call, body.default_project_id),
        creation_ip=call.principal.origin.ip,
    )
    return view(keep(call, key, "created"), secret)


def _fields(call: Call, user_id: str | None) -> dict[str, Any]:
    if user_id and user_id == call.principal.bearer_id:
        now = call.change.now
        return {
            "organization_id": call.principal.organization_id,
            "project_id": "",
            "created_at": now,
            "updated_at": now,
        }
    return common(call, None, ApiKey.resource)


def _moment(call: Call, moment: datetime | None) -> datetime | None:
    """When a key expires, in UTC, as the vendor answers it."""
    if moment is None:
        return None
    moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    if moment <= call.change.now:
        raise invalid("expires_at", "must be in the future")
    return moment


def _default_project(call: Call, wanted: str | None) -> str:
    """The project asked for, else the organization's default one (recorded)."""
    if wanted:
        return call.refer(Project, wanted, "default_project_id").id
    default = call.change.ledger.get(Project, call.principal.organization_id)
    return default.id if default else call.principal.default_project_id


def _own(call: Call) -> ApiKey:
    wanted = call.params["access_key"]
    key = call.change.ledger.get(ApiKey, wanted)
    if key is None or key.organization_id != call.principal.organization_id or key.bearer_id is None:
        raise NotFound(UNKNOWN, wanted)
    itself = key.id == call.principal.access_key and not call.write
    mine = key.user_id is not None and key.user_id == call.principal.bearer_id
    if not itself and not mine:
        require(call.principal, call.area, ApiKey.resource, write=call.write, project_id=None)
    return key


def get(call: Call) -> dict[str, Any]:
    return view(_own(call))


def list_(call: Call, query: ListKeys) -> dict[str, Any]:
    """The organization's keys, but those that let machines into Kosmos pools; of who may not read IAM, its own."""
    now, caller = call.change.now, call.principal
    keys = [key for key in call.visible(ApiKey) if key.bearer_id]
    if not keys:
        keys = [k for k in call.change.ledger.find(ApiKey, ref=caller.bearer_id) if k.user_id == caller.bearer_id]
    special = {
        "bearer_type": lambda k, wanted: bool(k.user_id) == (wanted == "user"),
        "editable": lambda _, wanted: wanted,
        "expired": lambda k, wanted: (k.expires_at is not None and k.expires_at <= now) == wanted,
        "access_key": lambda k, wanted: wanted in k.id,
        "access_keys": lambda k, wanted: k.id in wanted,
        "description": lambda k, wanted: wanted.lower() in k.description.lower(),
    }
    return listing("api_keys", keys, query, view, special=special)


def update(call: Call, body: UpdateKey) -> dict[str, Any]:
    key, fields = _own(call), given(body, "expires_at", "default_project_id")
    if body.expires_at is not None:
        fields["expires_at"] = _moment(call, body.expires_at)
    if body.default_project_id:
        fields["default_project_id"] = call.refer(Project, body.default_project_id, "default_project_id").id
    return view(keep(call, key.changed(call.change.now, **fields), "updated"))


def delete(call: Call) -> None:
    """The owner's last key stays: the vendor's owner can log in to a console, here nobody could get back in."""
    key = _own(call)
    if _is_last_of_owner(call, key):
        raise PreconditionFailed(
            "resource_still_in_use", "it is the last API key of the organization's owner", ApiKey.resource, key.id
        )
    call.change.ledger.remove(key)
    log(call, key, "deleted")


def _is_last_of_owner(call: Call, key: ApiKey) -> bool:
    user = call.change.ledger.get(User, key.user_id) if key.user_id else None
    if user is None or user.type != "owner":
        return False
    others = [k for k in keys_of(call, user.id) if k.id != key.id]
    return all(k.expires_at is not None and k.expires_at <= call.change.now for k in others)


ONE = "/api-keys/{access_key}"
ROUTES = [
    Route(method="GET", path="/api-keys", handler=list_, query=ListKeys),
    Route(method="POST", path="/api-keys", handler=create, body=CreateKey),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateKey),
    Route(method="DELETE", path=ONE, handler=delete, status=204),
]
