"""Managed databases as their users meet them: real servers, reached by real packets."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud_under_test import cloud
from tests.packets.databases import RDB, USER, Databases, Instance, until

pytestmark = [pytest.mark.packets, pytest.mark.slow]
FLAGS = ("--data-plane", "linux", "--linger", "0")
ELSE = {"user": "bob", "password": "B0b_is_here!!"}


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory, packets: None) -> Iterator[Databases]:
    with cloud(tmp_path_factory.mktemp("databases"), *FLAGS) as running, running.http() as http:
        yield Databases(running, http)


@pytest.fixture(scope="module")
def instance(databases: Databases) -> Instance:
    return databases.make()


@pytest.fixture
def bob(instance: Instance) -> Iterator[dict[str, str]]:
    """A user who may do nothing yet."""
    instance.do("POST", "/users", {"name": "bob", "password": ELSE["password"], "is_admin": False})
    yield ELSE
    instance.do("DELETE", "/users/bob")


def test_a_database_is_a_server_that_its_admin_uses(instance: Instance) -> None:
    assert instance.ask("create table t as select 42 as i; select i from t") == "42"
    assert "198.18.9.9" in instance.ask("select inet_client_addr()")
    assert "password authentication failed" in instance.refuses("select 1", password="wrong")
    assert instance.ask("drop table t; select current_user") == USER


def test_the_platforms_own_user_and_databases_are_out_of_reach(instance: Instance) -> None:
    assert instance.refuses("select 1", user="_rdb_superadmin", password="")
    for database in ("postgres", "template1"):
        assert "permission denied" in instance.refuses("select 1", database=database)
    for statement in (
        "create role x",
        "create database x",
        "copy (select 1) to program 'id'",
        "select pg_read_file('PG_VERSION')",
    ):
        assert re.search("permission denied|must be superuser", instance.refuses(statement))


def test_privileges_are_what_the_api_says_for_tables_made_before_and_after(
    instance: Instance, bob: dict[str, str]
) -> None:
    grant = {"database_name": "rdb", "user_name": "bob"}
    instance.ask("create table before as select 1 as i")
    instance.refuses("select i from before", **bob)
    instance.do("PUT", "/privileges", grant | {"permission": "readonly"})
    until(lambda: instance.run("select i from before", **bob).returncode == 0)
    instance.ask("create table after as select 2 as i")
    assert instance.ask("select i from after", **bob) == "2"
    assert "permission denied" in instance.refuses("insert into after values (3)", **bob)
    instance.do("PUT", "/privileges", grant | {"permission": "readwrite"})
    until(lambda: instance.run("insert into after values (3)", **bob).returncode == 0)
    assert "permission denied" in instance.refuses("create table mine (i int)", **bob)
    instance.do("PUT", "/privileges", grant | {"permission": "all"})
    until(lambda: instance.run("create table mine (i int)", **bob).returncode == 0)
    assert instance.ask("insert into mine values (1); select i from mine") == "1"
    instance.ask("drop table mine", **bob)
    instance.do("PUT", "/privileges", grant | {"permission": "none"})
    assert "permission denied" in instance.refuses("select 1", **bob)
    instance.ask("drop table before, after")


def test_users_passwords_and_databases_come_and_go(instance: Instance, bob: dict[str, str]) -> None:
    instance.do("POST", "/databases", {"name": "Other-1"})
    instance.do("PUT", "/privileges", {"database_name": "Other-1", "user_name": "bob", "permission": "all"})
    until(lambda: instance.run("create table t as select 1 as i", database="Other-1", **bob).returncode == 0)
    instance.do("PATCH", "/users/bob", {"password": "An0ther_one!"})
    until(lambda: instance.run("select 1", database="Other-1", user="bob", password="An0ther_one!").returncode == 0)
    assert "password authentication failed" in instance.refuses("select 1", database="Other-1", **bob)
    instance.do("DELETE", "/databases/Other-1")
    assert "does not exist" in instance.refuses("select 1", database="Other-1")


def test_settings_are_in_force_with_a_restart_where_they_need_one(instance: Instance) -> None:
    instance.do("POST", "/settings", {"settings": [{"name": "work_mem", "value": "7"}]})
    instance.settled()
    assert instance.ask("show work_mem") == "7MB"
    began = instance.ask("select pg_postmaster_start_time()")
    instance.do("POST", "/settings", {"settings": [{"name": "max_connections", "value": "60"}]})
    instance.settled()
    assert instance.ask("show max_connections") == "60"
    again = instance.ask("select pg_postmaster_start_time()")
    assert again > began
    instance.do("POST", "/restart")
    instance.settled()
    assert instance.ask("select pg_postmaster_start_time()") > again


def test_the_acl_of_the_public_endpoint_is_a_filter(instance: Instance) -> None:
    at = instance.endpoint()
    instance.do("PUT", "/acls", {"rules": [{"ip": "198.18.77.0/24"}]})
    instance.settled()
    assert "timeout" in instance.refuses("select 1", at=at, options="connect_timeout=2")
    instance.do("PUT", "/acls", {"rules": [{"ip": "198.18.9.9/32"}]})
    instance.settled()
    assert instance.ask("select 1", at=at) == "1"
    assert "timeout" in instance.refuses("select 1", at=(at[0], 5432), options="connect_timeout=2")


def test_the_certificate_of_the_api_is_what_tls_is_verified_with(instance: Instance, tmp_path: Path) -> None:
    root = tmp_path / "root.pem"
    root.write_bytes(base64.b64decode(instance.do("GET", "/certificate")["content"]))
    verified = f"sslmode=verify-full sslrootcert={root}"
    assert instance.ask("select ssl from pg_stat_ssl where pid = pg_backend_pid()", options=verified) == "t"
    instance.do("POST", "/renew-certificate")
    assert "certificate verify failed" in instance.refuses("select 1", options=verified)


def test_a_backup_brings_back_what_was(databases: Databases, instance: Instance) -> None:
    instance.ask("create table kept as select i from generate_series(1, 1000) i")
    made = databases.call("POST", f"{RDB}/backups", {"instance_id": instance.id, "database_name": "rdb", "name": "b"})
    path = f"{RDB}/backups/{made['id']}"
    assert databases.settled(path)["size"] > 1000
    instance.ask("drop table kept; create table later (i int)")
    databases.call("POST", f"{path}/restore", {"instance_id": instance.id})
    databases.settled(path)
    assert instance.ask("select count(*), to_regclass('later') from kept") == "1000|"
    databases.call("POST", f"{path}/restore", {"instance_id": instance.id, "database_name": "beside"})
    databases.settled(path)
    assert instance.ask("select count(*) from kept", database="beside") == "1000"
    instance.ask("drop table kept")


def test_snapshots_clones_and_upgrades_copy_the_data(databases: Databases, instance: Instance) -> None:
    instance.ask("create table copied as select 7 as i")
    taken = instance.do("POST", "/snapshots", {"name": "s"})
    databases.settled(f"{RDB}/snapshots/{taken['id']}")
    instance.ask("update copied set i = 8")
    from_snapshot = databases.call("POST", f"{RDB}/snapshots/{taken['id']}/create-instance", {"instance_name": "n"})
    clone = instance.do("POST", "/clone", {"name": "c"})
    old, new = databases.ready(from_snapshot["id"]), databases.ready(clone["id"])
    assert [each.ask("select i from copied") for each in (old, new)] == ["7", "8"]
    new.ask("update copied set i = 9")
    newer = new.said["upgradable_version"][0]
    workflow = {"upgradable_version_id": newer["id"], "with_endpoints": True}
    at = new.endpoint()
    upgraded = databases.ready(new.do("POST", "/upgrade", {"major_upgrade_workflow": workflow})["id"])
    assert upgraded.said["engine"] == newer["name"]
    assert upgraded.endpoint() == at
    assert upgraded.ask("select i from copied") == "9"
    for each in (old, new, upgraded):
        each.do("DELETE", "")
    instance.ask("drop table copied")


def test_logs_and_backups_are_downloaded(databases: Databases, instance: Instance) -> None:
    instance.refuses("select 'what nobody asked' from nowhere")
    (log,) = instance.do("POST", "/prepare-logs", {})["instance_logs"]
    ready = databases.settled(f"{RDB}/logs/{log['id']}")
    assert "what nobody asked" in databases.http.get(ready["download_url"], headers={"X-Auth-Token": ""}).text
    assert sum(each["size"] for each in instance.do("GET", "/logs-details")["details"]) > 0
    made = databases.call("POST", f"{RDB}/backups", {"instance_id": instance.id, "database_name": "rdb", "name": "b"})
    path = f"{RDB}/backups/{made['id']}"
    databases.settled(path)
    databases.call("POST", f"{path}/export")
    exported = databases.settled(path)
    assert databases.http.get(exported["download_url"]).content.startswith(b"PGDMP")
    assert databases.http.get(exported["download_url"] + "x").status_code == 404
    databases.call("DELETE", path)
    until(lambda: databases.http.get(exported["download_url"]).status_code == 404)


def test_status_says_what_runs(databases: Databases, instance: Instance) -> None:
    tree = databases.call("GET", "/hideaway/v1/status")
    (group,) = [child for child in tree["children"] if child["name"] == "databases"]
    item = next(child for child in group["children"] if child["id"] == instance.id)
    assert item["healthy"]
    assert re.fullmatch(r"PostgreSQL \d+\.\d+", item["facts"]["runs"])
    (size,) = [d["size"] for d in instance.do("GET", "/databases")["databases"] if d["name"] == "rdb"]
    assert size == int(instance.ask("select pg_database_size('rdb')"))
