"""The rules of a security group: the six of enable_default_security first, then the user's by position."""

from __future__ import annotations

import ipaddress
from typing import Any, Literal

import msgspec

from hideaway.api.call import Call
from hideaway.api.instance.shared import Page, pages
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, PortNumber, UInt32
from hideaway.base.errors import Fault, InvalidArguments, NotFound, PreconditionFailed, invalid
from hideaway.cloud.servers import SecurityGroup, SecurityRule, default_rules

Protocol = Literal["TCP", "UDP", "ICMP", "ANY", "tcp", "udp", "icmp", "any", "unknown_protocol"]
Direction = Literal["inbound", "outbound", "unknown_direction"]
Action = Literal["accept", "drop", "unknown_action"]
MAX_RULES = 1000


class RuleBody(Body, frozen=True, kw_only=True):
    """A rule as it is created, set or changed. Ports none or 0 mean all; dest_port_to alone is refused."""

    id: str | None = None
    protocol: Protocol | None = None
    direction: Direction | None = None
    action: Action | None = None
    ip_range: str | None = None
    dest_port_from: PortNumber | None = None
    dest_port_to: PortNumber | None = None
    position: UInt32 | None = None


class SetRules(Body, frozen=True, kw_only=True):
    rules: list[RuleBody] | None = None


def view(group: SecurityGroup, rule: SecurityRule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "protocol": rule.protocol,
        "direction": rule.direction,
        "ip_range": rule.ip_range,
        "dest_ip_range": None,
        "dest_port_from": rule.dest_port_from,
        "dest_port_to": rule.dest_port_to,
        "position": rule.position,
        "editable": rule.editable,
        "action": rule.action,
        "zone": group.zone,
    }


def all_rules(group: SecurityGroup) -> list[SecurityRule]:
    return [*(default_rules() if group.enable_default_security else []), *group.rules]


def rule_of(id_: str, body: RuleBody, where: str = "") -> SecurityRule:
    """A rule out of a request. Raises InvalidArguments with all that is wrong with it."""
    faults = [
        Fault(where + name, "required", f"{name} is required")
        for name in ("protocol", "direction", "action", "ip_range")
        if getattr(body, name) is None or str(getattr(body, name)).startswith("unknown")
    ]
    low, high = _ports(body)
    if high and not low:
        faults.append(Fault(where + "dest_port_from", "required", "dest_port_to needs dest_port_from"))
    elif low and high and high < low:
        faults.append(Fault(where + "dest_port_to", "constraint", "dest_port_to is below dest_port_from"))
    network = _network(body.ip_range) if body.ip_range is not None else None
    if body.ip_range is not None and network is None:
        faults.append(Fault(where + "ip_range", "format", f"{body.ip_range!r} is not an IP range"))
    if faults:
        raise InvalidArguments(*faults)
    return SecurityRule(
        id=id_,
        protocol=str(body.protocol).upper(),
        direction=str(body.direction),
        action=str(body.action),
        ip_range=network or "",
        dest_port_from=low,
        dest_port_to=high,
        position=body.position or 0,
    )


def _ports(body: RuleBody) -> tuple[int | None, int | None]:
    """The ports as the vendor keeps them (its SDK's words): null for ICMP and ANY, the last null if it is the first."""
    if (body.protocol or "").upper() in ("ICMP", "ANY"):
        return None, None
    low, high = body.dest_port_from or None, body.dest_port_to or None
    return low, None if high == low else high


def _network(text: str) -> str | None:
    """A range as the vendor keeps it: of one address without its prefix length, else as it was sent."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    return text.split("/")[0] if network.num_addresses == 1 else text


def keep(call: Call, group: SecurityGroup, rules: list[SecurityRule]) -> SecurityGroup:
    """Number the rules from 1 on in their order, and bring them into force."""
    if len(rules) > MAX_RULES:
        raise invalid("rules", f"a security group has {MAX_RULES} rules at most")
    placed = [msgspec.structs.replace(rule, position=n) for n, rule in enumerate(rules, 1)]
    if placed == group.rules:
        return group
    return call.change.begin(msgspec.structs.replace(group, rules=placed), "syncing", "available")


def insert(rules: list[SecurityRule], rule: SecurityRule) -> list[SecurityRule]:
    """The rules with one more, at its position; without one, at the end."""
    at = rule.position - 1 if rule.position else len(rules)
    return [*rules[:at], rule, *rules[at:]]


def _group(call: Call) -> SecurityGroup:
    return call.own(SecurityGroup, param="security_group_id")


def _editable(call: Call, group: SecurityGroup) -> SecurityRule:
    wanted = call.params["security_group_rule_id"].lower()
    for rule in group.rules:
        if rule.id == wanted:
            return rule
    if any(rule.id == wanted for rule in all_rules(group)):
        raise PreconditionFailed(
            "resource_not_usable", "a rule of enable_default_security cannot be edited", "instance_rule", wanted
        )
    raise NotFound("instance_security_group_rule", wanted)


def list_(call: Call, query: Page) -> dict[str, Any]:
    group = _group(call)
    shown = [view(group, rule) for rule in all_rules(group)]
    return {"rules": pages(call, shown, query, f"/security_groups/{group.id}/rules")}


def set_all(call: Call, body: SetRules) -> dict[str, Any]:
    """Replace all editable rules. Those that name a rule that stands keep its id; default ones are passed over."""
    group = _group(call)
    fixed = {rule.id for rule in default_rules()}
    standing = {rule.id for rule in group.rules}
    wanted: list[SecurityRule] = []
    faults: list[Fault] = []
    for n, one in enumerate(body.rules or []):
        if one.id in fixed:
            continue
        id_ = one.id if one.id in standing else call.change.ids.uuid()
        try:
            wanted.append(rule_of(str(id_), one, f"rules.{n}."))
        except InvalidArguments as error:
            faults.extend(error.faults)
    if faults:
        raise InvalidArguments(*faults)
    if len({rule.id for rule in wanted}) != len(wanted):
        raise invalid("rules", "two rules have the same id")
    kept = keep(call, group, sorted(wanted, key=lambda rule: rule.position))
    return {"rules": [view(kept, rule) for rule in all_rules(kept)]}


def create(call: Call, body: RuleBody) -> dict[str, Any]:
    group = _group(call)
    rule = rule_of(call.change.ids.uuid(), body)
    kept = keep(call, group, insert(group.rules, rule))
    return _one(kept, rule.id)


def get(call: Call) -> dict[str, Any]:
    group = _group(call)
    wanted = call.params["security_group_rule_id"].lower()
    if not any(rule.id == wanted for rule in all_rules(group)):
        raise NotFound("instance_security_group_rule", wanted)
    return _one(group, wanted)


def _one(group: SecurityGroup, id_: str) -> dict[str, Any]:
    return {"rule": next(view(group, rule) for rule in all_rules(group) if rule.id == id_)}


def update(call: Call, body: RuleBody) -> dict[str, Any]:
    """Change what is given. A port of 0 means all ports."""
    group = _group(call)
    old = _editable(call, group)
    merged = RuleBody(
        protocol=_said(body.protocol) or old.protocol,  # type: ignore[arg-type]
        direction=_said(body.direction) or old.direction,  # type: ignore[arg-type]
        action=_said(body.action) or old.action,  # type: ignore[arg-type]
        ip_range=body.ip_range or old.ip_range,
        dest_port_from=old.dest_port_from if body.dest_port_from is None else body.dest_port_from,
        dest_port_to=old.dest_port_to if body.dest_port_to is None else body.dest_port_to,
        position=body.position or old.position,
    )
    rule = rule_of(old.id, merged)
    others = [r for r in group.rules if r.id != old.id]
    return _one(keep(call, group, insert(others, rule)), old.id)


def _said(value: str | None) -> str | None:
    return None if value is None or value.startswith("unknown") else value


def delete(call: Call) -> None:
    group = _group(call)
    gone = _editable(call, group)
    keep(call, group, [rule for rule in group.rules if rule.id != gone.id])


def defaults(call: Call) -> dict[str, Any]:
    """The rules that enable_default_security adds."""
    group = SecurityGroup(
        id="", organization_id="", project_id="", created_at=call.change.now, updated_at=call.change.now,
        zone=call.place, name="",
    )  # fmt: skip
    return {"rules": [view(group, rule) for rule in default_rules()]}


BASE = "/zones/{zone}/security_groups/{security_group_id}/rules"
ONE = BASE + "/{security_group_rule_id}"
ROUTES = [
    Route(method="GET", path="/zones/{zone}/security_groups/default/rules", handler=defaults),
    Route(method="GET", path=BASE, handler=list_, query=Page),
    Route(method="PUT", path=BASE, handler=set_all, body=SetRules, records=False),
    Route(method="POST", path=BASE, handler=create, body=RuleBody, status=201, records=False),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=RuleBody, records=False),
    Route(method="PUT", path=ONE, handler=update, body=RuleBody, records=False),
    Route(method="DELETE", path=ONE, handler=delete, status=204, records=False),
]
