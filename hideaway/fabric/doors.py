"""Which doors from the machine outside a Fabric calls for: one for each port that is served on the public internet.

A door leads to where somebody at USER_V4 is let in. What a filter refuses gets none, so that it is refused outside too.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Mapping

import msgspec

from hideaway.fabric.model import EDGE, USER_V4, Action, Direction, Fabric, Filter, Host, Port, Protocol

WIDEST = 32
"""Ports that a rule may name to have a door for each: ranges such as that of NodePorts would take thousands."""

Asked = Mapping[str, Collection[tuple[str, int]]]
"""Host's id -> the ports that somebody asked for, each (`tcp` or `udp`, port)."""


class Door(msgspec.Struct, frozen=True, order=True, kw_only=True):
    """Leads to a port of a public address. address has no prefix length; protocol is `tcp` or `udp`."""

    host: str
    address: str
    protocol: str
    port: int


def doors(fabric: Fabric, asked: Asked) -> tuple[Door, ...]:
    """All doors, sorted. Doors are IPv4's: the machine's loopback has one IPv6 address."""
    filters = {each.id: each for each in fabric.filters}
    return tuple(sorted(door for host in fabric.hosts for door in _doors_of(host, filters, asked.get(host.id, ()))))


def _doors_of(host: Host, filters: Mapping[str, Filter], asked: Collection[tuple[str, int]]) -> Iterator[Door]:
    for port in host.ports:
        if port.link != EDGE:
            continue
        wanted = {*served(host), *asked, *_accepted(filters.get(port.filter))}
        for protocol, number in wanted:
            if lets_in(port, filters, protocol, number):
                for address in public_v4(port):
                    yield Door(host=host.id, address=address, protocol=protocol, port=number)


def public_v4(port: Port) -> list[str]:
    """The public IPv4 addresses of a port, without prefix lengths."""
    return [a.partition("/")[0] for a in port.addresses if port.link == EDGE and ":" not in a]


def served(host: Host) -> set[tuple[str, int]]:
    """What answers on a host's public addresses: its services, what it translates, what the data plane answers."""
    found = {("tcp", each.port) for each in host.listeners}
    found |= {each for service in host.services for each in service.listens()}
    for forward in host.gateway.forwards if host.gateway else ():
        both = ("tcp", "udp") if forward.protocol == Protocol.ANY else (forward.protocol.value,)
        found |= {(protocol, forward.public_port) for protocol in both}
    return found


def _accepted(filter_: Filter | None) -> Iterator[tuple[str, int]]:
    """The ports that a filter's rules name one by one."""
    for rule in filter_.rules if filter_ else ():
        if rule.action == Action.ACCEPT and rule.direction == Direction.INBOUND and rule.ports is not None:
            low, high = rule.ports
            if rule.protocol in (Protocol.TCP, Protocol.UDP) and low > 0 and high - low < WIDEST:
                yield from ((rule.protocol.value, number) for number in range(low, high + 1))


def lets_in(port: Port, filters: Mapping[str, Filter], protocol: str, number: int) -> bool:
    """Whether a port's filter lets in what a user sends: the first rule that matches, else the policy."""
    if not port.filter:
        return True
    filter_ = filters.get(port.filter)
    if filter_ is None:
        return False
    for rule in filter_.rules:
        if rule.direction != Direction.INBOUND or rule.protocol not in (Protocol.ANY, Protocol(protocol)):
            continue
        if (rule.ports is None or rule.ports[0] <= number <= rule.ports[1]) and _has_users(rule.network):
            return rule.action == Action.ACCEPT
    return filter_.inbound == Action.ACCEPT


def _has_users(network: str) -> bool:
    return ":" not in network and ipaddress.ip_address(USER_V4) in ipaddress.ip_network(network, strict=False)
