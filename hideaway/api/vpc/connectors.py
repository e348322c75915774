"""VPC connectors: each is one half of a peering; two that name each other's VPC are a whole one. Kept as records."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from hideaway.api.call import Call, answer
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Name, Tags, given
from hideaway.base.errors import Conflict, PreconditionFailed, invalid
from hideaway.cloud.addressing import overlap
from hideaway.cloud.network import PrivateNetwork, Subnet, Vpc, VpcConnector
from hideaway.cloud.network import Route as CustomRoute

Status = Literal["unknown_vpc_connector_status", "orphan", "peered", "conflict"]


class CreateConnector(Body, frozen=True, kw_only=True):
    vpc_id: str
    target_vpc_id: str
    name: Name | None = None
    tags: Tags | None = None


class UpdateConnector(Body, frozen=True, kw_only=True):
    name: Name | None = None
    tags: Tags | None = None


class ListConnectors(Listing, frozen=True, kw_only=True):
    order_by: Literal["created_at_asc", "created_at_desc", "name_asc", "name_desc"] | None = None
    name: str | None = None
    tags: list[str] | None = None
    vpc_id: str | None = None
    target_vpc_id: str | None = None
    status: Status | None = None


class ListOverlaps(Listing, frozen=True, kw_only=True):
    order_by: Literal["subnet_asc", "subnet_desc", "target_subnet_asc", "target_subnet_desc"] | None = None


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
    """Two subnets of two peered VPCs that share addresses."""

    subnet_id: str
    subnet: str
    target_subnet_id: str
    target_subnet: str


def overlaps(call: Call, connector: VpcConnector) -> Iterator[Overlap]:
    for mine in _subnets(call, connector.vpc_id):
        for theirs in _subnets(call, connector.target_vpc_id):
            if overlap(ipaddress.ip_network(mine.subnet), ipaddress.ip_network(theirs.subnet)):
                yield Overlap(
                    subnet_id=mine.id, subnet=mine.subnet, target_subnet_id=theirs.id, target_subnet=theirs.subnet
                )


def _subnets(call: Call, vpc_id: str) -> list[Subnet]:
    return [s for n in call.change.ledger.find(PrivateNetwork, ref=vpc_id) for s in n.subnets]


def status(call: Call, connector: VpcConnector) -> str:
    """orphan until the target VPC has a connector back; then peered, or conflict where subnets overlap."""
    back = call.change.ledger.find(VpcConnector, ref=connector.vpc_id)
    if not any((b.vpc_id, b.target_vpc_id) == (connector.target_vpc_id, connector.vpc_id) for b in back):
        return "orphan"
    return "conflict" if next(overlaps(call, connector), None) else "peered"


def view(call: Call, connector: VpcConnector) -> dict[str, Any]:
    state = status(call, connector)
    target = call.change.ledger.get(Vpc, connector.target_vpc_id) if state == "peered" else None
    peer = target and {
        "organization_id": target.organization_id,
        "project_id": target.project_id,
        "vpc_name": target.name,
    }
    return answer(connector, status=state, peer_info=peer)


def create(call: Call, body: CreateConnector) -> dict[str, Any]:
    """The target is a VPC of the same organization and region: others are none of the caller's business."""
    vpc = call.refer(Vpc, body.vpc_id, "vpc_id")
    target = call.refer(Vpc, body.target_vpc_id, "target_vpc_id")
    if vpc.id == target.id:
        raise invalid("target_vpc_id", "a VPC cannot be connected to itself")
    common = call.common(vpc.project_id, VpcConnector.resource)
    for other in call.change.ledger.find(VpcConnector, ref=vpc.id):
        if (other.vpc_id, other.target_vpc_id) == (vpc.id, target.id):
            raise Conflict(VpcConnector.resource, other.id)
    connector = VpcConnector(
        **common,
        name=body.name or f"vpc-connector-{call.change.ids.word()}",
        region=call.region,
        vpc_id=vpc.id,
        target_vpc_id=target.id,
        tags=body.tags or [],
    )
    call.change.ledger.put(connector)
    return view(call, connector)


def get(call: Call) -> dict[str, Any]:
    return view(call, call.own(VpcConnector, param="vpc_connector_id"))


def list_(call: Call, query: ListConnectors) -> dict[str, Any]:
    special = {"status": lambda c, wanted: status(call, c) == wanted}
    return listing(
        "vpc_connectors", call.visible(VpcConnector), query, lambda c: view(call, c), special=special
    )  # fmt: skip


def update(call: Call, body: UpdateConnector) -> dict[str, Any]:
    connector = call.own(VpcConnector, param="vpc_connector_id").changed(call.change.now, **given(body))
    call.change.ledger.put(connector)
    return view(call, connector)


def delete(call: Call) -> None:
    """Refused while a custom route goes through it."""
    connector = call.own(VpcConnector, param="vpc_connector_id")
    if call.change.ledger.find(CustomRoute, ref=connector.id):
        raise PreconditionFailed(
            "resource_still_in_use", "a custom route goes through the connector", connector.resource, connector.id
        )
    call.change.ledger.remove(connector)


def list_overlaps(call: Call, query: ListOverlaps) -> dict[str, Any]:
    connector = call.own(VpcConnector, param="vpc_connector_id")
    found = overlaps(call, connector)
    return listing("subnet_overlaps", found, query, lambda o: o, default_order="subnet_asc")


BASE = "/regions/{region}/vpc-connectors"
ONE = BASE + "/{vpc_connector_id}"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=CreateConnector),
    Route(method="GET", path=BASE, handler=list_, query=ListConnectors),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateConnector),
    Route(method="DELETE", path=ONE, handler=delete, status=204),
    Route(method="GET", path=ONE + "/subnet-overlaps", handler=list_overlaps, query=ListOverlaps),
]
