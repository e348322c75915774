"""What holds of every Fabric, whatever the cloud looks like and whatever was just deleted from it."""

from __future__ import annotations

import time
from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from hideaway.cloud.documents import KINDS, Document
from hideaway.cloud.gateways import GatewayNetwork
from hideaway.cloud.memory import MemoryLedger
from hideaway.cloud.network import AclRule, PrivateNetwork
from hideaway.cloud.servers import PrivateNic, Server
from hideaway.compile import Compiler, compile_fabric
from hideaway.compile.common import network, on_link
from hideaway.compile.faults import egress_fault
from hideaway.compile.internet import BECAUSE
from hideaway.fabric.model import EDGE, EDGE_V4, EDGE_V6, Fabric, Host
from tests.unit.compile.factory import Cloud, rule

flag = st.booleans()


@st.composite
def clouds(draw: st.DrawFn) -> Cloud:
    """A cloud of up to two VPCs, six networks, a few machines of every kind, some of them in passing statuses."""
    cloud = Cloud()
    networks = []
    for _ in range(draw(st.integers(1, 2))):
        vpc = cloud.vpc(routing_enabled=draw(flag), custom_routes_propagation_enabled=draw(flag))
        number = draw(st.integers(0, 3))
        networks += [cloud.network(vpc, default_route_propagation_enabled=draw(flag)) for _ in range(number)]
        if draw(flag):
            cloud.acl(vpc, AclRule(protocol="TCP", dst_port_low=22), v6=draw(flag), default="drop")
    some = st.lists(st.sampled_from(networks), unique_by=lambda n: n.id, max_size=2) if networks else st.just([])
    group = cloud.group(rule(dest_port_from=80), rule(direction="outbound", action="drop"), stateful=draw(flag))
    for _ in range(draw(st.integers(0, 3))):
        state = draw(st.sampled_from(["running", "starting", "stopped"]))
        server = cloud.server(*draw(some), public=draw(flag), v6=draw(flag), state=state, security_group_id=group.id)
        if draw(flag) and cloud.ledger.find(PrivateNic, ref=server.id):
            cloud.route(draw(st.sampled_from(cloud.ledger.find(type(vpc)))), "10.9.0.0/16", server)
    for _ in range(draw(st.integers(0, 3))):
        gateway = cloud.gateway(
            status=draw(st.sampled_from(["running", "stopped", "allocating"])),
            is_legacy=draw(st.sampled_from([False, False, False, True])),
            zone=draw(st.sampled_from(["fr-par-1", "fr-par-2", "nl-ams-1"])),
        )
        cloud.pat(gateway, 2222, "172.16.0.2", 22)
        for where in draw(some):
            status = draw(st.sampled_from(["ready", "detaching"]))
            cloud.attach(gateway, where, masquerade_enabled=draw(flag), push_default_route=draw(flag), status=status)
    for where in draw(some):
        cluster = cloud.cluster(where)
        cloud.access(cluster, scaleway_ranges=True)
        for isolated in draw(st.lists(flag, max_size=2)):
            cloud.node(cloud.pool(cluster, public_ip_disabled=isolated), where, group)
    cloud.database(*draw(some), public=draw(flag))
    return cloud


def documents(ledger: MemoryLedger) -> list[Document]:
    return [d for type_ in KINDS.values() for d in ledger.find(type_)]


@st.composite
def torn(draw: st.DrawFn) -> MemoryLedger:
    """A cloud from which any documents at all were just deleted."""
    all_ = documents(draw(clouds()).ledger)
    lost = draw(st.sets(st.integers(0, max(len(all_) - 1, 0)), max_size=6))
    return MemoryLedger(d for number, d in enumerate(all_) if number not in lost)


@st.composite
def histories(draw: st.DrawFn) -> list[MemoryLedger]:
    """A cloud from which documents go and come again, one ledger after the other, and another cloud in its stead."""
    found = []
    for _ in range(draw(st.integers(1, 2))):
        all_ = documents(draw(clouds()).ledger)
        ledger = MemoryLedger(all_)
        for _ in range(draw(st.integers(1, 4))):
            found.append(ledger)
            ledger = ledger.branch()
            for number in draw(st.sets(st.integers(0, max(len(all_) - 1, 0)), max_size=3)):
                document = all_[number]
                (ledger.remove if ledger.get(type(document), document.id) else ledger.put)(document)
    return found


@given(histories())
def test_what_is_taken_over_from_the_last_compile_changes_nothing(ledgers: list[MemoryLedger]) -> None:
    compiler = Compiler()
    for ledger in ledgers:
        assert compiler.compile(ledger) == compile_fabric(ledger)


def reasons(fabric: Fabric) -> list[str]:
    """Every element's `because`."""
    found = [s.because for s in fabric.segments]
    found += [h.because for h in fabric.hosts]
    found += [f.because for f in fabric.filters]
    found += [r.because for f in fabric.filters for r in f.rules]
    for host in fabric.hosts:
        found += [p.because for p in host.ports]
        found += [r.because for r in host.routes]
        found += [f.because for f in (host.gateway.forwards if host.gateway else ())]
        found += [r.because for r in (host.router.rules if host.router else ())]
    return found


@given(clouds())
def test_addresses_are_unique_on_their_link_as_ipam_made_them(cloud: Cloud) -> None:
    taken = [
        (p.link, a.split("/")[0]) for h in compile_fabric(cloud.ledger).hosts for p in h.ports for a in p.addresses
    ]
    assert [key for key, count in Counter(taken).items() if count > 1] == []


@given(torn())
def test_every_reference_leads_to_something(ledger: MemoryLedger) -> None:
    fabric = compile_fabric(ledger)
    segments, filters = {s.id for s in fabric.segments}, {f.id for f in fabric.filters}
    by_id = {h.id: h for h in fabric.hosts}
    for host in fabric.hosts:
        own = {p.id: p for p in host.ports}
        for port in host.ports:
            assert port.link == EDGE or port.link in segments
            assert not port.filter or (port.link == EDGE and port.filter in filters)
        for route in host.routes:
            assert own[route.port].link != EDGE or route.via in (EDGE_V4, EDGE_V6)
        if host.gateway:
            assert own[host.gateway.outside].link == EDGE
            assert {own[p].link for p in host.gateway.masquerade} <= segments
    for beat in fabric.heartbeats:
        target = by_id[beat.target]
        assert beat.source in by_id
        assert any(a.split("/")[0] == beat.address for p in target.ports for a in p.addresses)
        assert beat.port in {x.port for x in target.listeners}


@given(torn())
def test_identifiers_and_interface_names_are_unique_and_short_enough(ledger: MemoryLedger) -> None:
    fabric = compile_fabric(ledger)
    for ids in (
        [s.id for s in fabric.segments],
        [h.id for h in fabric.hosts],
        [f.id for f in fabric.filters],
        [p.id for h in fabric.hosts for p in h.ports],
    ):
        assert len(ids) == len(set(ids))
    for host in fabric.hosts:
        names = [p.name for p in host.ports]
        assert len(names) == len(set(names))
        assert all(0 < len(n) <= 15 for n in names)


@given(torn())
def test_every_element_says_because_of_which_document(ledger: MemoryLedger) -> None:
    for reason in reasons(compile_fabric(ledger)):
        kind, _, id_ = reason.partition(":")
        assert reason == BECAUSE or ledger.get(KINDS[kind], id_) is not None, reason


@given(torn(), st.randoms(use_true_random=False))
def test_the_order_in_which_documents_were_kept_does_not_matter(ledger: MemoryLedger, random: Random) -> None:
    all_ = documents(ledger)
    random.shuffle(all_)
    assert compile_fabric(MemoryLedger(all_)) == compile_fabric(ledger)


@given(torn())
def test_a_hosts_routes_have_one_next_hop_a_destination_and_it_is_on_link(ledger: MemoryLedger) -> None:
    for host in compile_fabric(ledger).hosts:
        destinations = [r.destination for r in host.routes]
        assert len(destinations) == len(set(destinations))
        own = {p.id: p for p in host.ports}
        near = {network(a) for p in host.ports if p.link != EDGE for a in p.addresses}
        for route in host.routes:
            port = own[route.port]
            if not route.via:  # on the link
                assert port.link != EDGE
                continue
            same = [a for a in port.addresses if (":" in a) == (":" in route.via)]
            assert same, "the port has an address of the next hop's family"
            assert port.link == EDGE or any(on_link(route.via, a) for a in same)
            assert route.destination not in near


@given(torn())
def test_next_hops_within_a_network_are_somebody_there(ledger: MemoryLedger) -> None:
    """But for custom routes, which may lead to a machine that is switched off."""
    fabric = compile_fabric(ledger)
    there = {(p.link, a.split("/")[0]) for h in fabric.hosts for p in h.ports for a in p.addresses}
    for host in fabric.hosts:
        links = {p.id: p.link for p in host.ports}
        for route in host.routes:
            hop = route.via or route.destination.removesuffix("/32")
            if links[route.port] != EDGE and not route.because.startswith("vpc/route:") and "/" not in hop:
                assert (links[route.port], hop) in there


@given(torn())
def test_status_and_packets_agree_on_who_reaches_the_internet(ledger: MemoryLedger) -> None:
    """egress_fault says None exactly where an isolated host has a default route by a gateway that masquerades there."""
    network_ids = [n.id for n in ledger.find(PrivateNetwork)]
    isolated = Cloud()
    isolated.ledger, isolated.made = MemoryLedger(documents(ledger)), 10_000
    servers: dict[str, Server] = {}
    for id_ in network_ids:
        where = isolated.ledger.get(PrivateNetwork, id_)
        assert where is not None
        isolated._free.update({s.id: 300 for s in where.subnets})
        servers[id_] = isolated.server(where)
    fabric = isolated.fabric()
    for id_, server in servers.items():
        host = fabric.host(server.id)
        assert host is not None
        assert (egress_fault(ledger, id_) is None) == _leaves(fabric, host)


def _leaves(fabric: Fabric, host: Host) -> bool:
    """Whether a host's IPv4 default route leads, by routers that let it, to a port that a gateway masquerades."""
    for route in host.routes:
        if route.destination == "0.0.0.0/0":
            link = next(p.link for p in host.ports if p.id == route.port)
            for hop in fabric.hosts:
                for port in hop.ports:
                    if port.link == link and any(a.split("/")[0] == route.via for a in port.addresses):
                        if hop.router and hop.router.leaving:
                            return port.id in hop.router.leaving.ports and _leaves(fabric, hop)
                        return hop.gateway is not None and port.id in hop.gateway.masquerade
    return False


@given(clouds())
def test_nothing_but_a_gateway_or_a_public_address_leads_out(cloud: Cloud) -> None:
    fabric = compile_fabric(cloud.ledger)
    attachments = {f"vpcgw/gateway_network:{a.id}" for a in cloud.ledger.find(GatewayNetwork)}
    for host in fabric.hosts:
        public = any(p.link == EDGE for p in host.ports)
        for route in host.routes:
            if route.destination in ("0.0.0.0/0", "::/0"):
                assert public or route.because in attachments


def test_two_hundred_nodes_compile_between_two_beats_of_the_control_loop() -> None:
    cloud = Cloud()
    network_, group = cloud.network(), cloud.group(inbound_default_policy="drop")
    cluster = cloud.cluster(network_)
    pools = [cloud.pool(cluster), cloud.pool(cluster, public_ip_disabled=True)]
    for number in range(200):
        cloud.node(pools[number % 2], network_, group)
    cloud.attach(cloud.gateway(), network_)
    times = []
    for _ in range(3):
        start = time.process_time()
        fabric = cloud.fabric()
        times.append(time.process_time() - start)
    assert len(fabric.heartbeats) == 200
    assert min(times) < 0.1, "it takes some 5 ms; a tenth of a second means that a loop has become quadratic"
