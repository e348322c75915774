"""What a compile takes over from the last one: the hosts of servers and of resolvers that nothing changed for.

A cloud has more servers than anything else, resolvers know all of them, and a change concerns a few. Each host is kept
with what was read of the ledger to make it; it is made again when any of that differs, or a route that a network of its
offers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import msgspec

from hideaway.cloud.memory import Asked, MemoryLedger, Watched
from hideaway.cloud.network import PrivateNetwork
from hideaway.cloud.servers import Server
from hideaway.compile import resolvers, servers
from hideaway.compile.ways import Ways
from hideaway.fabric.model import Host


class Made(msgspec.Struct, frozen=True):
    host: Host
    links: frozenset[str]
    read: frozenset[Asked]


class _Remembered:
    """Hosts that were made for one ledger, for the next one."""

    def __init__(self) -> None:
        self._ledger = MemoryLedger()
        self._ways: Ways = {}
        self._made: dict[str, Made] = {}

    def _hosts(self, ledger: MemoryLedger, ways: Ways, makers: Iterable[tuple[str, Callable[[], Made]]]) -> list[Host]:
        """The host of each key: the last one, or a new one where that may differ."""
        changed = ledger.differences(self._ledger)
        moved = {n for n in ways.keys() | self._ways.keys() if ways.get(n, ()) != self._ways.get(n, ())}
        made: dict[str, Made] = {}
        for key, make in makers:
            last = self._made.get(key)
            if last is None or not (last.read.isdisjoint(changed) and last.links.isdisjoint(moved)):
                last = make()
            made[key] = last
        self._ledger, self._ways, self._made = ledger, ways, made
        return [each.host for each in made.values()]


class RememberedServers(_Remembered):
    """The hosts of servers, as `servers.hosts` gives them, for one ledger after the other."""

    def hosts(self, ledger: MemoryLedger, ways: Ways) -> list[Host]:
        """The hosts of this ledger. Must not be called with one that is changed afterwards."""
        makers = ((s.id, partial(_server, ledger, s, ways)) for s in servers.running(ledger))
        return self._hosts(ledger, ways, makers)


class RememberedResolvers(_Remembered):
    """The hosts of resolvers, as `resolvers.hosts` gives them, for one ledger after the other."""

    def __init__(self) -> None:
        super().__init__()
        self._inhabited: frozenset[str] = frozenset()

    def hosts(self, ledger: MemoryLedger, ways: Ways, links: Iterable[str]) -> list[Host]:
        """The hosts of this ledger. Must not be called with one that is changed afterwards."""
        inhabited = resolvers.inhabited(ledger, links)
        if inhabited != self._inhabited:  # they know of each other
            self._made, self._inhabited = {}, inhabited
        makers = ((id_, partial(_resolver, ledger, id_, ways, inhabited)) for id_ in sorted(inhabited))
        return self._hosts(ledger, ways, makers)


def _server(ledger: MemoryLedger, server: Server, ways: Ways) -> Made:
    watched = Watched(ledger)
    watched.get(Server, server.id)
    return _made(servers.host(watched, server, ways), watched)


def _resolver(ledger: MemoryLedger, network_id: str, ways: Ways, inhabited: frozenset[str]) -> Made:
    watched = Watched(ledger)
    private = watched.get(PrivateNetwork, network_id)
    assert private is not None, "it was found inhabited in this very ledger"
    return _made(resolvers.host(watched, private, ways, inhabited), watched)


def _made(host: Host, watched: Watched) -> Made:
    return Made(host, frozenset(port.link for port in host.ports), frozenset(watched.asked))
