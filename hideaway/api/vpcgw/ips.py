"""The public addresses of gateways: reserved on their own, attached to one gateway at a time."""

from __future__ import annotations

import re
from typing import Any

from hideaway.api.call import Call
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Tags
from hideaway.api.vpcgw.views import gateway_of, view_ip
from hideaway.base.errors import NotFound, PreconditionFailed, invalid
from hideaway.cloud.addressing import reverse_name
from hideaway.cloud.gatewaying import make_ip, move_ip
from hideaway.cloud.gateways import GatewayIp, release_ip

HOST_NAME = re.compile(r"(?=.{1,253}\.?$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_-]{1,63}\.?")


class CreateIp(Body, frozen=True, kw_only=True):
    project_id: str | None = None
    tags: Tags | None = None


class UpdateIp(Body, frozen=True, kw_only=True):
    tags: Tags | None = None
    reverse: str | None = None
    gateway_id: str | None = None


class ListIps(Listing, frozen=True, kw_only=True):
    tags: list[str] | None = None
    reverse: str | None = None
    is_free: bool | None = None


def create(call: Call, body: CreateIp) -> dict[str, Any]:
    common = call.common(body.project_id, GatewayIp.resource)
    return view_ip(make_ip(call.change, GatewayIp(**common, zone=call.place, address="", tags=body.tags or [])))


def get(call: Call) -> dict[str, Any]:
    return view_ip(call.own(GatewayIp, param="ip_id"))


def list_(call: Call, query: ListIps) -> dict[str, Any]:
    special = {
        "reverse": lambda ip, part: part in (ip.reverse or ""),
        "is_free": lambda ip, free: (ip.gateway_id is None) == free,
    }
    return listing("ips", call.visible(GatewayIp), query, view_ip, special=special)


def update(call: Call, body: UpdateIp) -> dict[str, Any]:
    """An empty reverse restores the default one; an empty gateway_id detaches."""
    ip = call.own(GatewayIp, param="ip_id")
    fields: dict[str, Any] = {} if body.tags is None else {"tags": body.tags}
    if body.reverse is not None:
        if body.reverse and not HOST_NAME.fullmatch(body.reverse):
            raise invalid("reverse", f"{body.reverse!r} is no host name", "format")
        fields["reverse"] = body.reverse or reverse_name(ip.address)
    ip = ip.changed(call.change.now, **fields)
    call.change.ledger.put(ip)
    if body.gateway_id is not None:
        gateway = gateway_of(call, body.gateway_id) if body.gateway_id else None
        if gateway is not None and gateway.project_id != ip.project_id:
            raise NotFound(gateway.resource, gateway.id)
        ip = move_ip(call.change, ip, gateway)
    return view_ip(ip)


def delete(call: Call) -> None:
    ip = call.own(GatewayIp, param="ip_id")
    if ip.gateway_id is not None:
        raise PreconditionFailed("resource_still_in_use", "the IP is attached to a gateway", ip.resource, ip.id)
    release_ip(call.change, ip)


BASE = "/zones/{zone}/ips"
ONE = BASE + "/{ip_id}"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=CreateIp),
    Route(method="GET", path=BASE, handler=list_, query=ListIps),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateIp, records=False),
    Route(method="DELETE", path=ONE, handler=delete, status=204),
]
