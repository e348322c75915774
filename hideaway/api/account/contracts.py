"""An organization's signatures under contracts. Kept as records: hideaway has no contracts' texts, so any name does."""

from __future__ import annotations

import base64
import uuid
from typing import Any, Literal

from hideaway.api.access import require
from hideaway.api.call import Call
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Name, Query
from hideaway.base.errors import Conflict, NotFound, invalid
from hideaway.cloud.identity import Contract, ContractSignature

Type = Literal[
    "unknown_type", "global", "k8s", "instance", "container", "baremetal", "network", "core", "vps", "storage",
    "transactional_email",
]  # fmt: skip
Order = Literal["signed_at_asc", "signed_at_desc", "expires_at_asc", "expires_at_desc", "name_asc", "name_desc"]


class CheckSignature(Body, frozen=True, kw_only=True):
    contract_name: Name
    contract_type: Type | None = None
    organization_id: str | None = None


class CreateSignature(CheckSignature, frozen=True, kw_only=True):
    validated: bool | None = None


class ListSignatures(Listing, frozen=True, kw_only=True):
    order_by: Order | None = None


class Download(Query, frozen=True, kw_only=True):
    locale: str | None = None


def view(signature: ContractSignature) -> dict[str, Any]:
    names = ("id", "organization_id", "created_at", "signed_at", "expires_at", "contract")
    return {name: getattr(signature, name) for name in names}


def _own_organization(call: Call, wanted: str | None, *, write: bool) -> str:
    own = call.principal.organization_id
    if wanted and wanted.lower() != own:
        raise NotFound("organization", wanted)
    require(call.principal, call.area, ContractSignature.resource, write=write, project_id=None)
    return own


def _of(call: Call, organization: str, body: CheckSignature) -> ContractSignature | None:
    """The organization's signature under a contract of this name (and type, where one is said)."""
    if not body.contract_name:
        raise invalid("contract_name", "value is required", "required")
    for signature in call.change.ledger.find(ContractSignature, organization=organization, label=body.contract_name):
        if body.contract_type in (None, "unknown_type", signature.contract.type):
            return signature
    return None


def create(call: Call, body: CreateSignature) -> dict[str, Any]:
    organization, now = _own_organization(call, body.organization_id, write=True), call.change.now
    present = _of(call, organization, body)
    if present is not None:
        raise Conflict(ContractSignature.resource, present.id)
    type_ = body.contract_type or "unknown_type"
    contract = Contract(
        id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{type_}/{body.contract_name}")),
        type=type_,
        name=body.contract_name,
        created_at=now,
        updated_at=now,
    )
    signature = ContractSignature(
        id=call.change.ids.uuid(),
        organization_id=organization,
        project_id="",
        created_at=now,
        updated_at=now,
        signed_at=now if body.validated else None,
        contract=contract,
    )
    call.change.ledger.put(signature)
    return view(signature)


def check(call: Call, body: CheckSignature) -> dict[str, Any]:
    """A question, though a POST: whoever may change projects may ask it."""
    signature = _of(call, _own_organization(call, body.organization_id, write=True), body)
    return {"created": signature is not None, "validated": signature is not None and signature.signed_at is not None}


def validate(call: Call) -> dict[str, Any]:
    signature = call.own(ContractSignature, param="contract_signature_id")
    if signature.signed_at is None:
        signature = signature.changed(call.change.now, signed_at=call.change.now)
        call.change.ledger.put(signature)
    return view(signature)


def list_(call: Call, query: ListSignatures) -> dict[str, Any]:
    return listing("contract_signatures", call.visible(ContractSignature), query, view)


def download(call: Call, query: Download) -> dict[str, Any]:
    """A file that says which contract it would be."""
    contract = call.own(ContractSignature, param="contract_signature_id").contract
    text = f"{contract.name}, version {contract.version}. Hideaway has no texts of the vendor's contracts.\n"
    content = base64.b64encode(text.encode()).decode()
    return {"name": f"{contract.name}-{contract.version}.txt", "content_type": "text/plain", "content": content}


BASE = "/contract-signatures"
ONE = BASE + "/{contract_signature_id}"
ROUTES = [
    Route(method="GET", path=BASE, handler=list_, query=ListSignatures),
    Route(method="POST", path=BASE, handler=create, body=CreateSignature),
    Route(method="POST", path=BASE + "/check", handler=check, body=CheckSignature),
    Route(method="POST", path=ONE + "/validate", handler=validate),
    Route(method="GET", path=ONE + "/download", handler=download, query=Download),
]
