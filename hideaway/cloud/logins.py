"""What users would log in with: second factors, sessions, connections of one person's users. Nobody logs in here."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime
from typing import ClassVar

import msgspec

from hideaway.cloud.change import Change
from hideaway.cloud.documents import Document
from hideaway.cloud.identity import User

STEP_SECONDS = 30


class Otp(Document, frozen=True, kw_only=True):
    """A user's one-time passwords (RFC 6238: SHA-1, six digits, a new one each 30 s). secret: base32."""

    kind: ClassVar[str] = "iam/otp"
    resource: ClassVar[str] = "mfa_otp"

    user_id: str
    secret: str = msgspec.field(name="_secret")
    validated: bool = False

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.user_id,)


class Ceremony(Document, frozen=True, kw_only=True):
    """A registration of a WebAuthn authenticator that has begun. challenge: base64url, without padding."""

    kind: ClassVar[str] = "iam/webauthn_ceremony"
    resource: ClassVar[str] = "webauthn_ceremony"

    user_id: str
    origin: str
    challenge: str = msgspec.field(name="_challenge")
    expires_at: datetime

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.user_id,)


class Authenticator(Document, frozen=True, kw_only=True):
    """A WebAuthn authenticator of a user. credential: its raw id, as the client spelled it."""

    kind: ClassVar[str] = "iam/webauthn_authenticator"
    resource: ClassVar[str] = "webauthn_authenticator"

    name: str
    user_id: str = msgspec.field(name="_user_id")
    credential: str = msgspec.field(name="_credential")
    last_login_at: datetime | None = None

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.user_id,)


class Jwt(Document, frozen=True, kw_only=True):
    """A session of a user (audience), made by another or by itself (issuer). Its tokens are answered once."""

    kind: ClassVar[str] = "iam/jwt"
    resource: ClassVar[str] = "jwt"

    issuer_id: str
    audience_id: str
    ip: str
    user_agent: str
    expires_at: datetime

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.audience_id,)


class Connection(Document, frozen=True, kw_only=True):
    """Users, of several organizations, that are one person's."""

    kind: ClassVar[str] = "iam/connection"
    resource: ClassVar[str] = "connection"

    user_ids: list[str]

    @property
    def refs(self) -> tuple[str, ...]:
        return tuple(self.user_ids)


class Invitation(Document, frozen=True, kw_only=True):
    """A token by which another user can be joined to this one."""

    kind: ClassVar[str] = "iam/connection_invitation"
    resource: ClassVar[str] = "connection"

    user_id: str
    token_digest: str = msgspec.field(name="_token_digest")
    expires_at: datetime

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.user_id,)

    @property
    def label(self) -> str:
        return self.token_digest


def one_time_password(secret: str, now: datetime) -> str:
    """The six digits of a base32 secret in the half minute of now (RFC 6238, RFC 4226)."""
    counter = int(now.timestamp()) // STEP_SECONDS
    mac = hmac.digest(base64.b32decode(secret), counter.to_bytes(8), hashlib.sha1)
    offset = mac[-1] & 15
    return f"{(int.from_bytes(mac[offset : offset + 4]) & 0x7FFFFFFF) % 1_000_000:06}"


def settle_mfa(change: Change, user: User) -> None:
    """Let a user say whether it has a second factor."""
    ledger = change.ledger
    otp = any(otp.validated for otp in ledger.find(Otp, ref=user.id))
    has = otp or bool(ledger.find(Authenticator, ref=user.id))
    if user.mfa != has:
        ledger.put(user.changed(change.now, mfa=has))


def join(change: Change, one: User, other: User) -> None:
    """Make two users, and all that are joined to either, one person's."""
    groups = {c.id: c for user in (one, other) for c in change.ledger.find(Connection, ref=user.id)}
    users = dict.fromkeys([one.id, other.id, *(id_ for c in groups.values() for id_ in c.user_ids)])
    for group in groups.values():
        change.ledger.remove(group)
    change.ledger.put(
        Connection(
            id=change.ids.uuid(),
            organization_id=one.organization_id,
            project_id="",
            created_at=change.now,
            updated_at=change.now,
            user_ids=list(users),
        )
    )


def part(change: Change, user_id: str) -> None:
    """Take a user from those that it is joined to; one that is left alone is joined to nobody."""
    for group in change.ledger.find(Connection, ref=user_id):
        left = [id_ for id_ in group.user_ids if id_ != user_id]
        if len(left) > 1:
            change.ledger.put(group.changed(change.now, user_ids=left))
        else:
            change.ledger.remove(group)


def forget(change: Change, user_id: str) -> None:
    """Forget all that a user would have logged in with."""
    part(change, user_id)
    for type_ in (Otp, Ceremony, Authenticator, Jwt, Invitation):
        for document in change.ledger.find(type_, ref=user_id):
            change.ledger.remove(document)
