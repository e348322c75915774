"""Who may reach an instance's public endpoint: ranges of addresses, added, replaced and taken away."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.listing import page_of
from hideaway.api.pipeline import Route
from hideaway.api.rdb.views import view_rule
from hideaway.api.shapes import Body, Listing, Text
from hideaway.base.errors import Fault, InvalidArguments, invalid
from hideaway.cloud.databases import AccessRule, Database
from hideaway.cloud.databasing import settled

MAX_RULES = 1000  # assumed


class RuleBody(Body, frozen=True, kw_only=True):
    ip: Text
    description: Text | None = None


class Rules(Body, frozen=True, kw_only=True):
    rules: Annotated[list[RuleBody], msgspec.Meta(max_length=MAX_RULES)]


class DeleteRules(Body, frozen=True, kw_only=True):
    acl_rule_ips: list[str] | None = None


def _rules(body: Rules) -> list[AccessRule]:
    """The rules of a body, the last of those with the same range. Raises InvalidArguments for all that is wrong."""
    found: dict[str, AccessRule] = {}
    faults = []
    for i, rule in enumerate(body.rules):
        range_ = _range(rule.ip)
        if range_ is None:
            faults.append(Fault(f"rules.{i}.ip", "format", f"{rule.ip[:64]!r} is no range of addresses in CIDR form"))
        else:
            found[range_] = AccessRule(ip=range_, description=rule.description or "")
    if faults:
        raise InvalidArguments(*faults)
    return list(found.values())


def _range(text: str) -> str | None:
    try:
        return str(ipaddress.ip_network(text, strict=False)) if "%" not in text else None
    except ValueError:
        return None


def _begin(call: Call, rules: list[AccessRule]) -> Database:
    database = call.own(Database, param="instance_id")
    settled(database)
    if len(rules) > MAX_RULES:
        raise invalid("rules", f"there may be {MAX_RULES} rules at most")
    changed = msgspec.structs.replace(database, access_rules=rules)
    return call.change.begin(changed, "configuring", "ready")


def list_(call: Call, query: Listing) -> dict[str, Any]:
    database = call.own(Database, param="instance_id")
    rules = database.access_rules
    return {"rules": [view_rule(database, r) for r in page_of(rules, query)], "total_count": len(rules)}


def add(call: Call, body: Rules) -> dict[str, Any]:
    """Answers all rules, the old ones first (recorded)."""
    new = {r.ip: r for r in _rules(body)}
    kept = [new.pop(r.ip, r) for r in call.own(Database, param="instance_id").access_rules]
    database = _begin(call, [*kept, *new.values()])
    return {"rules": [view_rule(database, r) for r in database.access_rules]}


def replace(call: Call, body: Rules) -> dict[str, Any]:
    database = _begin(call, _rules(body))
    return {"rules": [view_rule(database, r) for r in database.access_rules]}


def delete(call: Call, body: DeleteRules) -> dict[str, Any]:
    """Answers the rules that go (recorded). A range without a rule changes nothing."""
    database = call.own(Database, param="instance_id")
    ranges = {_range(text) for text in body.acl_rule_ips or []}
    going = [r for r in database.access_rules if r.ip in ranges]
    _begin(call, [r for r in database.access_rules if r.ip not in ranges])
    return {"rules": [view_rule(database, r) for r in going]}


PATH = "/regions/{region}/instances/{instance_id}/acls"
ROUTES = [
    Route(method="GET", path=PATH, handler=list_, query=Listing),
    Route(method="POST", path=PATH, handler=add, body=Rules),
    Route(method="PUT", path=PATH, handler=replace, body=Rules),
    Route(method="DELETE", path=PATH, handler=delete, body=DeleteRules),
]
