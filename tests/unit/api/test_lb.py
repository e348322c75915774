"""lb/v1: Load Balancers, their public addresses and their places in Private Networks."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hideaway.api.lb import PRODUCT
from hideaway.cloud.balancers import Lb, LbInstance, LbIp, LbPrivateNetwork
from hideaway.cloud.change import Pace
from hideaway.cloud.places import REGIONS
from tests.api_in_process import Cloud
from tests.invariants import check

ZONE = "/lb/v1/zones/fr-par-1"
REGION = "/lb/v1/regions/fr-par"
LBS = f"{ZONE}/lbs"
NETWORKS = "/vpc/v2/regions/fr-par/private-networks"
BOOKINGS = "/ipam/v1/regions/fr-par/ips"
NOWHERE = "3d2f6c1e-9b1a-4d3e-8d8f-0a1b2c3d4e5f"


@pytest.fixture
def lb(cloud: Cloud) -> dict[str, Any]:
    return dict(cloud.post(LBS, name="one", type="LB-S"))


@pytest.fixture
def network(cloud: Cloud) -> dict[str, Any]:
    return dict(cloud.post(NETWORKS, subnets=["10.1.0.0/22"]))


def one(lb: dict[str, Any]) -> str:
    return f"{LBS}/{lb['id']}"


def test_a_new_one_is_to_be_created_then_ready_with_its_instance(cloud: Cloud) -> None:
    made = cloud.post(LBS, name="one", description="d", type="LB-S", tags=["a"])
    counts = ("frontend_count", "backend_count", "route_count", "private_network_count")
    assert (made["status"], made["type"], made["instances"], made["subscriber"]) == ("to_create", "lb-s", [], None)
    assert (made["zone"], made["region"], [made[c] for c in counts]) == ("fr-par-1", "fr-par", [0, 0, 0, 0])
    assert made["ssl_compatibility_level"] == "ssl_compatibility_level_intermediate"
    ready = cloud.get(one(made))
    assert (ready["status"], [i["status"] for i in ready["instances"]]) == ("ready", ["ready"])
    instance = {"id", "status", "ip_address", "created_at", "updated_at", "region", "zone"}
    assert set(ready["instances"][0]) == instance
    assert not any(name.startswith("_") for name in ready)


def test_at_the_recorded_pace_it_passes_through_creating() -> None:
    cloud = Cloud(pace=Pace.RECORDED)
    made = cloud.post(LBS, name="one", type="LB-S")
    cloud.clock.advance(0.1)
    assert cloud.get(one(made))["status"] == "to_create"
    cloud.clock.advance(0.4)
    creating = cloud.get(one(made))
    assert (creating["status"], len(creating["instances"])) == ("creating", 1)
    cloud.clock.advance(3)
    assert cloud.get(one(made))["status"] == "ready"
    cloud.close()


def test_what_goes_with_it_does_not_come_back_when_its_own_change_ends_with_it() -> None:
    """An attachment whose own transition is due at the very moment when the Load Balancer is gone."""
    cloud = Cloud(pace=Pace.RECORDED)
    made = cloud.post(LBS, name="one", type="LB-S")
    network = cloud.post(NETWORKS)
    cloud.clock.advance(60)
    cloud.get(one(made))
    cloud.post(f"{one(made)}/attach-private-network", private_network_id=network["id"])
    cloud.delete(one(made))
    cloud.clock.advance(60)
    assert cloud.ask("GET", one(made)).status == 404
    _, ledger = cloud.store.snapshot()
    check(ledger)
    assert ledger.find(LbPrivateNetwork) == []
    assert ledger.find(LbInstance) == []
    cloud.close()


def test_its_address_is_made_unless_one_is_named_or_none_is_wanted(cloud: Cloud) -> None:
    public = cloud.post(LBS, name="public", type="lb-s")["ip"]
    assert len(public) == 1
    assert public[0]["reverse"] == public[0]["ip_address"].replace(".", "-") + ".lb.fr-par.scw.cloud"
    both = cloud.post(LBS, name="both", type="LB-S", assign_flexible_ipv6=True)["ip"]
    assert [":" in ip["ip_address"] for ip in both] == [False, True]
    assert both[1]["reverse"].endswith(".2.0.0.0.1.0.0.2.lb.fr-par.scw.cloud")
    assert cloud.post(LBS, name="private", type="LB-S", assign_flexible_ip=False)["ip"] == []
    v4, v6 = cloud.post(f"{ZONE}/ips"), cloud.post(f"{ZONE}/ips", is_ipv6=True, tags=["t"])
    own = cloud.post(LBS, name="own", type="LB-S", ip_id=v4["id"], ip_ids=[v4["id"], v6["id"]])
    assert [ip["id"] for ip in own["ip"]] == [v4["id"], v6["id"]]
    assert {ip["lb_id"] for ip in own["ip"]} == {own["id"]}


def test_an_address_in_use_is_neither_given_nor_released(cloud: Cloud, lb: dict[str, Any]) -> None:
    held, before = lb["ip"][0], cloud.dump()
    assert cloud.ask("POST", LBS, {"name": "two", "type": "LB-S", "ip_ids": [held["id"]]}).status == 412
    assert cloud.ask("DELETE", f"{ZONE}/ips/{held['id']}").status == 412
    cloud.get(one(lb))
    assert len(cloud.dump()) == len(before)
    assert cloud.get(f"{ZONE}/ips/{held['id']}")["lb_id"] == lb["id"]


def test_its_addresses_stay_or_go_with_it_as_asked(cloud: Cloud, lb: dict[str, Any]) -> None:
    other = cloud.post(LBS, name="two", type="LB-S")
    assert cloud.ask("DELETE", one(lb), query={"release_ip": False}).status == 204
    assert cloud.ask("DELETE", one(other), query={"release_ip": True}).status == 204
    gone = cloud.ask("GET", one(lb))
    assert (gone.status, gone.body) == (404, {"message": "lbs not Found"})
    assert cloud.get(f"{ZONE}/ips/{lb['ip'][0]['id']}")["lb_id"] is None
    assert cloud.ask("GET", f"{ZONE}/ips/{other['ip'][0]['id']}").body == {"message": "ips not Found"}
    with cloud.store.transaction() as ledger:
        assert (ledger.find(Lb), ledger.find(LbInstance), len(ledger.find(LbIp))) == ([], [], 1)


def test_while_it_is_being_deleted_it_is_read_and_not_changed() -> None:
    cloud = Cloud(pace=Pace.RECORDED)
    lb = cloud.post(LBS, name="one", type="LB-S")
    cloud.clock.advance(5)
    backend = {"name": "b", "forward_protocol": "tcp", "forward_port": 1, "health_check": {"port": 1}}
    cloud.post(f"{one(lb)}/backends", backend)
    cloud.delete(one(lb))
    seen = cloud.get(one(lb))
    assert (seen["status"], seen["backend_count"], seen["ip"][0]["lb_id"]) == ("to_delete", 1, lb["id"])
    assert cloud.ask("POST", f"{one(lb)}/backends", backend).status == 409
    assert cloud.ask("DELETE", one(lb)).status == 409
    cloud.clock.advance(5)
    assert cloud.ask("GET", one(lb)).status == 404
    cloud.close()


def test_an_update_replaces_and_lets_the_instance_take_it_up(cloud: Cloud, lb: dict[str, Any]) -> None:
    modern = "ssl_compatibility_level_modern"
    changed = cloud.put(one(lb), name="two", description="new", tags=["x"], ssl_compatibility_level=modern)
    assert (changed["name"], changed["description"], changed["tags"]) == ("two", "new", ["x"])
    assert (changed["status"], changed["instances"][0]["status"]) == ("ready", "pending")
    again = cloud.put(one(lb), name="two", description="", tags=None, ssl_compatibility_level=None)
    assert (again["tags"], again["ssl_compatibility_level"]) == ([], modern)
    assert cloud.get(one(lb))["instances"][0]["status"] == "ready"


def test_it_is_migrated_to_another_type(cloud: Cloud, lb: dict[str, Any]) -> None:
    names = [t["name"] for t in cloud.get(f"{ZONE}/lb-types")["lb_types"]]
    assert names[0] == "LB-S"
    migrated = cloud.post(f"{one(lb)}/migrate", type=names[1])
    assert (migrated["type"], migrated["status"]) == (names[1].lower(), "migrating")
    assert cloud.get(one(lb))["status"] == "ready"
    assert cloud.ask("POST", f"{one(lb)}/migrate", {"type": "LB-HUGE"}).wrong == ["type"]


def test_lists_are_filtered_by_name_tags_ids_and_project(cloud: Cloud, lb: dict[str, Any]) -> None:
    other = cloud.post(LBS, name="another", type="LB-S", tags=["t"])
    for query, wanted in (
        ({}, [lb, other]),
        ({"name": "one"}, [lb]),
        ({"tags": "t"}, [other]),
        ({"lb_ids": [other["id"]]}, [other]),
        ({"project_id": cloud.project}, [lb, other]),
        ({"project_id": NOWHERE}, []),
        ({"order_by": "name_asc"}, [other, lb]),
        ({"page": 2, "page_size": 1}, [other]),
    ):
        assert [x["id"] for x in cloud.get(LBS, **query)["lbs"]] == [x["id"] for x in wanted], query


def test_addresses_are_listed_newest_first_by_family_and_tag(cloud: Cloud) -> None:
    v4, v6 = cloud.post(f"{ZONE}/ips", tags=["a"]), cloud.post(f"{ZONE}/ips", is_ipv6=True)
    for query, wanted in (
        ({}, [v6, v4]),
        ({"ip_type": "ipv4"}, [v4]),
        ({"ip_type": "ipv6"}, [v6]),
        ({"ip_type": "all"}, [v6, v4]),
        ({"tags": "a"}, [v4]),
        ({"ip_address": v6["ip_address"]}, [v6]),
    ):
        assert cloud.get(f"{ZONE}/ips", **query)["ips"] == wanted, query
    assert set(v4) == {
        "id", "ip_address", "lb_id", "organization_id", "project_id", "region", "reverse", "tags", "zone",
    }  # fmt: skip


def test_an_address_is_named_tagged_attached_and_released(cloud: Cloud, lb: dict[str, Any]) -> None:
    ip = cloud.post(f"{ZONE}/ips", is_ipv6=True)
    path = f"{ZONE}/ips/{ip['id']}"
    assert cloud.patch(path, reverse="www.example.org", tags=["x"])["reverse"] == "www.example.org"
    assert cloud.patch(path, reverse="")["reverse"] == ip["reverse"]
    assert cloud.ask("PATCH", path, {"reverse": "no name"}).wrong == ["reverse"]
    assert cloud.patch(path, lb_id=lb["id"])["lb_id"] == lb["id"]
    assert len(cloud.get(one(lb))["ip"]) == 2
    other = cloud.post(LBS, name="two", type="LB-S")
    assert cloud.ask("PATCH", path, {"lb_id": other["id"]}).status == 412
    assert cloud.ask("PATCH", path, {"lb_id": NOWHERE}).body == {"message": "lbs not Found"}
    cloud.patch(path, lb_id="")
    cloud.delete(path)
    assert cloud.ask("GET", path).status == 404


@pytest.mark.parametrize("old", [False, True])
def test_it_joins_a_network_at_the_lowest_free_address(
    cloud: Cloud, lb: dict[str, Any], network: dict[str, Any], old: bool
) -> None:
    in_path, in_body = f"{one(lb)}/private-networks/{network['id']}", {"private_network_id": network["id"]}
    attach = f"{in_path}/attach" if old else f"{one(lb)}/attach-private-network"
    attached = cloud.post(attach, {} if old else in_body)
    assert (attached["status"], attached["ipam_ids"], attached["dhcp_config"]) == ("pending", [], {"ip_id": None})
    assert attached["lb"]["private_network_count"] == 1
    listed = cloud.get(f"{one(lb)}/private-networks")["private_network"][0]
    (booking,) = cloud.get(BOOKINGS, resource_id=lb["id"], resource_type="lb_server")["ips"]
    assert (listed["status"], listed["ipam_ids"]) == ("ready", [booking["id"]])
    assert (listed["dhcp_config"], listed["lb"]["instances"]) == ({"ip_id": booking["id"]}, [])
    assert (booking["address"], booking["resource"]["name"]) == ("10.1.0.2/22", "one")
    cloud.put(one(lb), name="two")
    assert cloud.get(f"{BOOKINGS}/{booking['id']}")["resource"]["name"] == "two"
    assert cloud.ask("POST", attach, {} if old else in_body).status == 409
    assert cloud.ask("DELETE", f"{NETWORKS}/{network['id']}").status == 412
    detach = f"{in_path}/detach" if old else f"{one(lb)}/detach-private-network"
    assert cloud.ask("POST", detach, {} if old else in_body).status == 204
    assert cloud.get(BOOKINGS)["ips"] == []
    assert cloud.ask("POST", detach, {} if old else in_body).body == {"message": "privateNetwork not Found"}
    cloud.delete(f"{NETWORKS}/{network['id']}")


def test_it_joins_a_network_at_the_address_that_a_user_booked(
    cloud: Cloud, lb: dict[str, Any], network: dict[str, Any]
) -> None:
    booking = cloud.post(BOOKINGS, source={"private_network_id": network["id"]}, address="10.1.0.77")
    attach = {"private_network_id": network["id"], "ipam_ids": [booking["id"]]}
    attached = cloud.post(f"{one(lb)}/attach-private-network", attach)
    assert (attached["ipam_ids"], attached["dhcp_config"]) == ([booking["id"]], {"ip_id": booking["id"]})
    other = cloud.post(LBS, name="two", type="LB-S")
    assert cloud.ask("POST", f"{one(other)}/attach-private-network", attach).wrong == ["ipam_ids"]
    cloud.delete(one(lb))
    kept = cloud.get(f"{BOOKINGS}/{booking['id']}")
    assert (kept["resource"], kept["address"]) == (None, "10.1.0.77/22")


def test_it_joins_a_network_at_a_static_address(cloud: Cloud, lb: dict[str, Any], network: dict[str, Any]) -> None:
    def body(address: str) -> dict[str, Any]:
        return {"private_network_id": network["id"], "static_config": {"ip_address": [address]}}

    attach = f"{one(lb)}/attach-private-network"
    assert cloud.ask("POST", attach, body("10.9.0.1")).wrong == ["static_config.ip_address"]
    attached = cloud.post(attach, body("10.1.0.9/22"))
    assert attached["static_config"] == {"ip_address": ["10.1.0.9/22"]}
    assert "dhcp_config" not in attached
    assert cloud.get(f"{BOOKINGS}/{attached['ipam_ids'][0]}")["address"] == "10.1.0.9/22"


def test_wrong_bookings_are_refused_and_nothing_changes(
    cloud: Cloud, lb: dict[str, Any], network: dict[str, Any]
) -> None:
    elsewhere = cloud.post(NETWORKS, subnets=["10.2.0.0/22"])
    foreign = cloud.post(BOOKINGS, source={"private_network_id": elsewhere["id"]})
    v6 = cloud.post(BOOKINGS, source={"private_network_id": network["id"]}, is_ipv6=True)
    cloud.get(one(lb))
    before, attach = cloud.dump(), f"{one(lb)}/attach-private-network"
    for ids in ([foreign["id"]], [v6["id"]], ["x"], [v6["id"], foreign["id"]]):
        refused = cloud.ask("POST", attach, {"private_network_id": network["id"], "ipam_ids": ids})
        assert (refused.status, refused.wrong) == (400, ["ipam_ids"])
    assert cloud.ask("POST", attach, {"private_network_id": NOWHERE}).status == 404
    assert cloud.ask("POST", attach, {}).wrong == ["private_network_id"]
    assert cloud.dump() == before


def test_the_regional_spelling_is_the_first_zones(cloud: Cloud, lb: dict[str, Any]) -> None:
    assert cloud.get(f"{REGION}/lbs/{lb['id']}")["id"] == lb["id"]
    made = cloud.post(f"{REGION}/lbs", name="two", type="LB-S")
    assert made["zone"] == "fr-par-1"
    elsewhere = cloud.post("/lb/v1/zones/fr-par-2/lbs", name="three", type="LB-S")
    assert [x["name"] for x in cloud.get(f"{REGION}/lbs")["lbs"]] == ["one", "two"]
    assert cloud.ask("GET", f"{LBS}/{elsewhere['id']}").status == 404


def test_every_route_of_the_vendors_contract_is_served_in_both_spellings() -> None:
    source = pytest.importorskip("scaleway.lb.v1.api").__file__
    with open(source) as file:
        calls = re.findall(r'self\._request\(\s*"(\w+)",\s*f"/lb/v1([^"]+)"', file.read())
    assert len(calls) > 100
    wanted = {(m, path.replace("{param_", "{")) for m, path in calls}
    assert wanted <= {(r.method, r.path) for r in PRODUCT.routes}


def test_nobody_sees_or_touches_another_organizations(cloud: Cloud, lb: dict[str, Any]) -> None:
    stranger = cloud.organization().secret_key
    ip, before = lb["ip"][0]["id"], cloud.dump()
    ids = {"lb_id": lb["id"], "ip_id": ip}
    routes = [r for r in PRODUCT.routes if ("{lb_id}" in r.path or "{ip_id}" in r.path) and "{zone}" in r.path]
    full = {
        "name": "x", "type": "LB-S", "forward_protocol": "tcp", "forward_port": 1, "health_check": {"port": 1},
        "inbound_port": 1, "backend_id": NOWHERE, "private_network_id": NOWHERE, "subscriber_id": NOWHERE,
    }  # fmt: skip
    for route in routes:
        path = "/lb/v1" + route.path.format(zone="fr-par-1", private_network_id=NOWHERE, **ids)
        answer = cloud.ask(route.method, path, full if route.body else None, key=stranger)
        assert answer.status == 404, (route.method, path, answer.raw)
    assert cloud.get(LBS)["total_count"] == 1
    assert cloud.ask("GET", LBS, key=stranger).body == {"total_count": 0, "lbs": []}
    taken = cloud.ask("POST", LBS, {"name": "x", "type": "LB-S", "ip_id": ip}, key=stranger)
    assert (taken.status, taken.body) == (404, {"message": "ips not Found"})
    settled = [row for row in before if row[0] in ("lb/ip",)]
    assert [row for row in cloud.dump() if row[0] == "lb/ip"] == settled


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "junk", [b"[]", b"{", b'"x"', b'{"name":7}', b"\xff", b'{"type":' + b"[" * 5000, b'{"name":"\\ud800"}']
)
def test_junk_is_never_an_error_of_ours(cloud: Cloud, lb: dict[str, Any], method: str, junk: bytes) -> None:
    params = {name: NOWHERE for r in PRODUCT.routes for name in re.findall(r"{(\w+)}", r.path)}
    params |= {"zone": "fr-par-1", "region": next(iter(REGIONS)), "lb_id": lb["id"]}
    for route in PRODUCT.routes:
        if route.method == method and route.body is not None:
            answer = cloud.ask(method, "/lb/v1" + route.path.format(**params), raw=junk)
            assert answer.status < 500, (route.path, answer.raw)
            assert answer.status < 300 or answer.body["message"]


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"type": "LB-S", "ssl_compatibility_level": "weak"}, "ssl_compatibility_level"),
        ({"type": "LB-HUGE"}, "type"),
        ({}, "type"),
        ({"type": "LB-S", "ip_id": "x"}, "ip_id"),
        ({"type": "LB-S", "ip_ids": ["x"]}, "ip_ids"),
        ({"type": "LB-S", "project_id": "x"}, "project_id"),
        ({"type": "LB-S", "name": "x" * 300}, "name"),
        ({"type": "LB-S", "tags": ["x" * 300]}, "tags"),
    ],
)
def test_what_is_wrong_is_named_and_changes_nothing(cloud: Cloud, body: dict[str, Any], wrong: str) -> None:
    before = cloud.dump()
    refused = cloud.ask("POST", LBS, body)
    assert (refused.status, refused.wrong) == (400, [wrong])
    assert cloud.dump() == before
