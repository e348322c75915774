"""Larger nodes and volumes, high availability, newer engines; clones."""

from __future__ import annotations

from typing import Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.pipeline import Route
from hideaway.api.rdb.instances import availability, fitting, local_size, volume_fault
from hideaway.api.rdb.views import view_instance
from hideaway.api.shapes import Body, Name, UInt64
from hideaway.base.errors import InvalidArguments, invalid
from hideaway.cloud.database_types import CLASSES, EngineVersion, upgradable
from hideaway.cloud.databases import Database
from hideaway.cloud.databasing import copy, live, settled, succeed

UNKNOWN_MODE = "unknown_high_availability_mode"


class MajorUpgrade(Body, frozen=True, kw_only=True):
    upgradable_version_id: str
    with_endpoints: bool | None = None


class UpgradeInstance(Body, frozen=True, kw_only=True):
    node_type: str | None = None
    enable_ha: bool | None = None
    high_availability_mode: str | None = None
    volume_size: UInt64 | None = None
    volume_type: str | None = None
    upgradable_version_id: str | None = None
    major_upgrade_workflow: MajorUpgrade | None = None
    enable_encryption: bool | None = None


class CloneInstance(Body, frozen=True, kw_only=True):
    name: Name | None = None
    node_type: str | None = None


def upgrade(call: Call, body: UpgradeInstance) -> dict[str, Any]:
    """One thing at a time. All but a newer engine are done to the instance itself, whose settings stay (recorded)."""
    database = call.own(Database, param="instance_id")
    asked = [n for n in body.__struct_fields__ if getattr(body, n) not in (None, "", 0, False, UNKNOWN_MODE)]
    if len(asked) != 1:
        raise invalid("upgrade_target", "exactly one thing can be upgraded at a time", "required")
    settled(database)
    if body.major_upgrade_workflow is not None:
        target = _version(database, body.major_upgrade_workflow.upgradable_version_id)
        with_endpoints = bool(body.major_upgrade_workflow.with_endpoints)
        return view_instance(call, succeed(call.change, database, target.name, with_endpoints=with_endpoints))
    changed = msgspec.structs.replace(database, **_changes(database, body))
    return view_instance(call, call.change.begin(changed, "initializing", "ready"))


def _changes(database: Database, body: UpgradeInstance) -> dict[str, Any]:
    if body.node_type:
        return fitting(database, body.node_type)
    if body.volume_size:
        return _volume(database, database.volume_type, body.volume_size)
    if body.volume_type:
        # To local storage: all that the node has; to another: as large as it was (both recorded).
        local = CLASSES.get(body.volume_type) == "lssd"
        size = local_size(database.node_type, body.volume_type) if local else database.volume_size
        return _volume(database, body.volume_type, size)
    if body.upgradable_version_id:
        return {"engine": _version(database, body.upgradable_version_id).name}
    if body.enable_encryption:
        return {"encryption_enabled": True}
    return availability(body.enable_ha, body.high_availability_mode)


def _volume(database: Database, type_: str, size: int) -> dict[str, Any]:
    fault = volume_fault(database.node_type, type_, size)
    if fault is not None:
        raise InvalidArguments(fault)
    if type_ == database.volume_type and size < database.volume_size:
        raise invalid("volume_size", "a volume cannot become smaller")
    return {"volume_type": type_, "volume_size": size}


def _version(database: Database, id_: str) -> EngineVersion:
    found = next((v for v in upgradable(database.engine) if v.id == id_), None)
    if found is None:
        raise invalid("upgradable_version_id", f"{database.engine} cannot be upgraded to it")
    return found


def clone(call: Call, body: CloneInstance) -> dict[str, Any]:
    database = call.own(Database, param="instance_id")
    settled(database)
    name = body.name or f"{database.name[:245]}-clone"
    changes = fitting(database, body.node_type or database.node_type)
    return view_instance(call, copy(call.change, database, live(database), name=name, **changes))


ONE = "/regions/{region}/instances/{instance_id}"
ROUTES = [
    Route(method="POST", path=ONE + "/upgrade", handler=upgrade, body=UpgradeInstance, records=False),
    Route(method="POST", path=ONE + "/clone", handler=clone, body=CloneInstance, records=False),
]
