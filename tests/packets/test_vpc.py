"""A VPC as its user meets it: routing between its Private Networks, custom routes, network ACLs, on packets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from hideaway.cli.demo.probes import PORT
from tests.cloud_under_test import cloud
from tests.packets.tenant import GATEWAY, INSTANCE, IPAM, VPC, Machine, Tenant
from tests.packets.test_gateways import HOLD, TALK

pytestmark = [pytest.mark.packets, pytest.mark.slow]
FAR_V4, FAR_V6 = "10.99.0.1", "fd99::1"
"""Addresses behind a next hop that no Private Network has."""


ADDRESS = """
import socket, sys
l = socket.create_server((sys.argv[1], 4006), family=socket.AF_INET6)
print("up", flush=True)
c, peer = l.accept()
c.sendall(peer[0].encode())
"""
"""Answers one caller of an IPv6 address with the caller's."""
NAMED = """
import socket, sys
l = socket.create_server(("", 4444))
print("up", flush=True)
c, _ = l.accept()
c.sendall(sys.argv[1].encode())
"""
"""Answers one caller with a name."""


class Stage(msgspec.Struct, frozen=True):
    """Two networks of one VPC, with `ann` in the first, `bob` in the second and `via` in the first."""

    tenant: Tenant
    vpc: str
    one: str
    two: str
    ann: Machine
    bob: Machine
    via: Machine


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, packets: None) -> Iterator[Stage]:
    with cloud(tmp_path_factory.mktemp("cloud"), "--data-plane", "linux", "--linger", "0") as running:
        tenant = Tenant(running)
        vpc = tenant.vpc("one")
        first, second = (tenant.network(n, s, vpc=vpc) for n, s in (("a", "10.1.0.0/22"), ("b", "10.2.0.0/22")))
        ann, bob, via = (tenant.instance(n, w) for n, w in (("ann", first), ("bob", second), ("via", first)))
        for address, interface in ((f"{FAR_V4}/32", "lo"), (f"{FAR_V6}/128", "lo")):
            tenant.inside("via", "ip", "address", "add", address, "dev", interface)
        yield Stage(tenant, vpc, first, second, ann, bob, via)
        tenant.close()


def test_networks_of_a_vpc_reach_each_other_with_their_own_addresses(stage: Stage) -> None:
    ann, bob = stage.ann, stage.bob
    assert stage.tenant.ask("ann", bob.v4(stage.two)) == ann.v4(stage.one)
    assert stage.tenant.ask("bob", ann.v4(stage.one)) == bob.v4(stage.two)


def test_networks_of_a_vpc_reach_each_other_by_ipv6(stage: Stage) -> None:
    bob = stage.bob.v6(stage.two)
    with stage.tenant.serving("bob", ADDRESS, bob):
        assert stage.tenant.ask("ann", bob, 4006) == stage.ann.v6(stage.one)


def route(stage: Stage, destination: str, **hop: str) -> str:
    made = stage.tenant.call("POST", f"{VPC}/routes", vpc_id=stage.vpc, destination=destination, **hop)
    stage.tenant.settled()
    return str(made["id"])


def unroute(stage: Stage, id_: str) -> None:
    stage.tenant.call("DELETE", f"{VPC}/routes/{id_}")
    stage.tenant.settled()


@pytest.mark.parametrize("hop", ["nic", "server", "booking"])
def test_a_custom_route_leads_to_its_next_hop(stage: Stage, hop: str) -> None:
    """Named by its NIC, its server or its address: from its own network, and by the router from the other."""
    tenant, nic = stage.tenant, stage.via.nics[stage.one]
    booked = next(i["id"] for i in tenant.call("GET", f"{IPAM}/ips?resource_id={nic}&is_ipv6=false")["ips"])
    next_hop = {"nic": nic, "server": stage.via.id, "booking": booked}[hop]
    assert tenant.ask("ann", FAR_V4) is None
    made = route(stage, f"{FAR_V4}/32", nexthop_resource_id=next_hop, nexthop_private_network_id=stage.one)
    try:
        assert tenant.ask("ann", FAR_V4) == stage.ann.v4(stage.one)
        assert tenant.ask("bob", FAR_V4) == stage.bob.v4(stage.two)
    finally:
        unroute(stage, made)
    assert tenant.ask("ann", FAR_V4) is None
    assert tenant.ask("bob", FAR_V4) is None


def ping(stage: Stage, machine: str, address: str) -> bool:
    return stage.tenant.hosts.run(machine, "ping", "-c1", "-W1", "-q", address).returncode == 0


def test_a_custom_route_of_ipv6(stage: Stage) -> None:
    assert not ping(stage, "ann", FAR_V6)
    made = route(stage, f"{FAR_V6}/128", nexthop_resource_id=stage.via.nics[stage.one])
    try:
        assert ping(stage, "ann", FAR_V6)
        assert ping(stage, "bob", FAR_V6)
    finally:
        unroute(stage, made)


def test_a_server_that_forwards_joins_what_a_custom_route_sends_it(stage: Stage) -> None:
    """A VPN server in a network of this VPC and in one of another: by two routes, both sides reach each other."""
    tenant = stage.tenant
    other = tenant.vpc("two")
    far = tenant.network("far", "10.50.0.0/22", vpc=other)
    both = tenant.instance("both", stage.one, far, listen=False)
    there = tenant.instance("there", far)
    assert tenant.ask("bob", there.v4(far)) is None
    out = route(stage, "10.50.0.0/22", nexthop_resource_id=both.nics[stage.one])
    back = tenant.call(
        "POST", f"{VPC}/routes", vpc_id=other, destination="10.0.0.0/12", nexthop_resource_id=both.nics[far]
    )["id"]
    tenant.settled()
    assert tenant.ask("ann", there.v4(far)) is None, "it does not forward yet"
    tenant.inside("both", "sysctl", "-qw", "net.ipv4.ip_forward=1")
    assert tenant.ask("ann", there.v4(far)) == stage.ann.v4(stage.one)
    assert tenant.ask("bob", there.v4(far)) == stage.bob.v4(stage.two)
    assert tenant.ask("there", stage.bob.v4(stage.two)) == there.v4(far)
    for id_ in (out, back):
        unroute(stage, id_)
    for machine in (both, there):
        tenant.call("POST", f"{INSTANCE}/servers/{machine.id}/action", action="terminate")


def test_a_custom_route_to_a_gateway_that_pushes_no_default(stage: Stage) -> None:
    """Only what the route names leaves, by the gateway and with its address."""
    tenant = stage.tenant
    gateway, address = tenant.gateway("some")
    attachment = tenant.attach(gateway, stage.one, push_default_route=False, enable_masquerade=True)
    assert tenant.leaves_with("ann") is None
    made = route(stage, "198.18.9.8/31", nexthop_resource_id=attachment)
    try:
        assert tenant.leaves_with("ann") == address
        assert not ping(stage, "ann", "198.18.0.1")
    finally:
        unroute(stage, made)
        tenant.detach(attachment)
    assert tenant.leaves_with("ann") is None


def test_a_network_takes_the_default_route_of_another(stage: Stage) -> None:
    """Through the VPC's router, by the other network's gateway; who did not ask for it does not leave that way."""
    tenant = stage.tenant
    gateway, address = tenant.gateway("shared")
    attachment = tenant.attach(gateway, stage.one)
    taking = f"{VPC}/private-networks/{stage.two}"
    try:
        assert tenant.leaves_with("ann") == address
        assert tenant.leaves_with("bob") is None
        router = tenant.subnets(stage.two)[0].replace(".0/22", ".1")
        tenant.inside("bob", "ip", "route", "add", "default", "via", router)
        assert tenant.leaves_with("bob") is None, "a route of one's own making does not help"
        tenant.inside("bob", "ip", "route", "delete", "default", "via", router)
        tenant.call("PATCH", taking, default_route_propagation_enabled=True)
        tenant.settled()
        assert tenant.leaves_with("bob") == address
        assert tenant.ask("ann", stage.bob.v4(stage.two)) == stage.ann.v4(stage.one)
        tenant.call("PATCH", taking, default_route_propagation_enabled=False)
        tenant.settled()
        assert tenant.leaves_with("bob") is None
    finally:
        tenant.detach(attachment)
        tenant.call("DELETE", f"{GATEWAY}/gateways/{gateway}?delete_ip=true")


# Network ACLs


def acl(stage: Stage, default: str = "accept", *rules: dict[str, Any], v6: bool = False) -> None:
    path = f"{VPC}/vpcs/{stage.vpc}/acl-rules"
    stage.tenant.call("PUT", path, is_ipv6=v6, default_policy=default, rules=list(rules))
    stage.tenant.settled()


@pytest.fixture
def filtered(stage: Stage) -> Iterator[Stage]:
    yield stage
    acl(stage)
    acl(stage, v6=True)


def rule(stage: Stage, action: str, protocol: str = "TCP", *, to: str = "", back: bool = False, **ports: int) -> Any:
    """From the first network to the second, or back; `to` narrows the destination."""
    source, destination = (stage.tenant.subnets(n)[0] for n in (stage.one, stage.two))
    if back:
        source, destination = destination, source
    return {"action": action, "protocol": protocol, "source": source, "destination": to or destination, **ports}


def test_a_dropped_port_between_networks_and_nothing_else(filtered: Stage) -> None:
    ann, bob = filtered.ann, filtered.bob
    acl(filtered, "accept", rule(filtered, "drop", dst_port_low=PORT, dst_port_high=PORT))
    ask = filtered.tenant.ask
    assert ask("ann", bob.v4(filtered.two)) is None
    assert ping(filtered, "ann", bob.v4(filtered.two))
    assert ask("bob", ann.v4(filtered.one)) == bob.v4(filtered.two), "the rule is for one direction"
    assert ask("via", ann.v4(filtered.one)) is not None, "nothing is filtered within a network"
    assert ping(filtered, "ann", bob.v6(filtered.two)), "the other family has a list of its own"


def test_the_first_rule_that_matches_decides(filtered: Stage) -> None:
    bob = filtered.bob.v4(filtered.two)
    here = {"dst_port_low": PORT, "dst_port_high": PORT}
    acl(filtered, "accept", rule(filtered, "accept", to=f"{bob}/32", **here), rule(filtered, "drop", **here))
    assert filtered.tenant.ask("ann", bob) is not None
    acl(filtered, "accept", rule(filtered, "drop", **here), rule(filtered, "accept", to=f"{bob}/32", **here))
    assert filtered.tenant.ask("ann", bob) is None


def test_rules_have_no_state(filtered: Stage) -> None:
    """With drop by default a reply needs a rule of its own, by its source port."""
    bob = filtered.bob.v4(filtered.two)
    there = rule(filtered, "accept", dst_port_low=PORT, dst_port_high=PORT)
    acl(filtered, "drop", there)
    assert filtered.tenant.ask("ann", bob) is None
    acl(filtered, "drop", there, rule(filtered, "accept", back=True, src_port_low=PORT, src_port_high=PORT))
    assert filtered.tenant.ask("ann", bob) is not None
    assert not ping(filtered, "ann", bob)
    acl(filtered, "drop", rule(filtered, "accept", "ICMP"), rule(filtered, "accept", "ICMP", back=True))
    assert ping(filtered, "ann", bob)
    assert filtered.tenant.ask("ann", bob) is None


def test_what_is_dropped_is_cut(filtered: Stage) -> None:
    """Also what was there before: every packet meets the rules."""
    tenant, bob = filtered.tenant, filtered.bob.v4(filtered.two)
    with tenant.serving("bob", HOLD, "4000"), tenant.program("ann", TALK, bob, "4000") as held:
        assert held.line() == "lives"
        acl(filtered, "accept", rule(filtered, "drop", dst_port_low=3900, dst_port_high=4100))
        assert held.tell("") == "cut"


def test_lists_of_ipv6(filtered: Stage) -> None:
    bob = filtered.bob
    source, destination = (filtered.tenant.subnets(n)[1] for n in (filtered.one, filtered.two))
    drop = {"action": "drop", "protocol": "ICMP", "source": source, "destination": destination}
    acl(filtered, "accept", drop, v6=True)
    assert not ping(filtered, "ann", bob.v6(filtered.two))
    assert ping(filtered, "ann", bob.v4(filtered.two))
    acl(filtered, "drop", v6=True)
    assert not ping(filtered, "bob", filtered.ann.v6(filtered.one))
    acl(filtered, "drop", {**drop, "action": "accept"}, {
        "action": "accept", "protocol": "ANY", "source": destination, "destination": source,
    }, v6=True)  # fmt: skip
    assert ping(filtered, "ann", bob.v6(filtered.two))


def test_managed_databases_are_never_filtered(filtered: Stage) -> None:
    tenant = filtered.tenant
    path = "/rdb/v1/regions/fr-par/instances"
    made = tenant.call(
        "POST", path, name="shop", engine="PostgreSQL-15", node_type="DB-DEV-S", is_ha_cluster=False,
        disable_backup=True, user_name="shop", password="thiZ_is_v&ry_s3cret",
        init_endpoints=[{"private_network": {"private_network_id": filtered.two, "ipam_config": {}}}],
    )["id"]  # fmt: skip
    assert tenant.soon(lambda: tenant.call("GET", f"{path}/{made}")["status"] == "ready", 60)
    (endpoint,) = tenant.call("GET", f"{path}/{made}")["endpoints"]
    acl(filtered, "drop", rule(filtered, "drop", "ANY"))
    assert not ping(filtered, "ann", filtered.bob.v4(filtered.two))
    assert ping(filtered, "ann", endpoint["ip"])
    connect = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"
    tenant.python("ann", connect, endpoint["ip"], str(endpoint["port"]))
    tenant.call("DELETE", f"{path}/{made}")


# Several VPCs


def test_networks_of_two_vpcs_with_the_same_subnets_stay_apart(stage: Stage) -> None:
    """Same subnets and same addresses, each VPC with a router of its own: everybody meets its own only."""
    tenant = stage.tenant
    vpc = tenant.vpc("twin")
    first, second = (tenant.network(f"twin-{n}", s, vpc=vpc) for n, s in (("a", "10.1.0.0/22"), ("b", "10.2.0.0/22")))
    ann, bob = tenant.instance("ann-twin", first), tenant.instance("bob-twin", second)
    assert ann.v4(first) == stage.ann.v4(stage.one)
    assert bob.v4(second) == stage.bob.v4(stage.two)
    made = tenant.call(
        "POST", f"{VPC}/routes", vpc_id=vpc, destination=f"{FAR_V4}/32", nexthop_resource_id=ann.nics[first]
    )
    tenant.inside("ann-twin", "ip", "address", "add", f"{FAR_V4}/32", "dev", "lo")
    tenant.settled()
    with tenant.serving("bob", NAMED, "bob"), tenant.serving("bob-twin", NAMED, "twin"):
        assert tenant.ask("ann", bob.v4(second), 4444) == "bob"
        assert tenant.ask("ann-twin", bob.v4(second), 4444) == "twin"
    assert tenant.ask("bob", FAR_V4) is None, "the twin's custom route is the twin's"
    assert tenant.ask("bob-twin", FAR_V4) == bob.v4(second)
    tenant.call("DELETE", f"{VPC}/routes/{made['id']}")
    for machine in (ann, bob):
        tenant.call("POST", f"{INSTANCE}/servers/{machine.id}/action", action="terminate")
