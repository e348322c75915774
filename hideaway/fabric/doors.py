"""Which doors from the machine outside a Fabric calls for: one for each port that is served on the public internet.

A door leads to where somebody at USER_V4 is let in. What a filter refuses gets none, so that it is refused outside too.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache

import msgspec

from hideaway.fabric.model import (
    EDGE,
    INTERNET_V4,
    USER_V4,
    Action,
    Direction,
    Fabric,
    Filter,
    Gateway,
    Host,
    Port,
    Protocol,
)

DOORS = "127.18.0.0/15"
"""Where 198.18.0.0/15 is on the machine outside, unless another network of its loopback is chosen."""
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
    return Reckoner().doors(fabric, asked)


@lru_cache(maxsize=1 << 16)
def outside(address: str, network: str) -> str:
    """Where a public address is outside: at the same place in another /15 (198.18.a.b at 127.18.a.b)."""
    host = int(ipaddress.IPv4Address(address)) - int(ipaddress.IPv4Network(INTERNET_V4).network_address)
    return str(ipaddress.IPv4Network(network).network_address + host)


class Reckoner:
    """Reckons doors, of one Fabric after the other: anew only for hosts that are others than the last time.

    What does not differ from the last time is the very same tuple.
    """

    def __init__(self) -> None:
        self._filters: dict[str, Filter] = {}
        self._known: dict[str, _Known] = {}
        self._doors: tuple[Door, ...] = ()

    def doors(self, fabric: Fabric, asked: Asked) -> tuple[Door, ...]:
        """See `doors`."""
        self._filters = {f.id: self._same(f) for f in fabric.filters}
        before = self._known
        self._known = {host.id: self._doors_of(host, tuple(asked.get(host.id, ()))) for host in fabric.hosts}
        if before.keys() != self._known.keys() or any(before[id_] is not each for id_, each in self._known.items()):
            self._doors = tuple(sorted(door for known in self._known.values() for door in known.doors))
        return self._doors

    def _same(self, filter_: Filter) -> Filter:
        """The filter as it was known before, if nothing of it is another."""
        before = self._filters.get(filter_.id)
        return before if before is not None and before == filter_ else filter_

    def _doors_of(self, host: Host, asked: tuple[tuple[str, int], ...]) -> _Known:
        filters = tuple(self._filters.get(port.filter) for port in host.ports if port.link == EDGE)
        before = self._known.get(host.id)
        if before is not None and before.host is host and before.asked == asked and _same(before.filters, filters):
            return before
        found = tuple(_doors_of(host, self._filters, asked))
        return _Known(host=host, filters=filters, asked=asked, doors=found)


def _same(before: tuple[Filter | None, ...], now: tuple[Filter | None, ...]) -> bool:
    return all(old is new for old, new in zip(before, now, strict=True))


class _Known(msgspec.Struct, frozen=True, kw_only=True):
    """The doors of a host, and what they follow from."""

    host: Host
    filters: tuple[Filter | None, ...]
    asked: tuple[tuple[str, int], ...]
    doors: tuple[Door, ...]


def _doors_of(host: Host, filters: Mapping[str, Filter], asked: Collection[tuple[str, int]]) -> Iterator[Door]:
    for port in host.ports:
        if port.link != EDGE:
            continue
        numbers = {("tcp", each.number) for each in host.redirects if each.port == port.id}
        wanted = {*served(host), *numbers, *asked, *_accepted(filters.get(port.filter))}
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
    answered = {each for service in host.services for each in service.listens()}
    # A gateway's own ports are closed but for those that it opens.
    found |= answered if host.gateway is None else answered & _opened(host.gateway)
    for forward in host.gateway.forwards if host.gateway else ():
        both = ("tcp", "udp") if forward.protocol == Protocol.ANY else (forward.protocol.value,)
        found |= {(protocol, forward.public_port) for protocol in both}
    return found


def _opened(gateway: Gateway) -> set[tuple[str, int]]:
    return {("tcp", each.port) for each in gateway.openings if any(map(_has_users, each.networks))}


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
