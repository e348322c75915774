"""VPCs. Each project has a default one in every region; routing joins a VPC's networks and is never switched off."""

from __future__ import annotations

from typing import Any

from hideaway.api.call import Call, answer
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Name, Tags, given
from hideaway.base.errors import PreconditionFailed
from hideaway.cloud.network import PrivateNetwork, Vpc


class CreateVpc(Body, frozen=True, kw_only=True):
    name: Name | None = None
    project_id: str | None = None
    tags: Tags | None = None
    enable_routing: bool | None = None


class UpdateVpc(Body, frozen=True, kw_only=True):
    name: Name | None = None
    tags: Tags | None = None


class ListVpcs(Listing, frozen=True, kw_only=True):
    name: str | None = None
    tags: list[str] | None = None
    is_default: bool | None = None
    routing_enabled: bool | None = None


def view(call: Call, vpc: Vpc) -> dict[str, Any]:
    return answer(vpc, private_network_count=len(call.change.ledger.find(PrivateNetwork, ref=vpc.id)))


def create(call: Call, body: CreateVpc) -> dict[str, Any]:
    """enable_routing is accepted and always answered true (scaleway.md; every recording that sends false)."""
    vpc = Vpc(
        **call.common(body.project_id, Vpc.resource),
        name=body.name or f"vpc-{call.change.ids.word()}",
        region=call.region,
        tags=body.tags or [],
    )
    call.change.ledger.put(vpc)
    return view(call, vpc)


def get(call: Call) -> dict[str, Any]:
    return view(call, call.own(Vpc, param="vpc_id"))


def list_(call: Call, query: ListVpcs) -> dict[str, Any]:
    return listing("vpcs", call.visible(Vpc), query, lambda v: view(call, v))


def update(call: Call, body: UpdateVpc) -> dict[str, Any]:
    vpc = call.own(Vpc, param="vpc_id").changed(call.change.now, **given(body))
    call.change.ledger.put(vpc)
    return view(call, vpc)


def delete(call: Call) -> None:
    vpc = call.own(Vpc, param="vpc_id")
    if call.change.ledger.find(PrivateNetwork, ref=vpc.id):
        raise PreconditionFailed("resource_still_in_use", "the VPC still has Private Networks", Vpc.resource, vpc.id)
    call.change.ledger.remove(vpc)


BASE = "/regions/{region}/vpcs"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=CreateVpc),
    Route(method="GET", path=BASE, handler=list_, query=ListVpcs),
    Route(method="GET", path=BASE + "/{vpc_id}", handler=get),
    Route(method="PATCH", path=BASE + "/{vpc_id}", handler=update, body=UpdateVpc),
    Route(method="DELETE", path=BASE + "/{vpc_id}", handler=delete, status=204),
]
