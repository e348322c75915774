"""ipam/v1: booking, listing and releasing addresses."""

from __future__ import annotations

import time
from typing import Any

import pytest

from hideaway.cloud.addressing import book, release_from
from hideaway.cloud.change import Change
from hideaway.cloud.network import Attachment, Ip, PrivateNetwork
from hideaway.cloud.quotas import NETWORK_RESOURCES
from tests.api_in_process import Cloud

NETWORKS = "/vpc/v2/regions/fr-par/private-networks"
IPS = "/ipam/v1/regions/fr-par/ips"
MAC = "bc:24:11:74:d0:5a"


@pytest.fixture
def network(cloud: Cloud) -> dict[str, Any]:
    return dict(cloud.post(NETWORKS, subnets=["10.1.0.0/22"]))


def source(network: dict[str, Any]) -> dict[str, Any]:
    return {"source": {"private_network_id": network["id"]}}


def test_addresses_are_booked_from_the_second_on(cloud: Cloud, network: dict[str, Any]) -> None:
    first, second = (cloud.post(IPS, source(network)) for _ in range(2))
    assert (first["address"], second["address"]) == ("10.1.0.2/22", "10.1.0.3/22")
    assert first["source"] == {"subnet_id": network["subnets"][0]["id"]}
    assert (first["resource"], first["zone"], first["reverses"]) == (None, None, [])
    assert "organization_id" not in first
    cloud.delete(f"{IPS}/{first['id']}")
    assert cloud.post(IPS, source(network))["address"] == "10.1.0.2/22"


def test_an_ipv6_address_is_of_the_64(cloud: Cloud, network: dict[str, Any]) -> None:
    ip = cloud.post(IPS, source(network) | {"is_ipv6": True})
    assert ip["is_ipv6"]
    assert ip["source"] == {"subnet_id": network["subnets"][1]["id"]}
    by_subnet = cloud.post(IPS, source={"subnet_id": network["subnets"][1]["id"]})
    assert by_subnet["is_ipv6"]


@pytest.mark.parametrize("address", ["10.1.0.0", "10.1.0.1", "10.1.3.255", "10.2.0.2", "x", "fd00::1", "10.1.0.9"])
def test_an_address_that_cannot_be_had_is_refused_by_name(cloud: Cloud, network: dict[str, Any], address: str) -> None:
    cloud.post(IPS, source(network) | {"address": "10.1.0.9"})
    before = cloud.dump()
    refused = cloud.ask("POST", IPS, source(network) | {"address": address})
    assert (refused.status, refused.wrong) == (400, ["address"])
    assert cloud.dump() == before


@pytest.mark.parametrize("wrong", [{}, {"zonal": "fr-par-1"}, {"regional": True}])
def test_only_private_networks_can_be_booked_in(cloud: Cloud, wrong: dict[str, Any]) -> None:
    assert cloud.ask("POST", IPS, {"source": wrong}).wrong == ["source"]


def test_a_custom_resource_keeps_its_address_until_it_is_detached(cloud: Cloud, network: dict[str, Any]) -> None:
    ip = cloud.post(IPS, source(network) | {"resource": {"mac_address": MAC, "name": None}})
    assert ip["resource"] == {"id": ip["id"], "mac_address": MAC.upper(), "name": None, "type": "custom"}
    assert cloud.ask("DELETE", f"{IPS}/{ip['id']}").status == 412
    assert cloud.ask("POST", f"{IPS}/{ip['id']}/attach", {"resource": {"mac_address": MAC}}).status == 412
    other = {"mac_address": MAC[:-1] + "b", "name": "vm"}
    assert cloud.ask("POST", f"{IPS}/{ip['id']}/detach", {"resource": other}).wrong == ["resource.mac_address"]
    moved = cloud.post(f"{IPS}/{ip['id']}/move", from_resource={"mac_address": MAC}, to_resource=other)
    assert (moved["resource"]["name"], moved["resource"]["mac_address"]) == ("vm", other["mac_address"].upper())
    assert cloud.post(f"{IPS}/{ip['id']}/move", from_resource=other)["resource"] is None
    assert cloud.post(f"{IPS}/{ip['id']}/attach", resource=other)["resource"]["name"] == "vm"
    assert cloud.post(f"{IPS}/{ip['id']}/detach", resource=other)["resource"] is None
    cloud.delete(f"{IPS}/{ip['id']}")


def test_tags_and_reverses_are_updated(cloud: Cloud, network: dict[str, Any]) -> None:
    ip = cloud.post(IPS, source(network) | {"tags": ["a"]})
    assert cloud.patch(f"{IPS}/{ip['id']}", tags=["b"], reverses=None)["tags"] == ["b"]
    reverse = {"hostname": "db.example.com", "address": "10.1.0.5"}
    assert cloud.patch(f"{IPS}/{ip['id']}", reverses=[reverse])["reverses"] == [reverse]
    for wrong, name in (("10.9.0.1", "reverses.0.address"), ("x", "reverses.0.address")):
        refused = cloud.ask("PATCH", f"{IPS}/{ip['id']}", {"reverses": [reverse | {"address": wrong}]})
        assert refused.wrong == [name]
    assert cloud.ask("PATCH", f"{IPS}/{ip['id']}", {"reverses": [{"hostname": "-"}]}).wrong == ["reverses.0.hostname"]


def test_a_set_is_released_whole_or_not_at_all(cloud: Cloud, network: dict[str, Any]) -> None:
    free, held = cloud.post(IPS, source(network)), cloud.post(IPS, source(network) | {"resource": {"mac_address": MAC}})
    release = "/ipam/v1/regions/fr-par/ip-sets/release"
    assert cloud.ask("POST", release, {"ip_ids": [free["id"], held["id"]]}).status == 412
    assert cloud.get(IPS)["total_count"] == 2
    assert cloud.ask("POST", release, {"ip_ids": [free["id"]]}).status == 204
    assert cloud.get(IPS)["total_count"] == 1


def in_network(cloud: Cloud, network: dict[str, Any], **more: Any) -> Ip:
    """Book as another product does."""
    with cloud.store.transaction() as ledger:
        change = Change(ledger, cloud.clock.now(), cloud.ids)
        return book(change, change.need(PrivateNetwork, network["id"]), **more)


def test_lists_are_filtered_by_every_field(cloud: Cloud, network: dict[str, Any]) -> None:
    other = cloud.post(NETWORKS)
    nic = Attachment(type="instance_private_nic", id=cloud.ids.uuid(), mac_address="02:00:00:AA:BB:CC", name="Web-1")
    database = Attachment(type="rdb_instance", id=cloud.ids.uuid(), mac_address=None, name="db")
    a = cloud.post(IPS, source(network) | {"tags": ["x", "y"]})["id"]
    b = in_network(cloud, network, attachment=nic).id
    c = in_network(cloud, network, v6=True, attachment=nic).id
    d = in_network(cloud, other, attachment=database, tags=["managed"]).id
    public = public_ip(cloud)

    def found(**query: Any) -> list[str]:
        return [ip["id"] for ip in cloud.get(IPS, **query)["ips"]]

    assert found() == [public, d, c, b, a]  # the newest first, as every client asks
    assert found(order_by="created_at_asc") == [a, b, c, d, public]
    assert found(attached=False) == [a]
    assert found(private_network_id=network["id"]) == found(private_network_id=f"fr-par/{network['id']}") == [c, b, a]
    assert found(subnet_id=network["subnets"][1]["id"]) == [c]
    assert found(vpc_id=network["vpc_id"]) == found(source_vpc_id=network["vpc_id"]) == [d, c, b, a]
    assert found(resource_id=nic.id) == [c, b]
    assert found(resource_ids=[nic.id, database.id]) == [d, c, b]
    assert found(resource_type="rdb_instance") == [d]
    assert found(resource_type="unknown_type", is_ipv6=False, zonal="fr-par-1") == [public]
    assert found(resource_types=["rdb_instance", "instance_private_nic"]) == [d, c, b]
    assert found(resource_name="web") == [c, b]
    assert found(mac_address="02:00:00:aa:bb:cc", is_ipv6=False) == [b]
    assert found(tags="y") == [a]
    assert found(is_ipv6=True) == [c]
    assert found(ip_ids=[a, d]) == [d, a]
    assert found(regional=True) == []
    assert found(order_by="ip_address_asc", private_network_id=network["id"]) == [a, b, c]
    assert found(order_by="mac_address_desc", private_network_id=network["id"])[-1] == a
    assert found(order_by="attached_at_asc", attached=True, private_network_id=network["id"]) == [b, c]
    assert cloud.ask("GET", IPS, query={"resource_type": "cat"}).wrong == ["resource_type"]


def public_ip(cloud: Cloud) -> str:
    """A public address of an Instance, as instance/v1 keeps it in IPAM."""
    with cloud.store.transaction() as ledger:
        ip = Ip(
            id=cloud.ids.uuid(),
            organization_id=cloud.owner.organization_id,
            project_id=cloud.project,
            created_at=cloud.clock.now(),
            updated_at=cloud.clock.now(),
            region="fr-par",
            address="198.18.99.1/32",
            zone_of="fr-par-1",
            attachment=Attachment(type="instance_ip", id=cloud.ids.uuid()),
        )
        ledger.put(ip)
    return ip.id


def test_a_public_address_is_shown_but_not_released_here(cloud: Cloud) -> None:
    id_ = public_ip(cloud)
    shown = cloud.get(f"{IPS}/{id_}")
    assert (shown["source"], shown["zone"]) == ({"zonal": "fr-par-1"}, "fr-par-1")
    assert cloud.ask("DELETE", f"{IPS}/{id_}").status == 412
    assert cloud.ask("POST", f"{IPS}/{id_}/detach", {"resource": {"mac_address": MAC}}).status == 400


def test_what_a_user_booked_outlives_its_resource(cloud: Cloud, network: dict[str, Any]) -> None:
    nic = Attachment(type="instance_private_nic", id=cloud.ids.uuid())
    kept = in_network(cloud, network, attachment=nic, booked=True).id
    in_network(cloud, network, attachment=nic)
    with cloud.store.transaction() as ledger:
        release_from(Change(ledger, cloud.clock.now(), cloud.ids), nic.id)
    (left,) = cloud.get(IPS)["ips"]
    assert (left["id"], left["resource"]) == (kept, None)


def test_a_network_takes_512_resources_quickly(cloud: Cloud) -> None:
    network = cloud.post(NETWORKS)
    began = time.monotonic()
    with cloud.store.transaction() as ledger:
        change = Change(ledger, cloud.clock.now(), cloud.ids)
        within = change.need(PrivateNetwork, network["id"])
        for _ in range(NETWORK_RESOURCES.limit):
            nic = Attachment(type="instance_private_nic", id=cloud.ids.uuid())
            book(change, within, attachment=nic)
            book(change, within, attachment=nic, v6=True)
    assert time.monotonic() - began < 15  # seconds; a bound against the quadratic, not a benchmark
    refused = cloud.ask("POST", IPS, source(network) | {"resource": {"mac_address": MAC}})
    assert (refused.status, refused.body["type"]) == (403, "quotas_exceeded")
    cloud.post(IPS, source(network))  # a booking without a resource is none


def test_a_full_network_says_so(cloud: Cloud) -> None:
    network = cloud.post(NETWORKS, subnets=["10.1.0.0/29"])
    for _ in range(5):
        cloud.post(IPS, source(network))
    assert cloud.ask("POST", IPS, source(network)).status == 400
