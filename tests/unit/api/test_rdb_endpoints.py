"""rdb/v1: endpoints of instances and of replicas, public and in Private Networks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hideaway.cloud.change import Pace
from tests.api_in_process import Cloud
from tests.unit.api.databases import INSTANCES, IPAM, NOBODY, PRIVATE, RDB, body, inside, make, public

REPLICAS = f"{RDB}/read-replicas"


@pytest.fixture
def private(cloud: Cloud) -> dict[str, Any]:
    return dict(cloud.post(PRIVATE, subnets=["10.1.0.0/22"]))


def test_a_private_instance_has_no_public_endpoint(cloud: Cloud, private: dict[str, Any]) -> None:
    made = cloud.post(INSTANCES, body(init_endpoints=[inside(private)]))
    endpoint = made["endpoints"][0]
    assert endpoint == {
        "id": endpoint["id"],
        "ip": "10.1.0.2",
        "name": None,
        "port": 5432,
        "private_network": {
            "private_network_id": private["id"],
            "provisioning_mode": "ipam",
            "service_ip": "10.1.0.2/22",
            "zone": "fr-par-1",
        },
    }
    got = cloud.get(f"{INSTANCES}/{made['id']}")
    assert (got["endpoint"], got["endpoints"]) == (None, [endpoint])
    ip = cloud.get(IPAM, resource_id=made["id"], resource_type="rdb_instance")["ips"][0]
    assert (ip["address"], ip["tags"]) == ("10.1.0.2/22", ["managed", "scwdbaas"])
    assert (ip["resource"]["name"], ip["resource"]["id"]) == ("db", made["id"])
    cloud.patch(f"{INSTANCES}/{made['id']}", name="renamed")
    assert cloud.get(f"{IPAM}/{ip['id']}")["resource"]["name"] == "renamed"


def test_the_document_s_call_adds_an_endpoint_that_ipam_knows(cloud: Cloud, private: dict[str, Any]) -> None:
    instance = make(cloud)
    path = f"{INSTANCES}/{instance['id']}"
    data = """{
"endpoint_spec": {
"private_network": {
"ipam_config": {},
"private_network_id": "<PRIVATE_NETWORK_ID>"
}
}
}""".replace("<PRIVATE_NETWORK_ID>", private["id"])
    answer = cloud.ask("POST", f"{path}/endpoints", raw=data.encode())
    assert answer.status == 200
    assert answer.body["private_network"]["service_ip"] == "10.1.0.2/22"
    assert cloud.get(path)["endpoints"] == [public(instance), answer.body]
    assert cloud.get(f"{RDB}/endpoints/{answer.body['id']}") == answer.body
    assert cloud.get(IPAM, resource_id=instance["id"])["total_count"] == 1
    again = cloud.ask("POST", f"{path}/endpoints", json.loads(data))
    assert (again.status, again.body["type"], again.body["resource_id"]) == (409, "conflict", answer.body["id"])


def test_adding_an_endpoint_makes_the_instance_initialize(cloud: Cloud, private: dict[str, Any]) -> None:
    path = f"{INSTANCES}/{make(cloud, init_endpoints=[inside(private)])['id']}"
    assert cloud.post(f"{path}/endpoints", endpoint_spec={"load_balancer": {}}) == {"id": "", "name": None, "port": 0}
    with cloud.store.transaction() as ledger:  # before the next request ends the transition
        kept = next(d for d in ledger.due(2**40, carried=True) if d.id == path.rpartition("/")[2])
        assert kept.status == "initializing"  # type: ignore[attr-defined]
    got = cloud.get(path)
    assert got["status"] == "ready"
    assert [sorted(e) for e in got["endpoints"]][1] == ["id", "ip", "load_balancer", "name", "port"]
    assert cloud.ask("POST", f"{path}/endpoints", {"endpoint_spec": {"load_balancer": {}}}).status == 409


def test_a_network_stays_while_a_database_is_in_it(cloud: Cloud, private: dict[str, Any]) -> None:
    for spec in (inside(private), inside(private, service_ip="10.1.0.9/22"), inside(private, service_ip="10.9.0.9/22")):
        instance = make(cloud, init_endpoints=[spec])
        assert cloud.ask("DELETE", f"{PRIVATE}/{private['id']}").status == 412
        cloud.delete(f"{RDB}/endpoints/{instance['endpoints'][0]['id']}")
        assert cloud.get(f"{INSTANCES}/{instance['id']}")["endpoints"] == []
        assert cloud.get(IPAM)["total_count"] == 0
    make(cloud, init_endpoints=[inside(private, service_ip="10.1.0.9/22"), {"load_balancer": {}}])
    for instance in cloud.get(INSTANCES)["instances"]:
        cloud.delete(f"{INSTANCES}/{instance['id']}")
    cloud.delete(f"{PRIVATE}/{private['id']}")
    assert not [kind for kind, *_ in cloud.dump() if kind.startswith(("rdb/", "hideaway/"))]  # no address is left over


def test_a_static_address_is_kept_from_others_though_ipam_does_not_list_it(
    cloud: Cloud, private: dict[str, Any]
) -> None:
    instance = make(cloud, init_endpoints=[inside(private, service_ip="10.1.0.2/22")])
    details = instance["endpoints"][0]["private_network"]
    assert (details["provisioning_mode"], details["service_ip"]) == ("static", "10.1.0.2/22")
    assert cloud.get(IPAM)["total_count"] == 0
    assert cloud.post(IPAM, source={"private_network_id": private["id"]})["address"] == "10.1.0.3/22"
    for taken in ("10.1.0.2", "10.1.0.3/22", "10.1.0.1"):
        refused = cloud.ask("POST", INSTANCES, body(init_endpoints=[inside(private, service_ip=taken)]))
        assert refused.wrong == ["init_endpoints.0.private_network.service_ip"]
    assert cloud.get(INSTANCES)["total_count"] == 1


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        ({}, "endpoint_spec"),
        ({"load_balancer": {}, "private_network": {"private_network_id": NOBODY}}, "endpoint_spec"),
        ({"private_network": {}}, "endpoint_spec.private_network.private_network_id"),
        ({"private_network": {"private_network_id": "x"}}, "endpoint_spec.private_network.private_network_id"),
        ({"private_network": {"service_ip": "x"}}, "endpoint_spec.private_network.service_ip"),
        ({"private_network": {"service_ip": "8.8.8.8/24"}}, "endpoint_spec.private_network.service_ip"),
        ({"private_network": {"service_ip": "fd00::1/64"}}, "endpoint_spec.private_network.service_ip"),
        ({"private_network": {"service_ip": "10.1.0.9", "ipam_config": {}}}, "endpoint_spec.private_network"),
        (None, "endpoint_spec"),
    ],
)
def test_what_is_wrong_with_an_endpoint_is_named(
    cloud: Cloud, private: dict[str, Any], spec: dict[str, Any] | None, wrong: str
) -> None:
    path = f"{INSTANCES}/{make(cloud)['id']}/endpoints"
    if spec and "service_ip" in spec.get("private_network", {}):
        spec["private_network"]["private_network_id"] = private["id"]
    before = cloud.dump()
    refused = cloud.ask("POST", path, {"endpoint_spec": spec})
    assert (refused.status, refused.wrong) == (400, [wrong])
    assert cloud.dump() == before


def test_a_network_of_another_region_or_project_is_not_found(cloud: Cloud) -> None:
    project = cloud.post("/account/v3/projects", name="other", organization_id=cloud.owner.organization_id)
    elsewhere = cloud.post("/vpc/v2/regions/nl-ams/private-networks")
    foreign = cloud.post(PRIVATE, project_id=project["id"])
    before = cloud.dump()
    for network in (elsewhere, foreign, {"id": NOBODY}):
        refused = cloud.ask("POST", INSTANCES, body(init_endpoints=[inside(network)]))
        assert (refused.status, refused.body["resource"]) == (404, "private_network")
    two = [{"load_balancer": {}}, {"load_balancer": {}}]
    assert cloud.ask("POST", INSTANCES, body(init_endpoints=two)).wrong == ["init_endpoints"]
    assert cloud.dump() == before


def test_the_endpoint_added_beside_a_public_one_is_left(cloud: Cloud, private: dict[str, Any]) -> None:
    instance = make(cloud)
    path = f"{INSTANCES}/{instance['id']}"
    added = cloud.post(f"{path}/endpoints", endpoint_spec=inside(private))
    assert cloud.get(path)["endpoint"] == public(instance)
    assert cloud.ask("DELETE", f"{RDB}/endpoints/{public(instance)['id']}").status == 204
    got = cloud.get(path)
    assert got["endpoints"] == [added]
    assert got["endpoint"] == {name: added[name] for name in ("id", "ip", "name", "port")}


def test_a_private_endpoint_from_the_beginning_is_not_the_endpoint(cloud: Cloud, private: dict[str, Any]) -> None:
    instance = make(cloud, init_endpoints=[inside(private), {"load_balancer": {}}])
    assert cloud.ask("DELETE", f"{RDB}/endpoints/{public(instance)['id']}").status == 204
    got = cloud.get(f"{INSTANCES}/{instance['id']}")
    assert (got["endpoint"], len(got["endpoints"])) == (None, 1)


def test_an_endpoint_goes(cloud: Cloud) -> None:
    instance = make(cloud)
    endpoint = f"{RDB}/endpoints/{public(instance)['id']}"
    assert cloud.ask("DELETE", endpoint).status == 204
    assert cloud.ask("GET", endpoint).body["resource"] == "endpoint"
    got = cloud.get(f"{INSTANCES}/{instance['id']}")
    assert (got["status"], got["endpoint"], got["endpoints"]) == ("ready", None, [])
    assert cloud.ask("DELETE", endpoint).status == 404
    assert cloud.ask("GET", f"{RDB}/endpoints/{NOBODY}").status == 404


def test_at_the_recorded_pace_an_instance_is_busy_for_a_while() -> None:
    cloud = Cloud(pace=Pace.RECORDED)
    path = f"{INSTANCES}/{cloud.post(INSTANCES, body())['id']}"
    assert (cloud.get(path)["status"], cloud.get(path)["endpoints"]) == ("provisioning", [])
    refused = cloud.ask("PUT", f"{path}/acls", {"rules": []})
    assert (refused.status, refused.body["current_state"]) == (409, "provisioning")
    cloud.clock.advance(200)
    cloud.delete(f"{RDB}/endpoints/{cloud.get(path)['endpoint']['id']}")
    going = cloud.get(path)
    assert (going["status"], len(going["endpoints"])) == ("configuring", 1)
    cloud.clock.advance(20)
    assert (cloud.get(path)["status"], cloud.get(path)["endpoints"]) == ("ready", [])
    cloud.close()


def test_an_endpoint_moves_to_another_instance(cloud: Cloud, private: dict[str, Any]) -> None:
    old = make(cloud, init_endpoints=[inside(private)])
    new = make(cloud, name="new")
    path = f"{RDB}/endpoints/{old['endpoints'][0]['id']}/migrate"
    assert cloud.post(path, instance_id=new["id"]) == old["endpoints"][0]
    assert cloud.get(f"{INSTANCES}/{old['id']}")["endpoints"] == []
    assert cloud.get(f"{INSTANCES}/{new['id']}")["endpoints"] == [public(new), old["endpoints"][0]]
    assert cloud.get(IPAM, resource_id=new["id"])["ips"][0]["resource"]["name"] == "new"
    third = make(cloud, init_endpoints=[inside(private)])
    assert cloud.ask("POST", path, {"instance_id": third["id"]}).status == 409
    assert cloud.ask("POST", path, {"instance_id": "x"}).wrong == ["instance_id"]


def test_a_replica_is_reached_directly_or_in_a_network(cloud: Cloud, private: dict[str, Any]) -> None:
    instance = make(cloud)
    made = cloud.post(REPLICAS, instance_id=instance["id"], endpoint_spec=[{"direct_access": {}}], same_zone=True)
    assert (made["status"], made["endpoints"]) == ("provisioning", [])
    path = f"{REPLICAS}/{made['id']}"
    direct = cloud.get(path)["endpoints"][0]
    assert (direct["port"], direct["direct_access"]) == (5432, {})
    assert cloud.get(f"{INSTANCES}/{instance['id']}")["read_replicas"] == [cloud.get(path)]
    grown = cloud.post(f"{path}/endpoints", endpoint_spec=[inside(private)])
    assert (grown["status"], len(grown["endpoints"])) == ("initializing", 2)
    ip = cloud.get(IPAM, resource_id=instance["id"])["ips"][0]
    assert ip["resource"]["name"] == f"read-replica-{made['id'][:8]}"
    assert cloud.ask("POST", f"{path}/endpoints", {"endpoint_spec": [inside(private)]}).status == 409
    cloud.delete(f"{RDB}/endpoints/{direct['id']}")
    assert len(cloud.get(path)["endpoints"]) == 1
    assert cloud.ask("DELETE", path).body["status"] == "deleting"
    assert cloud.ask("GET", path).body["resource"] == "read_replica"
    assert cloud.get(IPAM)["total_count"] == 0


def test_replicas_go_with_their_instance_and_are_three_at_most(cloud: Cloud) -> None:
    instance = make(cloud)
    replicas = [cloud.post(REPLICAS, instance_id=instance["id"]) for _ in range(3)]
    assert cloud.ask("POST", REPLICAS, {"instance_id": instance["id"]}).body["type"] == "quotas_exceeded"
    assert cloud.post(f"{REPLICAS}/{replicas[0]['id']}/reset")["status"] == "provisioning"
    promoted = cloud.post(f"{REPLICAS}/{replicas[1]['id']}/promote")
    assert cloud.get(f"{INSTANCES}/{promoted['id']}")["engine"] == instance["engine"]
    cloud.delete(f"{INSTANCES}/{instance['id']}")
    assert [cloud.ask("GET", f"{REPLICAS}/{r['id']}").status for r in replicas] == [404, 404, 404]
