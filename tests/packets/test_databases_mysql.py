"""Managed databases for MySQL as their users meet them: real servers (MariaDB), reached by real packets."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud_under_test import cloud
from tests.packets.databases import RDB, USER, Databases, MySQL, until

pytestmark = [pytest.mark.packets, pytest.mark.slow]
FLAGS = ("--data-plane", "linux", "--linger", "0")
ELSE = {"user": "bob", "password": "B0b_is_here!!"}


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory, packets: None) -> Iterator[Databases]:
    with cloud(tmp_path_factory.mktemp("mysql"), *FLAGS) as running, running.http() as http:
        yield Databases(running, http)


@pytest.fixture(scope="module")
def instance(databases: Databases) -> MySQL:
    return MySQL(databases, databases.make(engine="MySQL-8").id)


@pytest.fixture
def bob(instance: MySQL) -> Iterator[dict[str, str]]:
    """A user who may do nothing yet."""
    instance.do("POST", "/users", {"name": "bob", "password": ELSE["password"], "is_admin": False})
    yield ELSE
    instance.do("DELETE", "/users/bob")


def test_a_database_is_a_server_that_its_admin_uses(instance: MySQL) -> None:
    assert instance.ask("create table t (i int); insert into t values (42); select i from t") == "42"
    assert "198.18.9.9" in instance.ask("select user()")
    assert "Access denied" in instance.refuses("select 1", password="wrong")
    assert instance.ask("drop table t; select current_user()") == f"{USER}@%"
    for statement in (
        "create user x",
        "create database x",
        "select * from _rdb.notes",
        "select load_file('/etc/passwd')",
    ):
        done = instance.run(statement)
        assert "denied" in done.stderr or done.stdout.strip() == "NULL", (statement, done)
    assert "Access denied" in instance.refuses("select 1", user="_rdb_superadmin", password="")


def test_privileges_are_what_the_api_says(instance: MySQL, bob: dict[str, str]) -> None:
    grant = {"database_name": "rdb", "user_name": "bob"}
    instance.ask("create table t (i int); insert into t values (1)")
    instance.refuses("select i from t", **bob)
    instance.do("PUT", "/privileges", grant | {"permission": "readonly"})
    until(lambda: instance.run("select i from t", **bob).returncode == 0)
    assert "denied" in instance.refuses("insert into t values (3)", **bob)
    instance.do("PUT", "/privileges", grant | {"permission": "readwrite"})
    until(lambda: instance.run("insert into t values (3)", **bob).returncode == 0)
    assert "denied" in instance.refuses("create table mine (i int)", **bob)
    instance.do("PUT", "/privileges", grant | {"permission": "all"})
    until(lambda: instance.run("create table mine (i int)", **bob).returncode == 0)
    instance.do("PUT", "/privileges", grant | {"permission": "none"})
    assert "denied" in instance.refuses("select 1", **bob)
    instance.ask("drop table t, mine")


def test_users_passwords_and_databases_come_and_go(instance: MySQL, bob: dict[str, str]) -> None:
    instance.do("POST", "/databases", {"name": "Other-1_x"})
    instance.do("PUT", "/privileges", {"database_name": "Other-1_x", "user_name": "bob", "permission": "all"})
    until(lambda: instance.run("create table t (i int)", database="Other-1_x", **bob).returncode == 0)
    instance.do("PATCH", "/users/bob", {"password": "An0ther_one!"})
    new = {"user": "bob", "password": "An0ther_one!"}
    until(lambda: instance.run("select 1", database="Other-1_x", **new).returncode == 0)
    assert "Access denied" in instance.refuses("select 1", database="Other-1_x", **bob)
    instance.do("DELETE", "/databases/Other-1_x")
    instance.refuses("select 1", database="Other-1_x")


def test_settings_are_in_force_with_a_restart_where_they_need_one(instance: MySQL) -> None:
    began = instance.ask(
        "select @@pid_file, variable_value from information_schema.global_status"
        " where variable_name = 'threads_created' limit 0; select connection_id()"
    )
    instance.do("POST", "/settings", {"settings": [{"name": "max_connections", "value": "61"}]})
    instance.settled()
    assert instance.ask("select @@max_connections") == "61"
    assert int(instance.ask("select connection_id()")) > int(began)
    instance.do("POST", "/settings", {"settings": [{"name": "thread_stack", "value": "512"}]})
    instance.settled()
    assert instance.ask("select @@thread_stack") == str(512 << 10)
    assert int(instance.ask("select connection_id()")) < int(began) + 5


def test_the_acl_and_the_certificate_are_those_of_the_api(instance: MySQL, tmp_path: Path) -> None:
    at, root = instance.endpoint(), tmp_path / "root.pem"
    root.write_bytes(base64.b64decode(instance.do("GET", "/certificate")["content"]))
    verified = f"--ssl-ca={root} --ssl-verify-server-cert"
    assert instance.ask("show status like 'ssl_version'", options=verified).endswith("TLSv1.3")
    instance.do("PUT", "/acls", {"rules": [{"ip": "198.18.77.0/24"}]})
    instance.settled()
    instance.refuses("select 1", at=at, options="--connect-timeout=2")
    instance.do("PUT", "/acls", {"rules": [{"ip": "0.0.0.0/0"}]})
    instance.settled()
    instance.do("POST", "/renew-certificate")
    instance.refuses("select 1", at=at, options=verified)


def test_a_backup_brings_back_what_was(databases: Databases, instance: MySQL) -> None:
    instance.ask(
        "create table kept as select seq i from seq_1_to_1000; create view seen as select count(*) n from kept"
    )
    made = databases.call("POST", f"{RDB}/backups", {"instance_id": instance.id, "database_name": "rdb", "name": "b"})
    path = f"{RDB}/backups/{made['id']}"
    assert databases.settled(path)["size"] > 1000
    instance.ask("drop table kept; create table later (i int)")
    databases.call("POST", f"{path}/restore", {"instance_id": instance.id})
    databases.settled(path)
    assert instance.ask("select n from seen") == "1000"
    assert instance.ask("show tables") == "kept\nseen"
    databases.call("POST", f"{path}/restore", {"instance_id": instance.id, "database_name": "beside"})
    databases.settled(path)
    assert instance.ask("select n from seen", database="beside") == "1000"
    instance.ask("drop view seen; drop table kept")


def test_snapshots_and_clones_copy_the_data(databases: Databases, instance: MySQL) -> None:
    instance.ask("create table copied (i int); insert into copied values (7)")
    taken = instance.do("POST", "/snapshots", {"name": "s"})
    databases.settled(f"{RDB}/snapshots/{taken['id']}")
    instance.ask("update copied set i = 8")
    from_snapshot = databases.call("POST", f"{RDB}/snapshots/{taken['id']}/create-instance", {"instance_name": "n"})
    clone = instance.do("POST", "/clone", {"name": "c"})
    both = [MySQL(databases, databases.ready(each["id"]).id) for each in (from_snapshot, clone)]
    assert [each.ask("select i from copied") for each in both] == ["7", "8"]
    for each in both:
        each.do("DELETE", "")
    instance.ask("drop table copied")
