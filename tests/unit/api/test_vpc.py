"""vpc/v2: VPCs, Private Networks and subnets."""

from __future__ import annotations

import ipaddress

import pytest

from tests.api_in_process import Cloud

VPCS = "/vpc/v2/regions/fr-par/vpcs"
NETWORKS = "/vpc/v2/regions/fr-par/private-networks"
IPS = "/ipam/v1/regions/fr-par/ips"


def test_each_project_has_a_default_vpc_in_every_region(cloud: Cloud) -> None:
    for region in ("fr-par", "nl-ams", "pl-waw", "it-mil"):
        (vpc,) = cloud.get(f"/vpc/v2/regions/{region}/vpcs", is_default=True)["vpcs"]
        assert (vpc["name"], vpc["tags"], vpc["region"]) == ("default", ["default"], region)


def test_a_vpc_routes_whatever_was_asked_for(cloud: Cloud) -> None:
    vpc = cloud.post(VPCS, name="mine", tags=["a"], enable_routing=False)
    assert vpc["routing_enabled"]
    assert vpc["custom_routes_propagation_enabled"]
    assert vpc["private_network_count"] == 0
    assert cloud.post(f"{VPCS}/{vpc['id']}/enable-routing") == vpc
    assert cloud.post(f"{VPCS}/{vpc['id']}/enable-custom-routes-propagation") == vpc
    assert cloud.patch(f"{VPCS}/{vpc['id']}", name=None, tags=["b"]) == vpc | {"tags": ["b"]}


def test_the_default_vpc_stays(cloud: Cloud) -> None:
    (vpc,) = cloud.get(VPCS)["vpcs"]
    assert cloud.ask("DELETE", f"{VPCS}/{vpc['id']}").status == 412
    assert cloud.get(f"{VPCS}/{vpc['id']}") == vpc


def test_a_vpc_with_a_network_stays_until_it_is_empty(cloud: Cloud) -> None:
    vpc = cloud.post(VPCS, name="mine")
    network = cloud.post(NETWORKS, vpc_id=vpc["id"])
    assert cloud.get(f"{VPCS}/{vpc['id']}")["private_network_count"] == 1
    refused = cloud.ask("DELETE", f"{VPCS}/{vpc['id']}")
    assert (refused.status, refused.body["precondition"]) == (412, "resource_still_in_use")
    cloud.delete(f"{NETWORKS}/{network['id']}")
    cloud.delete(f"{VPCS}/{vpc['id']}")
    gone = cloud.ask("GET", f"{VPCS}/{vpc['id']}")
    assert (gone.status, gone.body["resource"]) == (404, "vpc")


def test_a_network_gets_a_22_and_a_64_and_dhcp(cloud: Cloud) -> None:
    network = cloud.post(NETWORKS, name="mine", subnets=None)
    four, six = (ipaddress.ip_network(s["subnet"]) for s in network["subnets"])
    assert four.prefixlen == 22
    assert four.subnet_of(ipaddress.ip_network("172.16.0.0/12"))
    assert six.prefixlen == 64
    assert six.subnet_of(ipaddress.ip_network("fd00::/8"))
    assert network["dhcp_enabled"]
    assert cloud.post(f"{NETWORKS}/{network['id']}/enable-dhcp") == network
    (default,) = cloud.get(VPCS)["vpcs"]
    assert network["vpc_id"] == default["id"]
    assert {s["private_network_id"] for s in network["subnets"]} == {network["id"]}


def test_automatic_subnets_of_two_vpcs_never_meet(cloud: Cloud) -> None:
    vpc = cloud.post(VPCS, name="other")
    subnets = [
        ipaddress.ip_network(s["subnet"])
        for _ in range(3)
        for body in ({}, {"vpc_id": vpc["id"]})
        for s in cloud.post(NETWORKS, body)["subnets"]
    ]
    for i, one in enumerate(subnets):
        assert not any(one.version == other.version and one.overlaps(other) for other in subnets[:i])


@pytest.mark.parametrize(
    "subnet",
    [
        "198.18.0.0/22", "127.0.0.0/22", "100.64.0.0/22", "169.254.0.0/22", "224.0.0.0/22", "0.0.0.0/22",
        "8.8.0.0/22", "10.0.0.0/8", "10.0.0.0/30", "10.0.0.1/22", "2001:db8::/64", "fd00::/48", "nonsense", "",
        "٣.0.0.0/22",
    ],
)  # fmt: skip
def test_reserved_and_malformed_subnets_are_refused_by_name(cloud: Cloud, subnet: str) -> None:
    before = cloud.dump()
    refused = cloud.ask("POST", NETWORKS, {"subnets": [subnet]})
    assert refused.status == 400
    assert refused.wrong == ["subnets"]
    assert cloud.dump() == before


def test_all_wrong_subnets_are_named_at_once(cloud: Cloud) -> None:
    refused = cloud.ask("POST", NETWORKS, {"subnets": ["10.0.0.0/22", "10.0.1.0/24", "127.0.0.0/22", "x"]})
    assert [d["argument_name"] for d in refused.body["details"]] == ["subnets"] * 3


def test_overlap_is_refused_within_a_vpc_only(cloud: Cloud) -> None:
    cloud.post(NETWORKS, subnets=["10.1.0.0/22"])
    assert cloud.ask("POST", NETWORKS, {"subnets": ["10.1.2.0/24"]}).wrong == ["subnets"]
    vpc = cloud.post(VPCS, name="other")
    cloud.post(NETWORKS, subnets=["10.1.2.0/24"], vpc_id=vpc["id"])


def test_a_network_with_an_address_in_it_must_be_emptied_first(cloud: Cloud) -> None:
    network = cloud.post(NETWORKS)
    ip = cloud.post(IPS, source={"private_network_id": network["id"]})
    refused = cloud.ask("DELETE", f"{NETWORKS}/{network['id']}")
    assert (refused.status, refused.body["precondition"]) == (412, "resource_still_in_use")
    assert "must be empty to be deleted" in refused.body["help_message"]
    cloud.delete(f"{IPS}/{ip['id']}")
    cloud.delete(f"{NETWORKS}/{network['id']}")


def test_networks_are_filtered_and_ordered(cloud: Cloud) -> None:
    vpc = cloud.post(VPCS, name="v")
    a = cloud.post(NETWORKS, name="net-a", tags=["x"])
    b = cloud.post(NETWORKS, name="net-b", tags=["y", "z"], vpc_id=vpc["id"])
    names = lambda **query: [n["name"] for n in cloud.get(NETWORKS, **query)["private_networks"]]  # noqa: E731
    assert names() == ["net-a", "net-b"]
    assert names(order_by="name_desc") == ["net-b", "net-a"]
    assert names(name="T-B") == ["net-b"]
    assert names(tags="x") == ["net-a"]
    assert names(tags=["x", "z"]) == ["net-a", "net-b"]
    assert names(vpc_id=vpc["id"]) == ["net-b"]
    assert names(private_network_ids=[a["id"]]) == ["net-a"]
    assert names(private_network_ids=[a["id"], b["id"]], page=2, page_size=1) == ["net-b"]
    assert names(dhcp_enabled=False) == []
    assert cloud.ask("GET", NETWORKS, query={"order_by": "size_asc"}).wrong == ["order_by"]


def test_subnets_are_listed_across_networks(cloud: Cloud) -> None:
    a, b = cloud.post(NETWORKS), cloud.post(NETWORKS)
    subnets = "/vpc/v2/regions/fr-par/subnets"
    assert cloud.get(subnets)["subnets"] == [*a["subnets"], *b["subnets"]]
    (one,) = cloud.get(subnets, subnet_ids=[b["subnets"][1]["id"]])["subnets"]
    assert one == b["subnets"][1]
    assert cloud.get(subnets, vpc_id=cloud.ids.uuid())["total_count"] == 0


def test_a_network_refers_to_its_own_project_s_vpc_of_its_region_only(cloud: Cloud) -> None:
    elsewhere = cloud.post("/vpc/v2/regions/nl-ams/vpcs", name="v")
    assert cloud.ask("POST", NETWORKS, {"vpc_id": elsewhere["id"]}).status == 404
    assert cloud.ask("POST", NETWORKS, {"vpc_id": "x"}).wrong == ["vpc_id"]
    assert cloud.ask("POST", NETWORKS, {"project_id": cloud.ids.uuid()}).status == 404


def test_object_storage_access_is_kept(cloud: Cloud) -> None:
    network = cloud.post(NETWORKS)
    base = f"/vpc/v2/regions/fr-par/object-storage-private-access/{network['vpc_id']}"
    assert cloud.ask("POST", f"{base}/private-networks", {"private_network_id": network["id"]}).status == 412
    assert cloud.post(f"{base}/enable")["object_storage_private_access_enabled"]
    added = cloud.post(f"{base}/private-networks", private_network_id=network["id"])
    assert added == {"vpc_id": network["vpc_id"], "private_network_ids": [network["id"]]}
    assert cloud.get(f"{NETWORKS}/{network['id']}")["has_object_storage_private_access"]
    cloud.delete(f"{base}/private-networks/{network['id']}")
    assert cloud.put(f"{base}/private-networks", private_network_ids=[])["private_network_ids"] == []
    assert not cloud.post(f"{base}/disable")["object_storage_private_access_enabled"]
