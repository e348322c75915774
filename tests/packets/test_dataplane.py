"""The Linux data plane does on packets what a Fabric says. Hand-written Fabrics; every probe has a new source port."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from hideaway.backends.linux import LinuxBackend, names
from hideaway.fabric.model import (
    EDGE_V4,
    EDGE_V6,
    PROBE_V4,
    PROBE_V6,
    Action,
    Direction,
    Fabric,
    Protocol,
    Router,
    RouterRule,
    Rule,
)
from hideaway.plan import plan
from tests import fabrics
from tests.fabrics import (
    GATEWAY_V4,
    ISOLATED_IN,
    NODE_IN,
    NODE_V4,
    NODE_V6,
    WEB_PORT,
    accept,
    cluster,
    fabric,
    group,
    isolated,
    node,
    pat,
    probe,
    tcp,
)
from tests.packets.inside import ECHO, HEAR, HOLD, Inside, heard, still

pytestmark = pytest.mark.packets

INTERVAL = 0.3
OTHER_V4, OTHER_V6 = "198.18.16.3", "2001:2:0:10::3"


@pytest.fixture(scope="module")
def backend(packets: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LinuxBackend]:
    made = LinuxBackend(tmp_path_factory.mktemp("state"), linger=5, heartbeat_interval=INTERVAL)
    made.up()
    yield made
    made.close()


@pytest.fixture
def world(backend: LinuxBackend) -> Iterator[Inside]:
    yield Inside(backend)
    become(backend, Fabric())


def become(backend: LinuxBackend, wanted: Fabric) -> None:
    present = backend.present()
    backend.apply(plan(wanted, present.fabric, present.suspects), wanted)


def until(true: object, patience: float = 5.0) -> bool:
    """Whether a question is answered with yes within patience seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if true():  # type: ignore[operator]
            return True
        time.sleep(0.05)
    return False


def test_the_internet_reaches_a_node_only_while_a_rule_allows_it(world: Inside) -> None:
    become(world.backend, cluster())
    assert world.ask("internet", NODE_V4, WEB_PORT) is None
    become(world.backend, cluster(tcp(WEB_PORT)))
    assert world.ask("internet", NODE_V4, WEB_PORT) == PROBE_V4
    become(world.backend, cluster())
    assert world.ask("internet", NODE_V4, WEB_PORT) is None


def test_a_rule_of_one_family_says_nothing_of_the_other(world: Inside) -> None:
    become(world.backend, cluster(tcp(WEB_PORT)))
    assert world.ask("internet", NODE_V6, WEB_PORT) is None
    become(world.backend, cluster(tcp(WEB_PORT, "::/0")))
    assert world.ask("internet", NODE_V6, WEB_PORT) == PROBE_V6
    assert world.ask("internet", NODE_V4, WEB_PORT) is None


def test_the_first_rule_that_matches_decides(world: Inside) -> None:
    drop = Rule(action=Action.DROP, direction=Direction.INBOUND, network=f"{PROBE_V4}/32")
    become(world.backend, cluster(drop, tcp(WEB_PORT)))
    assert world.ask("internet", NODE_V4, WEB_PORT) is None
    become(world.backend, cluster(tcp(WEB_PORT), drop))
    assert world.ask("internet", NODE_V4, WEB_PORT) == PROBE_V4
    become(world.backend, cluster(tcp(WEB_PORT, "198.18.10.0/24")))
    assert world.ask("internet", NODE_V4, WEB_PORT) is None


def test_who_leaves_with_which_address(world: Inside) -> None:
    become(world.backend, cluster())
    assert world.ask("node", PROBE_V4, 80) == NODE_V4
    assert world.ask("node", PROBE_V6, 80) == NODE_V6
    assert {world.ask("isolated", PROBE_V4, 80) for _ in range(3)} == {GATEWAY_V4}
    assert world.ask("gateway", PROBE_V4, 80) == GATEWAY_V4


def test_nodes_meet_in_the_private_network_whatever_the_group_says(world: Inside) -> None:
    become(world.backend, cluster())
    assert world.ask("isolated", NODE_IN, WEB_PORT) == ISOLATED_IN
    assert world.ask("node", ISOLATED_IN, WEB_PORT) == NODE_IN
    assert world.ask("node", "fd00:1::3", WEB_PORT) == "fd00:1::2"


def test_a_port_that_a_node_translates_is_still_filtered(world: Inside) -> None:
    become(world.backend, cluster())
    world.run("node", "sysctl", "-qw", "net.ipv4.ip_forward=1")
    world.nft(
        "node",
        f"""table ip nodeport {{
          chain to {{ type nat hook prerouting priority -100; tcp dport 30080 dnat to {ISOLATED_IN}:{WEB_PORT}; }}
          chain from {{ type nat hook postrouting priority 100; oifname "ens5" masquerade; }}
        }}""",
    )
    assert world.ask("internet", NODE_V4, 30080) is None
    become(world.backend, cluster(tcp(30080)))
    assert world.ask("internet", NODE_V4, 30080) == NODE_IN
    become(world.backend, cluster())
    assert world.ask("internet", NODE_V4, 30080) is None


def test_a_node_that_flushes_its_own_rules_is_still_filtered(world: Inside) -> None:
    become(world.backend, cluster())
    world.run("node", "nft", "flush", "ruleset")
    assert world.ask("internet", NODE_V4, WEB_PORT) is None


@pytest.mark.parametrize(("forged", "target"), [("198.18.7.7", PROBE_V4), (OTHER_V4, PROBE_V4), (NODE_IN, PROBE_V4)])
def test_a_forged_source_dies_at_the_edge(world: Inside, forged: str, target: str) -> None:
    become(world.backend, cluster())
    if forged != NODE_IN:
        world.run("node", "ip", "address", "add", f"{forged}/32", "dev", "pub")
    with world.started("internet", HEAR, target, "9000") as listener:
        world.say("node", target, 9000, "forged", source=forged)
        world.say("node", target, 9000, "honest", source=NODE_V4)
        time.sleep(0.2)
        assert heard(listener) == [f"{NODE_V4} honest"]


def test_a_forged_source_dies_at_the_edge_on_ipv6(world: Inside) -> None:
    become(world.backend, cluster())
    world.run("node", "ip", "address", "add", f"{OTHER_V6}/128", "dev", "pub", "nodad")
    with world.started("internet", HEAR, PROBE_V6, "9000") as listener:
        world.say("node", PROBE_V6, 9000, "forged", source=OTHER_V6)
        world.say("node", PROBE_V6, 9000, "honest", source=NODE_V6)
        time.sleep(0.2)
        assert heard(listener) == [f"{NODE_V6} honest"]


@pytest.mark.parametrize("via", [GATEWAY_V4, NODE_V4, EDGE_V4])
def test_a_static_route_from_the_internet_reaches_nobody(world: Inside, via: str) -> None:
    become(world.backend, cluster(accept(protocol=Protocol.ANY)))  # were it only the group that stood in the way
    world.run("node", "sysctl", "-qw", "net.ipv4.ip_forward=1")
    world.run("internet", "ip", "route", "add", "172.16.0.0/22", "via", via, "dev", "pub", "onlink")
    assert world.ask("internet", ISOLATED_IN, WEB_PORT) is None
    assert world.ask("internet", NODE_IN, WEB_PORT) is None


def test_a_gateway_refuses_even_what_the_edge_would_let_through(world: Inside) -> None:
    become(world.backend, cluster())
    world.run("edge", "nft", "delete", "table", "inet", "edge")
    world.run("edge", "sh", "-c", f"ip route add 172.16.0.0/22 via {GATEWAY_V4} onlink dev $({link_to(GATEWAY_V4)})")
    world.run("internet", "ip", "route", "add", "172.16.0.0/22", "via", EDGE_V4, "dev", "pub", "onlink")
    assert world.ask("internet", ISOLATED_IN, WEB_PORT) is None
    world.run("gateway", "nft", "delete", "table", "inet", "gateway")
    assert world.ask("internet", ISOLATED_IN, WEB_PORT) == PROBE_V4, "the test itself must be able to get through"
    present = world.backend.present().fabric
    world.run("edge", "ip", "route", "delete", "172.16.0.0/22")
    world.backend.apply(plan(present, present, frozenset({"whole:edge", "gateway"})), present)
    assert world.ask("isolated", PROBE_V4, 80) == GATEWAY_V4


def link_to(address: str) -> str:
    return f"ip -o route get {address} | grep -o 'dev [^ ]*' | cut -d' ' -f2"


def test_a_gateway_that_does_not_masquerade_lets_nothing_out(world: Inside) -> None:
    hosts = (isolated(), fabrics.gateway(masquerade=False), probe())
    become(world.backend, fabric(*hosts))
    assert world.ask("isolated", PROBE_V4, 80) is None
    assert world.ask("isolated", GATEWAY_V4, 22) is None


def test_a_gateway_does_not_join_its_private_networks(world: Inside) -> None:
    inside, other = fabrics.private("gateway", "172.16.0.1/22"), fabrics.private("gateway", "172.16.4.1/22", link="pn2")
    host = fabrics.gateway()
    ports = (*host.ports[1:], inside, type(other)(id=other.id, name="ens6", link="pn2", addresses=other.addresses))
    gateway = type(host)(
        id="gateway",
        name="gateway",
        role=host.role,
        ports=ports,
        routes=host.routes,
        gateway=fabrics.Gateway(outside=ports[0].id, masquerade=(inside.id, other.id)),
    )
    there = fabrics.private("there", "172.16.4.2/22", link="pn2")
    route = fabrics.Route(destination="0.0.0.0/0", via="172.16.4.1", port=there.id)
    listeners = (fabrics.Listener(port=WEB_PORT, what="address"),)
    neighbour = type(host)(
        id="there", name="there", role=fabrics.Role.NODE, ports=(there,), routes=(route,), listeners=listeners
    )
    become(world.backend, fabric(isolated(), gateway, neighbour, probe(), segments=("pn", "pn2")))
    assert world.ask("isolated", PROBE_V4, 80) == GATEWAY_V4
    assert world.ask("there", PROBE_V4, 80) == GATEWAY_V4
    assert world.ask("isolated", "172.16.4.2", WEB_PORT) is None
    assert world.ask("there", ISOLATED_IN, WEB_PORT) is None


def test_port_translation(world: Inside) -> None:
    become(world.backend, cluster(forwards=(pat(2222),)))
    assert world.ask("internet", GATEWAY_V4, 2222) == PROBE_V4
    assert world.ask("internet", GATEWAY_V4, WEB_PORT) is None
    assert world.ask("node", GATEWAY_V4, 2222) == NODE_V4
    become(world.backend, cluster())
    assert world.ask("internet", GATEWAY_V4, 2222) is None


def test_port_translation_of_udp_and_of_both(world: Inside) -> None:
    become(world.backend, cluster(forwards=(pat(5353, 53, Protocol.UDP), pat(2222, WEB_PORT, Protocol.ANY))))
    assert world.ask("internet", GATEWAY_V4, 2222) == PROBE_V4
    assert world.ask("internet", GATEWAY_V4, 5353) is None
    with world.started("isolated", HEAR, ISOLATED_IN, "53") as listener:
        world.say("internet", GATEWAY_V4, 5353, "udp")
        time.sleep(0.2)
        assert heard(listener) == [f"{PROBE_V4} udp"]


def test_a_host_passes_its_own_filter_outwards_and_the_others_inwards(world: Inside) -> None:
    other = node("other", OTHER_V4, inside="172.16.0.4", filter="other")
    shut, open_ = group(id="other"), group(tcp(WEB_PORT), id="other")
    tight = group(outbound=Action.DROP)
    become(world.backend, fabric(node(), other, probe(), filters=(group(), shut)))
    assert world.ask("node", OTHER_V4, WEB_PORT) is None
    become(world.backend, fabric(node(), other, probe(), filters=(group(), open_)))
    assert world.ask("node", OTHER_V4, WEB_PORT) == NODE_V4
    become(world.backend, fabric(node(), other, probe(), filters=(tight, open_)))
    assert world.ask("node", OTHER_V4, WEB_PORT) is None
    allowed = accept(Direction.OUTBOUND, network=f"{OTHER_V4}/32", ports=(WEB_PORT, WEB_PORT))
    become(world.backend, fabric(node(), other, probe(), filters=(group(allowed, outbound=Action.DROP), open_)))
    assert world.ask("node", OTHER_V4, WEB_PORT) == NODE_V4
    assert world.ask("node", PROBE_V4, 80) is None


def test_a_group_without_state_matches_every_packet_on_its_own(world: Inside) -> None:
    replies = accept(network=f"{PROBE_V4}/32")
    replies_6 = accept(network=f"{PROBE_V6}/128")
    become(world.backend, fabric(node(), probe(), filters=(group(stateful=False),)))
    assert world.ask("node", PROBE_V4, 80) is None
    become(world.backend, fabric(node(), probe(), filters=(group(replies, stateful=False),)))
    assert world.ask("node", PROBE_V4, 80) == NODE_V4
    assert world.ask("node", PROBE_V6, 80) is None
    become(world.backend, fabric(node(), probe(), filters=(group(replies, replies_6, stateful=False),)))
    assert world.ask("node", PROBE_V6, 80) == NODE_V6


def test_a_filter_that_is_not_there_lets_nothing_through(world: Inside) -> None:
    become(world.backend, fabric(node(), probe()))
    assert world.ask("internet", NODE_V4, WEB_PORT) is None
    assert world.ask("node", PROBE_V4, 80) is None


def test_echo(world: Inside) -> None:
    become(world.backend, cluster(accept(protocol=Protocol.ICMP), accept(protocol=Protocol.ICMP, network="::/0")))
    for target in (NODE_V4, NODE_V6, GATEWAY_V4, EDGE_V4, EDGE_V6):
        world.run("internet", "ping", "-c1", "-W2", "-q", target)
    world.run("isolated", "ping", "-c1", "-W2", "-q", PROBE_V4)


def test_revoked_is_cut_and_what_stays_allowed_lives_on(world: Inside) -> None:
    become(world.backend, cluster(tcp(4000), tcp(4001)))
    with (
        world.started("node", ECHO, "4000"),
        world.started("node", ECHO, "4001"),
        world.started("internet", HOLD, NODE_V4, "4000") as first,
        world.started("internet", HOLD, NODE_V4, "4001") as second,
    ):
        assert still(first) == "lives"
        assert still(second) == "lives"
        become(world.backend, cluster(tcp(4000), tcp(4001), tcp(4002)))
        assert still(first) == "lives"
        become(world.backend, cluster(tcp(4001)))
        assert still(first) == "cut"
        assert still(second) == "lives"
        become(world.backend, cluster(tcp(4000), tcp(4001)))
        assert still(first, 2) == "cut", "what was cut does not revive"


def test_a_translation_that_is_taken_away_is_cut(world: Inside) -> None:
    become(world.backend, cluster(forwards=(pat(2222, 4000),)))
    with world.started("isolated", ECHO, "4000"), world.started("internet", HOLD, GATEWAY_V4, "2222") as held:
        assert still(held) == "lives"
        become(world.backend, cluster(forwards=(pat(2222, 4000), pat(2223, 4001))))
        assert still(held) == "lives"
        become(world.backend, cluster(forwards=(pat(2223, 4001),)))
        assert still(held) == "cut"


def test_a_gateway_that_is_detached_cuts_and_one_that_is_attached_again_helps(world: Inside) -> None:
    become(world.backend, cluster())
    with world.started("internet", ECHO, "4000"), world.started("isolated", HOLD, PROBE_V4, "4000") as held:
        assert still(held) == "lives"
        become(world.backend, cluster(attached=False))
        assert still(held) == "cut"
        assert world.ask("isolated", PROBE_V4, 80) is None
        become(world.backend, cluster())
        assert world.ask("isolated", PROBE_V4, 80) == GATEWAY_V4
        assert still(held) == "cut"


def test_heartbeats_go_as_packets_go(world: Inside) -> None:
    backend = world.backend
    become(backend, cluster())
    assert until(lambda: backend.heartbeats().keys() == {"node", "isolated"})
    become(backend, cluster(attached=False))
    assert until(lambda: backend.heartbeats()["isolated"] > 4 * INTERVAL)
    assert backend.heartbeats()["node"] < 4 * INTERVAL
    become(backend, cluster())
    assert until(lambda: backend.heartbeats()["isolated"] < 2 * INTERVAL, 3)


def test_a_control_planes_filter_stands_before_heartbeats(world: Inside) -> None:
    backend, plane = world.backend, fabrics.plane()
    port = type(plane.ports[0])(
        id="pub-plane", name="pub", link="edge", addresses=plane.ports[0].addresses, filter="acl"
    )
    plane = type(plane)(
        id="plane", name="plane", role=plane.role, ports=(port,), routes=plane.routes, listeners=plane.listeners
    )
    acl = group(tcp(fabrics.HEARTBEAT_PORT, f"{NODE_V4}/32"), id="acl")
    become(backend, fabric(node(), isolated(), fabrics.gateway(), plane, probe(), filters=(acl, group())))
    assert until(lambda: "node" in backend.heartbeats())
    time.sleep(2 * INTERVAL)
    assert "isolated" not in backend.heartbeats()


def test_routers_join_networks_and_their_rules_have_no_state(world: Inside) -> None:
    def wanted(*rules: RouterRule) -> Fabric:
        joins = fabrics.router(
            fabrics.private("router", "172.16.0.1/22", "fd00:1::ffff/64", name="pn-a"),
            fabrics.private("router", "172.16.4.1/22", "fd00:2::ffff/64", link="pn2", name="pn-b"),
            rules=Router(rules=rules),
        )
        return fabric(
            host("a", "pn", "172.16.0", "fd00:1"), host("b", "pn2", "172.16.4", "fd00:2"), joins, segments=("pn", "pn2")
        )

    def host(name: str, link: str, v4: str, v6: str) -> fabrics.Host:
        port = fabrics.private(name, f"{v4}.5/22", f"{v6}::5/64", link=link)
        routes = (("0.0.0.0/0", f"{v4}.1"), ("::/0", f"{v6}::ffff"))
        return fabrics.Host(
            id=name,
            name=name,
            role=fabrics.Role.INSTANCE,
            ports=(port,),
            routes=tuple(fabrics.Route(destination=d, via=v, port=port.id) for d, v in routes),
            listeners=(fabrics.Listener(port=WEB_PORT, what="address"),),
        )

    def drop(source: str, destination: str, **ports: tuple[int, int] | None) -> RouterRule:
        both = {"source_ports": None, "destination_ports": None, **ports}
        return RouterRule(action=Action.DROP, protocol=Protocol.TCP, source=source, destination=destination, **both)

    become(world.backend, wanted())
    assert world.ask("a", "172.16.4.5", WEB_PORT) == "172.16.0.5"
    assert world.ask("a", "fd00:2::5", WEB_PORT) == "fd00:1::5"
    become(world.backend, wanted(drop("172.16.0.0/22", "172.16.4.0/22", destination_ports=(WEB_PORT, WEB_PORT))))
    assert world.ask("a", "172.16.4.5", WEB_PORT) is None
    assert world.ask("b", "172.16.0.5", WEB_PORT) == "172.16.4.5"
    assert world.ask("a", "fd00:2::5", WEB_PORT) == "fd00:1::5"
    become(world.backend, wanted(drop("172.16.4.0/22", "172.16.0.0/22", source_ports=(WEB_PORT, WEB_PORT))))
    assert world.ask("a", "172.16.4.5", WEB_PORT) is None, "a reply is a packet like any other"


def test_networks_that_nothing_joins_do_not_meet(world: Inside) -> None:
    one = isolated(via=None)
    port = fabrics.private("two", "172.16.0.9/22", link="pn2")
    two = fabrics.Host(id="two", name="two", role=fabrics.Role.NODE, ports=(port,))
    become(world.backend, fabric(one, two, segments=("pn", "pn2")))
    assert world.ask("two", ISOLATED_IN, WEB_PORT) is None


def test_an_address_that_moves_is_reached_at_once(world: Inside) -> None:
    become(
        world.backend,
        fabric(node(), node("other", OTHER_V4, inside="172.16.0.4"), probe(), filters=(group(tcp(WEB_PORT)),)),
    )
    assert world.ask("internet", NODE_V4, WEB_PORT) == PROBE_V4
    moved = fabric(node("other", NODE_V4, inside=NODE_IN), isolated(), probe(), filters=(group(tcp(WEB_PORT)),))
    become(world.backend, moved)
    assert world.ask("internet", NODE_V4, WEB_PORT) == PROBE_V4
    assert world.ask("isolated", NODE_IN, WEB_PORT) == ISOLATED_IN


def test_a_booked_address_is_not_taken_over_by_who_shouts(world: Inside) -> None:
    """Semantics 1.8: a gratuitous ARP changes nothing that is known, and what nobody booked is asked for."""
    become(world.backend, fabric(node(), isolated(), node("other", OTHER_V4, inside="172.16.0.4"), probe()))
    shouted = "ip address add 172.16.0.2/22 dev ens5; ip address add 172.16.1.1/22 dev ens5; ip -s neigh flush all"
    assert world.backend.run("isolated", ["sh", "-c", shouted])["status"] == 0
    known = world.backend.run("other", ["ip", "neighbour", "show", NODE_IN])["stdout"].split()
    assert known[:5] == [NODE_IN, "dev", "ens5", "lladdr", names.mac("pn-node")]
    assert known[-1] == "PERMANENT"
    assert world.backend.run("other", ["ping", "-c1", "-W2", "172.16.1.1"])["status"] == 0
