"""What time alone does to managed databases: backups that are due are made, and what has expired goes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from hideaway.cloud.change import Change
from hideaway.cloud.databases import Backup, BackupSchedule, Database, InstanceLog, Snapshot
from hideaway.cloud.databasing import begin_errand
from hideaway.cloud.documents import Ledger


def anything_due(ledger: Ledger, now: datetime) -> bool:
    """Whether there is anything to do."""
    return any(True for _ in _due(ledger, now)) or any(True for _ in _expired(ledger, now))


def follow_schedules(change: Change) -> None:
    """Begin the backups that are due, one of each database of an instance, and delete what has expired."""
    for instance in list(_due(change.ledger, change.now)):
        _back_up(change, instance)
    for document in list(_expired(change.ledger, change.now)):
        change.retire(document)


def _due(ledger: Ledger, now: datetime) -> Iterator[Database]:
    for instance in ledger.find(Database):
        next_run = instance.backup_schedule.next_run_at
        if instance.status == "ready" and next_run is not None and next_run <= now:
            yield instance


def _expired(ledger: Ledger, now: datetime) -> Iterator[Backup | Snapshot | InstanceLog]:
    """What an instance is still being made of stays until it is."""
    kept: list[Backup | Snapshot | InstanceLog] = [
        *ledger.find(Backup),
        *ledger.find(Snapshot),
        *ledger.find(InstanceLog),
    ]
    for document in kept:
        over = document.expires_at is not None and document.expires_at <= now
        if over and document.pending is None and not ledger.find(Database, ref=document.id):
            yield document


def _back_up(change: Change, instance: Database) -> None:
    """Kept for as many days as the schedule says. Runs that were missed are not made up for."""
    schedule = instance.backup_schedule
    for database in instance.databases:
        backup = Backup(
            **change.of(instance),
            region=instance.region,
            instance_id=instance.id,
            instance_name=instance.name,
            database_name=database.name,
            name=f"{instance.name}_{database.name}_{change.now:%Y-%m-%d_%H-%M}",
            expires_at=change.now + timedelta(days=schedule.retention),
            same_region=instance.backup_same_region,
        )
        begin_errand(change, backup, instance, "creating")
    after = msgspec.structs.replace(schedule, next_run_at=_next(schedule, change.now))
    change.ledger.put(instance.changed(change.now, backup_schedule=after))


def _next(schedule: BackupSchedule, now: datetime) -> datetime:
    """The first run after now: whole periods after the one that is due."""
    assert schedule.next_run_at is not None
    period = timedelta(hours=schedule.frequency)
    return schedule.next_run_at + period * ((now - schedule.next_run_at) // period + 1)
