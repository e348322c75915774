"""What a Fabric comes to in the data plane, without the words that are for people (names, reasons).

Two Fabrics with equal shapes need no step between them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Set

import msgspec

from hideaway.fabric.model import (
    EDGE,
    Action,
    Damage,
    Fabric,
    Filter,
    Gateway,
    Host,
    Listener,
    Plug,
    Port,
    Redirect,
    Resolver,
    Router,
)
from hideaway.fabric.services import AnyService
from hideaway.plan.steps import ChangeEdge, PublicPort, Served, SetEdge, SetPulse, Way


class Shape(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a host is to the data plane. ports have no reasons, no filters (those are the edge's) and no damages.

    damages are of those ports that have one, by their ids.
    """

    ports: tuple[Port, ...]
    damages: tuple[tuple[str, Damage], ...]
    ways: tuple[Way, ...]
    gateway: Gateway | None
    router: Router | None
    listeners: tuple[Listener, ...]
    services: tuple[AnyService, ...]
    killed: bool
    dhcp_dropped: bool
    redirects: tuple[Redirect, ...]
    metadata: bool
    resolver: Resolver | None
    plug: Plug | None
    boots: int

    @property
    def forwards(self) -> tuple[bool, bool]:
        """Whether packets for others are passed on, by family. The vendor's gateways do IPv4 only (vpc-gw/v2)."""
        return (self.gateway is not None or self.router is not None, self.router is not None)

    @property
    def rules(self) -> tuple[object, ...] | None:
        """What the host's own rules follow from; None when it has none."""
        if not (self.gateway or self.router or self.redirects or self.dhcp_dropped):
            return None
        return (self.gateway, self.router, self.ports, self.listeners, self.redirects, self.dhcp_dropped)


def shapes(fabric: Fabric, of: Set[str] | None = None) -> dict[str, Shape]:
    """The shapes of hosts by id: of those with these ids, of all by default."""
    hosts = [host for host in fabric.hosts if of is None or host.id in of]
    return {host.id: _shape(host) for host in hosts}


def touched(present: Fabric, wanted: Fabric) -> set[str]:
    """The ids of all hosts whose shapes may differ."""
    old, new = {h.id: h for h in present.hosts}, {h.id: h for h in wanted.hosts}
    return {id_ for id_ in old.keys() | new.keys() if old.get(id_) != new.get(id_)}


def _shape(host: Host) -> Shape:
    ports = tuple(sorted((_plain(p, host.plug) for p in host.ports), key=lambda p: p.id))
    return Shape(
        ports=ports,
        damages=tuple(sorted(((p.id, _quieted(p.damage)) for p in host.ports if p.damage), key=lambda d: d[0])),
        ways=_ways(host) if host.plug is None else (),
        gateway=_gateway(host.gateway),
        router=_router(host.router),
        listeners=host.listeners,
        services=() if host.killed else tuple(service.quiet() for service in host.services),
        killed=host.killed,
        dhcp_dropped=host.dhcp_dropped,
        redirects=host.redirects,
        metadata=host.metadata,
        resolver=host.resolver if host.plug is None else Resolver(),
        plug=host.plug,
        boots=host.boots,
    )


def _plain(port: Port, plug: Plug | None) -> Port:
    """Who is plugged in has its addresses from elsewhere, and behind a tap device its MAC, too."""
    plain = msgspec.structs.replace(port, filter="", because="", damage=None)
    if plug is None:
        return plain
    return msgspec.structs.replace(plain, addresses=(), mac="" if plug.tap else plain.mac)


def _quieted(damage: Damage) -> Damage:
    return Damage(down=True) if damage.down else msgspec.structs.replace(damage, because="")


def _gateway(gateway: Gateway | None) -> Gateway | None:
    if gateway is None:
        return None
    forwards = tuple(msgspec.structs.replace(f, because="") for f in gateway.forwards)
    return msgspec.structs.replace(gateway, forwards=forwards)


def _router(router: Router | None) -> Router | None:
    if router is None:
        return None
    rules = tuple(msgspec.structs.replace(r, because="", which="") for r in router.rules)
    leaving = router.leaving and msgspec.structs.replace(router.leaving, because="")
    return msgspec.structs.replace(router, rules=rules, leaving=leaving)


def _ways(host: Host) -> tuple[Way, ...]:
    names = {port.id: port.name for port in host.ports}
    seen: dict[str, int] = defaultdict(int)
    found = []
    for route in host.routes:
        if route.port in names:
            way = Way(
                destination=route.destination, via=route.via, device=names[route.port], rank=seen[route.destination]
            )
            seen[route.destination] += 1
            found.append(way)
    return tuple(sorted(found))


REFUSED = Filter(id="", stateful=True, inbound=Action.DROP, outbound=Action.DROP)
"""What stands for a filter that a port names and that is not there: nothing passes."""


def edge(fabric: Fabric) -> SetEdge:
    """The edge's rules: all public ports, and the filters that they name. A filter that is missing drops everything."""
    ports = tuple(
        sorted(
            PublicPort(host=host.id, port=port.id, addresses=port.addresses, filter=port.filter)
            for host in fabric.hosts
            for port in host.ports
            if port.link == EDGE
        )
    )
    there = {f.id: f for f in fabric.filters}
    named = sorted({port.filter for port in ports if port.filter})
    filters = (_quiet(there[id_]) if id_ in there else msgspec.structs.replace(REFUSED, id=id_) for id_ in named)
    return SetEdge(ports=ports, filters=tuple(filters))


def edge_change(old: SetEdge, new: SetEdge) -> ChangeEdge:
    """What leads from one state of the edge to another."""
    before, after = {(p.host, p.port): p for p in old.ports}, {(p.host, p.port): p for p in new.ports}
    known, wanted = {f.id: f for f in old.filters}, {f.id: f for f in new.filters}
    ports = tuple(p for key, p in after.items() if before.get(key) != p)
    filters = tuple(f for id_, f in wanted.items() if known.get(id_) != f)
    differ = {f.id for f in filters}
    affected = tuple(sorted({*ports, *(p for p in new.ports if p.filter in differ)}))
    judging = {p.filter for p in affected}
    return ChangeEdge(
        gone=tuple(p for key, p in before.items() if after.get(key) != p),
        ports=ports,
        filters=filters,
        dropped=tuple(sorted(known.keys() - wanted.keys())),
        affected=affected,
        judges=tuple(f for f in new.filters if f.id in judging),
    )


def _quiet(filter_: Filter) -> Filter:
    rules = tuple(msgspec.structs.replace(rule, because="", which="") for rule in filter_.rules)
    return msgspec.structs.replace(filter_, rules=rules, because="")


def pulse(fabric: Fabric) -> SetPulse:
    """All listeners and heartbeats whose hosts are there."""
    hosts = {host.id for host in fabric.hosts}
    listeners = sorted(
        Served(host=host.id, port=each.port, what=each.what) for host in fabric.hosts for each in host.listeners
    )
    beats = [h for h in fabric.heartbeats if h.source in hosts and h.target in hosts]
    return SetPulse(listeners=tuple(listeners), heartbeats=tuple(sorted(beats, key=lambda h: (h.source, h.target))))
