"""What database servers are asked to do once: a transition ends with how that ended, not before nor by the clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from hideaway.cloud.databases import Backup, BackupSchedule, Database, InstanceLog, LogicalDatabase, Snapshot
from hideaway.cloud.databasing import begin_errand, delete
from hideaway.fabric.services import DATABASE, Observed, Outcome
from tests.unit.control.test_loop import OWNER, Rig


@pytest.fixture
def rig() -> Rig:
    return Rig()


def common(rig: Rig) -> dict[str, Any]:
    return {
        "id": rig.ids.uuid(), "organization_id": OWNER.organization_id, "project_id": OWNER.project_id,
        "created_at": rig.clock.now(), "updated_at": rig.clock.now(), "region": "fr-par",
    }  # fmt: skip


def database(rig: Rig) -> Database:
    made = Database(
        **common(rig), name="db", engine="PostgreSQL-15", node_type="db-dev-s", status="ready",
        databases=[LogicalDatabase(name="rdb")],
    )  # fmt: skip
    with rig.store.transaction() as ledger:
        ledger.put(made)
    return made


def test_backups_are_made_when_they_are_due_and_go_when_they_expire(rig: Rig) -> None:
    instance = database(rig)
    start = rig.clock.now()
    schedule = BackupSchedule(frequency=24, retention=7, next_run_at=start + timedelta(hours=24))
    with rig.store.transaction() as ledger:
        ledger.put(msgspec.structs.replace(instance, backup_schedule=schedule))
    rig.run()
    assert rig.all(Backup) == []
    rig.clock.advance(60 * 60 * 49)  # one run was missed
    rig.run()
    made = rig.one(Backup)
    assert (made.status, made.database_name, made.expires_at) == (
        "creating",
        "rdb",
        rig.clock.now() + timedelta(days=7),
    )
    assert rig.one(Database).backup_schedule.next_run_at == start + timedelta(hours=72)
    say(rig, instance, **{made.task: Outcome(size=1)})
    rig.run()
    assert rig.one(Backup).status == "ready"
    rig.clock.advance(60 * 60 * 24 * 8)
    rig.run()
    assert made.id not in {b.id for b in rig.all(Backup)}


def backup(rig: Rig, instance: Database, status: str = "creating") -> Backup:
    wanted = Backup(
        **common(rig), instance_id=instance.id, instance_name="db", database_name="rdb", name="b", restored_as="rdb"
    )
    with rig.store.transaction() as ledger:
        return begin_errand(rig.change(ledger), wanted, instance, status)


def say(rig: Rig, instance: Database, **outcomes: Outcome) -> None:
    rig.backend.unready[f"{instance.id}/{DATABASE}"] = Observed(ready=True, outcomes=outcomes)


def test_a_backup_is_ready_once_its_server_has_made_it_and_as_large_as_it_says(rig: Rig) -> None:
    instance = database(rig)
    begun = backup(rig, instance)
    rig.run()
    assert rig.one(Backup).status == "creating"
    assert not rig.loop.settled
    say(rig, instance, **{begun.task: Outcome(size=77)})
    rig.run()
    made = rig.one(Backup)
    assert (made.status, made.size, made.task, made.pending) == ("ready", 77, "", None)
    assert rig.loop.settled


def test_what_failed_is_an_error_but_a_backup_that_could_not_be_restored_is_as_good_as_it_was(rig: Rig) -> None:
    instance = database(rig)
    begun = backup(rig, instance)
    say(rig, instance, **{begun.task: Outcome(error="disk full")})
    rig.run()
    assert (rig.one(Backup).status, rig.one(Backup).size) == ("error", None)
    restoring = backup(rig, instance, "restoring")
    say(rig, instance, **{restoring.task: Outcome(error="disk full")})
    rig.run()
    assert {b.status for b in rig.all(Backup) if b.id == restoring.id} == {"ready"}


def test_a_log_has_an_address_only_once_it_is_there(rig: Rig) -> None:
    instance = database(rig)
    wanted = InstanceLog(**common(rig), instance_id=instance.id, node_name="1", address="http://x")
    with rig.store.transaction() as ledger:
        begun = begin_errand(rig.change(ledger), wanted, instance, "creating")
    rig.run()
    assert rig.one(InstanceLog).download_url is None
    say(rig, instance, **{begun.task: Outcome(size=1)})
    rig.run()
    assert (rig.one(InstanceLog).status, rig.one(InstanceLog).download_url) == ("ready", "http://x")


def test_an_instance_that_goes_leaves_no_errand_waiting(rig: Rig) -> None:
    instance = database(rig)
    backup(rig, instance)
    wanted = Snapshot(
        **common(rig), instance_id=instance.id, instance_name="db", name="s", node_type="db-dev-s", source=instance
    )
    with rig.store.transaction() as ledger:
        change = rig.change(ledger)
        begin_errand(change, wanted, instance, "creating")
        delete(change, instance)
    rig.run()
    assert rig.all(Database) == []
    assert (rig.one(Backup).status, rig.one(Snapshot).status) == ("error", "error")
    assert rig.loop.settled
