"""The public addresses of Load Balancers, IPv4 and IPv6."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from hideaway.api.call import Call
from hideaway.api.lb.shapes import host_name
from hideaway.api.lb.views import lb_of, view_ip, wanted
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Tags
from hideaway.base.errors import NotFound, PreconditionFailed
from hideaway.cloud.balancers import (
    LbIp,
    release_ip,
)
from hideaway.cloud.balancing import default_reverse, hold_ip, make_ip


class Family(StrEnum):
    ALL = "all"
    IPV4 = "ipv4"
    IPV6 = "ipv6"


class CreateIp(Body, frozen=True, kw_only=True):
    project_id: str | None = None
    organization_id: str | None = None
    is_ipv6: bool | None = None
    reverse: str | None = None
    tags: Tags | None = None


class UpdateIp(Body, frozen=True, kw_only=True):
    reverse: str | None = None
    lb_id: str | None = None
    tags: Tags | None = None


class ListIps(Listing, frozen=True, kw_only=True):
    ip_address: str | None = None
    ip_type: Family | None = None
    tags: list[str] | None = None


def create(call: Call, body: CreateIp) -> dict[str, Any]:
    reverse = host_name(body.reverse, "reverse") if body.reverse else ""
    common = call.common(body.project_id, LbIp.resource)
    ip = LbIp(**common, zone=call.place, ip_address="", reverse=reverse, tags=body.tags or [])
    return view_ip(make_ip(call.change, ip, v6=bool(body.is_ipv6)))


def get(call: Call) -> dict[str, Any]:
    return view_ip(call.own(LbIp, param="ip_id"))


def list_(call: Call, query: ListIps) -> dict[str, Any]:
    """The newest first (recorded); the vendor has no other order."""
    special = {"ip_type": lambda ip, family: family == Family.ALL or ip.is_ipv6 == (family == Family.IPV6)}
    return listing("ips", call.visible(LbIp), query, view_ip, special=special, default_order="created_at_desc")


def update(call: Call, body: UpdateIp) -> dict[str, Any]:
    """An empty reverse restores the default one; an empty lb_id detaches (both assumed)."""
    ip = call.own(LbIp, param="ip_id")
    fields: dict[str, Any] = {} if body.tags is None else {"tags": body.tags}
    if body.reverse is not None:
        fields["reverse"] = host_name(body.reverse or default_reverse(ip.ip_address, ip.zone), "reverse")
    ip = ip.changed(call.change.now, **fields)
    call.change.ledger.put(ip)
    if body.lb_id is not None:
        lb = lb_of(call, wanted(body.lb_id, "lb_id")) if body.lb_id else None
        if lb is not None and lb.project_id != ip.project_id:
            raise NotFound(lb.resource, lb.id)
        ip = hold_ip(call.change, ip, lb)
    return view_ip(ip)


def release(call: Call) -> None:
    ip = call.own(LbIp, param="ip_id")
    if ip.lb_id is not None:
        raise PreconditionFailed("resource_still_in_use", "the IP is attached to a Load Balancer", ip.resource, ip.id)
    release_ip(call.change, ip)


ONE = "/ips/{ip_id}"
ROUTES = [
    Route(method="POST", path="/ips", handler=create, body=CreateIp),
    Route(method="GET", path="/ips", handler=list_, query=ListIps),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateIp, records=False),
    Route(method="DELETE", path=ONE, handler=release, status=204),
]
