"""Rules of part 6: VPC routing, custom routes and network ACLs."""

from __future__ import annotations

import ipaddress

import msgspec

from hideaway.cloud.network import AclRule, PrivateNetwork
from hideaway.cloud.servers import PrivateNic
from hideaway.fabric.model import Action, Host, Role, Router
from tests.unit.compile.factory import Cloud


def table(host: Host) -> dict[str, str]:
    """Destination -> next hop, of what is not on the link."""
    return {r.destination: r.via for r in host.routes if r.via}


def router(cloud: Cloud) -> Router:
    """The one router, with the rules that are not the networks' own resolvers'."""
    (found,) = (h.router for h in cloud.fabric().hosts if h.router)
    rules = tuple(r for r in found.rules if not r.because.startswith("vpc/private_network:"))
    return msgspec.structs.replace(found, rules=rules)


def test_a_vpc_with_two_networks_has_a_router_at_each_subnets_first_address() -> None:
    cloud = Cloud()
    vpc = cloud.vpc()
    first, second = cloud.network(vpc), cloud.network(vpc)
    host = cloud.host(vpc)
    assert host.role == Role.ROUTER
    assert [(p.id, p.link, p.addresses) for p in host.ports] == [
        (f"router-{first.id}", first.id, ("172.16.0.1/22", "fd46:78ab:30b8::1/64")),
        (f"router-{second.id}", second.id, ("172.16.4.1/22", "fd46:78ab:30b8:1::1/64")),
    ]
    assert host.router == Router()


def test_hosts_reach_the_vpcs_other_networks_by_both_families() -> None:
    cloud = Cloud()
    vpc = cloud.vpc()
    server = cloud.server(cloud.network(vpc))
    cloud.network(vpc)
    assert table(cloud.host(server)) == {
        "172.16.4.0/22": "172.16.0.1",
        "fd46:78ab:30b8:1::/64": "fd46:78ab:30b8::1",
    }


def test_a_host_with_a_port_in_both_networks_needs_no_router() -> None:
    cloud = Cloud()
    vpc = cloud.vpc()
    assert table(cloud.host(cloud.server(cloud.network(vpc), cloud.network(vpc)))) == {}


def test_no_router_without_routing_or_with_one_network() -> None:
    cloud = Cloud()
    alone, off = cloud.vpc(), cloud.vpc(routing_enabled=False)
    cloud.network(alone)
    server = cloud.server(cloud.network(off))
    cloud.network(off)
    assert not [h for h in cloud.fabric().hosts if h.role == Role.ROUTER]
    assert table(cloud.host(server)) == {}


def test_networks_of_two_vpcs_are_never_joined() -> None:
    cloud = Cloud()
    ours, theirs = cloud.vpc(), cloud.vpc()
    server = cloud.server(cloud.network(ours))
    cloud.network(ours)
    foreign = [cloud.network(theirs), cloud.network(theirs)]
    assert not {s.subnet for n in foreign for s in n.subnets} & set(table(cloud.host(server)))
    assert {p.link for p in cloud.host(ours).ports}.isdisjoint({n.id for n in foreign})


def test_a_custom_route_leads_to_a_resource_s_address() -> None:
    cloud = Cloud()
    vpc = cloud.vpc()
    near, far = cloud.network(vpc), cloud.network(vpc)
    vpn, neighbour, remote = cloud.server(near), cloud.server(near), cloud.server(far)
    nic = cloud.ledger.find(PrivateNic, ref=vpn.id)[0]
    route = cloud.route(vpc, "10.0.0.0/24", nic, near)
    assert "10.0.0.0/24" not in table(cloud.host(vpn)), "the next hop itself does not route to itself"
    assert table(cloud.host(neighbour))["10.0.0.0/24"] == "172.16.0.2"
    assert table(cloud.host(remote))["10.0.0.0/24"] == "172.16.4.1"
    assert table(cloud.host(vpc)) == {"10.0.0.0/24": "172.16.0.2"}
    assert [r.because for r in cloud.host(vpc).routes] == [f"vpc/route:{route.id}"]


def test_a_custom_route_by_ipv6_takes_the_resource_s_ipv6_address() -> None:
    cloud = Cloud()
    vpc = cloud.vpc()
    near = cloud.network(vpc)
    vpn, neighbour = cloud.server(near), cloud.server(near)
    cloud.route(vpc, "fd00:1::/64", vpn)
    assert table(cloud.host(neighbour)) == {"fd00:1::/64": "fd46:78ab:30b8::2"}


def test_custom_routes_that_are_not_propagated_stay_in_their_network() -> None:
    cloud = Cloud()
    vpc = cloud.vpc(custom_routes_propagation_enabled=False)
    near, far = cloud.network(vpc), cloud.network(vpc)
    vpn, neighbour, remote = cloud.server(near), cloud.server(near), cloud.server(far)
    cloud.route(vpc, "10.0.0.0/24", cloud.ledger.find(PrivateNic, ref=vpn.id)[0])
    assert "10.0.0.0/24" in table(cloud.host(neighbour))
    assert "10.0.0.0/24" not in table(cloud.host(remote)) | table(cloud.host(vpc))


def test_a_custom_route_that_leads_nowhere_is_left_out() -> None:
    cloud = Cloud()
    vpc = cloud.vpc()
    near, far = cloud.network(vpc), cloud.network(vpc)
    vpn, neighbour = cloud.server(near), cloud.server(near)
    nic = cloud.ledger.find(PrivateNic, ref=vpn.id)[0]
    cloud.route(vpc, "10.0.0.0/24", nic, far)
    cloud.route(vpc, "10.0.1.0/24", cloud.server())
    assert set(table(cloud.host(neighbour))) == {"172.16.4.0/22", "fd46:78ab:30b8:1::/64"}


def test_acls_are_the_routers_rules_in_their_order() -> None:
    cloud = Cloud()
    vpc = cloud.vpc()
    cloud.network(vpc), cloud.network(vpc)
    allow = AclRule(protocol="TCP", source="172.16.0.0/22", dst_port_low=443, dst_port_high=443)
    deny = AclRule(protocol="ANY", destination="172.16.4.7/32", action="drop")
    cloud.acl(vpc, allow, deny, default="drop")
    cloud.acl(vpc, AclRule(protocol="ICMP", source="::/0", destination="::/0"), v6=True)
    made = router(cloud)
    assert (made.default_v4, made.default_v6) == (Action.DROP, Action.ACCEPT)
    assert [(r.action.value, r.protocol.value, r.source, r.destination, r.destination_ports) for r in made.rules] == [
        ("accept", "tcp", "172.16.0.0/22", "0.0.0.0/0", (443, 443)),
        ("drop", "any", "0.0.0.0/0", "172.16.4.7/32", None),
        ("accept", "icmp", "::/0", "::/0", None),
    ]
    assert [r.because for r in made.rules] == [f"vpc/acl:{vpc.id}/v4"] * 2 + [f"vpc/acl:{vpc.id}/v6"]


def test_acls_never_apply_to_managed_databases() -> None:
    cloud = Cloud()
    vpc = cloud.vpc()
    network = cloud.network(vpc)
    cloud.network(vpc)
    database = cloud.database(network)
    assert router(cloud).rules == ()
    cloud.acl(vpc, default="drop")
    rules = router(cloud).rules
    assert [(r.action.value, r.source, r.destination) for r in rules] == [
        ("accept", "0.0.0.0/0", "172.16.0.2/32"),
        ("accept", "172.16.0.2/32", "0.0.0.0/0"),
    ]
    assert {r.because for r in rules} == {f"rdb/instance:{database.id}"}


def test_only_endpoints_in_the_vpc_are_beyond_its_acls() -> None:
    cloud = Cloud()
    vpc, other = cloud.vpc(), cloud.vpc()
    cloud.database(cloud.network(vpc), cloud.network(other))
    cloud.network(vpc)
    cloud.acl(vpc)
    assert {r.source for r in router(cloud).rules} == {"0.0.0.0/0", "172.16.0.2/32"}


def test_a_rule_of_the_wrong_family_matches_nothing() -> None:
    cloud = Cloud()
    vpc = cloud.vpc()
    cloud.network(vpc), cloud.network(vpc)
    cloud.acl(vpc, AclRule(source="fd00::/8"), AclRule(destination="::/0"))
    cloud.acl(vpc, AclRule(), v6=True)
    assert router(cloud).rules == ()


def test_a_custom_route_does_not_lead_into_another_vpc() -> None:
    cloud = Cloud()
    ours, theirs = cloud.vpc(), cloud.vpc()
    near, foreign = cloud.network(ours), cloud.network(theirs)
    neighbour, stranger, beside = cloud.server(near), cloud.server(foreign), cloud.server(foreign)
    cloud.network(ours)
    cloud.route(ours, "10.0.0.0/24", stranger)
    for host in (neighbour, beside, ours):
        assert "10.0.0.0/24" not in table(cloud.host(host))


def test_a_gateway_knows_the_way_back_to_the_vpcs_other_networks() -> None:
    cloud = Cloud()
    vpc = cloud.vpc()
    first = cloud.network(vpc)
    cloud.network(vpc)
    gateway = cloud.gateway()
    cloud.attach(gateway, first)
    assert table(cloud.host(gateway))["172.16.4.0/22"] == "172.16.0.1"


def test_a_default_route_is_taken_by_networks_that_want_it_and_by_no_others() -> None:
    cloud = Cloud()
    vpc = cloud.vpc()
    near = cloud.network(vpc)
    taker = cloud.network(vpc, default_route_propagation_enabled=True)
    other = cloud.network(vpc)
    gateway = cloud.gateway()
    attachment = cloud.attach(gateway, near)
    hosts = {n.id: cloud.host(cloud.server(n)) for n in (near, taker, other)}
    defaults = {id_: [r.via for r in host.routes if r.destination == "0.0.0.0/0"] for id_, host in hosts.items()}
    inside = next(p for p in cloud.host(gateway).ports if p.link == near.id).addresses[0].split("/")[0]
    assert defaults == {near.id: [inside], taker.id: [first(taker)], other.id: []}
    router = cloud.host(vpc)
    assert [(r.via, r.because) for r in router.routes if r.destination == "0.0.0.0/0"] == [
        (inside, f"vpcgw/gateway_network:{attachment.id}")
    ]
    assert router.router is not None
    assert router.router.leaving is not None
    assert router.router.leaving.ports == (f"router-{taker.id}",)
    assert not any(n.startswith("0.0.0.0") for n in router.router.leaving.inside)
    cloud.change(attachment, push_default_route=False)
    assert cloud.host(vpc).router.leaving is None  # type: ignore[union-attr]


def test_a_gateway_of_its_own_comes_before_another_networks() -> None:
    cloud = Cloud()
    vpc = cloud.vpc()
    elsewhere = cloud.network(vpc)
    here = cloud.network(vpc, default_route_propagation_enabled=True)
    cloud.attach(cloud.gateway(), elsewhere)
    own = cloud.attach(cloud.gateway(), here)
    (route,) = [r for r in cloud.host(cloud.server(here)).routes if r.destination == "0.0.0.0/0"]
    assert route.because == f"vpcgw/gateway_network:{own.id}"


def first(network: PrivateNetwork) -> str:
    """The router's address in a network."""
    return str(ipaddress.ip_network(network.subnets[0].subnet)[1])
