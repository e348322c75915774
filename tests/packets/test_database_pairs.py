"""Databases of several servers: read replicas that follow, and a standby that takes over without a lost row."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.cloud_under_test import cloud
from tests.packets.databases import RDB, Databases, Instance, until

pytestmark = [pytest.mark.packets, pytest.mark.slow]
FLAGS = ("--data-plane", "linux", "--linger", "0")
REPLICAS = f"{RDB}/read-replicas"
FAILOVERS = 2


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory, packets: None) -> Iterator[Databases]:
    with cloud(tmp_path_factory.mktemp("databases"), *FLAGS) as running, running.http() as http:
        yield Databases(running, http)


def item(instance: Instance) -> Any:
    """What `hideaway status` says of an instance."""
    tree = instance.databases.call("GET", "/hideaway/v1/status")
    groups = {group["name"]: group["children"] for group in tree["children"]}
    return next(each for each in groups["databases"] if each["id"] == instance.id)


def commits(instance: Instance) -> str:
    return str(item(instance)["facts"]["commits"]).partition(":")[0]


def test_a_replica_follows_refuses_writes_and_becomes_an_instance(databases: Databases) -> None:
    instance = databases.make()
    instance.ask("create table t as select 1 as i")
    made = databases.call("POST", REPLICAS, {"instance_id": instance.id, "endpoint_spec": [{"direct_access": {}}]})
    replica = databases.settled(f"{REPLICAS}/{made['id']}")
    at = (replica["endpoints"][0]["ip"], replica["endpoints"][0]["port"])
    assert instance.ask("select i from t", at=at) == "1"
    instance.ask("insert into t values (2)")
    until(lambda: instance.ask("select sum(i) from t", at=at) == "3")
    assert "read-only" in instance.refuses("insert into t values (3)", at=at)
    (shown,) = item(instance)["children"]
    assert (shown["kind"], shown["status"]) == ("replica", "streaming")

    databases.call("POST", f"{REPLICAS}/{made['id']}/reset", {})
    databases.settled(f"{REPLICAS}/{made['id']}")
    until(lambda: instance.run("select sum(i) from t", at=at).stdout.strip() == "3")

    databases.call("POST", f"{REPLICAS}/{made['id']}/promote", {})
    own = databases.ready(made["id"])
    own.ask("insert into t values (4)", at=at)
    assert own.ask("select sum(i) from t", at=at) == "7"
    assert instance.ask("select sum(i) from t") == "3", "they go their own ways"
    own.do("DELETE", "")
    instance.do("DELETE", "")


class Writer:
    """Writes numbered rows without end, and remembers which of them were acknowledged."""

    def __init__(self, instance: Instance, table: str = "rows"):
        self.instance, self.table = instance, table
        self.at = instance.endpoint()
        self.acknowledged: list[int] = []
        self.ending = False
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        number = 0
        while not self.ending:
            number += 1
            if self.instance.run(f"insert into {self.table} values ({number})", at=self.at).returncode == 0:
                self.acknowledged.append(number)
            else:
                time.sleep(0.05)

    def __enter__(self) -> Writer:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending = True
        self.thread.join(90)


@contextmanager
def dead(databases: Databases, server: str) -> Iterator[None]:
    """A server that was killed with its agent standing still, so that nobody starts it anew; it is back afterwards."""
    folder = f"{databases.cloud.state}/data/volumes/{server}"
    meant = {f"{folder}/main", f"--defaults-file={folder}/my.cnf"}
    agents = []
    for pid, words, place in processes():
        if "agents.database" in " ".join(words) and place.endswith(f"host-{server}/server"):
            os.kill(pid, signal.SIGSTOP)
            agents.append(pid)
    for pid, words, _ in processes():
        if meant & set(words):
            os.kill(pid, signal.SIGKILL)
    assert agents
    yield
    for pid in agents:
        os.kill(pid, signal.SIGKILL)


def processes() -> Iterator[tuple[int, list[str], str]]:
    """Everybody's process, command line and folder."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
            yield int(pid), words, os.readlink(f"/proc/{pid}/cwd")


def leader(instance: Instance) -> str:
    """The id of the server that leads: the one that is not the standby."""
    (standby,) = (each["id"] for each in item(instance)["children"] if each["kind"] == "standby")
    return next(each for each in (instance.id, f"{instance.id}-b") if each != standby)


def test_a_standby_takes_over_and_no_acknowledged_row_is_lost(databases: Databases) -> None:
    instance = databases.make(is_ha_cluster=True)
    instance.ask("create table rows (i int primary key)")
    until(lambda: commits(instance) == "synchronous")
    with Writer(instance) as writer:
        for _ in range(FAILOVERS):
            until(lambda: commits(instance) == "synchronous")
            before = len(writer.acknowledged)
            until(lambda: len(writer.acknowledged) > before + 5)  # noqa: B023
            first = leader(instance)
            with dead(databases, first):
                until(lambda: leader(instance) != first)  # noqa: B023
                after = len(writer.acknowledged)
                until(lambda: len(writer.acknowledged) > after + 5)  # noqa: B023
                assert commits(instance) == "asynchronous"
    kept = json.loads(instance.ask("select json_agg(i) from rows"))
    assert set(writer.acknowledged) <= set(kept)
    until(lambda: commits(instance) == "synchronous")
    assert item(instance)["healthy"]


def test_commits_wait_for_a_standby_until_it_is_declared_dead(databases: Databases) -> None:
    instance = databases.make(name="waits", is_ha_cluster=True)
    instance.ask("create table t (i int)")
    until(lambda: commits(instance) == "synchronous")
    standby = next(each["id"] for each in item(instance)["children"])
    with dead(databases, standby):
        assert instance.ask("insert into t values (1); select i from t") == "1", "it is acknowledged in the end"
        assert commits(instance) == "asynchronous"
        assert not item(instance)["children"][0]["healthy"]
    until(lambda: commits(instance) == "synchronous")
