"""Which address a name means to a host, and through whom a packet may come."""

from __future__ import annotations

from hideaway.fabric.aims import aim, next_hop, on_the_way
from hideaway.fabric.model import PROBE_V4, PROBE_V6, Host, Role, Route
from tests import fabrics
from tests.fabrics import GATEWAY_IN, GATEWAY_V4, ISOLATED_IN, NODE_IN, NODE_V4, NODE_V6, cluster, pat

CLUSTER = cluster(forwards=(pat(2222),))


def host(name: str) -> Host:
    found = CLUSTER.host(name)
    assert found is not None
    return found


def test_an_address_means_itself() -> None:
    assert aim(CLUSTER, host("node"), "10.9.8.7") == "10.9.8.7"
    assert aim(CLUSTER, host("node"), "2001:2:0:0:0:0:0:1") == "2001:2::1"


def test_of_a_hosts_addresses_the_nearest_is_meant() -> None:
    assert aim(CLUSTER, host("isolated"), "node") == NODE_IN
    assert aim(CLUSTER, host("internet"), "node") == NODE_V4
    assert aim(CLUSTER, host("internet"), "node", v6=True) == NODE_V6
    assert aim(CLUSTER, host("isolated"), "internet", v6=True) == PROBE_V6
    assert aim(CLUSTER, host("internet"), "isolated") == ISOLATED_IN, "though it cannot be reached there"


def test_a_routed_address_is_nearer_than_a_public_one() -> None:
    port = fabrics.private("far", "172.16.4.5/22", link="pn2")
    routed = Route(destination="172.16.0.0/22", via="172.16.4.1", port=port.id)
    far = Host(id="far", name="far", role=Role.INSTANCE, ports=(port,), routes=(routed,))
    assert aim(CLUSTER, far, "node") == NODE_IN


def test_what_is_not_there_is_no_aim() -> None:
    assert aim(CLUSTER, host("node"), "nobody") is None
    assert aim(CLUSTER, host("node"), "gateway", v6=True) is None, "a gateway speaks IPv4"


def test_all_who_pass_on_are_on_the_way() -> None:
    assert {h.id for h in on_the_way(CLUSTER, host("isolated"), PROBE_V4)} == {"isolated", "gateway", "internet"}
    there = {h.id for h in on_the_way(CLUSTER, host("internet"), GATEWAY_V4)}
    assert there == {"internet", "gateway", "isolated"}, "the target of a translation, too"


def test_the_next_hop_is_the_best_routes() -> None:
    isolated = host("isolated")
    (port,) = isolated.ports
    assert next_hop(isolated, port, PROBE_V4) == GATEWAY_IN
    assert next_hop(isolated, port, NODE_IN) == NODE_IN
