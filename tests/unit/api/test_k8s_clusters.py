"""k8s/v1: clusters, their types, versions, ACLs and kubeconfigs."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from hideaway.cloud.addressing import PublicAddress
from hideaway.cloud.change import Pace
from tests.api_in_process import Cloud
from tests.unit.api.kubernetes import CLUSTERS, K8S, NETWORKS, VERSION, cluster, network, pool


def create(cloud: Cloud, **fields: Any) -> Any:
    """Ask for a cluster; the answer, whatever it is."""
    return cloud.ask("POST", CLUSTERS, {"name": "mine", "version": VERSION, "cni": "cilium", **fields})


# making


def test_a_cluster_is_made_and_waits_for_a_pool(cloud: Cloud) -> None:
    pn = network(cloud)["id"]
    made = cloud.post(CLUSTERS, name="mine", version=VERSION, cni="cilium", type="", private_network_id=pn)
    id_ = made["id"]
    assert (made["status"], made["type"]) == ("creating", "kapsule")
    assert made["cluster_url"] == f"https://{id_}.api.k8s.fr-par.scw.cloud:6443"
    assert made["dns_wildcard"] == f"*.{id_}.nodes.k8s.fr-par.scw.cloud"
    assert (made["pod_cidr"], made["service_cidr"], made["service_dns_ip"]) == (
        "100.64.0.0/15",
        "10.32.0.0/20",
        "10.32.0.10",
    )
    assert made["acl_available"]
    assert made["auto_upgrade"] == {"enabled": False, "maintenance_window": {"start_hour": 0, "day": "any"}}
    assert not [name for name in made if name.startswith("_") or "token" in name or "key" in name]
    assert cloud.get(f"{CLUSTERS}/{id_}")["status"] == "pool_required"


def test_dedicated_control_planes_wait_for_nobody(cloud: Cloud) -> None:
    assert cluster(cloud, type="kapsule-dedicated-4")["status"] == "ready"
    kosmos = cluster(cloud, type="multicloud", cni="kilo", private_network_id=None)
    assert (kosmos["status"], kosmos["private_network_id"]) == ("ready", None)


def test_what_a_client_leaves_out_of_the_autoscaler_has_the_vendors_defaults(cloud: Cloud) -> None:
    config = cluster(cloud)["autoscaler_config"]
    assert (config["expendable_pods_priority_cutoff"], config["max_graceful_termination_sec"]) == (-10, 600)
    assert config["skip_nodes_with_local_storage"]
    sent = {
        "expendable_pods_priority_cutoff": 0,
        "estimator": "unknown_estimator",
        "skip_nodes_with_local_storage": False,
    }
    config = cluster(cloud, autoscaler_config=sent)["autoscaler_config"]
    assert (config["expendable_pods_priority_cutoff"], config["estimator"]) == (0, "binpacking")
    assert not config["skip_nodes_with_local_storage"]


def test_pools_can_be_made_along_with_their_cluster(cloud: Cloud) -> None:
    made = cluster(cloud, pools=[{"name": "default", "node_type": "DEV1-M", "size": 2, "zone": ""}])
    assert made["status"] == "ready"
    (found,) = cloud.get(f"{CLUSTERS}/{made['id']}/pools")["pools"]
    assert (found["name"], found["status"], found["zone"], found["size"]) == ("default", "ready", "fr-par-1", 2)
    assert (found["min_size"], found["max_size"]) == (0, 2)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, ["private_network_id"]),
        ({"type": "multicloud", "cni": "kilo", "private_network_id": "PN"}, ["private_network_id"]),
        ({"private_network_id": "PN", "version": "1.2.3"}, ["version"]),
        ({"private_network_id": "PN", "type": "huge"}, ["type"]),
        ({"private_network_id": "PN", "cni": "kilo"}, ["cni"]),
        ({"private_network_id": "PN", "pod_cidr": "8.8.8.0/24"}, ["pod_cidr"]),
        ({"private_network_id": "PN", "pod_cidr": "10.32.0.0/16"}, ["service_cidr"]),
        ({"private_network_id": "PN", "pod_cidr": "10.0.0.1/16"}, ["pod_cidr"]),
        ({"private_network_id": "PN", "pod_cidr": "10.0.0.0/30"}, ["pod_cidr"]),
        ({"private_network_id": "PN", "service_cidr": "172.16.0.0/16"}, ["service_cidr"]),
        ({"private_network_id": "PN", "service_dns_ip": "10.33.0.10"}, ["service_dns_ip"]),
        ({"private_network_id": "PN", "service_dns_ip": "dns"}, ["service_dns_ip"]),
        ({"private_network_id": "PN", "feature_gates": ["Nonsense"], "admission_plugins": ["No"]},
         ["feature_gates", "admission_plugins"]),
        ({"private_network_id": "PN", "open_id_connect_config": {"issuer_url": "http://a", "client_id": "b"}},
         ["open_id_connect_config.issuer_url"]),
        ({"private_network_id": "PN", "auto_upgrade": {"maintenance_window": {"day": "someday"}}},
         ["auto_upgrade.maintenance_window.day"]),
        ({"private_network_id": "PN", "autoscaler_config": {"scale_down_unneeded_time": "soon", "expander": "x"}},
         ["autoscaler_config.expander", "autoscaler_config.scale_down_unneeded_time"]),
        ({"private_network_id": "PN", "tags": "no list"}, ["tags"]),
        ({"private_network_id": "not a uuid"}, ["private_network_id"]),
        ({"private_network_id": "PN", "version": "0", "cni": "no", "pod_cidr": "x"}, ["version", "pod_cidr"]),
        ({"private_network_id": "PN", "pools": [{"node_type": "DEV1-S", "size": 1}]}, ["node_type"]),
        ({"private_network_id": "PN", "pools": [{"node_type": "DEV1-M", "size": 151}]}, ["size"]),
        ({"private_network_id": "PN", "pools": [{"node_type": "DEV1-M", "size": 2**40}]}, ["pools.size"]),
    ],
)  # fmt: skip
def test_bad_arguments_are_named_and_change_nothing(cloud: Cloud, fields: dict[str, Any], wrong: list[str]) -> None:
    pn = network(cloud)["id"]
    fields = {k: pn if v == "PN" else v for k, v in fields.items()}
    before = cloud.dump()
    refused = create(cloud, **fields)
    assert refused.status == 400
    assert refused.wrong == wrong
    assert cloud.dump() == before


def test_the_missing_private_network_is_refused_in_the_vendors_words(cloud: Cloud) -> None:
    (detail,) = create(cloud).body["details"]
    assert detail == {
        "argument_name": "private_network_id",
        "reason": "constraint",
        "help_message": "a Private Network is mandatory for this cluster type",
    }


def test_the_private_network_is_of_the_clusters_region_project_and_organization(cloud: Cloud) -> None:
    elsewhere = cloud.post("/vpc/v2/regions/nl-ams/private-networks", name="pn")["id"]
    other = cloud.organization()
    foreign = cloud.ask("POST", NETWORKS, {"name": "pn"}, key=other.secret_key).body["id"]
    for id_ in (elsewhere, foreign, cloud.ids.uuid()):
        refused = create(cloud, private_network_id=id_)
        assert (refused.status, refused.body["resource"]) == (404, "private_network")
    assert cloud.get(CLUSTERS)["total_count"] == 0


def test_a_network_too_small_for_a_cluster_is_refused(cloud: Cloud) -> None:
    small = network(cloud, subnets=["192.168.0.0/24"])["id"]
    assert create(cloud, private_network_id=small).wrong == ["private_network_id"]
    assert create(cloud, private_network_id=network(cloud, subnets=["192.168.4.0/22"])["id"]).status == 200


# reading


def test_another_organization_sees_no_cluster(cloud: Cloud) -> None:
    made = cluster(cloud, pools=[{"name": "p", "node_type": "DEV1-M", "size": 1}])
    other = cloud.organization().secret_key
    found = cloud.get(f"{CLUSTERS}/{made['id']}/pools")["pools"][0]["id"]
    node = cloud.get(f"{CLUSTERS}/{made['id']}/nodes")["nodes"][0]["id"]
    one = f"{CLUSTERS}/{made['id']}"
    for method, path in (
        ("GET", one), ("PATCH", one), ("DELETE", one), ("GET", f"{one}/kubeconfig"), ("GET", f"{one}/acls"),
        ("PUT", f"{one}/acls"), ("GET", f"{one}/pools"), ("GET", f"{one}/nodes"), ("GET", f"{K8S}/pools/{found}"),
        ("DELETE", f"{K8S}/pools/{found}"), ("POST", f"{K8S}/nodes/{node}/reboot"), ("DELETE", f"{K8S}/nodes/{node}"),
    ):  # fmt: skip
        assert cloud.ask(method, path, {}, key=other).status == 404, (method, path)
    assert cloud.ask("GET", CLUSTERS, key=other).body == {"total_count": 0, "clusters": []}
    assert cloud.ask("GET", one.replace("fr-par", "nl-ams")).status == 404


def test_clusters_are_listed_by_every_filter(cloud: Cloud) -> None:
    pn = network(cloud)["id"]
    first = cluster(cloud, name="alpha", private_network_id=pn)
    second = cluster(cloud, name="beta", version="1.34.6", private_network_id=pn, type="kapsule-dedicated-8")
    for query, wanted in (
        ({}, [first, second]),
        ({"name": "lph"}, [first]),
        ({"status": "ready"}, [second]),
        ({"status": "unknown"}, [first, second]),
        ({"type": "kapsule"}, [first]),
        ({"version": "1.34"}, [second]),
        ({"private_network_id": pn}, [first, second]),
        ({"private_network_id": cloud.ids.uuid()}, []),
        ({"order_by": "name_desc"}, [second, first]),
        ({"page_size": 1, "page": 2}, [second]),
    ):
        assert cloud.get(CLUSTERS, **query)["clusters"] == wanted, query
    assert cloud.ask("GET", CLUSTERS, query={"order_by": "nonsense"}).status == 400


def test_versions_are_listed_newest_first_and_found_by_name(cloud: Cloud) -> None:
    versions = cloud.get(f"{K8S}/versions")["versions"]
    numbers = [tuple(int(n) for n in v["name"].split(".")) for v in versions]
    assert numbers == sorted(numbers, reverse=True)
    assert cloud.get(f"{K8S}/versions/{VERSION}") in versions
    missing = cloud.ask("GET", f"{K8S}/versions/0.0.0")
    assert (missing.status, missing.body["resource_id"]) == (404, "0.0.0")


# changing


def test_an_update_changes_what_it_names_and_passes_through_updating(cloud: Cloud) -> None:
    made = cluster(cloud, description="old", tags=["a"])
    oidc = {"issuer_url": "https://a", "client_id": "b", "groups_claim": ["x"]}
    changed = cloud.patch(f"{CLUSTERS}/{made['id']}", description="", tags=None, open_id_connect_config=oidc)
    assert (changed["status"], changed["description"], changed["tags"]) == ("updating", "", ["a"])
    partly: dict[str, Any] = {"issuer_url": "https://c", "client_id": None, "groups_claim": []}
    cloud.get(f"{CLUSTERS}/{made['id']}")
    changed = cloud.patch(f"{CLUSTERS}/{made['id']}", open_id_connect_config=partly)["open_id_connect_config"]
    assert (changed["issuer_url"], changed["client_id"], changed["groups_claim"]) == ("https://c", "b", [])
    assert cloud.get(f"{CLUSTERS}/{made['id']}")["status"] == "pool_required"


def test_a_cluster_on_its_way_cannot_be_changed() -> None:
    cloud = Cloud(pace=Pace.RECORDED)
    made = cloud.post(CLUSTERS, name="c", version=VERSION, cni="cilium", private_network_id=network(cloud)["id"])
    one = f"{CLUSTERS}/{made['id']}"
    for method, path, body in (
        ("PATCH", one, {"name": "x"}),
        ("POST", f"{one}/upgrade", {"version": "1.36.1"}),
        ("POST", f"{one}/set-type", {"type": "kapsule-dedicated-4"}),
    ):
        refused = cloud.ask(method, path, body)
        assert (refused.status, refused.body["current_state"]) == (409, "creating")
    assert cloud.ask("DELETE", one).body["status"] == "deleting"
    for method, path in (("DELETE", one), ("PUT", f"{one}/acls"), ("POST", f"{one}/pools")):
        refused = cloud.ask(method, path, {"node_type": "DEV1-M", "size": 1})
        assert (refused.status, refused.body["current_state"]) == (409, "deleting")
    cloud.clock.advance(200)
    assert cloud.ask("GET", one).status == 404
    cloud.close()


def test_a_cluster_is_upgraded_one_minor_version_at_a_time_with_its_pools_or_without(cloud: Cloud) -> None:
    made = cluster(cloud, version="1.34.6")
    one = f"{CLUSTERS}/{made['id']}"
    found = pool(cloud, made["id"])
    assert cloud.get(one)["upgrade_available"]
    assert [v["name"] for v in cloud.get(f"{one}/available-versions")["versions"]] == ["1.35.3"]
    for version in ("1.36.1", "1.34.6", "1.33.10", "nonsense"):
        assert cloud.ask("POST", f"{one}/upgrade", {"version": version}).wrong == ["version"]
    assert cloud.post(f"{one}/upgrade", version="1.35.3", upgrade_pools=False)["status"] == "updating"
    assert cloud.get(f"{K8S}/pools/{found['id']}")["version"] == "1.34.6"
    old = cloud.get(f"{one}/nodes")["nodes"]
    assert cloud.post(f"{K8S}/pools/{found['id']}/upgrade", version="1.35.3")["status"] == "upgrading"
    (new,) = cloud.get(f"{one}/nodes")["nodes"]
    assert new["id"] != old[0]["id"]
    cloud.post(f"{one}/upgrade", version="1.36.1", upgrade_pools=True)
    assert cloud.get(f"{K8S}/pools/{found['id']}")["version"] == "1.36.1"
    assert not cloud.get(one)["upgrade_available"]
    assert cloud.post(f"{K8S}/pools/{found['id']}/upgrade", version="1.36.1")["status"] == "ready"
    assert cloud.ask("POST", f"{K8S}/pools/{found['id']}/upgrade", {"version": "1.35.3"}).wrong == ["version"]


def test_a_type_changes_within_its_family_and_not_down_before_the_commitment_ends(cloud: Cloud) -> None:
    one = f"{CLUSTERS}/{cluster(cloud)['id']}"

    def available() -> list[str]:
        return [t["name"] for t in cloud.get(f"{one}/available-types")["cluster_types"]]

    assert available() == ["kapsule", "kapsule-dedicated-4", "kapsule-dedicated-8", "kapsule-dedicated-16"]
    assert cloud.ask("POST", f"{one}/set-type", {"type": "multicloud-dedicated-4"}).wrong == ["type"]
    changed = cloud.post(f"{one}/set-type", type="kapsule-dedicated-4")
    assert (changed["status"], changed["type"]) == ("updating", "kapsule-dedicated-4")
    assert available() == ["kapsule-dedicated-8", "kapsule-dedicated-16"]
    assert cloud.ask("POST", f"{one}/set-type", {"type": "kapsule"}).wrong == ["type"]
    cloud.clock.advance(timedelta(days=31).total_seconds())
    assert cloud.post(f"{one}/set-type", type="kapsule")["type"] == "kapsule"


# deleting


def test_a_deleted_cluster_leaves_nothing_but_its_network(cloud: Cloud) -> None:
    pn = network(cloud)["id"]
    before = cloud.dump()
    made = cluster(cloud, private_network_id=pn)
    pool(cloud, made["id"], size=3)
    pool(cloud, made["id"], zone="fr-par-2", public_ip_disabled=True)
    assert cloud.ask("DELETE", f"{CLUSTERS}/{made['id']}").body["status"] == "deleting"
    assert cloud.ask("GET", f"{CLUSTERS}/{made['id']}").status == 404
    assert cloud.dump() == before


def test_additional_resources_go_with_the_cluster_where_nothing_else_uses_them(cloud: Cloud) -> None:
    mine, shared = network(cloud)["id"], network(cloud)["id"]
    other = cluster(cloud, private_network_id=shared)
    for pn, status in ((mine, 404), (shared, 200)):
        made = cluster(cloud, private_network_id=pn)
        pool(cloud, made["id"])
        cloud.ask("DELETE", f"{CLUSTERS}/{made['id']}", query={"with_additional_resources": True})
        assert cloud.ask("GET", f"{CLUSTERS}/{made['id']}").status == 404
        assert cloud.ask("GET", f"{NETWORKS}/{pn}").status == status
    assert cloud.get(f"{CLUSTERS}/{other['id']}")["private_network_id"] == shared


def test_volumes_named_after_the_cluster_are_additional_resources(cloud: Cloud) -> None:
    volumes = "/block/v1/zones/fr-par-2/volumes"
    made = cluster(cloud)
    for name in (f"{made['id']}_pvc-1", "mine"):
        cloud.post(volumes, name=name, from_empty={"size": 10**9})
    cloud.ask("DELETE", f"{CLUSTERS}/{made['id']}", query={"with_additional_resources": True})
    assert [v["name"] for v in cloud.get(volumes)["volumes"]] == ["mine"]


def test_load_balancers_named_after_the_cluster_are_additional_resources_and_leave_its_network_first(
    cloud: Cloud,
) -> None:
    balancers, pn = "/lb/v1/zones/fr-par-2/lbs", network(cloud)["id"]
    made = cluster(cloud, private_network_id=pn)
    for name in (f"{made['id']}_service", "mine"):
        lb = cloud.post(
            balancers,
            name=name,
            type="LB-S",
            description="",
            ssl_compatibility_level="ssl_compatibility_level_intermediate",
        )
        if name != "mine":
            cloud.post(f"{balancers}/{lb['id']}/attach-private-network", private_network_id=pn)
    cloud.ask("DELETE", f"{CLUSTERS}/{made['id']}", query={"with_additional_resources": True})
    for _ in range(3):
        cloud.ask("GET", f"{CLUSTERS}/{made['id']}")
    assert cloud.ask("GET", f"{CLUSTERS}/{made['id']}").status == 404
    assert cloud.ask("GET", f"{NETWORKS}/{pn}").status == 404
    assert [lb["name"] for lb in cloud.get(balancers)["lbs"]] == ["mine"]


def test_a_status_that_there_is_none_of_is_refused_in_every_list(cloud: Cloud) -> None:
    made = cluster(cloud)
    for path in (CLUSTERS, f"{CLUSTERS}/{made['id']}/pools", f"{CLUSTERS}/{made['id']}/nodes"):
        assert cloud.ask("GET", path, query={"status": "nope"}).wrong == ["status"]
        assert cloud.ask("GET", path, query={"status": "unknown"}).status == 200


def test_the_control_planes_address_is_given_back(cloud: Cloud) -> None:
    made = cluster(cloud)
    _, ledger = cloud.store.snapshot()
    assert [a.owner for a in ledger.find(PublicAddress)] == [made["id"]]
    cloud.ask("DELETE", f"{CLUSTERS}/{made['id']}")
    cloud.get(CLUSTERS)
    _, ledger = cloud.store.snapshot()
    assert ledger.find(PublicAddress) == []


# kubeconfig


def _kubeconfig(cloud: Cloud, one: str, **query: Any) -> str:
    found = cloud.get(f"{one}/kubeconfig", **query)
    assert (found["name"], found["content_type"]) == ("kubeconfig", "application/octet-stream")
    return base64.b64decode(found["content"]).decode()


def test_a_kubeconfig_names_the_control_plane_and_carries_its_authority_and_a_token(cloud: Cloud) -> None:
    made = cluster(cloud, name='a "quoted": name')
    one = f"{CLUSTERS}/{made['id']}"
    text = _kubeconfig(cloud, one)
    assert f"    server: {made['cluster_url']}\n" in text
    assert '- name: "a--quoted---name"' in text
    data = next(line.split()[1] for line in text.splitlines() if "certificate-authority-data" in line)
    authority = x509.load_pem_x509_certificate(base64.b64decode(data))
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert "REDACTED_TOKEN" in _kubeconfig(cloud, one, redacted=True)
    raw = cloud.ask("GET", f"{one}/kubeconfig", query={"dl": 1})
    assert (raw.headers["content-type"], raw.raw.decode()) == ("application/octet-stream", text)


def test_the_admin_token_is_reset_and_nothing_else(cloud: Cloud) -> None:
    one = f"{CLUSTERS}/{cluster(cloud)['id']}"
    before = _kubeconfig(cloud, one).splitlines()
    assert cloud.ask("POST", f"{one}/reset-admin-token").status == 204
    after = _kubeconfig(cloud, one).splitlines()
    assert before[:-1] == after[:-1]
    assert before[-1] != after[-1]


# ACLs


def test_a_new_cluster_lets_everybody_in(cloud: Cloud) -> None:
    (rule,) = cloud.get(f"{CLUSTERS}/{cluster(cloud)['id']}/acls")["rules"]
    assert rule["ip"] == "0.0.0.0/0"
    assert "scaleway_ranges" not in rule


def test_acls_are_added_replaced_deleted_and_emptied(cloud: Cloud) -> None:
    acls = f"{CLUSTERS}/{cluster(cloud)['id']}/acls"
    added = cloud.post(acls, acls=[{"ip": "1.2.3.4", "description": "one"}])["rules"]
    assert [(r["ip"], r["description"], r["region"]) for r in added] == [("1.2.3.4/32", "one", "")]
    assert cloud.get(acls)["total_count"] == 2
    sent = [{"ip": "12.0.0.0/8"}, {"scaleway_ranges": True, "description": "vendor"}, {"ip": "2.3.4.5/32"}]
    replaced = cloud.put(acls, acls=sent)["rules"]
    assert [r.get("ip") for r in replaced] == ["12.0.0.0/8", None, "2.3.4.5/32"]
    listed = cloud.get(acls)["rules"]
    assert [r.get("ip") for r in listed] == ["2.3.4.5/32", "12.0.0.0/8", None]
    assert listed[2]["scaleway_ranges"]
    cloud.delete(f"{K8S}/acls/{listed[0]['id']}")
    assert cloud.get(acls)["total_count"] == 2
    assert cloud.put(acls, acls=None) == {"rules": []}
    assert cloud.get(acls) == {"rules": [], "total_count": 0}


@pytest.mark.parametrize(
    ("rule", "wrong"),
    [({}, "acls"), ({"ip": "1.2.3.4", "scaleway_ranges": True}, "acls"), ({"ip": "1.2.3.4/8"}, "acls.ip"),
     ({"ip": "everybody"}, "acls.ip"), ({"scaleway_ranges": False}, "acls")],
)  # fmt: skip
def test_an_acl_rule_has_a_range_or_the_vendors_ranges(cloud: Cloud, rule: dict[str, Any], wrong: str) -> None:
    acls = f"{CLUSTERS}/{cluster(cloud)['id']}/acls"
    before = cloud.dump()
    assert cloud.ask("PUT", acls, {"acls": [{"ip": "1.1.1.1"}, rule]}).wrong == [wrong]
    assert cloud.dump() == before


def test_a_control_plane_that_is_awake_takes_acls_over(cloud: Cloud) -> None:
    made = cluster(cloud, type="kapsule-dedicated-4")
    cloud.put(f"{CLUSTERS}/{made['id']}/acls", acls=[])
    _, ledger = cloud.store.snapshot()
    assert [d.status for d in ledger._kinds["k8s/cluster"].values()] == ["updating"]  # type: ignore[attr-defined]
    assert cloud.get(f"{CLUSTERS}/{made['id']}")["status"] == "ready"
