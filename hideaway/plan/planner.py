"""From the Fabric that is there to the one that is wanted: pure, and the same steps for the same two values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from hideaway.fabric.model import EDGE, Damage, Fabric, Port, Resolver
from hideaway.plan import neighbours, shapes
from hideaway.plan.shapes import Shape
from hideaway.plan.steps import (
    EDGE_RULES,
    PULSE,
    VOLUMES,
    AddHost,
    AddPort,
    AddSegment,
    ChangePort,
    KeepVolumes,
    RemoveHost,
    RemovePort,
    RemoveSegment,
    SetLink,
    SetNeighbours,
    SetResolver,
    SetRoutes,
    SetRules,
    SetService,
    Step,
    StopService,
    Way,
    links_of,
    neighbours_of,
    resolver_of,
    routes_of,
    rules_of,
    service_of,
    structural,
)

ORDER = (
    StopService,
    RemovePort,
    RemoveHost,
    RemoveSegment,
    AddSegment,
    AddHost,
    SetRules,
    AddPort,
    ChangePort,
    SetRoutes,
    SetNeighbours,
    SetResolver,
    SetLink,
)
"""Before the edge and the pulse. What goes, goes first; a host has its rules before it has ports to forward between."""


def plan(wanted: Fabric, present: Fabric, suspects: frozenset[str] = frozenset()) -> tuple[Step, ...]:
    """The steps, in order, that make `present` into `wanted`.

    suspects are what `steps.suspects` names: hosts and segments among them are removed, where they are there at all,
    and built anew; the rest is stated again. Between AddPort and SetEdge a new public port passes nothing, since the
    edge knows no owner of its address.
    """
    if wanted == present and not suspects:  # as on nearly every round of the loop
        return ()
    return _Change(wanted, present, suspects).steps()


class _Change:
    def __init__(self, wanted: Fabric, present: Fabric, suspects: frozenset[str]):
        self.wanted, self.present, self.suspects = wanted, present, suspects
        # Of most hosts nothing changed; where something is in doubt, all are looked at.
        of = None if suspects else shapes.touched(present, wanted)
        self.old, self.new = shapes.shapes(present, of), shapes.shapes(wanted, of)
        self.at = neighbours.links(of, present, wanted)
        self.old_segments = {s.id for s in present.segments}
        self.new_segments = {s.id for s in wanted.segments}
        self.doubtful = {s for s in suspects if structural(s)}
        self.segments_anew = self.suspects & self.new_segments
        self.rebuilt = {
            host
            for host in self.old.keys() & self.new.keys()
            if host in suspects or _differ_from_the_start(self.old[host], self.new[host])
        }

    def steps(self) -> tuple[Step, ...]:
        found = [*self._leaving(), *self._segments()]
        for host, shape in sorted(self.new.items()):
            found += self._built(host, shape) if self._is_new(host) else self._changed(host, self.old[host], shape)
        found += self._neighbours({(step.port.link, step.host) for step in found if isinstance(step, AddPort)})
        ordered = sorted(found, key=lambda step: ORDER.index(type(step)))
        return (*ordered, *self._wholes(ordered), *self._services())

    def _is_new(self, host: str) -> bool:
        return host not in self.old or host in self.rebuilt

    def _leaving(self) -> Iterator[Step]:
        """Hosts that go, hosts that are built anew, and suspects of which nothing else is known."""
        doubtful = self.doubtful - self.old_segments - self.new_segments
        for host in sorted((self.old.keys() - self.new.keys()) | self.rebuilt | doubtful):
            yield RemoveHost(host=host)

    def _segments(self) -> Iterator[Step]:
        doubtful = self.doubtful - self.old.keys() - self.new.keys()
        gone = (self.old_segments - self.new_segments) | self.segments_anew | doubtful
        for segment in sorted(gone):
            yield RemoveSegment(segment=segment)
        for segment in sorted((self.new_segments - self.old_segments) | self.segments_anew):
            yield AddSegment(segment=segment)

    def _built(self, host: str, shape: Shape) -> Iterator[Step]:
        forward_v4, forward_v6 = shape.forwards
        yield AddHost(host=host, forward_v4=forward_v4, forward_v6=forward_v6, metadata=shape.metadata, plug=shape.plug)
        if shape.rules is not None:
            yield _rules(host, shape)
        for port in shape.ports:
            yield AddPort(host=host, port=port, tap=_tap(shape))
        if shape.ways:
            yield SetRoutes(host=host, ways=shape.ways)
        yield from _links(host, shape, {})
        if shape.resolver is not None:
            yield SetResolver(host=host, resolver=shape.resolver)

    def _changed(self, host: str, old: Shape, new: Shape) -> Iterator[Step]:
        """A host that stays. A port that differs in more than some of its addresses is taken and made anew."""
        before, after = {p.id: p for p in old.ports}, {p.id: p for p in new.ports}
        mine = service_of(host, "")
        gone = [p for p in old.ports if after.get(p.id) != p or p.link in self.segments_anew]
        changes = [ChangePort(host=host, old=p, new=after[p.id]) for p in gone if self._renumbered(p, after, old)]
        gone = [p for p in gone if p.id not in {change.old.id for change in changes}]
        lost = {p.id for p in gone}
        for port in gone:
            yield RemovePort(host=host, port=port, damaged=port.id in dict(old.damages))
        if new.rules != old.rules or rules_of(host) in self.suspects:
            addresses = (*(p.addresses for p in gone), *(change.gone for change in changes))
            yield _rules(host, new, tuple(a for each in addresses for a in each))
        for port in new.ports:
            if port.id not in before or port.id in lost:
                yield AddPort(host=host, port=port, tap=_tap(new))
        yield from changes
        yield from self._routes(host, old, new, {p.name for p in gone})
        left = {id_: damage for id_, damage in old.damages if id_ not in lost}
        yield from _links(host, new, left, afresh=links_of(host) in self.suspects)
        if new.resolver != old.resolver or resolver_of(host) in self.suspects:
            yield SetResolver(host=host, resolver=new.resolver or Resolver())
        running = {s.id for s in old.services} | {s.removeprefix(mine) for s in self.suspects if s.startswith(mine)}
        for service in sorted(running - {s.id for s in new.services}):
            yield StopService(host=host, service=service, at_once=new.killed)

    def _renumbered(self, port: Port, after: Mapping[str, Port], old: Shape) -> bool:
        """Whether a port that differs does so in addresses only, and can have others where it is.

        Each family that it has it keeps, since with the last address its routes go; which address is the first stays,
        since what the host asks goes out with that; and on a segment no IPv4 address goes, for those that came after it
        in its subnet would go along.
        """
        new = after.get(port.id)
        if new is None or old.plug or port.link in self.segments_anew or port.id in dict(old.damages):
            return False
        if msgspec.structs.replace(port, addresses=new.addresses) != new:
            return False
        for v6 in (False, True):
            had, has = ([a for a in p.addresses if (":" in a) is v6] for p in (port, new))
            kept = [a for a in had if a in has]
            if bool(had) != bool(has) or has[: len(kept)] != kept or (had and not kept):
                return False
            if port.link != EDGE and not v6 and kept != had:
                return False
        return True

    def _routes(self, host: str, old: Shape, new: Shape, lost: set[str]) -> Iterator[Step]:
        """lost are the devices that went, with all that led through them."""
        afresh = routes_of(host) in self.suspects
        ways: list[Way] = [w for w in old.ways if w.device not in lost]
        if afresh or set(ways) != set(new.ways):
            stale = () if afresh else _stale_ways(ways, new.ways)
            yield SetRoutes(host=host, ways=new.ways, stale_ways=stale, afresh=afresh)

    def _neighbours(self, fresh: set[tuple[str, str]]) -> Iterator[Step]:
        """fresh: the segments and hosts of ports that are made."""
        before, after = neighbours.views(self.present, self.at), neighbours.views(self.wanted, self.at)
        for segment, view in sorted(after.items()):
            hosts = {host for link, host in fresh if link == segment}
            doubted = neighbours_of(segment) in self.suspects
            yield from neighbours.changes(segment, before.get(segment, neighbours.View()), view, hosts, doubted)

    def _services(self) -> Iterator[Step]:
        """Last: what they answer is there, and filtered, before they are. A host that goes takes its own along."""
        for host, shape in sorted(self.new.items()):
            before = () if self._is_new(host) else self.old[host].services
            for service in shape.services:
                if service not in before or service_of(host, service.id) in self.suspects:
                    yield SetService(host=host, service=service)

    def _wholes(self, ordered: list[Step]) -> Iterator[Step]:
        edge, was = shapes.edge(self.wanted), shapes.edge(self.present)
        if EDGE_RULES in self.suspects or (edge != was and not was.ports):
            yield edge
        elif edge != was:
            yield shapes.edge_change(was, edge)
        pulse, beating = shapes.pulse(self.wanted), shapes.pulse(self.present)
        made = {step.host for step in ordered if isinstance(step, AddHost)}
        volumes = tuple(v.id for v in self.wanted.volumes)
        if volumes != tuple(v.id for v in self.present.volumes) or VOLUMES in self.suspects:
            yield KeepVolumes(volumes=volumes)
        if pulse != beating or PULSE in self.suspects or made & {each.host for each in pulse.listeners}:
            yield pulse


def _differ_from_the_start(old: Shape, new: Shape) -> bool:
    return (old.forwards, old.metadata, old.plug, old.boots) != (new.forwards, new.metadata, new.plug, new.boots)


def _tap(shape: Shape) -> str:
    return shape.plug.tap if shape.plug is not None else ""


def _rules(host: str, shape: Shape, gone: tuple[str, ...] = ()) -> SetRules:
    return SetRules(
        host=host,
        gateway=shape.gateway,
        router=shape.router,
        ports=shape.ports,
        listeners=shape.listeners,
        redirects=shape.redirects,
        dhcp_dropped=shape.dhcp_dropped,
        gone=gone,
    )


def _links(host: str, shape: Shape, before: Mapping[str, Damage], *, afresh: bool = False) -> Iterator[Step]:
    """The links that shall be otherwise than before; afresh: nobody knows how they are."""
    wanted = dict(shape.damages)
    for port in shape.ports:
        if afresh or wanted.get(port.id) != before.get(port.id):
            yield SetLink(host=host, port=port, damage=wanted.get(port.id))


def _stale_ways(old: list[Way], new: tuple[Way, ...]) -> tuple[Way, ...]:
    """Ways to take back: not those of a destination and rank that lead elsewhere now, which are overwritten."""
    kept = {(w.destination, w.rank) for w in new}
    return tuple(sorted(w for w in old if (w.destination, w.rank) not in kept))
