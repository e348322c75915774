"""Rules of part 2: Instances and nodes, their ports, and when they are there."""

from __future__ import annotations

import pytest

from hideaway.cloud.servers import PrivateNic
from hideaway.fabric.model import EDGE, EDGE_V4, EDGE_V6, Role
from tests.unit.compile.factory import Cloud


@pytest.mark.parametrize("state", ["starting", "running"])
def test_a_server_that_runs_or_starts_is_a_host(state: str) -> None:
    cloud = Cloud()
    assert cloud.host(cloud.server(state=state)).role == Role.INSTANCE


@pytest.mark.parametrize("state", ["stopped", "stopping", "stopped in place", "locked"])
def test_a_server_that_does_not_run_is_none(state: str) -> None:
    cloud = Cloud()
    cloud.server(cloud.network(), public=True, state=state)
    assert [h.name for h in cloud.fabric().hosts] == ["internet"]


def test_a_server_that_is_being_deleted_is_none() -> None:
    cloud = Cloud()
    cloud.delete(cloud.server())
    assert [h.name for h in cloud.fabric().hosts] == ["internet"]


def test_each_start_makes_a_host_anew() -> None:
    cloud = Cloud()
    server = cloud.server(boots=1)
    assert cloud.host(server).boots == 1
    assert cloud.host(cloud.change(server, boots=2)).boots == 2


def test_one_public_port_carries_the_addresses_of_both_families() -> None:
    cloud = Cloud()
    group = cloud.group()
    server = cloud.server(v6=True, security_group_id=group.id)
    cloud.public_ip(server)
    host = cloud.host(server)
    (port,) = host.ports
    assert (port.id, port.name, port.link, port.filter) == (f"pub-{server.id}", "pub", EDGE, group.id)
    assert port.addresses == ("198.18.16.1/32", "2001:2:0:1001::1/128")
    assert [(r.destination, r.via, r.port) for r in host.routes] == [
        ("0.0.0.0/0", EDGE_V4, port.id),
        ("::/0", EDGE_V6, port.id),
    ]


def test_a_server_without_an_ipv6_address_has_no_ipv6_default_route() -> None:
    cloud = Cloud()
    assert [r.destination for r in cloud.host(cloud.server(public=True)).routes] == ["0.0.0.0/0"]


def test_an_address_that_is_not_attached_is_nobodys() -> None:
    cloud = Cloud()
    cloud.public_ip(None)
    assert cloud.host(cloud.server()).ports == ()


def test_private_ports_are_named_in_the_order_in_which_they_were_made() -> None:
    cloud = Cloud()
    vpc = cloud.vpc()
    first, second = cloud.network(vpc), cloud.network(vpc)
    host = cloud.host(cloud.server(second, first, public=True))
    assert [(p.name, p.link) for p in host.ports] == [("pub", EDGE), ("ens5", second.id), ("ens6", first.id)]


def test_a_private_port_has_ipams_addresses_and_the_nics_mac() -> None:
    cloud = Cloud()
    server = cloud.server(cloud.network())
    nic = cloud.ledger.find(PrivateNic, ref=server.id)[0]
    (port,) = cloud.host(server).ports
    assert port.id == nic.id
    assert port.because == f"instance/private_nic:{nic.id}"
    assert port.addresses == ("172.16.0.2/22", "fd46:78ab:30b8::2/64")
    assert port.mac == nic.mac_address.lower()
    assert port.filter == ""


def test_a_nic_on_its_way_out_is_no_port() -> None:
    cloud = Cloud()
    server = cloud.server(cloud.network())
    cloud.delete(cloud.ledger.find(PrivateNic, ref=server.id)[0])
    assert cloud.host(server).ports == ()


def test_an_address_of_another_network_is_not_the_nics() -> None:
    cloud = Cloud()
    vpc = cloud.vpc()
    server, other = cloud.server(cloud.network(vpc)), cloud.network(vpc)
    nic = cloud.ledger.find(PrivateNic, ref=server.id)[0]
    cloud.change(nic, ipam_ip_ids=[*nic.ipam_ip_ids, cloud.ip(other).id])
    assert cloud.host(server).ports[0].addresses == ("172.16.0.2/22", "fd46:78ab:30b8::2/64")


def test_a_node_is_its_server_under_the_nodes_name() -> None:
    cloud = Cloud()
    network = cloud.network()
    server = cloud.node(cloud.pool(cloud.cluster(network), name="main"), network)
    server = cloud.change(server, name="renamed")
    host = cloud.host(server)
    assert host.role == Role.NODE
    assert host.name.startswith("scw-main-")


def test_controlled_nodes_have_two_ports_and_isolated_ones_only_the_private() -> None:
    cloud = Cloud()
    network = cloud.network()
    cluster = cloud.cluster(network)
    controlled = cloud.node(cloud.pool(cluster), network)
    isolated = cloud.node(cloud.pool(cluster, public_ip_disabled=True), network)
    assert [p.name for p in cloud.host(controlled).ports] == ["pub", "ens5"]
    assert [p.name for p in cloud.host(isolated).ports] == ["ens5"]


def test_without_its_group_a_public_port_is_left_out_rather_than_unfiltered() -> None:
    cloud = Cloud()
    group = cloud.group(inbound_default_policy="drop")
    server = cloud.server(cloud.network(), public=True, security_group_id=group.id)
    cloud.ledger.remove(group)
    assert [p.name for p in cloud.host(server).ports] == ["ens5"]


def test_a_nic_whose_network_or_addresses_are_gone_is_left_out_or_bare() -> None:
    cloud = Cloud()
    kept, lost = cloud.network(), cloud.network()
    server = cloud.server(kept, lost)
    cloud.ledger.remove(lost)
    nic = cloud.ledger.find(PrivateNic, ref=kept.id)[0]
    cloud.change(nic, ipam_ip_ids=["gone"])
    (port,) = cloud.host(server).ports
    assert port.link == kept.id
    assert port.addresses == ("172.16.0.2/22", "fd46:78ab:30b8::2/64"), "what IPAM attached to the NIC is still its own"
