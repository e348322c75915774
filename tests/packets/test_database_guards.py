"""What users of a database could try against the platform, and what they could break by what they choose."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hideaway.backends.linux import agents
from hideaway.backends.linux.services.base import SETTINGS, Place
from hideaway.backends.linux.services.database import program
from hideaway.fabric.services import DatabaseServer
from tests.cloud_under_test import cloud
from tests.packets.databases import RDB, Databases, Instance, until

pytestmark = [pytest.mark.packets, pytest.mark.slow]
ENGINE_USER = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--ipc", "--")
FLAGS = ("--data-plane", "linux", "--linger", "0")
SPY = """
create function spy() returns boolean language plpgsql {} as $$
begin
  if (select rolsuper from pg_roles where rolname = current_user) then raise exception 'caught a superuser'; end if;
  return true;
end $$
"""
BOB = {"user": "bob", "password": "B0b_is_here!!"}


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory, packets: None) -> Iterator[Databases]:
    with cloud(tmp_path_factory.mktemp("databases"), *FLAGS) as running, running.http() as http:
        yield Databases(running, http)


@pytest.fixture(scope="module")
def instance(databases: Databases) -> Instance:
    return databases.make()


def backup(databases: Databases, instance: Instance) -> str:
    made = databases.call("POST", f"{RDB}/backups", {"instance_id": instance.id, "database_name": "rdb", "name": "b"})
    databases.settled(f"{RDB}/backups/{made['id']}")
    return f"{RDB}/backups/{made['id']}"


def add_bob(instance: Instance, permission: str) -> None:
    instance.do("POST", "/users", {"name": "bob", "password": BOB["password"], "is_admin": False})
    privilege = {"database_name": "rdb", "user_name": "bob", "permission": permission}
    instance.do("PUT", "/privileges", privilege)
    until(lambda: instance.run("select 1", **BOB).returncode == 0)


def test_no_superuser_runs_or_owns_what_users_wrote(databases: Databases, instance: Instance) -> None:
    """A restore evaluates checks; a user who is deleted leaves functions; sessions of the platform name functions."""
    add_bob(instance, "all")
    shadow = "create function public.starts_with(name, text) returns boolean language sql as 'select public.spy()'"
    instance.ask(f"{SPY.format('security definer')}; {shadow}", **BOB)
    instance.ask("create table watched (i int check (spy())); insert into watched values (1)", **BOB)
    path = backup(databases, instance)
    databases.call("POST", f"{path}/restore", {"instance_id": instance.id})
    databases.settled(path)
    assert instance.ask("select count(*) from watched", **BOB) == "1"
    owner = "select tableowner from pg_tables where tablename = 'watched'"
    assert instance.ask(owner) == "bob", "it is its owner's again"
    instance.do("DELETE", "/users/bob")
    until(lambda: instance.ask("select count(*) from pg_roles where rolname = 'bob'") == "0")
    assert instance.ask("select spy()") == "t"
    assert instance.ask(owner) == "_rdb_superadmin"
    assert instance.ask("select rolsuper from pg_roles where rolname = '_rdb_superadmin'") == "f"
    instance.ask("insert into watched values (2)")


def test_a_restore_keeps_what_sql_granted_and_a_users_own_password(databases: Databases, instance: Instance) -> None:
    add_bob(instance, "all")
    instance.ask("create table bobs as select 1 as i; alter user bob password 'Ch0sen_by_sql!'", **BOB)
    by_sql = {"user": "bob", "password": "Ch0sen_by_sql!"}
    instance.do("POST", "/users", {"name": "eve", "password": BOB["password"], "is_admin": False})
    privilege = {"database_name": "rdb", "user_name": "eve", "permission": "custom"}
    instance.do("PUT", "/privileges", privilege)
    path = backup(databases, instance)
    instance.ask("drop table bobs", **by_sql)
    databases.call("POST", f"{path}/restore", {"instance_id": instance.id})
    databases.settled(path)
    assert instance.ask("insert into bobs values (2) returning i", **by_sql) == "2"
    for name in ("bob", "eve"):
        instance.do("DELETE", f"/users/{name}")


def test_a_setting_that_the_program_does_not_know_is_left_out_and_said(databases: Databases) -> None:
    instance = databases.make(engine="PostgreSQL-17")
    asked = [{"name": "sync_replication_slots", "value": "on"}, {"name": "work_mem", "value": "9"}]
    instance.do("POST", "/settings", {"settings": asked})
    instance.settled()
    assert instance.ask("show work_mem") == "9MB"
    version = instance.ask("show server_version").partition(".")[0]
    if int(version) < 17:
        assert any("sync_replication_slots" in note for note in notes(databases, instance))
    instance.do("DELETE", "")


def notes(databases: Databases, instance: Instance) -> list[str]:
    tree = databases.call("GET", "/hideaway/v1/status")
    (group,) = [child for child in tree["children"] if child["name"] == "databases"]
    (item,) = [child for child in group["children"] if child["id"] == instance.id]
    found: list[str] = item["notes"]
    return found


def test_a_server_that_cannot_start_as_it_was_asked_to_starts_without(databases: Databases, instance: Instance) -> None:
    instance.ask("create table stays as select 1 as i")
    few, most = {"name": "work_mem", "value": "9"}, {"name": "max_locks_per_transaction", "value": "2147483647"}
    instance.do("POST", "/settings", {"settings": [few, most]})
    instance.settled()
    assert instance.ask("select i from stays") == "1"
    assert any("max_locks_per_transaction" in note for note in notes(databases, instance))
    instance.do("DELETE", "/settings", {"setting_names": ["max_locks_per_transaction"]})
    instance.settled()
    assert instance.ask("show work_mem") == "9MB", "what it takes counts again"


ALONE = """
import os, pathlib, subprocess, sys
sys.path.append(sys.argv[1])
from agents import engine, settings
engine.SOCKETS = pathlib.Path(sys.argv[2]) / "s"
from agents.postgres import Postgres
volume = pathlib.Path(sys.argv[2]) / "v"
volume.mkdir()
wanted = settings.read(pathlib.Path(sys.argv[3]))
def served(sql):
    server = Postgres(volume, "15")
    server.configure(wanted)
    process = subprocess.Popen(server.command(), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        try: server.answers(); break
        except engine.Trouble: __import__("time").sleep(0.05)
    server.apply(wanted)
    with server.session("rdb") as session: found = session.ask(sql)
    process.kill(); process.wait(); server.clear()
    return server.ignored, found
Postgres(volume, "15").create(volume / "main")
print(*served("create table public.t as select 5 as i; select i from public.t; show work_mem"))
Postgres(volume, "15").convert(volume / "main", volume / "new")
os.rename(volume / "main", volume / "old"); os.rename(volume / "new", volume / "main")
print(*served("select i from public.t"))
"""


def test_an_engine_alone_leaves_out_wrong_settings_and_is_converted_after_it_was_killed(
    packets: None, tmp_path: Path
) -> None:
    """Between two programs data is converted by pg_upgrade, also that of a server that did not end well."""
    code = Path(agents.__file__).parent.parent
    chosen = (("random_page_cost", "-1"), ("work_mem", "9MB"), ("timezone", "Nowhere/None"))
    server = DatabaseServer(
        id="server", engine="PostgreSQL-15", volume="v", port=5432, node_memory=0, databases=("rdb",), settings=chosen
    )
    said = program("host", server, Place(folder=tmp_path, data=tmp_path)).files[SETTINGS]
    (tmp_path / SETTINGS).write_bytes(said)
    argv = [*ENGINE_USER, sys.executable, "-I", "-S", "-c", ALONE, str(code), str(tmp_path), str(tmp_path / SETTINGS)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "['random_page_cost', 'timezone'] [('5',), ('9MB',)]"
    assert second.endswith("[('5',)]")


def test_an_upgrade_in_place_keeps_the_data(databases: Databases) -> None:
    instance = databases.make(engine="PostgreSQL-14")
    instance.ask("create table kept as select 1 as i")
    newer = instance.said["upgradable_version"][-1]
    instance.do("POST", "/upgrade", {"upgradable_version_id": newer["id"]})
    assert instance.settled()["engine"] == newer["name"]
    assert instance.ask("select i from kept") == "1"
    instance.do("POST", "/upgrade", {"node_type": "DB-DEV-M"})
    assert instance.settled()["node_type"] == "db-dev-m"
    assert instance.ask("show shared_buffers; select i from kept") == "64MB\n1"
    instance.do("DELETE", "")
