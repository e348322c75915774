"""Rules of part 11: who answers DHCP and names in a Private Network, what they say, and who asks them."""

from __future__ import annotations

from typing import Any

import pytest

from hideaway.cloud.naming import domain, host_name
from hideaway.cloud.network import Attachment, Ip, PrivateNetwork, Reverse
from hideaway.fabric.model import RESOLVER_V4, Host, Resolver, Role
from hideaway.fabric.services import Hop, Names
from tests.unit.compile.factory import Cloud

ON_LINK = Hop(destination=f"{RESOLVER_V4}/32", via="")
LAST = "ffff:ffff:ffff:ffff"


def named(cloud: Cloud, network: PrivateNetwork, name: str, mac: str | None = None, **fields: Any) -> Ip:
    """A booked address of something that IPAM calls so."""
    ip = cloud.ip(network)
    attachment = Attachment(type="custom", id=ip.id, name=name, mac_address=mac)
    return cloud.change(ip, attachment=attachment, **fields)


def resolver(cloud: Cloud, network: PrivateNetwork) -> Host:
    (found,) = (h for h in cloud.fabric().hosts if h.role == Role.NAMES and h.ports[0].link == network.id)
    return found


def service(cloud: Cloud, network: PrivateNetwork) -> Names:
    (found,) = resolver(cloud, network).services
    assert isinstance(found, Names)
    return found


def names(cloud: Cloud, network: PrivateNetwork) -> dict[str, list[str]]:
    """Name -> addresses."""
    found: dict[str, list[str]] = {}
    for record in service(cloud, network).records:
        found.setdefault(record.name, []).append(record.address)
    return found


def test_a_network_with_somebody_in_it_has_one_resolver_on_its_link() -> None:
    cloud = Cloud()
    network = cloud.network()
    assert not [h for h in cloud.fabric().hosts if h.role == Role.NAMES]
    cloud.server(network)
    host = resolver(cloud, network)
    assert host.ports[0].addresses == (f"{RESOLVER_V4}/32", f"fd46:78ab:30b8:0:{LAST}/64")
    assert [(r.destination, r.via) for r in host.routes] == [("172.16.0.0/22", "")]
    assert service(cloud, network).listens() == (("udp", 53), ("tcp", 53), ("udp", 67), ("udp", 547))


def test_a_router_alone_is_nobody() -> None:
    cloud = Cloud()
    vpc = cloud.vpc()
    first, _second = cloud.network(vpc), cloud.network(vpc)
    cloud.server(first)
    assert [h.ports[0].link for h in cloud.fabric().hosts if h.role == Role.NAMES] == [first.id]


def test_no_resolver_where_dhcp_is_off() -> None:
    cloud = Cloud()
    server = cloud.server(cloud.network(dhcp_enabled=False))
    assert cloud.host(server).resolver == Resolver()


def test_bookings_are_handed_out_by_mac() -> None:
    cloud = Cloud()
    network = cloud.network()
    cloud.server(network)
    named(cloud, network, "vm-1.lab", mac="02:00:00:00:00:01")
    named(cloud, network, "without")
    first, other = service(cloud, network).leases
    assert first.mac == "02:00:00:00:00:01"
    assert (first.addresses, first.name) == (("172.16.0.3",), "vm-1")
    assert other.mac.startswith("02:00:00:aa:bb:"), "of the server, in lower case"
    assert other.addresses == ("172.16.0.2", "fd46:78ab:30b8::2")


def test_the_names_are_ipams() -> None:
    cloud = Cloud()
    network = cloud.network(name="pn_kapsule")
    cloud.server(network)
    named(cloud, network, "db1")
    named(cloud, network, "My Load Balancer!")
    named(cloud, network, "twin")
    named(cloud, network, "twin")
    assert names(cloud, network) == {
        "db1.pn_kapsule.internal": ["172.16.0.3"],
        "my-load-balancer.pn_kapsule.internal": ["172.16.0.4"],
        "twin.pn_kapsule.internal": ["172.16.0.5", "172.16.0.6"],
    }


def test_a_reverse_that_a_user_gave_is_the_reverse() -> None:
    cloud = Cloud()
    network = cloud.network()
    cloud.server(network)
    named(cloud, network, "mail", reverses=[Reverse(hostname="mail.example.com")])
    named(cloud, network, "web", reverses=[Reverse(hostname="other.example.com", address="172.16.0.200")])
    found = {(r.name, r.address): r.reverse for r in service(cloud, network).records}
    assert found == {
        ("mail.pn-0.internal", "172.16.0.3"): False,
        ("mail.example.com", "172.16.0.3"): True,
        ("web.pn-0.internal", "172.16.0.4"): True,
        ("other.example.com", "172.16.0.200"): True,
    }


def test_the_hosts_ask_the_resolver_of_their_first_network_and_then_the_others() -> None:
    cloud = Cloud()
    one, two = cloud.network(name="one"), cloud.network(name="two")
    host = cloud.host(cloud.server(one, two))
    assert host.resolver == Resolver(
        servers=(RESOLVER_V4, f"fd46:78ab:30b8:1:{LAST}"), search=("one.internal", "two.internal")
    )
    (way,) = (r for r in host.routes if r.destination == f"{RESOLVER_V4}/32")
    assert (way.via, way.port) == ("", host.ports[0].id)


def test_a_host_without_ipv4_in_the_network_asks_by_ipv6() -> None:
    cloud = Cloud()
    network = cloud.network(None, "fd00:1::/64")
    host = cloud.host(cloud.server(network))
    assert host.resolver == Resolver(servers=(f"fd00:1::{LAST}",), search=("pn-0.internal",))
    assert not host.routes


def test_a_host_in_no_network_asks_nobody() -> None:
    cloud = Cloud()
    assert cloud.host(cloud.server(public=True)).resolver == Resolver()


def test_what_is_handed_out_is_what_a_host_in_the_network_has() -> None:
    cloud = Cloud()
    vpc = cloud.vpc()
    here, there = cloud.network(vpc), cloud.network(vpc)
    gateway = cloud.gateway()
    cloud.attach(gateway, here)
    host = cloud.host(cloud.server(here))
    handed = service(cloud, here).hops
    assert ON_LINK in handed
    assert {(h.destination, h.via) for h in handed} == {(r.destination, r.via) for r in host.routes}
    assert {h.destination for h in handed} == {f"{RESOLVER_V4}/32", "0.0.0.0/0", *(s.subnet for s in there.subnets)}


def test_the_networks_of_a_vpc_that_routes_ask_each_other() -> None:
    cloud = Cloud()
    vpc = cloud.vpc()
    one, two, empty = cloud.network(vpc, name="one"), cloud.network(vpc, name="two"), cloud.network(vpc, name="empty")
    cloud.server(one, two)
    (zone,) = service(cloud, one).zones
    assert (zone.domain, zone.server) == ("two.internal", f"fd46:78ab:30b8:1:{LAST}")
    assert zone.networks == ("172.16.4.0/22", "fd46:78ab:30b8:1::/64")
    cloud.change(empty, name="one")
    cloud.server(empty)
    assert [z.domain for z in service(cloud, one).zones] == ["two.internal", ""], "its own name is its own"
    assert [z.domain for z in service(cloud, two).zones] == ["one.internal", ""], "the oldest has the name"


@pytest.mark.parametrize("routing", [True, False])
def test_what_does_not_route_is_not_asked(routing: bool) -> None:
    cloud = Cloud()
    vpc = cloud.vpc(routing_enabled=routing)
    one, two = cloud.network(vpc), cloud.network(vpc if not routing else None)
    cloud.server(one, two)
    assert service(cloud, one).zones == ()


def test_acls_never_apply_to_resolvers() -> None:
    cloud = Cloud()
    vpc = cloud.vpc()
    for _ in range(2):
        cloud.server(cloud.network(vpc))
    cloud.acl(vpc, v6=True, default="drop")
    (router,) = (h.router for h in cloud.fabric().hosts if h.router)
    exempt = {(r.source, r.destination) for r in router.rules}
    address = f"fd46:78ab:30b8:1:{LAST}/128"
    assert {("::/0", address), (address, "::/0")} <= exempt


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("web", "web"), ("Web_1", "web_1"), ("srv.prod", "srv.prod"), ("My db", "my-db"), ("-x-", "x"), ("é", ""),
        ("a" * 70, "a" * 63), ("", ""), ("a..b", "a.b"),
    ],
)  # fmt: skip
def test_host_names(name: str, wanted: str) -> None:
    assert host_name(name) == wanted


def test_a_network_without_a_usable_name_is_found_by_its_id() -> None:
    cloud = Cloud()
    network = cloud.network(name="…")
    assert domain(network) == f"{network.id}.internal"
    assert domain(cloud.network(name="lab.eu")) == "lab-eu.internal"
