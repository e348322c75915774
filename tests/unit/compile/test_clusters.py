"""Rules of part 5: control planes, who may reach them, and heartbeats."""

from __future__ import annotations

from hideaway.cloud.kubernetes import Access, Cluster, Node
from hideaway.fabric.model import Action, Direction, Heartbeat, Listener, Protocol, Role, Rule
from tests.unit.compile.factory import Cloud, document_cluster


def passes(rules: tuple[Rule, ...], port: int) -> list[tuple[str, str]]:
    """Action and range of the rules for a TCP port, in order."""
    return [(r.action.value, r.network) for r in rules if r.ports == (port, port) and r.protocol == Protocol.TCP]


def api(cloud: Cloud, cluster: Cluster) -> list[tuple[str, str]]:
    return passes(cloud.filter(f"acl:{cluster.id}").rules, 6443)


def test_a_control_plane_is_a_host_on_the_public_internet() -> None:
    cloud = Cloud()
    cluster = cloud.cluster(cloud.network())
    host = cloud.host(cluster)
    assert (host.role, host.name) == (Role.CONTROL_PLANE, f"control-plane-{cluster.id}")
    (port,) = host.ports
    assert (port.addresses, port.filter) == ((f"{cluster.address}/32",), f"acl:{cluster.id}")
    assert host.listeners == (Listener(port=6443, what="closed-api"), Listener(port=8132, what="control-plane"))


def test_the_filter_drops_what_it_does_not_name_but_echo() -> None:
    cloud = Cloud()
    cluster = cloud.cluster(cloud.network(), acl=None)
    made = cloud.filter(f"acl:{cluster.id}")
    assert (made.stateful, made.inbound, made.outbound) == (True, Action.DROP, Action.ACCEPT)
    assert [(r.protocol.value, r.network) for r in made.rules] == [("icmp", "0.0.0.0/0"), ("icmp", "::/0")]
    assert {r.direction for r in made.rules} == {Direction.INBOUND}


def test_the_default_rule_lets_everybody_in_by_both_families() -> None:
    cloud = Cloud()
    assert api(cloud, cloud.cluster(cloud.network())) == [("accept", "0.0.0.0/0"), ("accept", "::/0")]


def test_all_of_ipv4_beside_another_rule_means_ipv4_alone() -> None:
    cloud = Cloud()
    cluster = cloud.cluster(cloud.network())
    cloud.access(cluster, ip="2001:2:0:1234::/64")
    assert api(cloud, cluster) == [("accept", "0.0.0.0/0"), ("accept", "2001:2:0:1234::/64")]
    other = cloud.cluster(cloud.network())
    cloud.access(other, scaleway_ranges=True)
    assert ("accept", "::/0") not in api(cloud, other)


def test_an_access_rule_lets_in_its_range_alone() -> None:
    cloud = Cloud()
    cluster = cloud.cluster(cloud.network(), acl="198.18.9.0/24")
    assert api(cloud, cluster) == [("accept", "198.18.9.0/24")]


def test_the_clouds_own_ranges_leave_out_users_and_strangers() -> None:
    cloud = Cloud()
    cluster = cloud.cluster(cloud.network(), acl=None)
    cloud.access(cluster, scaleway_ranges=True)
    cloud.access(cluster, ip="198.18.0.2/32")
    assert api(cloud, cluster) == [
        ("accept", "198.18.0.2/32"),
        ("drop", "198.18.0.0/20"),
        ("drop", "2001:2::/64"),
        ("drop", "2001:2:0:909::/64"),
        ("accept", "198.18.0.0/15"),
        ("accept", "2001:2::/48"),
    ]


def test_own_nodes_and_the_networks_gateway_are_always_let_in() -> None:
    cloud = document_cluster()
    cluster = cloud.ledger.find(Cluster)[0]
    for access in cloud.ledger.find(Access):
        cloud.ledger.remove(access)
    own = [("accept", f"198.18.16.{n}/32") for n in (2, 3, 4)]
    assert api(cloud, cluster) == own
    assert passes(cloud.filter(f"acl:{cluster.id}").rules, 8132) == own


def test_other_clusters_nodes_are_strangers() -> None:
    cloud = Cloud()
    network = cloud.network()
    mine, other = cloud.cluster(network, acl=None), cloud.cluster(network, acl=None)
    cloud.node(cloud.pool(other), network)
    assert api(cloud, mine) == []
    assert len(api(cloud, other)) == 1


def test_a_pools_own_network_brings_its_gateway() -> None:
    cloud = Cloud()
    vpc = cloud.vpc()
    first, second = cloud.network(vpc), cloud.network(vpc)
    cluster = cloud.cluster(first, acl=None)
    cloud.attach(cloud.gateway(), second)
    assert api(cloud, cluster) == []
    cloud.pool(cluster, private_network_id=second.id)
    assert api(cloud, cluster) == [("accept", "198.18.16.2/32")]


def test_every_node_sends_its_heartbeat_to_its_own_control_plane() -> None:
    cloud = Cloud()
    network = cloud.network()
    one, two = cloud.cluster(network), cloud.cluster(network)
    beats = [
        Heartbeat(source=cloud.node(cloud.pool(c), network).id, target=c.id, address=c.address, port=8132)
        for c in (one, two)
    ]
    assert list(cloud.fabric().heartbeats) == sorted(beats, key=lambda b: b.source)


def test_a_node_whose_server_is_stopped_sends_none() -> None:
    cloud = Cloud()
    network = cloud.network()
    server = cloud.node(cloud.pool(cloud.cluster(network)), network)
    cloud.change(server, state="stopped")
    assert cloud.fabric().heartbeats == ()


def test_a_cluster_that_is_being_deleted_has_neither_host_nor_filter_nor_heartbeats() -> None:
    cloud = Cloud()
    network = cloud.network()
    cluster = cloud.cluster(network)
    cloud.node(cloud.pool(cluster), network)
    cloud.change(cluster, status="deleting")
    fabric = cloud.fabric()
    assert fabric.host(cluster.id) is None
    assert (fabric.filters, fabric.heartbeats) == ((), ())


def test_a_node_without_its_document_is_still_a_host() -> None:
    cloud = Cloud()
    network = cloud.network()
    server = cloud.node(cloud.pool(cloud.cluster(network)), network)
    cloud.ledger.remove(cloud.ledger.find(Node)[0])
    assert cloud.host(server).role == Role.NODE
    assert cloud.fabric().heartbeats == ()
