"""rdb/v1: engines, node types, instances, their upgrades, settings and access rules."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography import x509

from tests.api_in_process import Cloud
from tests.unit.api.databases import INSTANCES, NOBODY, PASSWORD, RDB, body, make, public


def test_the_engines_are_the_vendor_s(cloud: Cloud) -> None:
    engines = {e["name"]: e for e in cloud.get(f"{RDB}/database-engines")["engines"]}
    assert set(engines) == {"MySQL", "PostgreSQL"}
    newest = engines["PostgreSQL"]["versions"][0]
    assert (newest["name"], newest["version"], newest["disabled"]) == ("PostgreSQL-17", "17", False)
    assert {"name", "default_value", "property_type", "int_min", "string_constraint"} <= set(
        newest["available_settings"][0]
    )
    only = cloud.get(f"{RDB}/database-engines", name="MySQL", version="8")["engines"]
    assert [v["name"] for e in only for v in e["versions"]] == ["MySQL-8"]
    assert only[0]["versions"][0]["available_init_settings"][0]["name"] == "lower_case_table_names"
    assert cloud.get(f"{RDB}/database-engines", version="99")["total_count"] == 0


def test_the_node_types_say_which_volumes_they_have(cloud: Cloud) -> None:
    types = {t["name"]: t for t in cloud.get(f"{RDB}/node-types", page_size=100)["node_types"]}
    small = types["DB-DEV-S"]
    assert (small["vcpus"], small["memory"], small["disabled"]) == (2, 2 * 2**30, False)
    assert [v["type"] for v in small["available_volume_types"]] == ["lssd", "sbs_5k", "sbs_15k"]
    assert [v["type"] for v in types["DB-PLAY2-PICO"]["available_volume_types"]] == ["sbs_5k", "sbs_15k"]


def test_an_instance_is_made_with_a_public_endpoint_that_is_known_once_it_is_ready(cloud: Cloud) -> None:
    made = cloud.post(INSTANCES, body(tags=["a"], is_ha_cluster=True, init_endpoints=None, init_settings=None))
    assert (made["status"], made["endpoint"], made["endpoints"], made["settings"]) == ("provisioning", None, [], [])
    assert made["node_type"] == "db-dev-s"
    assert made["volume"] == {"type": "lssd", "class": "lssd", "size": 5_000_000_000}
    assert made["logs_policy"] == {"max_age_retention": 30, "total_disk_retention": None}
    assert made["backup_schedule"] == {"disabled": True, "frequency": 24, "retention": 7, "next_run_at": None}
    assert (made["encryption"], made["maintenances"], made["read_replicas"]) == ({"enabled": False}, [], [])
    assert "updated_at" not in made
    got = cloud.get(f"{INSTANCES}/{made['id']}")
    assert (got["status"], got["is_ha_cluster"]) == ("ready", True)
    assert got["endpoints"] == [got["endpoint"]]
    assert set(public(got)) == {"id", "ip", "name", "port", "load_balancer"}
    assert public(got)["load_balancer"] == {}
    assert got["settings"] == [
        {"name": "effective_cache_size", "value": "1300"},
        {"name": "maintenance_work_mem", "value": "150"},
        {"name": "max_connections", "value": "100"},
        {"name": "max_parallel_workers", "value": "0"},
        {"name": "max_parallel_workers_per_gather", "value": "0"},
        {"name": "work_mem", "value": "4"},
    ]
    assert [v["name"] for v in got["upgradable_version"]] == ["PostgreSQL-17"]


def test_a_mysql_instance_has_its_own_settings(cloud: Cloud) -> None:
    init = [{"name": "lower_case_table_names", "value": "1"}]
    made = make(cloud, engine="MySQL-8", node_type="db-dev-m", init_settings=init)
    assert made["init_settings"] == init
    assert made["settings"] == [{"name": "max_connections", "value": "150"}]
    assert made["volume"]["size"] == 25_000_000_000
    assert make(cloud, user_name="", password="", name=None)["name"]


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        ({"engine": "PostgreSQL-9"}, ["engine"]),
        ({"engine": "PostgreSQL-13"}, ["engine"]),  # no longer on offer
        ({"node_type": "DB-DEV-9"}, ["node_type"]),
        ({"password": "short"}, ["password"]),
        ({"password": "alllowercase1&"}, ["password"]),
        ({"password": "NoDigit&&&&"}, ["password"]),
        ({"password": "NoSpecial1234"}, ["password"]),
        ({"password": "aA1&" * 33}, ["password"]),
        ({"user_name": "pg_me"}, ["user_name"]),
        ({"user_name": "has space"}, ["user_name"]),
        ({"volume_type": "floppy"}, ["volume_type"]),
        ({"volume_type": "sbs_5k", "volume_size": 7}, ["volume_size"]),
        ({"volume_size": 2**70}, ["volume_size"]),
        ({"node_type": "db-play2-pico"}, ["volume_type"]),
        ({"init_settings": [{"name": "lower_case_table_names", "value": "1"}]}, ["init_settings.0.name"]),
        ({"high_availability_mode": "most"}, ["high_availability_mode"]),
        ({"tags": [1]}, ["tags"]),
        ({"engine": "x", "node_type": "y", "password": "z"}, ["engine", "node_type", "password"]),
    ],
)
def test_all_that_is_wrong_with_an_instance_is_named(cloud: Cloud, wrong: dict[str, Any], names: list[str]) -> None:
    before = cloud.dump()
    refused = cloud.ask("POST", INSTANCES, body(**wrong))
    assert (refused.status, refused.wrong) == (400, names)
    assert cloud.dump() == before


def test_instances_are_found_by_every_filter(cloud: Cloud) -> None:
    make(cloud, name="one", tags=["x"])
    make(cloud, name="two")
    for query, names in [
        ({"name": "on"}, ["one"]),
        ({"tags": ["x", "y"]}, ["one"]),
        ({"order_by": "name_desc"}, ["two", "one"]),
        ({"order_by": "region"}, ["one", "two"]),
        ({"has_maintenances": True}, []),
        ({"project_id": NOBODY}, []),
        ({"page_size": 1, "page": 2}, ["two"]),
    ]:
        assert [i["name"] for i in cloud.get(INSTANCES, **query)["instances"]] == names, query
    assert cloud.get("/rdb/v1/regions/nl-ams/instances")["total_count"] == 0


@pytest.mark.parametrize("order", ["settings_asc", "backup_schedule_desc", "toward_asc", "name", "x_asc"])
def test_a_list_has_no_order_by_what_has_none(cloud: Cloud, order: str) -> None:
    make(cloud, name="one", node_type="db-dev-s", disable_backup=True)
    make(cloud, name="two", node_type="db-dev-m", disable_backup=False)
    assert cloud.ask("GET", INSTANCES, query={"order_by": order}).wrong == ["order_by"]


def test_settings_of_an_instance_change_without_a_pause(cloud: Cloud) -> None:
    instance = make(cloud)
    path = f"{INSTANCES}/{instance['id']}"
    assert cloud.patch(path, name="new", tags=["t"], backup_same_region=True)["status"] == "ready"
    assert cloud.patch(path)["name"] == "new"
    policy = {"max_age_retention": 7, "total_disk_retention": 1_000_000}
    assert cloud.patch(path, logs_policy=policy)["logs_policy"] == policy
    schedule = cloud.patch(path, is_backup_schedule_disabled=False, backup_schedule_retention=9)["backup_schedule"]
    assert (schedule["disabled"], schedule["retention"]) == (False, 9)
    cloud.clock.advance(3600)
    same = cloud.patch(path, is_backup_schedule_disabled=False)["backup_schedule"]
    assert same["next_run_at"] == schedule["next_run_at"]  # an unchanged schedule goes on
    later = cloud.patch(path, backup_schedule_frequency=48)["backup_schedule"]
    assert later["next_run_at"] > same["next_run_at"]
    assert cloud.ask("PATCH", path, {"backup_schedule_frequency": 0}).wrong == ["backup_schedule_frequency"]


def test_a_deleted_instance_is_gone(cloud: Cloud) -> None:
    path = f"{INSTANCES}/{make(cloud)['id']}"
    gone = cloud.ask("DELETE", path)
    assert (gone.status, gone.body["status"]) == (200, "deleting")
    assert cloud.ask("GET", path).body["resource"] == "instance"
    assert cloud.get(f"{path.rpartition('/')[0]}")["total_count"] == 0


@pytest.mark.parametrize(
    ("asked", "changed"),
    [
        ({"node_type": "DB-DEV-M"}, {"node_type": "db-dev-m"}),
        ({"enable_ha": True}, {"is_ha_cluster": True}),
        ({"enable_encryption": True}, {"encryption": {"enabled": True}}),
        ({"volume_size": 15 * 10**9}, {"volume": {"type": "sbs_5k", "class": "sbs", "size": 15 * 10**9}}),
        ({"volume_type": "sbs_15k"}, {"volume": {"type": "sbs_15k", "class": "sbs", "size": 10 * 10**9}}),
        ({"volume_type": "lssd"}, {"volume": {"type": "lssd", "class": "lssd", "size": 5 * 10**9}}),
    ],
)
def test_an_instance_is_upgraded_in_place(cloud: Cloud, asked: dict[str, Any], changed: dict[str, Any]) -> None:
    old = make(cloud, volume_type="sbs_5k", volume_size=10**10)
    left_out = {"volume_size": None, "upgradable_version_id": None, "high_availability_mode": None}
    new = cloud.post(f"{INSTANCES}/{old['id']}/upgrade", left_out | asked)
    assert new["status"] == "initializing"
    assert cloud.get(f"{INSTANCES}/{old['id']}") == old | changed


@pytest.mark.parametrize(
    "asked",
    [{}, {"node_type": "x"}, {"volume_size": 5 * 10**9}, {"volume_size": 11}, {"enable_ha": True, "volume_size": 1}],
)
def test_what_cannot_be_upgraded_changes_nothing(cloud: Cloud, asked: dict[str, Any]) -> None:
    old = make(cloud, volume_type="sbs_5k", volume_size=10**10)
    assert cloud.ask("POST", f"{INSTANCES}/{old['id']}/upgrade", asked).status == 400
    assert cloud.get(f"{INSTANCES}/{old['id']}") == old


def test_a_newer_engine_is_another_instance_that_takes_over_the_endpoints(cloud: Cloud) -> None:
    old = make(cloud)
    target = {"upgradable_version_id": old["upgradable_version"][0]["id"], "with_endpoints": True}
    new = cloud.post(f"{INSTANCES}/{old['id']}/upgrade", major_upgrade_workflow=target)
    assert new["id"] != old["id"]
    assert (new["engine"], new["status"], new["endpoints"]) == ("PostgreSQL-17", "provisioning", [])
    assert new["settings"] == old["settings"]
    assert cloud.get(f"{INSTANCES}/{new['id']}")["endpoints"] == old["endpoints"]
    assert cloud.get(f"{INSTANCES}/{old['id']}")["endpoints"] == []
    assert cloud.get(f"{INSTANCES}/{old['id']}/acls")["rules"][0]["port"] == 0
    target["upgradable_version_id"] = NOBODY
    refused = cloud.ask("POST", f"{INSTANCES}/{new['id']}/upgrade", {"major_upgrade_workflow": target})
    assert refused.wrong == ["upgradable_version_id"]


def test_a_clone_has_a_public_endpoint_of_its_own(cloud: Cloud) -> None:
    old = make(cloud, tags=["a"])
    made = cloud.post(f"{INSTANCES}/{old['id']}/clone", name="twin", node_type="db-dev-m")
    twin = cloud.get(f"{INSTANCES}/{made['id']}")
    assert (twin["name"], twin["tags"], twin["node_type"]) == ("twin", ["a"], "db-dev-m")
    assert public(twin)["ip"] != public(old)["ip"]
    assert cloud.get(f"{INSTANCES}/{twin['id']}/users")["users"] == [{"name": "username", "is_admin": True}]


def test_the_certificate_is_for_the_endpoints_and_can_be_renewed(cloud: Cloud) -> None:
    instance = make(cloud)
    path = f"{INSTANCES}/{instance['id']}"

    def certificate() -> x509.Certificate:
        file = cloud.get(f"{path}/certificate")
        assert (file["name"], file["content_type"]) == ("ssl_certificate", "application/x-pem-file")
        return x509.load_pem_x509_certificate(base64.b64decode(file["content"]))

    first = certificate()
    names = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == [public(instance)["ip"]]
    assert cloud.ask("POST", f"{path}/renew-certificate", {}).status == 204
    assert certificate().serial_number != first.serial_number
    assert cloud.post(f"{path}/restart")["status"] == "restarting"
    assert cloud.get(f"{path}/metrics", metric_name="cpu")["timeseries"] == []
    assert cloud.ask("POST", f"{path}/apply-maintenance").status == 400


def test_settings_are_set_added_and_removed(cloud: Cloud) -> None:
    path = f"{INSTANCES}/{make(cloud)['id']}"
    wanted = [{"name": "work_mem", "value": "8"}, {"name": "max_connections", "value": "200"}]
    assert cloud.put(f"{path}/settings", settings=wanted) == {"settings": wanted}
    assert cloud.get(path)["settings"] == wanted[::-1]  # by name
    cloud.post(f"{path}/settings", settings=[{"name": "timezone", "value": "UTC"}])
    assert cloud.ask("DELETE", f"{path}/settings", {"setting_names": ["work_mem"]}).status == 204
    assert [s["name"] for s in cloud.get(path)["settings"]] == ["max_connections", "timezone"]


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ({"name": "no_such", "value": "1"}, "settings.0.name"),
        ({"name": "max_connections", "value": "many"}, "settings.0.value"),
        ({"name": "max_connections", "value": "1"}, "settings.0.value"),
        ({"name": "max_connections", "value": "9" * 40}, "settings.0.value"),
        ({"name": "timezone", "value": "no zone!"}, "settings.0.value"),
        ({"name": "jit", "value": "perhaps"}, "settings.0.value"),
    ],
)
def test_a_setting_that_the_engine_does_not_have_is_named(cloud: Cloud, setting: dict[str, Any], name: str) -> None:
    instance = make(cloud)
    refused = cloud.ask("PUT", f"{INSTANCES}/{instance['id']}/settings", {"settings": [setting]})
    assert (refused.status, refused.wrong) == (400, [name])
    assert cloud.get(f"{INSTANCES}/{instance['id']}") == instance


def test_access_rules_begin_with_everybody(cloud: Cloud) -> None:
    instance = make(cloud)
    path = f"{INSTANCES}/{instance['id']}/acls"
    everybody = {
        "ip": "0.0.0.0/0",
        "description": "Allow All",
        "port": public(instance)["port"],
        "action": "allow",
        "direction": "inbound",
        "protocol": "tcp",
    }
    assert cloud.get(path) == {"rules": [everybody], "total_count": 1}
    one = {"ip": "1.2.3.4", "description": "one"}
    assert [r["ip"] for r in cloud.post(path, rules=[one])["rules"]] == ["0.0.0.0/0", "1.2.3.4/32"]
    gone = cloud.ask("DELETE", path, {"acl_rule_ips": ["0.0.0.0/0", "9.9.9.9"]}).body
    assert gone == {"rules": [everybody]}
    assert [r["ip"] for r in cloud.get(path)["rules"]] == ["1.2.3.4/32"]
    assert cloud.put(path, rules=[])["rules"] == []
    refused = cloud.ask("PUT", path, {"rules": [one, {"ip": "x"}, {"ip": "1.2.3.4/33"}]})
    assert refused.wrong == ["rules.1.ip", "rules.2.ip"]


def test_another_organization_sees_and_changes_nothing(cloud: Cloud) -> None:
    instance = make(cloud)
    stranger = cloud.organization().secret_key
    before = cloud.dump()
    path = f"{INSTANCES}/{instance['id']}"
    assert cloud.ask("GET", INSTANCES, key=stranger).body["total_count"] == 0
    for method, at, sent in [
        ("GET", path, None),
        ("PATCH", path, {"name": "mine"}),
        ("DELETE", f"{RDB}/endpoints/{public(instance)['id']}", None),
        ("POST", f"{path}/users", {"name": "me", "password": PASSWORD, "is_admin": True}),
        ("POST", f"{RDB}/read-replicas", {"instance_id": instance["id"]}),
        ("GET", path.replace("fr-par", "nl-ams"), None),
    ]:
        assert cloud.ask(method, at, sent, key=stranger).status == 404
    assert cloud.ask("GET", path.replace("fr-par", "nl-ams")).status == 404
    assert cloud.dump() == before
