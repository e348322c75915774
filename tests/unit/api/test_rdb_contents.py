"""rdb/v1: users, databases and privileges; backups, snapshots and logs."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from cryptography import x509

from hideaway.cloud.databases import Database, DataOrigin
from tests.api_in_process import Cloud
from tests.unit.api.databases import INSTANCES, NOBODY, PASSWORD, PRIVATE, RDB, make


@pytest.fixture
def path(cloud: Cloud) -> str:
    return f"{INSTANCES}/{make(cloud)['id']}"


def test_users_come_and_go(cloud: Cloud, path: str) -> None:
    assert cloud.get(f"{path}/users") == {"total_count": 1, "users": [{"name": "username", "is_admin": True}]}
    user = {"name": "bar", "password": PASSWORD, "is_admin": False}
    assert cloud.post(f"{path}/users", user) == {"name": "bar", "is_admin": False}
    assert cloud.ask("POST", f"{path}/users", user).status == 409
    assert cloud.patch(f"{path}/users/bar", is_admin=True) == {"name": "bar", "is_admin": True}
    assert cloud.patch(f"{path}/users/bar", password=PASSWORD)["is_admin"]
    assert [u["name"] for u in cloud.get(f"{path}/users", order_by="name_asc", name="a")["users"]] == [
        "bar",
        "username",
    ]
    assert cloud.ask("PATCH", f"{path}/users/bar", {"password": "weak"}).wrong == ["password"]
    cloud.delete(f"{path}/users/bar")
    assert cloud.ask("DELETE", f"{path}/users/bar").body["resource"] == "user"


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        ({"name": ""}, ["name"]),
        ({"name": "a" * 64}, ["name"]),
        ({"name": "_rdb_superadmin"}, ["name"]),
        ({"password": ""}, ["password"]),
        ({"name": "x y", "password": "weak"}, ["name", "password"]),
        ({"is_admin": "yes"}, ["is_admin"]),
    ],
)
def test_what_is_wrong_with_a_user_is_named(cloud: Cloud, path: str, wrong: dict[str, Any], names: list[str]) -> None:
    assert cloud.ask("POST", f"{path}/users", {"name": "bar", "password": PASSWORD} | wrong).wrong == names
    assert cloud.get(f"{path}/users")["total_count"] == 1


def test_databases_come_and_go(cloud: Cloud, path: str) -> None:
    made = cloud.post(f"{path}/databases", name="mine")
    assert made == {"name": "mine", "managed": True, "owner": "", "size": 0}
    found = cloud.get(f"{path}/databases", name="mine")["databases"][0]
    assert (found["owner"], found["managed"]) == ("_rdb_superadmin", True)
    assert [d["name"] for d in cloud.get(f"{path}/databases", order_by="name_desc")["databases"]] == ["rdb", "mine"]
    assert cloud.get(f"{path}/databases", managed=False, owner="x")["total_count"] == 0
    sizes = [d["size"] for d in cloud.get(f"{path}/databases")["databases"]]
    assert any(sizes)
    assert not any(d["size"] for d in cloud.get(f"{path}/databases", skip_size_retrieval=True)["databases"])
    assert cloud.ask("POST", f"{path}/databases", {"name": "mine"}).status == 409
    for wrong in ("", "postgres", "a/b", "a" * 64):
        assert cloud.ask("POST", f"{path}/databases", {"name": wrong}).wrong == ["name"]
    cloud.delete(f"{path}/databases/mine")
    assert cloud.ask("DELETE", f"{path}/databases/mine").body["resource"] == "database"


def test_privileges_are_known_for_every_user_and_database(cloud: Cloud, path: str) -> None:
    cloud.post(f"{path}/users", name="bar", password=PASSWORD, is_admin=False)
    every = cloud.get(f"{path}/privileges")["privileges"]
    assert [(p["user_name"], p["permission"]) for p in every] == [("bar", "none"), ("username", "all")]
    wanted = {"database_name": "rdb", "user_name": "bar", "permission": "readwrite"}
    assert cloud.put(f"{path}/privileges", **wanted) == wanted
    assert cloud.get(f"{path}/privileges", database_name="rdb", user_name="bar")["privileges"] == [wanted]
    assert cloud.put(f"{path}/privileges", **(wanted | {"permission": "none"}))["permission"] == "none"
    assert cloud.ask("PUT", f"{path}/privileges", wanted | {"permission": "some"}).wrong == ["permission"]
    for missing in ({"user_name": "nobody"}, {"database_name": "nothing"}):
        assert cloud.ask("PUT", f"{path}/privileges", wanted | missing).status == 404
    cloud.delete(f"{path}/users/bar")
    assert cloud.get(f"{path}/privileges")["total_count"] == 1


def test_a_backup_is_exported_and_restored(cloud: Cloud, path: str) -> None:
    instance = path.rpartition("/")[2]
    made = cloud.post(f"{RDB}/backups", instance_id=instance, database_name="rdb", name="b")
    assert (made["status"], made["size"], made["updated_at"], made["expires_at"]) == ("creating", None, None, None)
    backup = f"{RDB}/backups/{made['id']}"
    got = cloud.get(backup)
    assert (got["status"], got["instance_name"], got["download_url"]) == ("ready", "db", None)
    assert got["size"] > 0
    assert cloud.post(f"{backup}/export")["status"] == "exporting"
    assert cloud.get(backup)["download_url"]
    assert cloud.post(f"{backup}/restore", instance_id=instance, database_name="new")["status"] == "restoring"
    assert cloud.get(f"{path}/databases", name="new")["total_count"] == 1
    assert cloud.patch(backup, expires_at="2032-01-02T22:04:05Z")["expires_at"] == "2032-01-02T22:04:05Z"
    assert cloud.get(f"{RDB}/backups", instance_id=instance, name="b")["total_count"] == 1
    assert cloud.get(f"{RDB}/backups", instance_id=NOBODY)["total_count"] == 0
    assert cloud.ask("DELETE", backup).body["status"] == "deleting"
    assert cloud.ask("GET", backup).body["resource"] == "database_backup"
    assert cloud.ask("POST", f"{RDB}/backups", {"instance_id": instance, "database_name": "x"}).status == 404
    assert cloud.ask("POST", f"{RDB}/backups", {"instance_id": NOBODY, "database_name": "rdb"}).status == 404


def test_an_instance_is_made_of_a_snapshot_after_the_first_is_gone(cloud: Cloud, path: str) -> None:
    made = cloud.post(f"{path}/snapshots", name="s")
    assert (made["status"], made["size"], made["volume_type"]) == ("creating", None, {"type": "lssd", "class": "lssd"})
    snapshot = f"{RDB}/snapshots/{made['id']}"
    assert cloud.get(snapshot)["size"] == 5_000_000_000
    settings = cloud.get(path)["settings"]
    cloud.delete(path)
    copy = cloud.post(f"{snapshot}/create-instance", instance_name="copy", is_ha_cluster=True, node_type="DB-DEV-M")
    assert (copy["name"], copy["is_ha_cluster"], copy["node_type"]) == ("copy", True, "db-dev-m")
    assert (copy["settings"], copy["endpoints"]) == (settings, [])
    assert len(cloud.get(f"{INSTANCES}/{copy['id']}")["endpoints"]) == 1
    assert cloud.get(f"{RDB}/snapshots", name="s", order_by="expires_at_desc")["total_count"] == 1
    assert cloud.patch(snapshot, name="t")["name"] == "t"
    assert cloud.ask("POST", f"{snapshot}/create-instance", {"node_type": "x"}).wrong == ["node_type"]
    cloud.delete(snapshot)
    assert cloud.ask("GET", snapshot).body["resource"] == "instance_snapshot"


def test_logs_are_prepared_and_purged(cloud: Cloud, path: str) -> None:
    log = cloud.post(f"{path}/prepare-logs")["instance_logs"][0]
    assert set(log) == {"id", "status", "node_name", "region", "download_url", "created_at", "expires_at"}
    assert cloud.get(f"{path}/logs")["instance_logs"] == [log | {"status": "ready"}]
    assert cloud.get(f"{RDB}/logs/{log['id']}")["status"] == "ready"
    assert cloud.ask("POST", f"{path}/purge-logs", {}).status == 204
    assert cloud.get(f"{path}/logs-details")["details"] == []


def test_of_a_password_only_what_recognises_it_is_kept_and_it_is_never_answered(cloud: Cloud, path: str) -> None:
    cloud.post(f"{path}/users", name="bar", password=PASSWORD, is_admin=False)
    cloud.post(f"{path}/users", name="nobody", is_admin=False)
    kept = {user["name"]: user["verifier"] for user in kept_users(cloud)}
    assert kept["bar"].startswith("SCRAM-SHA-256$4096:")
    assert kept["bar"] != kept["username"], "each has a salt of its own"
    assert kept["nobody"] == ""
    cloud.patch(f"{path}/users/bar", is_admin=True)
    assert {user["name"]: user["verifier"] for user in kept_users(cloud)} == kept
    cloud.patch(f"{path}/users/bar", password=PASSWORD)
    assert {user["name"]: user["verifier"] for user in kept_users(cloud)}["bar"] != kept["bar"]
    assert "SCRAM" not in str([cloud.get(path), cloud.get(f"{path}/users"), cloud.get(f"{RDB}/instances")])
    assert PASSWORD not in str(cloud.dump())


def kept_users(cloud: Cloud) -> list[dict[str, Any]]:
    with cloud.store.transaction() as ledger:
        (database,) = ledger.find(Database)
    found: list[dict[str, Any]] = msgspec.to_builtins(database.users)
    return found


def test_an_instance_or_a_snapshot_stays_while_it_is_being_copied(path: str, cloud: Cloud) -> None:
    snapshot = cloud.post(f"{path}/snapshots", name="s")["id"]
    cloud.get(f"{RDB}/snapshots/{snapshot}")
    instance = path.rpartition("/")[2]
    for origin in (DataOrigin(id=instance, engine="", live=True), DataOrigin(id=snapshot, engine="")):
        other = make(cloud)["id"]
        with cloud.store.transaction() as ledger:  # as if the copy were not made yet
            database = ledger.get(Database, other)
            assert database is not None
            ledger.put(msgspec.structs.replace(database, origin=origin))
    for busy in (path, f"{RDB}/snapshots/{snapshot}"):
        assert cloud.ask("DELETE", busy).body["type"] == "transient_state"


def test_a_certificate_goes_on_with_its_key_when_an_endpoint_comes(cloud: Cloud, path: str) -> None:
    network = cloud.post(PRIVATE)
    first = certificate(cloud, path)
    spec = {"private_network": {"private_network_id": network["id"], "ipam_config": {}}}
    address = cloud.post(f"{path}/endpoints", endpoint_spec=spec)["ip"]
    cloud.get(path)
    second = certificate(cloud, path)
    names = second.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert address in map(str, names.get_values_for_type(x509.IPAddress))
    assert second.public_key() == first.public_key()
    second.verify_directly_issued_by(first)
    cloud.ask("POST", f"{path}/renew-certificate")
    assert certificate(cloud, path).public_key() != first.public_key()


def certificate(cloud: Cloud, path: str) -> x509.Certificate:
    content = cloud.get(f"{path}/certificate")["content"]
    return x509.load_pem_x509_certificate(base64.b64decode(content))
