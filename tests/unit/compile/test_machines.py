"""Rules of part 11 on machines that were not made through the API: what they are told, and who tells them."""

from __future__ import annotations

from typing import Any

from hideaway.cloud.machines import Machine
from hideaway.cloud.network import Attachment, PrivateNetwork
from hideaway.fabric.model import Fabric, Host, Plug, Role
from hideaway.fabric.services import Advertised, Advertisements, LeaseClient, Names
from hideaway.plan import plan, shapes
from hideaway.plan.neighbours import views
from hideaway.plan.steps import AddHost, AddPort, SetRoutes
from tests.unit.compile.factory import Cloud

MAC = "02:00:00:00:00:01"


def machine(cloud: Cloud, network: PrivateNetwork, **fields: Any) -> Machine:
    """A machine with an address of each family."""
    for v6 in (False, True):
        ip = cloud.ip(network, v6)
        cloud.change(ip, attachment=Attachment(type="custom", id=ip.id, mac_address=MAC.upper(), name="box"))
    defaults = {"name": "box", "region": network.region, "private_network_id": network.id, "mac_address": MAC}
    return cloud.put(Machine, **{**defaults, **fields})


def speakers(cloud: Cloud) -> dict[Role, Advertisements]:
    """Who advertises what, by role."""
    found = ((h, s) for h in cloud.fabric().hosts for s in h.services)
    return {h.role: s for h, s in found if isinstance(s, Advertisements)}


def test_it_is_a_host_that_nobody_programs() -> None:
    cloud = Cloud()
    network = cloud.network()
    made = machine(cloud, network)
    host = cloud.host(made)
    assert (host.role, host.plug) == (Role.MACHINE, Plug())
    assert host.ports[0].addresses == ("172.16.0.2/22", "fd46:78ab:30b8::2/64")
    assert [type(s) for s in host.services] == [LeaseClient, LeaseClient]
    steps = [s for s in plan(cloud.fabric(), Fabric()) if getattr(s, "host", "") == made.id]
    assert [s.port.addresses for s in steps if isinstance(s, AddPort)] == [()]
    assert not [s for s in steps if isinstance(s, SetRoutes)]
    (view,) = views(cloud.fabric(), {network.id}).values()
    assert made.id in {e.host for e in view.entries.values()}, "others know it"
    assert made.id not in {p.host for p in view.hops}, "it knows nobody"


def test_it_is_told_what_a_host_in_the_network_has() -> None:
    cloud = Cloud()
    vpc = cloud.vpc()
    network, _other = cloud.network(vpc), cloud.network(vpc)
    made = machine(cloud, network)
    server = cloud.host(cloud.server(network))
    assert {(r.destination, r.via) for r in cloud.host(made).routes} == {(r.destination, r.via) for r in server.routes}
    (names,) = (s for h in cloud.fabric().hosts for s in h.services if isinstance(s, Names))
    assert MAC in {lease.mac for lease in names.leases}


def test_behind_a_tap_device_or_in_a_place_of_its_own() -> None:
    cloud = Cloud()
    network = cloud.network()
    tapped = cloud.host(machine(cloud, network, tap="tap0", dhcp=False))
    assert (tapped.plug, tapped.ports[0].mac, tapped.services) == (Plug(tap="tap0"), MAC, ())
    shape = shapes.shapes(cloud.fabric())[tapped.id]
    assert shape.ports[0].mac == "", "the MAC is for who opens the tap device"
    placed = cloud.host(machine(cloud, network, netns="/run/netns/x", netns_identity="4:7"))
    assert placed.plug == Plug(place="/run/netns/x", identity="4:7")
    assert placed.ports[0].name not in (tapped.ports[0].name, "ens5")
    assert len(placed.ports[0].name) <= 15
    (step,) = (s for s in plan(cloud.fabric(), Fabric()) if isinstance(s, AddHost) and s.host == placed.id)
    assert step.plug == placed.plug


def test_a_machine_that_leaves_or_whose_network_is_gone_is_no_host() -> None:
    cloud = Cloud()
    network = cloud.network()
    made = machine(cloud, network)
    cloud.delete(made)
    assert not [h for h in cloud.fabric().hosts if h.role == Role.MACHINE]
    assert not [h for h in cloud.fabric().hosts if h.role == Role.NAMES]
    machine(cloud, network, private_network_id="gone")
    assert not [h for h in cloud.fabric().hosts if h.role == Role.MACHINE]


def test_the_router_advertises_and_where_there_is_none_the_resolver() -> None:
    cloud = Cloud()
    vpc = cloud.vpc()
    alone, quiet = cloud.network(cloud.vpc()), cloud.network(cloud.vpc())
    cloud.server(quiet)
    machine(cloud, alone)
    said = speakers(cloud)
    assert set(said) == {Role.NAMES}
    assert [(link.networks, link.routes) for link in said[Role.NAMES].links] == [(("fd46:78ab:30b8::/64",), ())]
    one, two = cloud.network(vpc), cloud.network(vpc)
    cloud.server(two)
    machine(cloud, one)
    (link,) = speakers(cloud)[Role.ROUTER].links
    assert link == Advertised(device=_device(cloud, vpc.id, one.id), networks=(_v6(one),), routes=(_v6(two),))


def _device(cloud: Cloud, host: str, link: str) -> str:
    found: Host = next(h for h in cloud.fabric().hosts if h.id == host)
    return next(p.name for p in found.ports if p.link == link)


def _v6(network: PrivateNetwork) -> str:
    return next(s.subnet for s in network.subnets if ":" in s.subnet)
