"""PAT rules: a gateway's public ports, each translated to a port of an address inside."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing
from hideaway.api.vpcgw.views import gateway_of, view_rule
from hideaway.base.errors import Fault, InvalidArguments
from hideaway.cloud.addressing import PRIVATE_V4
from hideaway.cloud.gatewaying import MEMBERS, keep_rule
from hideaway.cloud.gateways import Gateway, PatRule

Port = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**32)]


class CreateRule(Body, frozen=True, kw_only=True):
    gateway_id: str
    public_port: Port
    private_ip: str
    private_port: Port
    protocol: str | None = None


class UpdateRule(Body, frozen=True, kw_only=True):
    public_port: Port | None = None
    private_ip: str | None = None
    private_port: Port | None = None
    protocol: str | None = None


class OneRule(Body, frozen=True, kw_only=True):
    public_port: Port
    private_ip: str
    private_port: Port
    protocol: str | None = None


class SetRules(Body, frozen=True, kw_only=True):
    gateway_id: str
    pat_rules: Annotated[list[OneRule], msgspec.Meta(max_length=1000)]


class ListRules(Listing, frozen=True, kw_only=True):
    gateway_ids: list[str] | None = None
    private_ips: list[str] | None = None
    protocol: str | None = None


def settings_of(body: CreateRule | UpdateRule | OneRule, prefix: str = "") -> dict[str, Any]:
    """What the body says of a rule. Raises InvalidArguments with all that is wrong.

    A private address is one that a Private Network may have; it need not be in use yet. `unknown_protocol` is none.
    """
    faults, settings = [], {}
    for name in ("public_port", "private_port"):
        port = getattr(body, name)
        if port is not None:
            settings[name] = port
            if not 1 <= port <= 65535:
                faults.append(Fault(prefix + name, "constraint", "a port is from 1 to 65535"))
    if body.private_ip is not None:
        settings["private_ip"] = body.private_ip
        if not _is_private(body.private_ip):
            faults.append(Fault(prefix + "private_ip", "constraint", "value must be a private IPv4 address"))
    if body.protocol and not body.protocol.startswith("unknown"):
        settings["protocol"] = body.protocol
        if body.protocol not in MEMBERS:
            faults.append(Fault(prefix + "protocol", "constraint", f"value must be one of {', '.join(MEMBERS)}"))
    if faults:
        raise InvalidArguments(*faults)
    return settings


def _is_private(text: str) -> bool:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return any(address in network for network in PRIVATE_V4)


def _new(call: Call, gateway: Gateway, settings: dict[str, Any]) -> PatRule:
    common = call.common(gateway.project_id, PatRule.resource)
    return PatRule(**common, zone=gateway.zone, gateway_id=gateway.id, **settings)


def create(call: Call, body: CreateRule) -> dict[str, Any]:
    gateway = gateway_of(call, body.gateway_id)
    return view_rule(keep_rule(call.change, _new(call, gateway, settings_of(body))))


def get(call: Call) -> dict[str, Any]:
    return view_rule(call.own(PatRule, param="pat_rule_id"))


def list_(call: Call, query: ListRules) -> dict[str, Any]:
    special = {
        "gateway_ids": lambda r, ids: r.gateway_id in ids,
        "private_ips": lambda r, ips: r.private_ip in ips,
    }
    return listing("pat_rules", call.visible(PatRule), query, view_rule, special=special)


def update(call: Call, body: UpdateRule) -> dict[str, Any]:
    rule = call.own(PatRule, param="pat_rule_id")
    return view_rule(keep_rule(call.change, rule.changed(call.change.now, **settings_of(body))))


def replace(call: Call, body: SetRules) -> dict[str, Any]:
    """The public port identifies a rule (contract): one that is there already keeps its id; the others go."""
    gateway = gateway_of(call, body.gateway_id)
    settings = [settings_of(rule, f"pat_rules.{i}.") for i, rule in enumerate(body.pat_rules)]
    present = call.change.ledger.find(PatRule, ref=gateway.id)
    for rule in present:
        call.change.ledger.remove(rule)
    kept = []
    for wanted in settings:
        old = next((r for r in present if r.public_port == wanted["public_port"]), None)
        if old is not None:
            present.remove(old)
            wanted = {"protocol": "both"} | wanted
        made = _new(call, gateway, wanted) if old is None else old.changed(call.change.now, **wanted)
        kept.append(keep_rule(call.change, made))
    return {"pat_rules": [view_rule(r) for r in kept]}


def delete(call: Call) -> None:
    call.change.ledger.remove(call.own(PatRule, param="pat_rule_id"))


BASE = "/zones/{zone}/pat-rules"
ONE = BASE + "/{pat_rule_id}"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=CreateRule, records=False),
    Route(method="PUT", path=BASE, handler=replace, body=SetRules, records=False),
    Route(method="GET", path=BASE, handler=list_, query=ListRules),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateRule, records=False),
    Route(method="DELETE", path=ONE, handler=delete, status=204, records=False),
]
