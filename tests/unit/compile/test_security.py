"""Rules of part 3: security groups."""

from __future__ import annotations

import pytest

from hideaway.cloud.servers import SecurityRule
from hideaway.fabric.model import Action, Direction, Protocol, Rule
from tests.unit.compile.factory import Cloud, rule


def compiled(*rules: SecurityRule, **fields: object) -> list[Rule]:
    cloud = Cloud()
    group = cloud.group(*rules, **{"enable_default_security": False, **fields})
    return list(cloud.filter(group.id).rules)


def test_a_group_is_a_filter_with_its_policies_and_its_state() -> None:
    cloud = Cloud()
    group = cloud.group(stateful=False, inbound_default_policy="drop", outbound_default_policy="accept")
    made = cloud.filter(group.id)
    assert (made.stateful, made.inbound, made.outbound) == (False, Action.DROP, Action.ACCEPT)
    assert made.because == f"instance/security_group:{group.id}"


def test_the_documents_rule() -> None:
    (made,) = compiled(rule(protocol="UDP", dest_port_from=500))
    assert (made.action, made.direction, made.protocol) == (Action.ACCEPT, Direction.INBOUND, Protocol.UDP)
    assert (made.network, made.ports) == ("0.0.0.0/0", (500, 500))


def test_smtp_is_dropped_before_any_rule_of_a_users() -> None:
    rules = compiled(rule(direction="outbound", dest_port_from=25), enable_default_security=True)
    assert [(r.network, r.ports, r.action.value) for r in rules] == [
        *(("0.0.0.0/0", (p, p), "drop") for p in (25, 465, 587)),
        *(("::/0", (p, p), "drop") for p in (25, 465, 587)),
        ("0.0.0.0/0", (25, 25), "accept"),
    ]


def test_each_direction_goes_by_position() -> None:
    rules = [
        rule(id="a", dest_port_from=3, position=3),
        rule(id="b", dest_port_from=1, position=1, direction="outbound"),
        rule(id="c", dest_port_from=2, position=2),
    ]
    assert [(r.direction.value, r.ports) for r in compiled(*rules)] == [
        ("inbound", (2, 2)),
        ("inbound", (3, 3)),
        ("outbound", (1, 1)),
    ]


def test_no_port_means_all_and_two_are_a_range() -> None:
    assert [r.ports for r in compiled(rule(), rule(dest_port_from=30000, dest_port_to=32767))] == [None, (30000, 32767)]


def test_protocols_and_families() -> None:
    rules = compiled(rule(protocol="ICMP", ip_range="::/0"), rule(protocol="ANY", ip_range="10.1.2.3"))
    assert [(r.protocol.value, r.network, r.ports) for r in rules] == [
        ("icmp", "::/0", None),
        ("any", "10.1.2.3/32", None),
    ]


@pytest.mark.parametrize("protocol", ["ANY", "ICMP"])
def test_what_has_no_ports_is_matched_without(protocol: str) -> None:
    assert [r.ports for r in compiled(rule(protocol=protocol, dest_port_from=53))] == [None]


def test_a_rule_that_no_packet_can_match_is_left_out() -> None:
    assert compiled(rule(ip_range="not a range"), rule(protocol="GRE"), rule(direction="sideways")) == []
