"""Backups of databases: made, restored, exported. The data is the server's own to copy (see `Errand`)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.rdb.contents import new_database
from hideaway.api.rdb.downloads import SECRET, address
from hideaway.api.rdb.views import instance_of, view_backup
from hideaway.api.shapes import Body, Listing, Name, given
from hideaway.base.errors import NotFound, TransientState
from hideaway.cloud.databases import Backup
from hideaway.cloud.databasing import begin_errand, settled

EXPORT_LIFE = timedelta(days=1)
NOTHING = "https://backups.hideaway.invalid/"
"""Where an exported backup is said to be when there is no data plane, and so no data."""


class CreateBackup(Body, frozen=True, kw_only=True):
    instance_id: str
    database_name: str
    name: Name | None = None
    expires_at: datetime | None = None


class UpdateBackup(Body, frozen=True, kw_only=True):
    name: Name | None = None
    expires_at: datetime | None = None


class RestoreBackup(Body, frozen=True, kw_only=True):
    instance_id: str
    database_name: str | None = None


class ListBackups(Listing, frozen=True, kw_only=True):
    name: str | None = None
    instance_id: str | None = None


def _ready(call: Call) -> Backup:
    backup = call.own(Backup, param="database_backup_id")
    if backup.status != "ready":
        raise TransientState(backup.resource, backup.id, backup.status)
    return backup


def create(call: Call, body: CreateBackup) -> dict[str, Any]:
    instance = instance_of(call, body.instance_id)
    settled(instance)
    if all(d.name != body.database_name for d in instance.databases):
        raise NotFound("database", body.database_name)
    backup = Backup(
        **call.common(instance.project_id, Backup.resource),
        region=call.region,
        instance_id=instance.id,
        instance_name=instance.name,
        database_name=body.database_name,
        name=body.name or f"backup-{call.change.ids.word()}",
        expires_at=body.expires_at,
        same_region=instance.backup_same_region,
    )
    return view_backup(begin_errand(call.change, backup, instance, "creating"))


def get(call: Call) -> dict[str, Any]:
    return view_backup(call.own(Backup, param="database_backup_id"))


def list_(call: Call, query: ListBackups) -> dict[str, Any]:
    return listing("database_backups", call.visible(Backup), query, view_backup)


def update(call: Call, body: UpdateBackup) -> dict[str, Any]:
    backup = call.own(Backup, param="database_backup_id").changed(call.change.now, **given(body))
    call.change.ledger.put(backup)
    return view_backup(backup)


def delete(call: Call) -> dict[str, Any]:
    return view_backup(call.change.retire(call.own(Backup, param="database_backup_id")))


def restore(call: Call, body: RestoreBackup) -> dict[str, Any]:
    """Into a database of the same or of another instance, which is made where it is not there (recorded)."""
    backup = _ready(call)
    instance = instance_of(call, body.instance_id)
    settled(instance)
    name = body.database_name or backup.database_name
    if all(d.name != name for d in instance.databases):
        databases = [*instance.databases, new_database(name)]
        call.change.ledger.put(instance.changed(call.change.now, databases=databases))
    asked = msgspec.structs.replace(backup, restored_as=name)
    return view_backup(begin_errand(call.change, asked, instance, "restoring"))


def export(call: Call) -> dict[str, Any]:
    backup = _ready(call)
    token = call.change.ids.token(SECRET)
    exported = msgspec.structs.replace(
        backup,
        token=token,
        download_url=address(call, token) if call.settings.data_plane else NOTHING,
        download_url_expires_at=call.change.now + EXPORT_LIFE,
    )
    hidden = {"download_url": None, "download_url_expires_at": None}  # until it is exported
    return view_backup(call.change.begin(exported, "exporting", "ready")) | hidden


BASE = "/regions/{region}/backups"
ONE = BASE + "/{database_backup_id}"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=CreateBackup),
    Route(method="GET", path=BASE, handler=list_, query=ListBackups),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateBackup),
    Route(method="DELETE", path=ONE, handler=delete),
    Route(method="POST", path=ONE + "/restore", handler=restore, body=RestoreBackup),
    Route(method="POST", path=ONE + "/export", handler=export),
]
