"""k8s/v1: pools, their nodes, and the Instances and security groups that these are and are in."""

from __future__ import annotations

from typing import Any

import pytest

from hideaway.cloud.change import Change, Pace
from hideaway.cloud.kubernetes import Cluster, Node
from hideaway.cloud.node_groups import security_groups_differ
from hideaway.cloud.nodes import mark_not_ready, mark_ready, node_name, pool_status
from tests.api_in_process import Cloud
from tests.unit.api.kubernetes import (
    CLUSTERS,
    GROUPS,
    K8S,
    NETWORKS,
    cluster,
    groups,
    make_group,
    network,
    nodes,
    pool,
    server_of,
)

IPS = "/ipam/v1/regions/fr-par/ips"


# making


def test_a_pool_is_answered_as_the_vendor_answers_it(cloud: Cloud) -> None:
    id_ = cluster(cloud)["id"]
    made = cloud.post(f"{CLUSTERS}/{id_}/pools", name="p", node_type="PRO2_XXS", size=1, min_size=1, max_size=3)
    assert made["status"] == "scaling"
    assert (made["node_type"], made["root_volume_type"], made["root_volume_size"]) == ("pro2_xxs", "sbs_5k", 20 * 10**9)
    assert made["upgrade_policy"] == {"max_unavailable": 1, "max_surge": 0}
    assert (made["zone"], made["version"], made["container_runtime"]) == ("fr-par-1", "1.35.3", "containerd")
    assert not made["public_ip_disabled"]
    assert not {"organization_id", "project_id"} & set(made)
    assert cloud.get(f"{K8S}/pools/{made['id']}")["status"] == "ready"
    assert cloud.get(f"{CLUSTERS}/{id_}")["status"] == "ready"
    local = pool(cloud, id_, node_type="DEV1-M", max_size=0)
    assert local["max_size"] == 1
    assert (local["root_volume_type"], local["root_volume_size"]) == ("l_ssd", 40 * 10**9)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"node_type": "nonsense"}, ["node_type"]),
        ({"node_type": "PLAY2-PICO"}, ["node_type"]),
        ({"node_type": "external"}, ["node_type"]),
        ({"zone": "nl-ams-1"}, ["zone"]),
        ({"zone": "mars-1"}, ["zone"]),
        ({"size": None}, ["size"]),
        ({"size": -1}, ["size"]),
        ({"size": 5, "min_size": 1, "max_size": 3, "autoscaling": True}, ["size"]),
        ({"min_size": 3, "max_size": 1}, ["max_size"]),
        ({"size": 0}, ["max_size"]),
        ({"size": 0, "max_size": 0}, ["max_size"]),
        ({"root_volume_type": "b_ssd"}, ["root_volume_type"]),
        ({"node_type": "PRO2-XXS", "root_volume_type": "l_ssd"}, ["root_volume_type"]),
        ({"root_volume_size": 1}, ["root_volume_size"]),
        ({"taints": [{"key": "a", "effect": "Explode"}]}, ["taints.effect"]),
        ({"kubelet_args": {"maxPods": "many", "nonsense": "1"}}, ["kubelet_args", "kubelet_args"]),
        ({"kubelet_args": {"maxPods": "65536"}}, ["kubelet_args"]),
        ({"upgrade_policy": {"max_unavailable": 0, "max_surge": 0}}, ["upgrade_policy"]),
        ({"security_group_id": "x"}, ["security_group_id"]),
        ({"container_runtime": "docker"}, ["container_runtime"]),
        ({"max_termination_grace_period": "soon"}, ["max_termination_grace_period"]),
    ],
)
def test_bad_arguments_are_named_and_change_nothing(cloud: Cloud, fields: dict[str, Any], wrong: list[str]) -> None:
    id_ = cluster(cloud)["id"]
    before = cloud.dump()
    body = {"name": "p", "node_type": "DEV1-M", "size": 1, **fields}
    refused = cloud.ask("POST", f"{CLUSTERS}/{id_}/pools", body)
    assert (refused.status, refused.wrong) == (400, wrong)
    assert cloud.dump() == before


def test_what_a_pool_refers_to_is_of_its_zone_and_project(cloud: Cloud) -> None:
    id_ = cluster(cloud)["id"]
    elsewhere = make_group(cloud, "fr-par-2", "g")["id"]
    other = cloud.organization()
    foreign = cloud.ask("POST", GROUPS.format("fr-par-1"), {"name": "g"}, key=other.secret_key).body["security_group"]
    for group in (elsewhere, foreign["id"], cloud.ids.uuid()):
        body = {"name": "p", "node_type": "DEV1-M", "size": 1, "security_group_id": group}
        assert cloud.ask("POST", f"{CLUSTERS}/{id_}/pools", body).status == 404
    assert cloud.get(f"{CLUSTERS}/{id_}/pools")["total_count"] == 0


def test_a_pools_own_network_is_of_the_same_vpc(cloud: Cloud) -> None:
    made = cluster(cloud)
    near = network(cloud)["id"]
    far = network(cloud, vpc_id=cloud.post("/vpc/v2/regions/fr-par/vpcs", name="far")["id"])["id"]
    body = {"name": "p", "node_type": "DEV1-M", "size": 1}
    refused = cloud.ask("POST", f"{CLUSTERS}/{made['id']}/pools", body | {"private_network_id": far})
    assert refused.wrong == ["private_network_id"]
    pool(cloud, made["id"], private_network_id=near)
    (nic,) = server_of(cloud, nodes(cloud, made["id"])[0])["private_nics"]
    assert nic["private_network_id"] == near


def test_kosmos_pools_are_in_any_region_and_never_fully_isolated(cloud: Cloud) -> None:
    id_ = cluster(cloud, type="multicloud", cni="kilo", private_network_id=None)["id"]
    pool(cloud, id_, zone="nl-ams-1", node_type="PRO2-XXS")
    (node,) = nodes(cloud, id_)
    assert server_of(cloud, node)["private_nics"] == []
    body = {"name": "p", "node_type": "DEV1-M", "size": 1, "public_ip_disabled": True}
    assert cloud.ask("POST", f"{CLUSTERS}/{id_}/pools", body).wrong == ["public_ip_disabled"]


# nodes are Instances


def test_a_node_is_an_instance_in_the_private_network(cloud: Cloud) -> None:
    made = cluster(cloud, name="test-cluster")
    found = pool(cloud, made["id"], name="workers", tags=["mine"])
    (node,) = nodes(cloud, made["id"])
    assert (node["status"], node["conditions"]["Ready"], node["error_message"]) == ("ready", "True", "")
    server = server_of(cloud, node)
    assert server["name"] == node["name"] == node_name("test-cluster", "workers", node["id"])
    assert server["commercial_type"] == "DEV1-M"
    assert server["state"] == "running"
    assert server["tags"] == [
        f"kapsule={made['id']}",
        f"pool={found['id']}",
        "pool-name=workers",
        "runtime=containerd",
        "managed=true",
        "mine",
        f"node={node['id']}",
    ]
    assert [ip["family"] for ip in server["public_ips"]] == ["inet", "inet6"]
    assert server["public_ips"][0]["address"] == node["public_ip_v4"]
    ips = cloud.get(IPS, resource_name=node["name"], resource_type="instance_private_nic")["ips"]
    assert sorted(ip["is_ipv6"] for ip in ips) == [False, True]


def test_isolation_is_chosen_for_each_pool_for_good(cloud: Cloud) -> None:
    id_ = cluster(cloud)["id"]
    controlled, isolated = pool(cloud, id_), pool(cloud, id_, zone="fr-par-2", public_ip_disabled=True)
    (open_node,) = nodes(cloud, id_, pool_id=controlled["id"])
    (closed_node,) = nodes(cloud, id_, pool_id=isolated["id"])
    assert open_node["public_ip_v4"]
    assert (closed_node["public_ip_v4"], closed_node["public_ip_v6"]) == ("", None)
    server = server_of(cloud, closed_node)
    assert server["public_ips"] == []
    assert len(server["private_nics"]) == 1
    assert cloud.patch(f"{K8S}/pools/{isolated['id']}", public_ip_disabled=False)["public_ip_disabled"]


@pytest.mark.parametrize(
    ("cluster_name", "pool_name", "id_", "name"),
    [
        ("test-pool-wait", "test-pool-wait-2", "9a2bb294-ae27-460e-b3b4-0d7d59769218",
         "scw-test-pool-wait-test-pool-wait-2-9a2bb294ae"),
        ("test-pool-minimal", "test-pool-minimal-2", "753fa7c1-5748-46cf-89de-0ec31e0b5ccf",
         "scw-test-pool-minima-test-pool-minimal--753fa7"),
        ("Under_Score", "p" * 90, "753fa7c1-5748-46cf-89de-0ec31e0b5ccf",
         "scw-und-" + "p" * 31 + "-753fa7"),
    ],
)  # fmt: skip
def test_a_nodes_name_is_46_characters(cluster_name: str, pool_name: str, id_: str, name: str) -> None:
    assert node_name(cluster_name, pool_name, id_) == name
    assert len(name) == 46


# scaling, replacing, deleting


def test_a_pool_grows_and_loses_its_youngest_nodes(cloud: Cloud) -> None:
    id_ = cluster(cloud)["id"]
    found = pool(cloud, id_)
    first = nodes(cloud, id_)
    assert cloud.patch(f"{K8S}/pools/{found['id']}", size=3, max_size=3)["status"] == "scaling"
    three = nodes(cloud, id_)
    assert (three[0], len(three)) == (first[0], 3)
    cloud.patch(f"{K8S}/pools/{found['id']}", size=1)
    assert nodes(cloud, id_) == first
    assert cloud.patch(f"{K8S}/pools/{found['id']}", tags=["x"])["status"] == "ready"
    assert cloud.ask("PATCH", f"{K8S}/pools/{found['id']}", {"size": 2**31}).wrong == ["size"]
    cloud.patch(f"{K8S}/pools/{found['id']}", size=0)
    assert nodes(cloud, id_) == []
    servers = cloud.get("/instance/v1/zones/fr-par-1/servers")["servers"]
    assert servers == []
    assert cloud.get("/instance/v1/zones/fr-par-1/ips")["ips"] == []


@pytest.mark.parametrize("way", ["terminate", "delete", "v2"])
def test_a_node_whose_server_is_deleted_under_it_is_not_ready_until_it_is_replaced(cloud: Cloud, way: str) -> None:
    id_ = cluster(cloud)["id"]
    found = pool(cloud, id_, size=2)
    lost, other = nodes(cloud, id_)
    server = lost["provider_id"].rpartition("/")[2]
    base = f"/instance/v1/zones/fr-par-1/servers/{server}"
    if way == "v2":
        cloud.ask("POST", f"/instance/v2alpha1/zones/fr-par-1/servers/{server}/stop-and-delete", {})
    else:
        cloud.ask("POST", f"{base}/action", {"action": "terminate" if way == "terminate" else "poweroff"})
        if way == "delete":
            assert cloud.ask("DELETE", base).status == 204
    assert cloud.ask("GET", base).status == 404
    left, well = nodes(cloud, id_)
    assert (left["id"], left["status"], left["error_message"]) == (lost["id"], "not_ready", "its server was deleted")
    assert well == other
    assert cloud.get(f"/k8s/v1/regions/fr-par/pools/{found['id']}")["status"] == "warning"
    assert cloud.ask("POST", f"/k8s/v1/regions/fr-par/nodes/{lost['id']}/reboot", {}).status == 412
    cloud.ask("POST", f"/k8s/v1/regions/fr-par/nodes/{lost['id']}/replace", {})
    cloud.get(f"/k8s/v1/regions/fr-par/pools/{found['id']}")
    assert {n["status"] for n in nodes(cloud, id_)} == {"ready"}
    assert cloud.get(f"/k8s/v1/regions/fr-par/pools/{found['id']}")["status"] == "ready"


def test_a_node_is_restarted_replaced_and_deleted(cloud: Cloud) -> None:
    id_ = cluster(cloud)["id"]
    found = pool(cloud, id_, size=2)
    first, second = nodes(cloud, id_)
    assert cloud.post(f"{K8S}/nodes/{first['id']}/reboot")["status"] == "rebooting"
    assert cloud.get(f"{K8S}/nodes/{first['id']}")["status"] == "ready"
    assert cloud.post(f"{K8S}/nodes/{first['id']}/replace")["status"] == "deleting"
    kept, new = nodes(cloud, id_)
    assert (kept["id"], cloud.ask("GET", f"{K8S}/nodes/{first['id']}").status) == (second["id"], 404)
    cloud.ask("DELETE", f"{K8S}/nodes/{new['id']}", query={"replace": True, "skip_drain": True})
    assert len(nodes(cloud, id_)) == 2
    assert cloud.ask("DELETE", f"{K8S}/nodes/{kept['id']}").body["status"] == "deleting"
    assert cloud.get(f"{K8S}/pools/{found['id']}")["size"] == 1
    assert len(nodes(cloud, id_)) == 1


def test_a_node_on_its_way_is_left_alone() -> None:
    cloud = Cloud(pace=Pace.RECORDED)
    made = cloud.post(CLUSTERS, name="c", version="1.35.3", cni="cilium", private_network_id=network(cloud)["id"])
    cloud.post(f"{CLUSTERS}/{made['id']}/pools", name="p", node_type="DEV1-M", size=1)
    (node,) = nodes(cloud, made["id"])
    assert (node["status"], node["conditions"]) == ("creating", {})
    refused = cloud.ask("POST", f"{K8S}/nodes/{node['id']}/reboot")
    assert (refused.status, refused.body["current_state"]) == (409, "creating")
    cloud.clock.advance(300)
    assert nodes(cloud, made["id"])[0]["status"] == "ready"
    cloud.close()


def test_without_its_last_pool_a_cluster_waits_for_another(cloud: Cloud) -> None:
    id_ = cluster(cloud)["id"]
    first, second = pool(cloud, id_), pool(cloud, id_)
    assert cloud.ask("DELETE", f"{K8S}/pools/{first['id']}").body["status"] == "deleting"
    assert cloud.ask("GET", f"{K8S}/pools/{first['id']}").status == 404
    assert cloud.get(f"{CLUSTERS}/{id_}")["status"] == "ready"
    cloud.ask("DELETE", f"{K8S}/pools/{second['id']}")
    assert cloud.get(f"{CLUSTERS}/{id_}")["status"] == "pool_required"
    assert nodes(cloud, id_) == []


def test_labels_and_taints_are_set_whole(cloud: Cloud) -> None:
    one = f"{K8S}/pools/{pool(cloud, cluster(cloud)['id'], labels={'a': 'b'})['id']}"
    assert cloud.put(f"{one}/set-labels", labels={"foo": "bar"})["labels"] == {"foo": "bar"}
    taints = [{"key": "foo", "value": "bar", "effect": "NoSchedule"}]
    assert cloud.put(f"{one}/set-taints", taints=taints)["taints"] == taints
    assert cloud.put(f"{one}/set-startup-taints", startup_taints=taints)["startup_taints"] == taints
    assert cloud.put(f"{one}/set-labels", labels=None)["labels"] == {}
    assert cloud.ask("PUT", f"{one}/set-taints", {"taints": [{"effect": "x"}]}).wrong == ["taints.key", "taints.effect"]


def test_user_data_are_kept_with_the_pool(cloud: Cloud) -> None:
    one = f"{K8S}/pools/{pool(cloud, cluster(cloud)['id'], user_data={'cloud-init': 'x'})['id']}"
    assert cloud.get(f"{one}/user-data") == {"user_data": [{"key": "cloud-init"}]}
    assert cloud.get(f"{one}/user-data/cloud-init")["content"] == "eA=="
    assert cloud.ask("GET", f"{one}/user-data/other").status == 404
    assert "user_data" not in cloud.get(one)


# security groups


def test_the_zones_first_node_makes_the_clusters_group(cloud: Cloud) -> None:
    id_ = cluster(cloud)["id"]
    name = f"kubernetes {id_}"
    empty = pool(cloud, id_, size=0, max_size=1)
    assert groups(cloud, "fr-par-1", name) == []
    assert empty["security_group_id"] == ""
    found = pool(cloud, id_)
    (group,) = groups(cloud, "fr-par-1", name)
    assert (group["inbound_default_policy"], group["outbound_default_policy"]) == ("drop", "accept")
    assert group["stateful"]
    assert found["security_group_id"] == group["id"]
    assert cloud.get(f"{K8S}/pools/{empty['id']}")["security_group_id"] == group["id"]
    pool(cloud, id_)
    pool(cloud, id_, zone="fr-par-2")
    assert len(groups(cloud, "fr-par-1", name)) == len(groups(cloud, "fr-par-2", name)) == 1
    assert {server_of(cloud, n)["security_group"]["name"] for n in nodes(cloud, id_)} == {name}
    cloud.ask("DELETE", f"{CLUSTERS}/{id_}")
    assert groups(cloud, "fr-par-1", name) == groups(cloud, "fr-par-2", name) == []


def test_a_group_that_a_client_made_under_the_name_is_the_one_in_force_and_stays(cloud: Cloud) -> None:
    id_ = cluster(cloud)["id"]
    name = f"kubernetes {id_}"
    mine = make_group(cloud, "fr-par-1", name, inbound_default_policy="drop")
    found = pool(cloud, id_)
    assert found["security_group_id"] == mine["id"]
    (node,) = nodes(cloud, id_)
    assert server_of(cloud, node)["security_group"]["id"] == mine["id"]
    assert [g["id"] for g in groups(cloud, "fr-par-1", name)] == [mine["id"]]
    cloud.ask("DELETE", f"{CLUSTERS}/{id_}")
    assert [g["id"] for g in groups(cloud, "fr-par-1", name)] == [mine["id"]]


def test_a_group_named_after_the_first_node_or_in_another_project_is_not_in_force(cloud: Cloud) -> None:
    id_ = cluster(cloud)["id"]
    name = f"kubernetes {id_}"
    project = cloud.organization()
    cloud.ask("POST", GROUPS.format("fr-par-1"), {"name": name}, key=project.secret_key)
    found = pool(cloud, id_)
    late = make_group(cloud, "fr-par-1", name)
    again = pool(cloud, id_)
    assert found["security_group_id"] == again["security_group_id"] != late["id"]


def test_a_renamed_group_stays_in_force_while_the_zone_has_nodes(cloud: Cloud) -> None:
    id_ = cluster(cloud)["id"]
    found = pool(cloud, id_)
    group = found["security_group_id"]
    cloud.patch(f"{GROUPS.format('fr-par-1')}/{group}", name="renamed")
    assert pool(cloud, id_)["security_group_id"] == group
    assert groups(cloud, "fr-par-1", f"kubernetes {id_}") == []


def test_a_pools_own_group_takes_precedence_and_a_change_moves_live_servers(cloud: Cloud) -> None:
    id_ = cluster(cloud)["id"]
    one, two = (make_group(cloud, "fr-par-1", name)["id"] for name in ("one", "two"))
    found = pool(cloud, id_, size=2, security_group_id=one)
    assert found["security_group_id"] == one
    assert groups(cloud, "fr-par-1", f"kubernetes {id_}") == []

    def of_servers() -> set[str]:
        return {server_of(cloud, n)["security_group"]["id"] for n in nodes(cloud, id_)}

    assert of_servers() == {one}
    moved = cloud.patch(f"{K8S}/pools/{found['id']}", security_group_id=two)
    assert (moved["status"], moved["security_group_id"]) == ("ready", two)
    assert of_servers() == {two}
    cloud.delete(f"{GROUPS.format('fr-par-1')}/{one}")
    back = cloud.patch(f"{K8S}/pools/{found['id']}", security_group_id="")
    (group,) = groups(cloud, "fr-par-1", f"kubernetes {id_}")
    assert of_servers() == {group["id"]} == {back["security_group_id"]}


def _differ(cloud: Cloud, id_: str) -> str | None:
    _, ledger = cloud.store.snapshot()
    found = ledger.get(Cluster, id_)
    assert found is not None
    return security_groups_differ(ledger, found)


def test_groups_that_differ_between_zones_are_told_in_plain_words(cloud: Cloud) -> None:
    id_ = cluster(cloud)["id"]
    first, second = pool(cloud, id_), pool(cloud, id_, zone="fr-par-2")
    assert _differ(cloud, id_) is None
    rule = {
        "protocol": "TCP",
        "direction": "inbound",
        "action": "accept",
        "ip_range": "0.0.0.0/0",
        "dest_port_from": 80,
    }
    cloud.post(f"{GROUPS.format('fr-par-2')}/{second['security_group_id']}/rules", rule)
    said = _differ(cloud, id_)
    assert said == f"the security groups 'kubernetes {id_}' of fr-par-1 and fr-par-2 differ in inbound rules"
    cloud.post(f"{GROUPS.format('fr-par-1')}/{first['security_group_id']}/rules", rule)
    assert _differ(cloud, id_) is None


# health, as the control loop sets it


def test_a_silent_node_is_not_ready_and_says_why_and_comes_back(cloud: Cloud) -> None:
    id_ = cluster(cloud)["id"]
    pool(cloud, id_)

    def mark(act: Any, *more: str) -> None:
        with cloud.store.transaction() as ledger:
            change = Change(ledger, cloud.clock.now(), cloud.ids)
            act(change, ledger.find(Node)[0], *more)

    mark(mark_not_ready, "no heartbeat for 40 s")
    (node,) = nodes(cloud, id_)
    assert (node["status"], node["error_message"]) == ("not_ready", "no heartbeat for 40 s")
    assert (node["conditions"]["Ready"], node["conditions"]["NetworkUnavailable"]) == ("Unknown", "False")
    mark(mark_ready)
    (node,) = nodes(cloud, id_)
    assert (node["status"], node["error_message"], node["conditions"]["Ready"]) == ("ready", "", "True")


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ([], "ready"),
        (["ready", "ready"], "ready"),
        (["ready", "creating"], "scaling"),
        (["not_ready", "rebooting"], "scaling"),
        (["ready", "not_ready"], "warning"),
        (["ready", "deleting"], "ready"),
    ],
)
def test_a_pools_status_follows_its_nodes(cloud: Cloud, statuses: list[str], status: str) -> None:
    now = cloud.clock.now()
    made = [
        Node(
            id="i", organization_id="", project_id="", created_at=now, updated_at=now,
            region="fr-par", cluster_id="c", pool_id="p", name="n", status=s,
        )
        for s in statuses
    ]  # fmt: skip
    assert pool_status(made) == status


# external nodes


def test_an_external_machine_joins_a_kosmos_pool_with_a_key_that_can_do_nothing_else(cloud: Cloud) -> None:
    id_ = cluster(cloud, type="multicloud", cni="kilo", private_network_id=None)["id"]
    outside = pool(cloud, id_, node_type="external", size=3)
    assert outside["size"] == 0
    own = pool(cloud, id_)
    assert cloud.ask("POST", f"{K8S}/pools/{own['id']}/external-nodes/auth").status == 412
    secret = cloud.post(f"{K8S}/pools/{outside['id']}/external-nodes/auth")["node_secret_key"]
    told = cloud.ask("GET", f"{K8S}/node-metadata", key=secret).body
    assert told["cluster_url"].startswith(f"https://{id_}.")
    assert cloud.ask("GET", f"{K8S}/node-metadata", key=secret).body["id"] == told["id"]
    (node,) = nodes(cloud, id_, pool_id=outside["id"])
    assert (node["id"], node["status"]) == (told["id"], "registering")
    assert cloud.ask("GET", f"{CLUSTERS}/{id_}", key=secret).status in (403, 404)
    assert cloud.ask("POST", NETWORKS, {"name": "x"}, key=secret).status == 403
    assert cloud.ask("GET", f"{K8S}/node-metadata").status == 404
    cloud.ask("DELETE", f"{K8S}/nodes/{node['id']}")
    assert cloud.ask("GET", f"{K8S}/node-metadata", key=secret).status == 401
