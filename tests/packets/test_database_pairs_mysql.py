"""Databases for MySQL of several servers: replicas that follow, and a standby that takes over without a lost row."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cloud_under_test import cloud
from tests.packets.databases import Databases, MySQL, until
from tests.packets.test_database_pairs import FAILOVERS, FLAGS, REPLICAS, Writer, commits, dead, item, leader

pytestmark = [pytest.mark.packets, pytest.mark.slow]


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory, packets: None) -> Iterator[Databases]:
    with cloud(tmp_path_factory.mktemp("mysql"), *FLAGS) as running, running.http() as http:
        yield Databases(running, http)


def made(databases: Databases, **fields: object) -> MySQL:
    return MySQL(databases, databases.make(engine="MySQL-8", **fields).id)


def test_a_replica_follows_refuses_writes_and_becomes_an_instance(databases: Databases) -> None:
    instance = made(databases)
    instance.ask("create table t (i int); insert into t values (1)")
    asked = {"instance_id": instance.id, "endpoint_spec": [{"direct_access": {}}]}
    id_ = databases.call("POST", REPLICAS, asked)["id"]
    replica = databases.settled(f"{REPLICAS}/{id_}")
    at = (replica["endpoints"][0]["ip"], replica["endpoints"][0]["port"])
    assert instance.ask("select i from t", at=at) == "1"
    instance.ask("insert into t values (2)")
    until(lambda: instance.ask("select sum(i) from t", at=at) == "3")
    assert "read-only" in instance.refuses("insert into t values (3)", at=at)
    (shown,) = item(instance)["children"]
    assert (shown["kind"], shown["status"]) == ("replica", "streaming")

    databases.call("POST", f"{REPLICAS}/{id_}/reset", {})
    databases.settled(f"{REPLICAS}/{id_}")
    until(lambda: instance.run("select sum(i) from t", at=at).stdout.strip() == "3")

    databases.call("POST", f"{REPLICAS}/{id_}/promote", {})
    own = MySQL(databases, databases.ready(id_).id)
    own.ask("insert into t values (4)", at=at)
    assert own.ask("select sum(i) from t", at=at) == "7"
    assert instance.ask("select sum(i) from t") == "3", "they go their own ways"
    own.do("DELETE", "")
    instance.do("DELETE", "")


def test_a_standby_takes_over_and_no_acknowledged_row_is_lost(databases: Databases) -> None:
    instance = made(databases, is_ha_cluster=True)
    instance.ask("create table numbers (i int primary key)")
    until(lambda: commits(instance) == "synchronous")
    with Writer(instance, "numbers") as writer:
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
    kept = {int(row) for row in instance.ask("select i from numbers").split()}
    assert set(writer.acknowledged) <= kept
    until(lambda: commits(instance) == "synchronous")
    assert item(instance)["healthy"]


def test_commits_wait_for_a_standby_until_it_is_declared_dead(databases: Databases) -> None:
    instance = made(databases, name="waits", is_ha_cluster=True)
    instance.ask("create table t (i int)")
    until(lambda: commits(instance) == "synchronous")
    standby = next(each["id"] for each in item(instance)["children"])
    with dead(databases, standby):
        assert instance.ask("insert into t values (1); select i from t") == "1", "it is acknowledged in the end"
        assert commits(instance) == "asynchronous"
        assert not item(instance)["children"][0]["healthy"]
    until(lambda: commits(instance) == "synchronous")
