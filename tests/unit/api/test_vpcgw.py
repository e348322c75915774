"""vpc-gw/v2: gateways, their networks, PAT rules, addresses and bastions."""

from __future__ import annotations

from typing import Any

import pytest

from hideaway.api.call import Settings
from hideaway.cloud.quotas import RESOURCE_NETWORKS
from tests.api_in_process import Cloud

ZONE = "/vpc-gw/v2/zones/fr-par-1"
GATEWAYS, NETWORKS, RULES, IPS = (f"{ZONE}/{n}" for n in ("gateways", "gateway-networks", "pat-rules", "ips"))
PRIVATE = "/vpc/v2/regions/fr-par/private-networks"
IPAM = "/ipam/v1/regions/fr-par/ips"
NOBODY = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def gateway(cloud: Cloud) -> dict[str, Any]:
    cloud.post(GATEWAYS, name="way out")
    return dict(cloud.get(GATEWAYS)["gateways"][0])


@pytest.fixture
def private(cloud: Cloud) -> dict[str, Any]:
    return dict(cloud.post(PRIVATE, subnets=["10.1.0.0/22"]))


@pytest.fixture
def network(cloud: Cloud, gateway: dict[str, Any], private: dict[str, Any]) -> dict[str, Any]:
    made = cloud.post(NETWORKS, gateway_id=gateway["id"], private_network_id=private["id"])
    return dict(cloud.get(f"{NETWORKS}/{made['id']}"))


def other_project(cloud: Cloud) -> str:
    return str(cloud.post("/account/v3/projects", name="other", organization_id=cloud.owner.organization_id)["id"])


def test_a_gateway_is_made_with_an_address_of_its_own(cloud: Cloud) -> None:
    made = cloud.post(GATEWAYS, name="way out", type="VPC-GW-M", enable_bastion=True, tags=["a"])
    assert made["status"] == "allocating"
    assert "version" not in made
    assert "can_upgrade_to" not in made
    assert made["ipv4"]["gateway_id"] == made["id"]
    assert made["ipv4"]["address"].startswith("198.1")
    assert made["ipv4"]["reverse"] == ".".join(made["ipv4"]["address"].split(".")[::-1]).replace(".", "-") + (
        ".instances.scw.cloud"
    )
    got = cloud.get(f"{GATEWAYS}/{made['id']}")
    expected = {
        "status": "running",
        "bandwidth": 1000,
        "bastion_enabled": True,
        "bastion_port": 61000,
        "bastion_allowed_ips": ["0.0.0.0/0"],
        "smtp_enabled": False,
        "is_legacy": False,
        "gateway_networks": [],
        "zone": "fr-par-1",
    }
    assert {name: got[name] for name in expected} == expected
    assert got["version"]


def test_what_is_left_out_has_the_vendor_s_defaults(cloud: Cloud) -> None:
    nulls = {"name": None, "tags": None, "type": None, "ip_id": None, "enable_smtp": None, "bastion_port": 0}
    made = cloud.post(GATEWAYS, nulls)
    assert (made["type"], made["tags"], made["project_id"]) == ("VPC-GW-S", [], cloud.project)
    assert made["name"]


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"type": "VPC-GW-9"}, "type"),
        ({"tags": "a"}, "tags"),
        ({"bastion_port": 65536}, "bastion_port"),
        ({"bastion_port": 2**70}, "bastion_port"),
        ({"name": "x" * 256}, "name"),
        ({"ip_id": "x"}, "ip_id"),
        ({"project_id": "x"}, "project_id"),
    ],
)
def test_what_is_wrong_with_a_gateway_is_named(cloud: Cloud, body: dict[str, Any], wrong: str) -> None:
    before = cloud.dump()
    refused = cloud.ask("POST", GATEWAYS, body)
    assert (refused.status, refused.wrong) == (400, [wrong])
    assert cloud.dump() == before


def test_a_reserved_address_is_used_by_one_gateway_and_outlives_it(cloud: Cloud) -> None:
    ip = cloud.post(IPS, tags=["kept"])
    assert "gateway_id" not in ip
    gateway = cloud.post(GATEWAYS, ip_id=ip["id"])
    assert gateway["ipv4"]["address"] == ip["address"]
    assert cloud.ask("POST", GATEWAYS, {"ip_id": ip["id"]}).status == 412
    assert cloud.ask("DELETE", f"{IPS}/{ip['id']}").status == 412
    gone = cloud.ask("DELETE", f"{GATEWAYS}/{gateway['id']}")
    assert (gone.status, gone.body["status"]) == (200, "deleting")
    assert cloud.ask("GET", f"{GATEWAYS}/{gateway['id']}").body == {
        "message": "resource is not found",
        "resource": "gateway",
        "resource_id": gateway["id"],
        "type": "not_found",
    }
    assert "gateway_id" not in cloud.get(f"{IPS}/{ip['id']}")
    cloud.delete(f"{IPS}/{ip['id']}")
    assert cloud.get(IPS)["total_count"] == 0


def test_an_address_goes_with_its_gateway_when_asked_for(cloud: Cloud, gateway: dict[str, Any]) -> None:
    assert cloud.ask("DELETE", f"{GATEWAYS}/{gateway['id']}", query={"delete_ip": True}).status == 200
    assert cloud.get(IPS)["total_count"] == 0


def test_an_address_of_another_zone_or_project_is_not_found(cloud: Cloud) -> None:
    elsewhere = cloud.post("/vpc-gw/v2/zones/fr-par-2/ips")
    foreign = cloud.post(IPS, project_id=other_project(cloud))
    for ip in (elsewhere, foreign):
        refused = cloud.ask("POST", GATEWAYS, {"ip_id": ip["id"]})
        assert (refused.status, refused.body["resource"]) == (404, "ip")
    assert cloud.get(GATEWAYS)["total_count"] == 0


def test_an_address_moves_between_gateways_by_hand(cloud: Cloud, gateway: dict[str, Any]) -> None:
    ip, other = gateway["ipv4"], cloud.post(GATEWAYS)
    path = f"{IPS}/{ip['id']}"
    assert cloud.ask("PATCH", path, {"gateway_id": other["id"]}).status == 412
    assert "gateway_id" not in cloud.patch(path, gateway_id="")
    assert "ipv4" not in cloud.get(f"{GATEWAYS}/{gateway['id']}")
    assert cloud.ask("PATCH", path, {"gateway_id": other["id"]}).status == 412
    assert cloud.patch(path, gateway_id=gateway["id"])["gateway_id"] == gateway["id"]
    assert cloud.get(f"{GATEWAYS}/{gateway['id']}")["ipv4"]["id"] == ip["id"]
    assert cloud.ask("PATCH", path, {"gateway_id": NOBODY}).status == 404
    assert cloud.ask("PATCH", path, {"gateway_id": "x"}).wrong == ["gateway_id"]


def test_a_reverse_is_set_and_an_empty_one_restores_the_default(cloud: Cloud) -> None:
    ip = cloud.post(IPS)
    path = f"{IPS}/{ip['id']}"
    assert cloud.patch(path, reverse="a.example.com", tags=["t"])["reverse"] == "a.example.com"
    assert cloud.patch(path, reverse=None)["reverse"] == "a.example.com"
    assert cloud.ask("PATCH", path, {"reverse": "no host name"}).wrong == ["reverse"]
    assert cloud.patch(path, reverse="")["reverse"] == ip["reverse"]
    assert cloud.get(IPS, is_free=True, reverse="instances", tags="t")["total_count"] == 1
    assert cloud.get(IPS, is_free=False)["total_count"] == 0


def test_settings_change_without_a_pause(cloud: Cloud, gateway: dict[str, Any]) -> None:
    path = f"{GATEWAYS}/{gateway['id']}"
    changed = cloud.patch(path, name="new", enable_bastion=True, bastion_port=2222, enable_smtp=True, tags=["x"])
    assert (changed["name"], changed["tags"], changed["bastion_port"]) == ("new", ["x"], 2222)
    assert changed["bastion_enabled"]
    assert changed["smtp_enabled"]
    assert changed["status"] == "running"
    assert cloud.patch(path)["name"] == "new"
    assert cloud.ask("PATCH", path, {"name": ""}).wrong == ["name"]


def test_a_gateway_becomes_larger_and_not_smaller(cloud: Cloud, gateway: dict[str, Any]) -> None:
    path = f"{GATEWAYS}/{gateway['id']}"
    assert cloud.post(f"{path}/upgrade", type="VPC-GW-M")["bandwidth"] == 1000
    assert cloud.get(path)["type"] == "VPC-GW-M"
    assert cloud.ask("POST", f"{path}/upgrade", {"type": "VPC-GW-S"}).wrong == ["type"]
    assert cloud.post(f"{path}/upgrade")["type"] == "VPC-GW-M"
    assert cloud.post(f"{path}/refresh-ssh-keys")["id"] == gateway["id"]
    assert {t["name"] for t in cloud.get(f"{ZONE}/gateway-types")["types"]} >= {"VPC-GW-S", "VPC-GW-M"}


def test_gateways_are_found_by_every_filter(cloud: Cloud, gateway: dict[str, Any], network: dict[str, Any]) -> None:
    cloud.post(GATEWAYS, name="other", type="VPC-GW-M", tags=["t"])
    found = {"way out": 0, "other": 0}
    for query, names in [
        ({"name": "way"}, ["way out"]),
        ({"types": ["VPC-GW-M", "VPC-GW-L"]}, ["other"]),
        ({"tags": ["t"]}, ["other"]),
        ({"status": ["running"]}, ["way out", "other"]),
        ({"status": ["stopped"]}, []),
        ({"status": ["unknown_status"]}, ["way out", "other"]),
        ({"private_network_ids": [network["private_network_id"]]}, ["way out"]),
        ({"order_by": "name_asc"}, ["other", "way out"]),
        ({"order_by": "created_at_desc"}, ["other", "way out"]),
        ({"project_id": NOBODY}, []),
        ({"page": 2, "page_size": 1}, ["other"]),
    ]:
        assert [g["name"] for g in cloud.get(GATEWAYS, **query)["gateways"]] == names, query
        found |= dict.fromkeys(names, 1)
    assert all(found.values())
    assert cloud.get("/vpc-gw/v2/zones/fr-par-2/gateways")["total_count"] == 0
    assert cloud.ask("GET", f"{GATEWAYS}?order_by=tags").wrong == ["order_by"]


def test_attaching_books_an_address_and_configures_the_gateway(
    cloud: Cloud, gateway: dict[str, Any], private: dict[str, Any]
) -> None:
    made = cloud.post(NETWORKS, gateway_id=gateway["id"], private_network_id=private["id"])
    assert made["status"] == "created"
    assert "mac_address" not in made
    assert "project_id" not in made
    got = cloud.get(f"{NETWORKS}/{made['id']}")
    assert (got["status"], got["masquerade_enabled"], got["push_default_route"]) == ("ready", True, True)
    ip = cloud.get(f"{IPAM}/{made['ipam_ip_id']}")
    assert ip["address"] == "10.1.0.2/22"
    assert ip["resource"] == {
        "type": "vpc_gateway_network",
        "id": made["id"],
        "mac_address": got["mac_address"],
        "name": "way out",
    }
    whole = cloud.get(f"{GATEWAYS}/{gateway['id']}")
    assert (whole["status"], whole["gateway_networks"]) == ("running", [got])
    cloud.patch(f"{GATEWAYS}/{gateway['id']}", name="renamed")
    assert cloud.get(f"{IPAM}/{ip['id']}")["resource"]["name"] == "renamed"


def test_nothing_is_attached_to_a_gateway_that_is_being_configured() -> None:
    cloud = Cloud(settings=Settings(data_plane=True))  # transitions then end only when packets flow
    private = cloud.post(PRIVATE)
    gateway = cloud.post(GATEWAYS)
    refused = cloud.ask("POST", NETWORKS, {"gateway_id": gateway["id"], "private_network_id": private["id"]})
    assert (refused.status, refused.body) == (
        409,
        {
            "current_state": "allocating",
            "message": "resource is in a transient state",
            "resource": "gateway",
            "resource_id": gateway["id"],
            "type": "transient_state",
        },
    )
    cloud.close()


def test_masquerading_comes_with_the_default_route_and_can_be_switched_off(
    cloud: Cloud, gateway: dict[str, Any], private: dict[str, Any]
) -> None:
    both = {"gateway_id": gateway["id"], "private_network_id": private["id"]}
    made = cloud.post(NETWORKS, both | {"enable_masquerade": False, "push_default_route": False})
    assert (made["masquerade_enabled"], made["push_default_route"]) == (False, False)
    path = f"{NETWORKS}/{made['id']}"
    changed = cloud.patch(path, push_default_route=True)
    assert (changed["masquerade_enabled"], changed["push_default_route"]) == (True, True)
    assert changed["status"] == "configuring"
    changed = cloud.patch(path, enable_masquerade=False)
    assert (changed["masquerade_enabled"], changed["push_default_route"]) == (False, True)


def test_a_gateway_has_the_address_that_was_booked_for_it(cloud: Cloud, network: dict[str, Any]) -> None:
    source = {"private_network_id": network["private_network_id"]}
    booked = cloud.post(IPAM, source=source, address="10.1.0.7")
    changed = cloud.patch(f"{NETWORKS}/{network['id']}", ipam_ip_id=booked["id"])
    assert (changed["status"], changed["ipam_ip_id"]) == ("configuring", booked["id"])
    held = cloud.get(IPAM, resource_id=network["id"], resource_type="vpc_gateway_network")["ips"]
    assert [(ip["address"], ip["resource"]["mac_address"]) for ip in held] == [("10.1.0.7/22", None)]
    cloud.delete(f"{NETWORKS}/{network['id']}")
    assert cloud.get(f"{IPAM}/{booked['id']}")["resource"] is None  # a user's booking stays


def test_an_address_that_is_in_use_or_elsewhere_is_refused(
    cloud: Cloud, gateway: dict[str, Any], network: dict[str, Any]
) -> None:
    other = cloud.post(PRIVATE)
    v6 = cloud.post(IPAM, source={"private_network_id": other["id"]}, is_ipv6=True)
    elsewhere = cloud.post(IPAM, source={"private_network_id": network["private_network_id"]})
    before = cloud.dump()
    body = {"gateway_id": gateway["id"], "private_network_id": other["id"]}
    for ip in (network["ipam_ip_id"], elsewhere["id"], v6["id"], "x"):
        assert cloud.ask("POST", NETWORKS, body | {"ipam_ip_id": ip}).wrong == ["ipam_ip_id"]
    assert cloud.ask("POST", NETWORKS, body | {"ipam_ip_id": NOBODY}).status == 404
    assert cloud.dump() == before


def test_a_network_of_another_region_or_project_is_not_found(cloud: Cloud, gateway: dict[str, Any]) -> None:
    elsewhere = cloud.post("/vpc/v2/regions/nl-ams/private-networks")
    foreign = cloud.post(PRIVATE, project_id=other_project(cloud))
    for private in (elsewhere["id"], foreign["id"], NOBODY):
        refused = cloud.ask("POST", NETWORKS, {"gateway_id": gateway["id"], "private_network_id": private})
        assert (refused.status, refused.body["resource"]) == (404, "private_network")
    refused = cloud.ask("POST", NETWORKS, {"gateway_id": gateway["id"], "private_network_id": "x"})
    assert refused.wrong == ["private_network_id"]
    assert cloud.ask("POST", NETWORKS, {"private_network_id": NOBODY}).wrong == ["gateway_id"]


def test_a_gateway_is_attached_to_a_network_once_and_to_eight_at_most(
    cloud: Cloud, gateway: dict[str, Any], network: dict[str, Any]
) -> None:
    body = {"gateway_id": gateway["id"], "private_network_id": network["private_network_id"]}
    again = cloud.ask("POST", NETWORKS, body)
    assert (again.status, again.body["type"]) == (409, "conflict")
    for _ in range(RESOURCE_NETWORKS.limit - 1):
        cloud.post(NETWORKS, body | {"private_network_id": cloud.post(PRIVATE)["id"]})
    full = cloud.ask("POST", NETWORKS, body | {"private_network_id": cloud.post(PRIVATE)["id"]})
    assert (full.status, full.body["type"]) == (403, "quotas_exceeded")
    other = cloud.post(GATEWAYS)
    assert cloud.post(NETWORKS, body | {"gateway_id": other["id"]})["status"] == "created"


def test_a_network_stays_while_a_gateway_is_attached(cloud: Cloud, network: dict[str, Any]) -> None:
    private = f"{PRIVATE}/{network['private_network_id']}"
    assert cloud.ask("DELETE", private).status == 412
    gone = cloud.ask("DELETE", f"{NETWORKS}/{network['id']}")
    assert (gone.status, gone.body["status"]) == (200, "detaching")
    assert cloud.ask("GET", f"{NETWORKS}/{network['id']}").body["resource"] == "gateway_network"
    cloud.delete(private)


def test_deleting_a_gateway_detaches_it(cloud: Cloud, gateway: dict[str, Any], network: dict[str, Any]) -> None:
    rule = cloud.post(RULES, gateway_id=gateway["id"], public_port=80, private_ip="10.1.0.9", private_port=80)
    cloud.delete(f"{GATEWAYS}/{gateway['id']}")
    assert cloud.ask("GET", f"{NETWORKS}/{network['id']}").status == 404
    assert cloud.ask("GET", f"{RULES}/{rule['id']}").status == 404
    assert cloud.get(IPAM)["total_count"] == 0
    cloud.delete(f"{PRIVATE}/{network['private_network_id']}")


def test_attachments_are_found_by_every_filter(cloud: Cloud, network: dict[str, Any]) -> None:
    for query, count in [
        ({"gateway_ids": [network["gateway_id"]]}, 1),
        ({"gateway_ids": [NOBODY]}, 0),
        ({"private_network_ids": [NOBODY, network["private_network_id"]]}, 1),
        ({"masquerade_enabled": False}, 0),
        ({"status": ["ready", "created"]}, 1),
        ({"status": ["detaching"]}, 0),
        ({"order_by": "status_desc"}, 1),
    ]:
        assert cloud.get(NETWORKS, **query)["total_count"] == count, query


def rule_of(gateway: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"gateway_id": gateway["id"], "public_port": 80, "private_ip": "10.1.0.9", "private_port": 8080} | more


def test_a_port_is_translated_until_the_rule_goes(cloud: Cloud, gateway: dict[str, Any]) -> None:
    rule = cloud.post(RULES, rule_of(gateway, protocol="tcp"))
    assert rule == cloud.get(f"{RULES}/{rule['id']}")
    assert set(rule) == {
        "id", "gateway_id", "public_port", "private_ip", "private_port", "protocol", "zone", "created_at", "updated_at",
    }  # fmt: skip
    assert cloud.post(RULES, rule_of(gateway, public_port=81, protocol="unknown_protocol"))["protocol"] == "both"
    assert cloud.patch(f"{RULES}/{rule['id']}", private_port=22)["private_port"] == 22
    for query, count in [({"gateway_ids": [gateway["id"]]}, 2), ({"protocol": "tcp"}, 1), ({"private_ips": ["x"]}, 0)]:
        assert cloud.get(RULES, **query)["total_count"] == count
    assert [r["public_port"] for r in cloud.get(RULES, order_by="public_port_desc")["pat_rules"]] == [81, 80]
    cloud.delete(f"{RULES}/{rule['id']}")
    assert cloud.get(RULES)["total_count"] == 1


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        ({"public_port": 0}, ["public_port"]),
        ({"private_port": 65536}, ["private_port"]),
        ({"private_ip": "8.8.8.8"}, ["private_ip"]),
        ({"private_ip": "fd00::1"}, ["private_ip"]),
        ({"private_ip": "10.1.0.9/22"}, ["private_ip"]),
        ({"protocol": "icmp"}, ["protocol"]),
        ({"public_port": 0, "private_ip": "", "protocol": "x"}, ["public_port", "private_ip", "protocol"]),
        ({"public_port": "80"}, ["public_port"]),
    ],
)
def test_all_that_is_wrong_with_a_rule_is_named(
    cloud: Cloud, gateway: dict[str, Any], wrong: dict[str, Any], names: list[str]
) -> None:
    assert cloud.ask("POST", RULES, rule_of(gateway, **wrong)).wrong == names
    rule = cloud.post(RULES, rule_of(gateway))
    assert cloud.ask("PATCH", f"{RULES}/{rule['id']}", wrong).wrong == names
    assert cloud.get(RULES)["pat_rules"] == [rule]


def test_a_public_port_is_translated_once_for_each_protocol(cloud: Cloud, gateway: dict[str, Any]) -> None:
    cloud.post(RULES, rule_of(gateway, protocol="tcp"))
    udp = cloud.post(RULES, rule_of(gateway, protocol="udp"))
    assert cloud.ask("POST", RULES, rule_of(gateway, protocol="both")).body["type"] == "conflict"
    assert cloud.ask("PATCH", f"{RULES}/{udp['id']}", {"protocol": "tcp"}).status == 409
    other = cloud.post(GATEWAYS)
    assert cloud.post(RULES, rule_of(other, protocol="both"))["public_port"] == 80


def test_rules_are_set_as_a_whole_and_known_by_their_port(cloud: Cloud, gateway: dict[str, Any]) -> None:
    old = [cloud.post(RULES, rule_of(gateway, public_port=p)) for p in (80, 81)]
    wanted = [{"public_port": p, "private_ip": "10.1.0.3", "private_port": 1, "protocol": "tcp"} for p in (81, 82)]
    rules = cloud.put(RULES, gateway_id=gateway["id"], pat_rules=wanted)["pat_rules"]
    assert [(r["public_port"], r["protocol"]) for r in rules] == [(81, "tcp"), (82, "tcp")]
    assert rules[0]["id"] == old[1]["id"]
    assert cloud.get(RULES)["total_count"] == 2
    before = cloud.dump()
    assert cloud.ask("PUT", RULES, {"gateway_id": gateway["id"], "pat_rules": wanted * 2}).status == 409
    refused = cloud.ask("PUT", RULES, {"gateway_id": gateway["id"], "pat_rules": [wanted[0] | {"public_port": 0}]})
    assert refused.wrong == ["pat_rules.0.public_port"]
    assert cloud.dump() == before


def test_who_may_reach_the_bastion_is_kept(cloud: Cloud, gateway: dict[str, Any]) -> None:
    path = f"{GATEWAYS}/{gateway['id']}/bastion-allowed-ips"
    assert cloud.post(path, ip_range="1.2.3.4")["ip_ranges"] == ["0.0.0.0/0", "1.2.3.4/32"]
    cloud.delete(f"{path}/0.0.0.0/0")
    assert cloud.get(f"{GATEWAYS}/{gateway['id']}")["bastion_allowed_ips"] == ["1.2.3.4/32"]
    assert cloud.put(path, ip_ranges=["10.0.0.0/8"])["ip_ranges"] == ["10.0.0.0/8"]
    assert cloud.ask("DELETE", f"{path}/1.2.3.4/32").status == 404
    assert cloud.ask("PUT", path, {"ip_ranges": ["10.0.0.1/8"]}).wrong == ["ip_ranges"]
    assert cloud.ask("POST", path, {"ip_range": "x"}).wrong == ["ip_range"]


def test_another_organization_sees_and_reaches_nothing(cloud: Cloud, network: dict[str, Any]) -> None:
    stranger = cloud.organization().secret_key
    assert cloud.ask("GET", GATEWAYS, key=stranger).body["total_count"] == 0
    before = cloud.dump()
    body = {"gateway_id": network["gateway_id"], "private_network_id": network["private_network_id"]}
    for method, path, sent in [
        ("GET", f"{GATEWAYS}/{network['gateway_id']}", None),
        ("DELETE", f"{NETWORKS}/{network['id']}", None),
        ("POST", NETWORKS, body),
        ("POST", RULES, rule_of({"id": network["gateway_id"]})),
    ]:
        assert cloud.ask(method, path, sent, key=stranger).status == 404
    assert cloud.dump() == before
