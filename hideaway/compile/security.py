"""Security groups become Filters."""

from __future__ import annotations

from collections.abc import Iterator

from hideaway.cloud.memory import MemoryLedger
from hideaway.cloud.servers import SecurityGroup, SecurityRule, default_rules
from hideaway.compile.common import because, network
from hideaway.fabric.model import Action, Direction, Filter, Protocol, Rule

PROTOCOLS = {"tcp": Protocol.TCP, "udp": Protocol.UDP, "icmp": Protocol.ICMP, "any": Protocol.ANY}
PORTED = (Protocol.TCP, Protocol.UDP)
DIRECTIONS = {"inbound": Direction.INBOUND, "outbound": Direction.OUTBOUND}
ACTIONS = {"accept": Action.ACCEPT, "drop": Action.DROP}


def filters(ledger: MemoryLedger) -> Iterator[Filter]:
    """One Filter a security group, under the group's id."""
    for group in ledger.find(SecurityGroup):
        yield Filter(
            id=group.id,
            stateful=group.stateful,
            inbound=ACTIONS.get(group.inbound_default_policy, Action.DROP),
            outbound=ACTIONS.get(group.outbound_default_policy, Action.DROP),
            rules=tuple(_rules(group)),
            because=because(group),
        )


def _rules(group: SecurityGroup) -> Iterator[Rule]:
    """The six of enable_default_security first (no rule of a user's outranks them), then each direction by position."""
    editable = sorted((r for r in group.rules if r.editable), key=lambda r: (r.direction, r.position, r.id))
    fixed = default_rules() if group.enable_default_security else []
    for rule in (*fixed, *editable):
        yield from _translated(rule, because(group))


def _translated(rule: SecurityRule, reason: str) -> Iterator[Rule]:
    """A rule as the field spells it. One that no packet could match (a malformed range) is left out."""
    other_side, protocol = network(rule.ip_range), PROTOCOLS.get(rule.protocol.lower())
    direction = DIRECTIONS.get(rule.direction.lower())
    if other_side is None or protocol is None or direction is None:
        return
    yield Rule(
        action=ACTIONS.get(rule.action.lower(), Action.DROP),
        direction=direction,
        protocol=protocol,
        network=other_side,
        # Only TCP and UDP have ports.
        ports=port_range(rule.dest_port_from, rule.dest_port_to) if protocol in PORTED else None,
        because=reason,
        which=rule.id,
    )


def port_range(low: int | None, high: int | None) -> tuple[int, int] | None:
    """Ports from low to high, both included: none (or 0) means all, low alone means one."""
    if not low and not high:
        return None
    return (low or 0, high or low or 0)
