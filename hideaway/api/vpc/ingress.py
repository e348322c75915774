"""Ingress rules: which local address a VPC hands traffic from a source range to. Kept as records."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal

import msgspec

from hideaway.api.call import Call, answer
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Tags, Text, given
from hideaway.api.vpc.routes import cidr
from hideaway.base.errors import NotFound, invalid
from hideaway.cloud.network import IngressRule, PrivateNetwork, Vpc

Address = Annotated[str, msgspec.Meta(max_length=64)]


class CreateRule(Body, frozen=True, kw_only=True):
    vpc_id: str
    source: Address
    nexthop_resource_ip: Address
    nexthop_private_network_id: str
    description: Text | None = None
    tags: Tags | None = None


class UpdateRule(Body, frozen=True, kw_only=True):
    source: Address | None = None
    nexthop_resource_ip: Address | None = None
    nexthop_private_network_id: str | None = None
    description: Text | None = None
    tags: Tags | None = None


class ListRules(Listing, frozen=True, kw_only=True):
    order_by: (
        Literal[
            "created_at_asc", "created_at_desc", "source_asc", "source_desc", "prefix_len_asc", "prefix_len_desc"
        ]
        | None
    ) = None  # fmt: skip
    vpc_id: str | None = None
    nexthop_resource_ip: str | None = None
    nexthop_private_network_id: str | None = None
    is_ipv6: bool | None = None
    tags: list[str] | None = None


def create(call: Call, body: CreateRule) -> dict[str, Any]:
    vpc = call.refer(Vpc, body.vpc_id, "vpc_id")
    where = _way(call, vpc.id, body.source, body.nexthop_resource_ip, body.nexthop_private_network_id)
    rule = IngressRule(
        **call.common(vpc.project_id, "ingress_rule"),
        region=call.region,
        vpc_id=vpc.id,
        description=body.description,
        tags=body.tags or [],
        **where,
    )
    call.change.ledger.put(rule)
    return answer(rule)


def _way(call: Call, vpc_id: str, source: str, address: str, network_id: str) -> dict[str, Any]:
    """From where to where: one family, and the network is the VPC's. Whether anything has the address is not asked."""
    network = call.refer(PrivateNetwork, network_id, "nexthop_private_network_id")
    if network.vpc_id != vpc_id:
        raise invalid("nexthop_private_network_id", "the Private Network is not in the VPC of the rule")
    source = cidr(source, "source")
    try:
        hop = ipaddress.ip_address(address.replace("%", "no scope here"))
    except ValueError:
        raise invalid("nexthop_resource_ip", f"{address!r} is not an IP address", "format") from None
    if (hop.version == 6) != (":" in source):
        raise invalid("nexthop_resource_ip", "the next hop and the source must be of the same IP version")
    return {
        "source": source,
        "is_ipv6": hop.version == 6,
        "nexthop_resource_ip": str(hop),
        "nexthop_private_network_id": network.id,
    }


def _own(call: Call) -> IngressRule:
    """The rule of the path. The vendor's 404 names neither it nor its type."""
    try:
        return call.own(IngressRule, param="rule_id")
    except NotFound:
        raise NotFound(IngressRule.resource) from None


def get(call: Call) -> dict[str, Any]:
    return answer(_own(call))


def list_(call: Call, query: ListRules) -> dict[str, Any]:
    return listing("rules", call.visible(IngressRule), query, answer)


def update(call: Call, body: UpdateRule) -> dict[str, Any]:
    rule = _own(call)
    fields = given(body, "source", "nexthop_resource_ip", "nexthop_private_network_id")
    if body.source or body.nexthop_resource_ip or body.nexthop_private_network_id:
        fields |= _way(
            call,
            rule.vpc_id,
            body.source or rule.source,
            body.nexthop_resource_ip or rule.nexthop_resource_ip,
            body.nexthop_private_network_id or rule.nexthop_private_network_id,
        )
    rule = rule.changed(call.change.now, **fields)
    call.change.ledger.put(rule)
    return answer(rule)


def delete(call: Call) -> None:
    call.change.ledger.remove(_own(call))


BASE = "/regions/{region}/ingress-rules"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=CreateRule),
    Route(method="GET", path=BASE, handler=list_, query=ListRules),
    Route(method="GET", path=BASE + "/{rule_id}", handler=get),
    Route(method="PATCH", path=BASE + "/{rule_id}", handler=update, body=UpdateRule),
    Route(method="DELETE", path=BASE + "/{rule_id}", handler=delete, status=204),
]
