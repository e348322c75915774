"""What faults do to the Fabric, and to nobody else's part of it."""

from __future__ import annotations

from typing import Any

from hideaway.cloud.faults import Fault, Harm
from hideaway.cloud.servers import Server
from hideaway.compile.faults import egress_fault
from hideaway.fabric.model import Fabric, Host
from tests.unit.compile.factory import Cloud


def struck(cloud: Cloud, harm: Harm, target: str, **more: Any) -> Fault:
    return cloud.put(Fault, harm=harm, target=target, name=target, **more)


def hosts(fabric: Fabric) -> dict[str, Host]:
    return {host.id: host for host in fabric.hosts}


def test_a_killed_host_is_none_and_what_leads_to_it_stays() -> None:
    cloud = Cloud()
    net = cloud.network()
    gateway, server = cloud.gateway(), cloud.server(net)
    cloud.attach(gateway, net)
    before = hosts(cloud.fabric())
    fault = struck(cloud, Harm.KILL, gateway.id)
    after = hosts(cloud.fabric())
    assert gateway.id not in after
    assert after[server.id] == before[server.id], "its default route leads nowhere, as after a crash"
    why = egress_fault(cloud.ledger, net.id)
    assert why is not None
    assert fault.id in why
    assert "is down" in why
    cloud.ledger.remove(fault)
    assert hosts(cloud.fabric()) == before


def test_links_are_damaged_one_by_one_or_all() -> None:
    cloud = Cloud()
    server = cloud.server(cloud.network(), public=True)
    ports = hosts(cloud.fabric())[server.id].ports
    late = struck(cloud, Harm.DELAY, server.id, port=ports[0].id, delay=10.0, loss=50.0)
    struck(cloud, Harm.DELAY, server.id, delay=5.0, jitter=1.0, loss=50.0)
    first, second = (port.damage for port in hosts(cloud.fabric())[server.id].ports)
    assert first is not None
    assert (first.delay, first.jitter, first.loss, first.down) == (15, 1, 75, False)
    assert first.because == f"hideaway/fault:{late.id}"
    assert second is not None
    assert (second.delay, second.loss) == (5, 50)
    struck(cloud, Harm.CUT, server.id, port=ports[1].id)
    damages = [port.damage for port in hosts(cloud.fabric())[server.id].ports]
    assert [d.down for d in damages if d] == [False, True]


def test_a_zone_takes_its_own_hosts_only() -> None:
    cloud = Cloud()
    net = cloud.network()
    here, there = cloud.server(net), cloud.server(net, zone="fr-par-2")
    struck(cloud, Harm.ZONE, "fr-par-2")
    left = hosts(cloud.fabric())
    assert here.id in left
    assert there.id not in left
    assert "internet" in left


def test_a_fault_touches_its_own_organization_only() -> None:
    cloud = Cloud()
    server = cloud.server(cloud.network())
    before = cloud.fabric()
    for harm, target in ((Harm.KILL, server.id), (Harm.ZONE, "fr-par-1"), (Harm.CUT, server.id)):
        struck(cloud, harm, target, organization_id="another")
    assert cloud.fabric() == before


def test_dropped_dhcp_is_the_networks_own() -> None:
    cloud = Cloud()
    one, other = cloud.network(), cloud.network()
    cloud.server(one, other)
    struck(cloud, Harm.DHCP, one.id)
    dropped = {host.because: host.dhcp_dropped for host in cloud.fabric().hosts}
    assert dropped[f"vpc/private_network:{one.id}"]
    assert not dropped[f"vpc/private_network:{other.id}"]
    assert sum(dropped.values()) == 1


def test_what_is_struck_may_be_gone() -> None:
    cloud = Cloud()
    server = cloud.server(cloud.network())
    for harm in Harm:
        struck(cloud, harm, server.id)
    server = cloud.ledger.find(Server)[0]
    cloud.ledger.remove(server)
    assert server.id not in hosts(cloud.fabric())
