"""Resources in, one Fabric out: what the data plane shall do, and because of which resource.

Pure: no clock, no I/O, no globals; the same documents give the same Fabric, whatever order they were put in. Each rule
is numbered in docs/semantics.md. A reference that leads nowhere (a document deleted in between) leaves its element out
and never raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain

from hideaway.cloud.memory import MemoryLedger
from hideaway.compile import (
    balancers,
    clusters,
    databases,
    gateways,
    internet,
    machines,
    resolvers,
    routers,
    security,
    segments,
    servers,
)
from hideaway.compile.attachments import served_networks
from hideaway.compile.harm import harmed
from hideaway.compile.remember import RememberedResolvers, RememberedServers
from hideaway.compile.ways import Ways, ways_of
from hideaway.fabric.model import Fabric, Host

Machines = Callable[[MemoryLedger, Ways], list[Host]]
Resolvers = Callable[[MemoryLedger, Ways, Iterable[str]], list[Host]]


def compile_fabric(ledger: MemoryLedger) -> Fabric:
    """All of what the data plane shall do for these documents; every tuple of the Fabric is sorted by id."""
    return _fabric(ledger, servers.hosts, resolvers.hosts)


class Compiler:
    """compile_fabric for one ledger after the other of the same cloud: the same Fabrics, sooner."""

    def __init__(self) -> None:
        self._machines, self._resolvers = RememberedServers(), RememberedResolvers()

    def compile(self, ledger: MemoryLedger) -> Fabric:
        """The ledger's Fabric. The ledger must not be changed afterwards."""
        return _fabric(ledger, self._machines.hosts, self._resolvers.hosts)


def _fabric(ledger: MemoryLedger, machines_of: Machines, resolvers_of: Resolvers) -> Fabric:
    """One concern a line: who is served by which gateway, the routes that follow, then the hosts of each kind, and
    who answers their questions for addresses and names; last the faults that somebody wishes for."""
    served = served_networks(ledger)
    ways = ways_of(ledger, served)
    servers_there = machines_of(ledger, ways)
    planes = clusters.planes(ledger, servers_there, served)
    plugged = tuple(machines.hosts(ledger, ways))
    others = chain(
        gateways.hosts(ledger, served, ways),
        (plane.host for plane in planes),
        databases.hosts(ledger, ways),
        balancers.hosts(ledger, ways),
        (internet.probe(),),
        plugged,
    )
    there = [*servers_there, *(resolvers.told(ledger, host) for host in others)]
    serving = [*routers.hosts(ledger, served), *resolvers_of(ledger, ways, (p.link for h in there for p in h.ports))]
    hosts = (*there, *machines.advertising(serving, plugged, ways))
    filters = chain(security.filters(ledger), (plane.filter for plane in planes), databases.filters(ledger))
    fabric = Fabric(
        segments=tuple(sorted(segments.segments(ledger), key=lambda s: s.id)),
        hosts=tuple(sorted(hosts, key=lambda h: h.id)),
        filters=tuple(sorted(filters, key=lambda f: f.id)),
        heartbeats=tuple(sorted((h for p in planes for h in p.heartbeats), key=lambda h: (h.source, h.target))),
        volumes=tuple(sorted(databases.volumes(ledger), key=lambda v: v.id)),
    )
    return harmed(ledger, fabric)
