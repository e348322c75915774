"""Provisioning of an organization's users from elsewhere. Kept as records: nothing is provisioned here."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from hideaway.api.call import Call
from hideaway.api.iam.organizations import ONE as ORGANIZATION
from hideaway.api.iam.organizations import own_organization
from hideaway.api.iam.shared import common
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Listing
from hideaway.base.errors import Conflict, NotFound
from hideaway.cloud.identity import Scim, ScimToken

OF_ORGANIZATION = "organization_scim"
"""What the vendor's 404 calls an organization's missing SCIM configuration (recorded)."""
TOKEN_LIFE = timedelta(days=365)  # recorded


class ListTokens(Listing, frozen=True, kw_only=True):
    order_by: Literal["created_at_asc", "created_at_desc"] | None = None


def _view(scim: Scim) -> dict[str, Any]:
    return {"id": scim.id, "created_at": scim.created_at}


def _token(token: ScimToken) -> dict[str, Any]:
    return {name: getattr(token, name) for name in ("id", "scim_id", "created_at", "expires_at")}


def enable(call: Call) -> dict[str, Any]:
    organization = own_organization(call)
    for other in call.change.ledger.find(Scim, organization=organization):
        raise Conflict(Scim.resource, other.id)
    scim = Scim(**common(call, organization, Scim.resource))
    call.change.ledger.put(scim)
    return _view(scim)


def get(call: Call) -> dict[str, Any]:
    organization = own_organization(call)
    for scim in call.change.ledger.find(Scim, organization=organization):
        return _view(scim)
    raise NotFound(OF_ORGANIZATION, organization)


def delete(call: Call) -> None:
    scim = call.own(Scim, param="scim_id")
    for token in call.change.ledger.find(ScimToken, ref=scim.id):
        call.change.ledger.remove(token)
    call.change.ledger.remove(scim)


def create_token(call: Call) -> dict[str, Any]:
    scim = call.own(Scim, param="scim_id")
    token = ScimToken(
        **common(call, None, ScimToken.resource), scim_id=scim.id, expires_at=call.change.now + TOKEN_LIFE
    )  # fmt: skip
    call.change.ledger.put(token)
    return {"token": _token(token), "bearer_token": call.change.ids.token(128)}


def list_tokens(call: Call, query: ListTokens) -> dict[str, Any]:
    scim = call.own(Scim, param="scim_id")
    return listing("scim_tokens", call.change.ledger.find(ScimToken, ref=scim.id), query, _token)


def delete_token(call: Call) -> None:
    call.change.ledger.remove(call.own(ScimToken, param="token_id"))


ONE = "/scim/{scim_id}"
ROUTES = [
    Route(method="GET", path=ORGANIZATION + "/scim", handler=get),
    Route(method="POST", path=ORGANIZATION + "/scim", handler=enable),
    Route(method="DELETE", path=ONE, handler=delete, status=204),
    Route(method="GET", path=ONE + "/tokens", handler=list_tokens, query=ListTokens),
    Route(method="POST", path=ONE + "/tokens", handler=create_token),
    Route(method="DELETE", path="/scim-tokens/{token_id}", handler=delete_token, status=204),
]
