"""Security groups in v2alpha1: with their rules in one answer, and rules that name both sides.

A rule here has one other side and one range of ports, the packets' destination: all that instance/v1 can say. A rule
of both directions is kept as two; what only v2alpha1 can say (ports of the source, a range of the own side) is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from hideaway.api.call import Call
from hideaway.api.instance import groups as v1
from hideaway.api.instance.rules import RuleBody, insert, keep, rule_of
from hideaway.api.instance.shared import Tokens, here, present, tokened
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Name, PortNumber, Tags, Text, UInt32
from hideaway.base.errors import Fault, InvalidArguments, NotFound, PreconditionFailed, invalid
from hideaway.cloud.servers import SecurityGroup, SecurityRule, default_rules

Action = Literal["accept", "drop", "unknown_action"]
ANY = ("", "0.0.0.0/0", "::/0")


class CreateGroup(Body, frozen=True, kw_only=True):
    name: Name
    description: Text | None = None
    project_id: str | None = None
    tags: Tags | None = None
    disable_default_rules: bool | None = None
    project_default: bool | None = None
    inbound_default_action: Action | None = None
    outbound_default_action: Action | None = None
    stateless: bool | None = None


class UpdateGroup(Body, frozen=True, kw_only=True):
    name: Name | None = None
    description: Text | None = None
    tags: Tags | None = None
    disable_default_rules: bool | None = None
    project_default: bool | None = None
    inbound_default_action: Action | None = None
    outbound_default_action: Action | None = None
    stateless: bool | None = None


class ListGroups(Tokens, frozen=True, kw_only=True):
    order_by: Literal["created_at_desc", "created_at_asc", "updated_at_desc", "updated_at_asc"] | None = None
    name: str | None = None
    tags: list[str] | None = None
    security_group_ids: list[str] | None = None


class Ports(Body, frozen=True, kw_only=True):
    start: PortNumber | None = None
    end: PortNumber | None = None


class Rule(Body, frozen=True, kw_only=True):
    """A rule as it is added, set or changed."""

    protocol: Literal["tcp", "udp", "icmp", "any", "unknown_protocol"] | None = None
    direction: Literal["inbound", "outbound", "both", "unknown_direction"] | None = None
    action: Action | None = None
    source_ip_range: str | None = None
    destination_ip_range: str | None = None
    source_ports: Ports | None = None
    destination_ports: Ports | None = None
    position: UInt32 | None = None


class RulesOf(Body, frozen=True, kw_only=True):
    security_group_id: str
    security_group_rules: list[Rule] | None = None


class RuleIds(Body, frozen=True, kw_only=True):
    security_group_rule_ids: list[str] | None = None


def summary(group: SecurityGroup) -> dict[str, Any]:
    """A group in a list."""
    return {
        "id": group.id,
        "name": group.name,
        "description": group.description or "",
        "project_id": group.project_id,
        "tags": group.tags,
        "disable_default_rules": not group.enable_default_security,
        "project_default": group.project_default,
        "inbound_default_action": group.inbound_default_policy,
        "outbound_default_action": group.outbound_default_policy,
        "stateless": not group.stateful,
        "created_at": group.created_at,
        "updated_at": group.updated_at,
    }


def view(group: SecurityGroup) -> dict[str, Any]:
    fixed = default_rules() if group.enable_default_security else []
    return summary(group) | {
        "default_rules": [rule_view(rule) for rule in fixed],
        "rules": [rule_view(rule) for rule in group.rules],
        "zone": group.zone,
    }


def rule_view(rule: SecurityRule) -> dict[str, Any]:
    anyone = "::/0" if ":" in rule.ip_range else "0.0.0.0/0"
    inbound = rule.direction == "inbound"
    ports = {"start": rule.dest_port_from, "end": rule.dest_port_to or rule.dest_port_from}
    return present(
        id=rule.id,
        protocol=rule.protocol.lower(),
        direction=rule.direction,
        action=rule.action,
        source_ip_range=rule.ip_range if inbound else anyone,
        destination_ip_range=anyone if inbound else rule.ip_range,
        destination_ports=ports if rule.dest_port_from else None,
        position=rule.position,
    )


def create(call: Call, body: CreateGroup) -> dict[str, Any]:
    group = SecurityGroup(
        **call.common(body.project_id, SecurityGroup.resource),
        zone=call.place,
        name=body.name,
        **({"enable_default_security": True} | _fields(body)),
    )
    call.change.ledger.put(v1.sound(group))
    return view(v1.make_default(call, group) if body.project_default else group)


def _fields(body: CreateGroup | UpdateGroup) -> dict[str, Any]:
    """What a request says of a group, as it is kept."""
    said = {
        "description": body.description,
        "tags": body.tags,
        "enable_default_security": None if body.disable_default_rules is None else not body.disable_default_rules,
        "stateful": None if body.stateless is None else not body.stateless,
        "inbound_default_policy": _said(body.inbound_default_action),
        "outbound_default_policy": _said(body.outbound_default_action),
    }
    return {name: value for name, value in said.items() if value is not None}


def _said(value: str | None) -> str | None:
    return None if value is None or value.startswith("unknown") else value


def get(call: Call) -> dict[str, Any]:
    return view(call.own(SecurityGroup, param="security_group_id"))


def list_(call: Call, query: ListGroups) -> dict[str, Any]:
    special = {"security_group_ids": lambda g, wanted: g.id in wanted}
    return tokened("security_groups", call.visible(SecurityGroup), query, summary, special)


def update(call: Call, body: UpdateGroup) -> dict[str, Any]:
    group = call.own(SecurityGroup, param="security_group_id")
    fields = _fields(body) | ({"name": body.name} if body.name is not None else {})
    new = {name: value for name, value in fields.items() if getattr(group, name) != value}
    if body.project_default:
        group = v1.make_default(call, group)
    if new:
        group = call.change.begin(v1.sound(msgspec.structs.replace(group, **new)), "syncing", "available")
    return view(group)


# rules


def _rules(call: Call, bodies: Sequence[Rule], where: str = "security_group_rules.") -> list[SecurityRule]:
    """Rules out of a request, two for one of both directions. Raises InvalidArguments with all that is wrong."""
    made: list[SecurityRule] = []
    faults: list[Fault] = []
    for n, body in enumerate(bodies):
        for direction in ("inbound", "outbound") if body.direction == "both" else (body.direction,):
            try:
                made.append(_rule(call, body, direction, f"{where}{n}."))
            except InvalidArguments as error:
                faults += error.faults
    if faults:
        raise InvalidArguments(*dict.fromkeys(faults))
    return made


def _rule(call: Call, body: Rule, direction: str | None, where: str, id_: str = "") -> SecurityRule:
    own, other = "destination_ip_range", "source_ip_range"
    if direction == "outbound":
        own, other = other, own
    faults: list[Fault] = []
    if (getattr(body, own) or "") not in ANY:
        faults.append(Fault(where + own, "constraint", f"the own side of an {direction} rule is any address here"))
    if body.source_ports is not None and (body.source_ports.start or body.source_ports.end):
        faults.append(Fault(where + "source_ports", "constraint", "rules have no source ports here"))
    if faults:
        raise InvalidArguments(*faults)
    ports = body.destination_ports or Ports()
    spelled = RuleBody(
        protocol=body.protocol,
        direction=direction,  # type: ignore[arg-type]
        action=body.action,
        ip_range=getattr(body, other) or None,
        dest_port_from=ports.start,
        dest_port_to=ports.end,
        position=body.position,
    )
    names = {"ip_range": other, "dest_port_from": "destination_ports.start", "dest_port_to": "destination_ports.end"}
    try:
        return rule_of(id_ or call.change.ids.uuid(), spelled)
    except InvalidArguments as error:
        named = [(names.get(f.argument_name, f.argument_name), f) for f in error.faults]
        raise InvalidArguments(*(Fault(where + name, f.reason, f.help_message) for name, f in named)) from None


def _group(call: Call, body: RulesOf) -> SecurityGroup:
    return call.own(SecurityGroup, here(call, SecurityGroup, body.security_group_id, "security_group_id").id)


def add_rules(call: Call, body: RulesOf) -> dict[str, Any]:
    group = _group(call, body)
    added, rules = _rules(call, body.security_group_rules or []), group.rules
    for rule in added:
        rules = insert(rules, rule)
    group = keep(call, group, rules)
    ids = {rule.id for rule in added}
    return {"security_group": view(group), "added_rules": [rule_view(r) for r in group.rules if r.id in ids]}


def set_rules(call: Call, body: RulesOf) -> dict[str, Any]:
    group = _group(call, body)
    rules = _rules(call, body.security_group_rules or [])
    return view(keep(call, group, sorted(rules, key=lambda rule: rule.position)))


def _with_rule(call: Call, id_: str) -> tuple[SecurityGroup, SecurityRule]:
    """A rule that the caller may change, and its group. Raises NotFound, PreconditionFailed for a default one."""
    if any(rule.id == id_ for rule in default_rules()):
        raise PreconditionFailed("resource_not_usable", "a default rule cannot be changed", "security_group_rule", id_)
    for group in call.visible(SecurityGroup):
        for rule in group.rules:
            if rule.id == id_:
                return call.own(SecurityGroup, group.id), rule
    raise NotFound("security_group_rule", id_)


def update_rule(call: Call, body: Rule) -> dict[str, Any]:
    """Change what is given."""
    group, old = _with_rule(call, call.params["security_group_rule_id"].lower())
    shown = rule_view(old)
    direction = _said(body.direction) or old.direction
    if direction == "both":
        raise invalid("direction", "a rule of both directions is kept as two: add the other one")
    other = "source_ip_range" if old.direction == "inbound" else "destination_ip_range"
    new_other = "source_ip_range" if direction == "inbound" else "destination_ip_range"
    ports = body.destination_ports or Ports(start=old.dest_port_from, end=old.dest_port_to)
    fields: dict[str, Any] = {
        "source_ip_range": body.source_ip_range,
        "destination_ip_range": body.destination_ip_range,
        new_other: getattr(body, new_other) or shown[other],
        "protocol": _said(body.protocol) or shown["protocol"],
        "action": _said(body.action) or old.action,
        "source_ports": body.source_ports,
        "destination_ports": ports,
        "position": body.position or old.position,
    }
    rule = _rule(call, Rule(**fields), direction, "", old.id)
    return view(keep(call, group, insert([r for r in group.rules if r.id != old.id], rule)))


def delete_rules(call: Call, body: RuleIds) -> None:
    """All of them, or (when one is refused) none."""
    if not body.security_group_rule_ids:
        raise invalid("security_group_rule_ids", "value is required", "required")
    for id_ in dict.fromkeys(id_.lower() for id_ in body.security_group_rule_ids):
        group, gone = _with_rule(call, id_)
        keep(call, group, [rule for rule in group.rules if rule.id != gone.id])


BASE, RULES = "/zones/{zone}/security-groups", "/zones/{zone}/security-group-rules"
ONE = BASE + "/{security_group_id}"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=CreateGroup, records=False),
    Route(method="GET", path=BASE, handler=list_, query=ListGroups),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateGroup, records=False),
    Route(method="DELETE", path=ONE, handler=v1.delete, status=204, records=False),
    Route(method="POST", path=RULES, handler=add_rules, body=RulesOf, records=False),
    Route(method="PUT", path=RULES, handler=set_rules, body=RulesOf, records=False),
    Route(method="DELETE", path=RULES, handler=delete_rules, body=RuleIds, status=204, records=False),
    Route(method="PATCH", path=RULES + "/{security_group_rule_id}", handler=update_rule, body=Rule, records=False),
]
