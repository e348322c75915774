"""What a compile takes over from the last one: the hosts of servers that nothing changed for.

A cloud has more servers than anything else, and a change concerns a few of them. Each host is kept with what was read
of the ledger to make it; it is made again when any of that differs, or a route that a network of its offers.
"""

from __future__ import annotations

import msgspec

from hideaway.cloud.memory import Asked, MemoryLedger, Watched
from hideaway.cloud.servers import Server
from hideaway.compile import servers
from hideaway.compile.ways import Ways
from hideaway.fabric.model import Host


class Made(msgspec.Struct, frozen=True):
    host: Host
    links: frozenset[str]
    read: frozenset[Asked]


class Remembered:
    """The hosts of servers, as `servers.hosts` gives them, for one ledger after the other."""

    def __init__(self) -> None:
        self._ledger = MemoryLedger()
        self._ways: Ways = {}
        self._made: dict[str, Made] = {}

    def hosts(self, ledger: MemoryLedger, ways: Ways) -> list[Host]:
        """The hosts of this ledger. Must not be called with one that is changed afterwards."""
        changed = ledger.differences(self._ledger)
        moved = {n for n in ways.keys() | self._ways.keys() if ways.get(n, ()) != self._ways.get(n, ())}
        made: dict[str, Made] = {}
        for server in servers.running(ledger):
            last = self._made.get(server.id)
            if last is None or not (last.read.isdisjoint(changed) and last.links.isdisjoint(moved)):
                last = _make(ledger, server, ways)
            made[server.id] = last
        self._ledger, self._ways, self._made = ledger, ways, made
        return [each.host for each in made.values()]


def _make(ledger: MemoryLedger, server: Server, ways: Ways) -> Made:
    watched = Watched(ledger)
    watched.get(Server, server.id)
    host = servers.host(watched, server, ways)
    return Made(host, frozenset(port.link for port in host.ports), frozenset(watched.asked))
