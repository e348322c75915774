"""Users' sessions (JWTs), the connections of one person's users, and grace periods.

Kept as records: nobody logs in here. The tokens are well-formed and nothing accepts them: every call has an API key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from hideaway.api.call import Call
from hideaway.api.iam.organizations import settings
from hideaway.api.iam.shared import common
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Query, Text
from hideaway.base.errors import NotFound, PreconditionFailed, invalid
from hideaway.cloud.identity import Project, User, digest
from hideaway.cloud.logins import Connection, Invitation, Jwt, join, part

SESSION = timedelta(hours=1)  # assumed
INVITATION = timedelta(hours=1)  # assumed


class CreateJwt(Body, frozen=True, kw_only=True):
    user_id: str
    referrer: Text | None = None


class ListJwts(Listing, frozen=True, kw_only=True):
    order_by: Literal["created_at_asc", "created_at_desc", "updated_at_asc", "updated_at_desc"] | None = None
    audience_id: str | None = None
    expired: bool | None = None


class Join(Body, frozen=True, kw_only=True):
    token: Text


class Remove(Body, frozen=True, kw_only=True):
    target_user_id: str


class OfUser(Query, frozen=True, kw_only=True):
    user_id: str | None = None


def view(jwt: Jwt) -> dict[str, Any]:
    names = ("issuer_id", "audience_id", "created_at", "updated_at", "expires_at", "ip", "user_agent")
    return {"jti": jwt.id} | {name: getattr(jwt, name) for name in names}


def create(call: Call, body: CreateJwt) -> dict[str, Any]:
    user = call.refer(User, body.user_id, "user_id")
    if user.locked:
        raise PreconditionFailed("resource_not_usable", "the user is locked", user.resource, user.id)
    jwt = Jwt(
        **common(call, None, Jwt.resource),
        issuer_id=call.principal.bearer_id,
        audience_id=user.id,
        ip=call.principal.origin.ip,
        user_agent=call.principal.origin.user_agent,
        expires_at=call.change.now + SESSION,
    )
    call.change.ledger.put(jwt)
    return {"jwt": view(jwt), "token": _token(call, jwt), "renew_token": call.change.ids.token(64)}


def _token(call: Call, jwt: Jwt) -> str:
    """The session as a JSON Web Token (RFC 7519), signed with a key that nobody has."""
    claims = {"jti": jwt.id, "iss": jwt.issuer_id, "aud": jwt.audience_id, "exp": int(jwt.expires_at.timestamp())}
    parts = [_base64url(msgspec.json.encode(part)) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    key = call.change.ids.token(32).encode()
    return ".".join([*parts, _base64url(hmac.digest(key, ".".join(parts).encode(), hashlib.sha256))])


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def list_(call: Call, query: ListJwts) -> dict[str, Any]:
    special = {"expired": lambda jwt, wanted: (jwt.expires_at <= call.change.now) == wanted}
    return listing("jwts", call.visible(Jwt), query, view, special=special)


def get(call: Call) -> dict[str, Any]:
    return view(call.own(Jwt, param="jti"))


def delete(call: Call) -> None:
    call.change.ledger.remove(call.own(Jwt, param="jti"))


# connections


def _user(call: Call) -> User:
    return call.own(User, param="user_id")


def connections(call: Call) -> dict[str, Any]:
    """The other users that are the same person's, in whichever organization."""
    user, ledger = _user(call), call.change.ledger
    ids = dict.fromkeys(id_ for c in ledger.find(Connection, ref=user.id) for id_ in c.user_ids if id_ != user.id)
    return {"connections": [_connected(call, other) for id_ in ids if (other := ledger.get(User, id_)) is not None]}


def _connected(call: Call, user: User) -> dict[str, Any]:
    default = call.change.ledger.get(Project, user.organization_id)
    name = default.name if default else user.organization_id
    return {
        "organization": {"id": user.organization_id, "name": name, "locked": user.locked},
        "user": {"id": user.id, "username": user.username, "type": user.type},
    }


def initiate(call: Call) -> dict[str, Any]:
    user, token = _user(call), call.change.ids.token(64)
    for old in call.change.ledger.find(Invitation, ref=user.id):
        call.change.ledger.remove(old)
    invitation = Invitation(
        **common(call, None, Invitation.resource),
        user_id=user.id,
        token_digest=digest(token),
        expires_at=call.change.now + INVITATION,
    )
    call.change.ledger.put(invitation)
    return {"token": token}


def join_connection(call: Call, body: Join) -> None:
    """Join the path's user to the one for whom the token was made, who may be of another organization."""
    user, ledger = _user(call), call.change.ledger
    for invitation in ledger.find(Invitation, label=digest(body.token)):
        other = ledger.get(User, invitation.user_id)
        if invitation.expires_at > call.change.now and other is not None and other.id != user.id:
            ledger.remove(invitation)
            return join(call.change, other, user)
    raise invalid("token", "is no token of a connection, or its time has passed")


def remove(call: Call, body: Remove) -> None:
    user, wanted = _user(call), body.target_user_id.lower()
    if not any(wanted in c.user_ids for c in call.change.ledger.find(Connection, ref=user.id)):
        raise NotFound(User.resource, body.target_user_id)
    part(call.change, wanted)


def grace_periods(call: Call, query: OfUser) -> dict[str, Any]:
    """What a user must do until when: set a new password, once the organization has asked all of its users to."""
    user = call.own(User, query.user_id or call.principal.bearer_id)
    asked = settings(call)
    since = asked.enforced_at
    if not asked.enforce_password_renewal or since is None or _renewed(user, since):
        return {"grace_periods": []}
    length = timedelta(seconds=float(asked.grace_period_duration.removesuffix("s")))
    return {"grace_periods": [{"type": "update_password", "created_at": since, "expires_at": since + length}]}


def _renewed(user: User, since: datetime) -> bool:
    return user.password_set_at is not None and user.password_set_at >= since


ONE, JWT = "/users/{user_id}", "/jwts/{jti}"
ROUTES = [
    Route(method="GET", path="/jwts", handler=list_, query=ListJwts),
    Route(method="POST", path="/jwts", handler=create, body=CreateJwt),
    Route(method="GET", path=JWT, handler=get),
    Route(method="DELETE", path=JWT, handler=delete, status=204),
    Route(method="GET", path=ONE + "/connections", handler=connections),
    Route(method="POST", path=ONE + "/initiate-connection", handler=initiate),
    Route(method="POST", path=ONE + "/join-connection", handler=join_connection, body=Join, status=204),
    Route(method="POST", path=ONE + "/remove-connection", handler=remove, body=Remove, status=204),
    Route(method="GET", path="/grace-periods", handler=grace_periods, query=OfUser),
]
