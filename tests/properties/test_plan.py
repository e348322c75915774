"""The plan leads there, from wherever a server was killed: carried out on a model that is as strict as the kernel."""

from __future__ import annotations

from typing import Any
from unittest import mock

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hideaway.fabric.balancing import Frontend
from hideaway.fabric.model import (
    EDGE,
    Action,
    Damage,
    Fabric,
    Filter,
    Gateway,
    Heartbeat,
    Host,
    Listener,
    Plug,
    Port,
    Redirect,
    Resolver,
    Role,
    Route,
    Router,
    Segment,
    Volume,
)
from hideaway.fabric.services import AnyService, Balancer
from hideaway.plan import Step, neighbours, plan, shapes, suspects
from hideaway.plan.steps import (
    AddHost,
    AddPort,
    AddSegment,
    ChangeEdge,
    ChangePort,
    KeepVolumes,
    Neighbour,
    RemoveHost,
    RemovePort,
    RemoveSegment,
    SetEdge,
    SetLink,
    SetNeighbours,
    SetPulse,
    SetResolver,
    SetRoutes,
    SetRules,
    SetService,
    StopService,
    Way,
)

SEGMENTS, HOSTS, FILTERS = ("s0", "s1"), ("h0", "h1", "h2"), ("f0", "f1")
SERVICES = ("a", "b")


class ModelHost:
    def __init__(self, step: AddHost):
        self.forwards = (step.forward_v4, step.forward_v6)
        self.ports: dict[str, Port] = {}
        self.ways: dict[tuple[str, int], Way] = {}
        self.neighbours: dict[tuple[str, str], Neighbour] = {}  # by address and device
        self.rules: tuple[Any, ...] | None = None
        self.services: dict[str, AnyService] = {}
        self.damages: dict[str, Damage] = {}
        self.plug, self.resolver = step.plug, Resolver()

    def add_port(self, port: Port) -> None:
        assert port.id not in self.ports
        assert port.name not in {p.name for p in self.ports.values()}
        self.ports[port.id] = port

    def change_port(self, step: ChangePort) -> None:
        """What the kernel takes along with the last address of a family, or the first of a subnet, is not there."""
        assert self.ports[step.old.id] == step.old
        assert msgspec.structs.replace(step.old, addresses=step.new.addresses) == step.new
        kept = [a for a in step.old.addresses if a not in step.gone]
        assert {":" in a for a in kept} == {":" in a for a in step.old.addresses}
        for v6 in (False, True):
            now = [a for a in (*kept, *step.come) if (":" in a) is v6]
            assert now == [a for a in step.new.addresses if (":" in a) is v6]
        assert step.new.link == EDGE or not any(":" not in a for a in step.gone)
        self.ports[step.new.id] = step.new

    def remove_port(self, port: Port) -> None:
        assert self.ports.pop(port.id) == port
        self.damages.pop(port.id, None)
        self.ways = {k: w for k, w in self.ways.items() if w.device != port.name}
        self.neighbours = {k: n for k, n in self.neighbours.items() if k[1] != port.name}

    def set_routes(self, step: SetRoutes) -> None:
        names = {p.name for p in self.ports.values()}
        if step.afresh:
            self.ways = {}
        for way in step.ways:
            assert way.device in names
            self.ways[way.destination, way.rank] = way
        for way in step.stale_ways:
            assert self.ways.pop((way.destination, way.rank)) == way

    def set_link(self, step: SetLink) -> None:
        assert self.ports[step.port.id] == step.port
        self.damages.pop(step.port.id, None)
        if step.damage is not None:
            self.damages[step.port.id] = step.damage


class Model:
    """The kernel, as far as the steps go. What the kernel would refuse fails here too."""

    def __init__(self) -> None:
        self.segments: dict[str, object] = {}
        self.hosts: dict[str, ModelHost] = {}
        self.edge, self.pulse = SetEdge(), SetPulse()
        self.volumes: tuple[str, ...] = ()
        self.listening: dict[tuple[str, int], ModelHost] = {}  # sockets belong to the very host that they were made in

    def apply(self, step: Step) -> None:
        match step:
            case AddSegment():
                assert step.segment not in self.segments
                self.segments[step.segment] = object()
            case RemoveSegment():
                self.segments.pop(step.segment, None)
                left = [p for h in self.hosts.values() for p in h.ports.values() if p.link == step.segment]
                assert not left
            case AddHost():
                assert step.host not in self.hosts
                self.hosts[step.host] = ModelHost(step)
            case RemoveHost():
                self.hosts.pop(step.host, None)
            case AddPort():
                assert step.port.link == EDGE or step.port.link in self.segments
                self.hosts[step.host].add_port(step.port)
            case ChangePort():
                self.hosts[step.host].change_port(step)
            case RemovePort():
                assert step.damaged or step.port.id not in self.hosts[step.host].damages
                self.hosts[step.host].remove_port(step.port)
            case _:
                self.state(step)

    def state(self, step: Step) -> None:
        """Steps that state a whole."""
        match step:
            case SetRules():
                own = (step.gateway, step.router, step.redirects, step.dhcp_dropped)
                stated = (step.gateway, step.router, step.ports, step.listeners, step.redirects, step.dhcp_dropped)
                self.hosts[step.host].rules = stated if any(own) else None
            case SetRoutes():
                self.hosts[step.host].set_routes(step)
            case SetNeighbours():
                self.set_neighbours(step)
            case SetLink():
                self.hosts[step.host].set_link(step)
            case SetEdge():
                self.edge = step
            case ChangeEdge():
                self.change_edge(step)
            case SetService():
                self.hosts[step.host].services[step.service.id] = step.service
            case SetResolver():
                self.hosts[step.host].resolver = step.resolver
            case StopService():
                self.hosts[step.host].services.pop(step.service, None)
            case KeepVolumes():
                self.volumes = step.volumes
            case SetPulse():
                self.pulse = step
                self.listening = {(s.host, s.port): self.hosts[s.host] for s in step.listeners}
            case _:
                raise AssertionError(step)

    def set_neighbours(self, step: SetNeighbours) -> None:
        for place in step.places:
            host = self.hosts[place.host]
            assert {p.link for p in host.ports.values() if p.name == place.device} == {step.segment}
            told = {(n.address, place.device): n for n in step.neighbours if n.host != place.host}
            gone = [k for k in host.neighbours if k[1] == place.device and (step.whole or k[0] in step.stale)]
            for key in gone:
                del host.neighbours[key]
            host.neighbours |= told

    def change_edge(self, step: ChangeEdge) -> None:
        ports, filters = set(self.edge.ports), {f.id: f for f in self.edge.filters}
        assert ports.issuperset(step.gone)
        ports -= set(step.gone)
        assert ports.isdisjoint(step.ports)
        assert not {(p.host, p.port) for p in ports} & {(p.host, p.port) for p in step.ports}
        ports |= set(step.ports)
        for id_ in step.dropped:
            del filters[id_]
        filters |= {f.id: f for f in step.filters}
        assert {p.filter for p in ports if p.filter} == set(filters)  # none is missing, none is left behind
        changed = {f.id for f in step.filters}
        assert set(step.affected) == set(step.ports) | {p for p in ports if p.filter in changed}
        assert {f.id: f for f in step.judges} == {p.filter: filters[p.filter] for p in step.affected if p.filter}
        self.edge = SetEdge(ports=tuple(sorted(ports)), filters=tuple(filters[id_] for id_ in sorted(filters)))

    def holds(self, fabric: Fabric) -> None:
        """Assert that this is what a fresh build of the Fabric comes to."""
        wanted = shapes.shapes(fabric)
        assert set(self.segments) == {s.id for s in fabric.segments}
        assert set(self.hosts) == set(wanted)
        for key, host in self.hosts.items():
            shape = wanted[key]
            assert host.forwards == shape.forwards
            assert tuple(sorted(host.ports.values(), key=lambda p: p.id)) == shape.ports
            assert tuple(sorted(host.ways.values())) == shape.ways
            assert host.neighbours == known(fabric, key)
            assert host.rules == shape.rules
            assert (host.plug, host.resolver) == (shape.plug, shape.resolver or Resolver())
            assert tuple(sorted(host.damages.items(), key=lambda d: d[0])) == shape.damages
            assert sorted(host.services.values(), key=lambda s: s.id) == list(shape.services)
        assert self.edge == shapes.edge(fabric)
        assert self.pulse == shapes.pulse(fabric)
        assert self.volumes == tuple(v.id for v in fabric.volumes)
        assert all(self.hosts[host] is of for (host, _port), of in self.listening.items())


@st.composite
def services(draw: st.DrawFn, key: str) -> Balancer:
    return Balancer(
        id=key, frontends=tuple(Frontend(id="f", port=p, pool="p") for p in draw(st.sampled_from([(), (80,)])))
    )


@st.composite
def hosts(draw: st.DrawFn, key: str, links: list[str]) -> Host:
    ports = []
    for index, link in enumerate(draw(st.lists(st.sampled_from([EDGE, *links]), max_size=3, unique=True))):
        v4, v6 = ("198.18.16.", "/32"), ("2001:2:0:10::", "/128")
        if link != EDGE:
            v4, v6 = ("172.16.0.", "/22"), ("fd00:1::", "/64")
        lasts = st.lists(st.integers(1, 3), max_size=2, unique=True)
        addresses = [f"{a}{n}{b}" for (a, b), last in ((v4, draw(lasts)), (v6, draw(lasts))) for n in last]
        ports.append(
            Port(
                id=f"{key}-{link}",
                name=f"if{index}",
                link=link,
                addresses=tuple(addresses),
                mac=draw(st.sampled_from(["", "02:00:00:00:00:01"])),
                filter=draw(st.sampled_from(["", *FILTERS])) if link == EDGE else "",
                damage=draw(st.sampled_from([None, None, Damage(down=True, delay=3), Damage(delay=5, loss=1)])),
            )
        )
    vias = st.tuples(st.sampled_from(["0.0.0.0/0", "10.0.0.0/8"]), st.integers(1, 3), st.sampled_from(ports or [None]))
    routes = tuple(
        Route(destination=d, via=f"172.16.0.{v}", port=p.id) for d, v, p in draw(st.lists(vias, max_size=2)) if p
    )
    near = draw(st.sampled_from(["", "", "172.16.0.2/32", "172.16.0.0/22"]))
    routes += tuple(Route(destination=near, via="", port=p.id) for p in ports[:1] if near and p.link != EDGE)
    kind = draw(st.sampled_from(["node", "gateway", "router"])) if ports else "node"
    plugs = [None, None, Plug(), Plug(tap="t"), Plug(place="/x", identity="1:2")]
    alone = kind == "node" and not any(p.link == EDGE for p in ports)
    return Host(
        id=key,
        name=draw(st.sampled_from([key, f"{key}-renamed"])),
        role=Role.NODE,
        ports=tuple(ports),
        routes=routes,
        gateway=Gateway(outside=ports[0].id, masquerade=tuple(p.id for p in ports[1:])) if kind == "gateway" else None,
        router=Router(default_v4=draw(st.sampled_from(Action))) if kind == "router" else None,
        killed=draw(st.booleans()),
        dhcp_dropped=draw(st.booleans()),
        redirects=draw(st.sampled_from([(), (Redirect(port=ports[0].id, number=81, target=80),)])) if ports else (),
        resolver=draw(st.sampled_from([None, Resolver(), Resolver(servers=("172.16.0.9",))])),
        plug=draw(st.sampled_from(plugs)) if alone else None,
        listeners=draw(st.sampled_from([(), (Listener(port=80, what="address"),)])),
        services=tuple(draw(services(key)) for key in sorted(draw(st.sets(st.sampled_from(SERVICES))))),
    )


@st.composite
def any_fabric(draw: st.DrawFn) -> Fabric:
    links = sorted(draw(st.sets(st.sampled_from(SEGMENTS))))
    there = tuple(draw(hosts(key, links)) for key in sorted(draw(st.sets(st.sampled_from(HOSTS)))))
    filters = tuple(
        Filter(id=key, stateful=draw(st.booleans()), inbound=Action.DROP, outbound=Action.ACCEPT)
        for key in sorted(draw(st.sets(st.sampled_from(FILTERS))))
    )
    beats = tuple(
        Heartbeat(source=h.id, target="h0", address="198.18.16.1", port=80) for h in there if draw(st.booleans())
    )
    return Fabric(
        segments=tuple(Segment(id=s, name=s, networks=("172.16.0.0/22",)) for s in links),
        hosts=there,
        filters=filters,
        heartbeats=beats,
        volumes=tuple(Volume(id=key) for key in sorted(draw(st.sets(st.sampled_from(["v0", "v1"]))))),
    )


def known(fabric: Fabric, key: str) -> dict[tuple[str, str], Neighbour]:
    """Whom a host knows by the rule, worked out for it alone."""
    (host,) = (h for h in fabric.hosts if h.id == key)
    found: dict[tuple[str, str], Neighbour] = {}
    for port in (p for p in host.ports if p.link != EDGE and host.plug is None):
        there = [(h, p) for h in fabric.hosts for p in h.ports if p.link == port.link]
        few = len({h.id for h, _ in there}) <= neighbours.EVERYBODY
        hops = {route.via or route.destination.split("/")[0] for route in host.routes if route.port == port.id}
        few |= any(not r.via and "/32" not in r.destination for r in host.routes if r.port == port.id)
        taken: dict[str, Neighbour] = {}
        for other, its in there:
            for address in (a.split("/")[0] for a in its.addresses):
                taken.setdefault(address, Neighbour(address=address, host=other.id, port=its.id, mac=its.mac))
        found |= {
            (address, port.name): n
            for address, n in taken.items()
            if n.host != key and (few or host.gateway or host.router or address in hops)
        }
    return found


def built(fabric: Fabric) -> Model:
    model = Model()
    for step in plan(fabric, Fabric()):
        model.apply(step)
    return model


@pytest.mark.parametrize("everybody", [256, 2])
@given(before=any_fabric(), after=any_fabric())
def test_the_plan_leads_from_any_fabric_to_any_other(everybody: int, before: Fabric, after: Fabric) -> None:
    """Also where a segment has more hosts than know everybody."""
    with mock.patch.object(neighbours, "EVERYBODY", everybody):
        model = built(before)
        model.holds(before)
        for step in plan(after, before):
            model.apply(step)
        model.holds(after)


@given(any_fabric())
def test_what_is_there_needs_no_step(fabric: Fabric) -> None:
    assert plan(fabric, fabric) == ()


@given(any_fabric(), st.lists(st.tuples(any_fabric(), st.integers(0, 60)), min_size=1, max_size=3), any_fabric())
def test_a_server_that_was_killed_on_the_way_is_followed_by_one_that_gets_there(
    before: Fabric, attempts: list[tuple[Fabric, int]], after: Fabric
) -> None:
    model, doubts = built(before), frozenset[str]()
    for wanted, seen in attempts:
        steps = plan(wanted, before, doubts)
        doubts |= suspects(steps)
        for step in steps[: min(seen, max(0, len(steps) - 1))]:
            model.apply(step)
    for step in plan(after, before, doubts):
        model.apply(step)
    model.holds(after)
