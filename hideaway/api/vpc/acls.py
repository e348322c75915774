"""Network ACLs: a VPC's rules for what its Private Networks send each other, one list an address family."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal

import msgspec

from hideaway.api.call import Call
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, PortNumber, Query, Text
from hideaway.base.errors import Fault, InvalidArguments
from hideaway.cloud.network import Acl, AclRule, Vpc
from hideaway.cloud.quotas import ACL_RULES

MOST_RULES = 10_000  # that are looked at; the quota is far below
SCOPE = "(Rule scope: client) "
"""What the vendor puts before the description of a user's rule, in every recording."""
EVERYWHERE = {False: "0.0.0.0/0", True: "::/0"}
Cidr = Annotated[str, msgspec.Meta(max_length=64)]
Action = Literal["unknown_action", "accept", "drop"]


class RuleBody(Body, frozen=True, kw_only=True):
    """SDKs differ in how they spell protocols (TCP, tcp)."""

    protocol: Literal["ANY", "TCP", "UDP", "ICMP", "any", "tcp", "udp", "icmp"] | None = None
    source: Cidr | None = None
    src_port_low: PortNumber | None = None
    src_port_high: PortNumber | None = None
    destination: Cidr | None = None
    dst_port_low: PortNumber | None = None
    dst_port_high: PortNumber | None = None
    action: Action | None = None
    description: Text | None = None


class SetAcl(Body, frozen=True, kw_only=True):
    rules: Annotated[list[RuleBody], msgspec.Meta(max_length=MOST_RULES)] | None = None
    is_ipv6: bool | None = None
    default_policy: Action | None = None


class GetAcl(Query, frozen=True, kw_only=True):
    is_ipv6: bool | None = None


def view(acl: Acl | None) -> dict[str, Any]:
    """An ACL's answer. A VPC without one accepts everything."""
    return {"rules": acl.rules if acl else [], "default_policy": acl.default_policy if acl else "accept"}


def get(call: Call, query: GetAcl) -> dict[str, Any]:
    vpc = call.own(Vpc, param="vpc_id")
    return view(call.change.ledger.get(Acl, _id(vpc, bool(query.is_ipv6))))


def _id(vpc: Vpc, v6: bool) -> str:
    return f"{vpc.id}/v{6 if v6 else 4}"


def put(call: Call, body: SetAcl) -> dict[str, Any]:
    """Replace all rules of a family and its default policy. The VPC's updated_at moves (recorded)."""
    vpc, v6, now = call.own(Vpc, param="vpc_id"), bool(body.is_ipv6), call.change.now
    ACL_RULES.leaves_room(0, len(body.rules or []))
    faults: list[Fault] = []
    if body.default_policy not in ("accept", "drop"):
        faults.append(Fault("default_policy", "required", "accept or drop"))
    rules = [_rule(rule, v6, f"rules.{number}", faults) for number, rule in enumerate(body.rules or [])]
    if faults:
        raise InvalidArguments(*faults)
    old = call.change.ledger.get(Acl, _id(vpc, v6))
    acl = Acl(
        id=_id(vpc, v6),
        organization_id=vpc.organization_id,
        project_id=vpc.project_id,
        created_at=old.created_at if old else now,
        updated_at=now,
        region=vpc.region,
        vpc_id=vpc.id,
        is_ipv6=v6,
        default_policy=body.default_policy or "accept",
        rules=rules,
    )
    call.change.ledger.put(acl)
    call.change.ledger.put(vpc.changed(now))
    return view(acl)


def _rule(rule: RuleBody, v6: bool, where: str, faults: list[Fault]) -> AclRule:
    """A rule as it is kept; what is wrong with it goes into faults."""
    sides = {side: getattr(rule, side) or EVERYWHERE[v6] for side in ("source", "destination")}
    for side, text in sides.items():
        if not _fits(text, v6):
            faults.append(Fault(f"{where}.{side}", "format", f"{text!r} is no IPv{6 if v6 else 4} network"))
    protocol = rule.protocol or "ANY"
    for side in ("src", "dst"):
        low, high = getattr(rule, f"{side}_port_low") or 0, getattr(rule, f"{side}_port_high") or 0
        if low > high:
            faults.append(Fault(f"{where}.{side}_port_low", "constraint", "must not be above the high port"))
        if protocol.upper() not in ("TCP", "UDP") and (low > 1 or high not in (0, 65535)):
            faults.append(Fault(f"{where}.{side}_port_high", "constraint", f"{protocol} has no ports"))
    if rule.action not in ("accept", "drop"):
        faults.append(Fault(f"{where}.action", "required", "accept or drop"))
    description = rule.description or ""
    return AclRule(
        protocol=protocol,
        **sides,
        src_port_low=rule.src_port_low or 0,
        src_port_high=rule.src_port_high or 0,
        dst_port_low=rule.dst_port_low or 0,
        dst_port_high=rule.dst_port_high or 0,
        action=rule.action or "accept",
        # A client that sends back what it read must not see the prefix grow.
        description=description if description.startswith(SCOPE) else SCOPE + description,
    )


def _fits(text: str, v6: bool) -> bool:
    try:
        return ipaddress.ip_network(text.replace("%", "no scope here")).version == (6 if v6 else 4)
    except ValueError:
        return False


PATH = "/regions/{region}/vpcs/{vpc_id}/acl-rules"
ROUTES = [
    Route(method="GET", path=PATH, handler=get, query=GetAcl),
    Route(method="PUT", path=PATH, handler=put, body=SetAcl, records=False),
]
