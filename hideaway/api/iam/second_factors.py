"""Users' second factors: one-time passwords and WebAuthn authenticators. Kept as records: nobody logs in here."""

from __future__ import annotations

import base64
import hmac
from datetime import timedelta
from typing import Annotated, Any, Literal

import msgspec

from hideaway.api.call import Call
from hideaway.api.iam.shared import common
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Int32, Listing, Name, Query, Text
from hideaway.base.errors import Conflict, NotFound, PreconditionFailed, invalid
from hideaway.cloud.identity import User
from hideaway.cloud.logins import STEP_SECONDS, Authenticator, Ceremony, Otp, one_time_password, settle_mfa

RECOVERY_CODES = 10  # assumed
ALGORITHMS = [-7, -8, -257]
"""COSE's numbers of ES256, EdDSA and RS256: what browsers offer."""
CEREMONY_LIFE = timedelta(minutes=5)
Blob = Annotated[str, msgspec.Meta(min_length=1, max_length=65000)]


class Validate(Body, frozen=True, kw_only=True):
    one_time_password: Name


class Start(Query, frozen=True, kw_only=True):
    origin: Text | None = None


class Finish(Body, frozen=True, kw_only=True):
    """What a browser made. attestation_object, authenticator_data and public_key are not looked into."""

    ceremony_id: Text
    authenticator_name: Name
    origin: Text
    raw_id: Text
    client_data_json: Blob
    authenticator_data: Text | None = None
    attestation_object: Blob | None = None
    public_key: Text | None = None
    public_key_algorithm: Int32 | None = None


class ClientData(msgspec.Struct, frozen=True):
    """What the client's JSON says (WebAuthn, 5.8.1)."""

    type: str
    challenge: str
    origin: str


class Rename(Body, frozen=True, kw_only=True):
    authenticator_name: Name | None = None


class ListAuthenticators(Listing, frozen=True, kw_only=True):
    order_by: Literal["created_at_asc", "created_at_desc"] | None = None


def _user(call: Call) -> User:
    return call.own(User, param="user_id")


def _otp(call: Call, user: User) -> Otp | None:
    return next(iter(call.change.ledger.find(Otp, ref=user.id)), None)


def create_otp(call: Call) -> dict[str, Any]:
    """A new secret, in force once a password made with it was shown; one that was not is replaced."""
    user = _user(call)
    old = _otp(call, user)
    if old is not None and old.validated:
        raise Conflict(Otp.resource, user.id, "the user has one-time passwords already")
    if old is not None:
        call.change.ledger.remove(old)
    raw = bytes(call.change.ids.below(256) for _ in range(20))
    otp = Otp(**common(call, None, Otp.resource), user_id=user.id, secret=base64.b32encode(raw).decode())
    call.change.ledger.put(otp)
    return {"secret": otp.secret}


def validate_otp(call: Call, body: Validate) -> dict[str, Any]:
    """With the password of this half minute or of the one before or after."""
    user, now = _user(call), call.change.now
    otp = _otp(call, user)
    if otp is None:
        raise NotFound(Otp.resource, user.id)
    good = [one_time_password(otp.secret, now + timedelta(seconds=n * STEP_SECONDS)) for n in (-1, 0, 1)]
    if not any(hmac.compare_digest(password.encode(), body.one_time_password.encode()) for password in good):
        raise invalid("one_time_password", "the password is wrong, or its time has passed")
    call.change.ledger.put(otp.changed(now, validated=True))
    settle_mfa(call.change, user)
    return {"recovery_codes": [call.change.ids.token(10) for _ in range(RECOVERY_CODES)]}


def delete_otp(call: Call) -> None:
    user = _user(call)
    otp = _otp(call, user)
    if otp is None:
        raise NotFound(Otp.resource, user.id)
    call.change.ledger.remove(otp)
    settle_mfa(call.change, user)


# WebAuthn


def start(call: Call, query: Start) -> dict[str, Any]:
    user = _user(call)
    if not query.origin:
        raise invalid("origin", "value is required", "required")
    for old in call.change.ledger.find(Ceremony, ref=user.id):
        call.change.ledger.remove(old)
    challenge = base64.urlsafe_b64encode(bytes(call.change.ids.below(256) for _ in range(32))).decode().rstrip("=")
    ceremony = Ceremony(
        **common(call, None, Ceremony.resource),
        user_id=user.id,
        origin=query.origin,
        challenge=challenge,
        expires_at=call.change.now + CEREMONY_LIFE,
    )
    call.change.ledger.put(ceremony)
    return {
        "ceremony_id": ceremony.id,
        "challenge": challenge,
        "public_key_algorithms": ALGORITHMS,
        "exclude_credentials": [a.credential for a in _authenticators(call, user)],
        "timeout": str(int(CEREMONY_LIFE.total_seconds() * 1000)),
    }


def finish(call: Call, body: Finish) -> dict[str, Any]:
    """The client's data must answer this user's challenge. No signature is checked: the key is never used here."""
    user, now = _user(call), call.change.now
    ceremony = next((c for c in call.change.ledger.find(Ceremony, ref=user.id) if c.id == body.ceremony_id), None)
    if ceremony is None:
        raise NotFound(Ceremony.resource, body.ceremony_id)
    if ceremony.expires_at <= now:
        raise PreconditionFailed("resource_not_usable", "its time has passed", Ceremony.resource, ceremony.id)
    if body.public_key_algorithm is not None and body.public_key_algorithm not in ALGORITHMS:
        raise invalid("public_key_algorithm", f"is none of {ALGORITHMS}")
    said = _client_data(body.client_data_json)
    if (said.type, said.challenge.rstrip("=")) != ("webauthn.create", ceremony.challenge):
        raise invalid("client_data_json", "does not answer the challenge")
    if not said.origin == body.origin == ceremony.origin:
        raise invalid("origin", "is not the one for which the registration was started")
    if any(a.credential == body.raw_id for a in _authenticators(call, user)):
        raise Conflict(Authenticator.resource, body.raw_id, "the authenticator is registered already")
    authenticator = Authenticator(
        **common(call, None, Authenticator.resource),
        name=body.authenticator_name,
        user_id=user.id,
        credential=body.raw_id,
    )
    call.change.ledger.put(authenticator)
    call.change.ledger.remove(ceremony)
    settle_mfa(call.change, user)
    return {"authenticator_id": authenticator.id}


def _client_data(text: str) -> ClientData:
    """The client's data: JSON, or JSON in base64. Raises InvalidArguments."""
    try:
        raw = (
            text.encode() if text.lstrip().startswith("{") else base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        )
        return msgspec.json.decode(raw, type=ClientData)
    except ValueError:  # msgspec's and binascii's errors are such
        raise invalid("client_data_json", "value must be the client's data as JSON", "format") from None


def _authenticators(call: Call, user: User) -> list[Authenticator]:
    return call.change.ledger.find(Authenticator, ref=user.id)


def view(authenticator: Authenticator) -> dict[str, Any]:
    return {name: getattr(authenticator, name) for name in ("id", "name", "created_at", "last_login_at")}


def list_(call: Call, query: ListAuthenticators) -> dict[str, Any]:
    return listing("authenticators", _authenticators(call, _user(call)), query, view)


def rename(call: Call, body: Rename) -> dict[str, Any]:
    authenticator = call.own(Authenticator, param="authenticator_id")
    if body.authenticator_name is not None:
        authenticator = authenticator.changed(call.change.now, name=body.authenticator_name)
        call.change.ledger.put(authenticator)
    return view(authenticator)


def delete(call: Call) -> None:
    authenticator = call.own(Authenticator, param="authenticator_id")
    call.change.ledger.remove(authenticator)
    settle_mfa(call.change, call.change.need(User, authenticator.user_id))


ONE, AUTHENTICATOR = "/users/{user_id}", "/webauthn-authenticator/{authenticator_id}"
ROUTES = [
    Route(method="POST", path=ONE + "/mfa-otp", handler=create_otp),
    Route(method="POST", path=ONE + "/validate-mfa-otp", handler=validate_otp, body=Validate),
    Route(method="DELETE", path=ONE + "/mfa-otp", handler=delete_otp, status=204),
    Route(method="POST", path=ONE + "/start-webauthn-registration", handler=start, query=Start),
    Route(method="POST", path=ONE + "/finish-webauthn-registration", handler=finish, body=Finish),
    Route(method="GET", path=ONE + "/webauthn-authenticators", handler=list_, query=ListAuthenticators),
    Route(method="PATCH", path=AUTHENTICATOR, handler=rename, body=Rename),
    Route(method="DELETE", path=AUTHENTICATOR, handler=delete, status=204),
]
