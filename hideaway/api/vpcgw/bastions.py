"""Who may reach a gateway's SSH bastion: ranges of addresses, added, replaced and taken away."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Text
from hideaway.base.errors import NotFound, invalid
from hideaway.cloud.gateways import Gateway

MAX_RANGES = 255


class AddRange(Body, frozen=True, kw_only=True):
    ip_range: Text


class SetRanges(Body, frozen=True, kw_only=True):
    ip_ranges: Annotated[list[Text], msgspec.Meta(max_length=MAX_RANGES)] | None = None


def range_of(text: str, argument: str) -> str:
    """A range in CIDR form; a bare address stands for itself alone. Raises InvalidArguments."""
    try:
        return str(ipaddress.IPv4Network(text))
    except ValueError:
        raise invalid(argument, f"{text!r} is no IPv4 range in CIDR form", "format") from None


def _keep(call: Call, gateway: Gateway, ranges: list[str]) -> dict[str, Any]:
    if len(ranges) > MAX_RANGES:
        raise invalid("ip_range", f"there may be {MAX_RANGES} ranges at most")
    call.change.ledger.put(gateway.changed(call.change.now, bastion_allowed_ips=ranges))
    return {"ip_ranges": ranges}


def add(call: Call, body: AddRange) -> dict[str, Any]:
    gateway, wanted = call.own(Gateway, param="gateway_id"), range_of(body.ip_range, "ip_range")
    return _keep(call, gateway, list(dict.fromkeys([*gateway.bastion_allowed_ips, wanted])))


def replace(call: Call, body: SetRanges) -> dict[str, Any]:
    gateway = call.own(Gateway, param="gateway_id")
    return _keep(call, gateway, list(dict.fromkeys(range_of(r, "ip_ranges") for r in body.ip_ranges or [])))


def remove(call: Call) -> None:
    gateway, wanted = call.own(Gateway, param="gateway_id"), range_of(call.params["ip_range"], "ip_range")
    if wanted not in gateway.bastion_allowed_ips:
        raise NotFound("bastion_allowed_ip", wanted)
    _keep(call, gateway, [r for r in gateway.bastion_allowed_ips if r != wanted])


BASE = "/zones/{zone}/gateways/{gateway_id}/bastion-allowed-ips"
ROUTES = [
    Route(method="POST", path=BASE, handler=add, body=AddRange, records=False),
    Route(method="PUT", path=BASE, handler=replace, body=SetRanges, records=False),
    Route(method="DELETE", path=BASE + "/{ip_range:path}", handler=remove, status=204, records=False),
]
