"""Local volumes and their snapshots in v2alpha1. Block volumes are block/v1's."""

from __future__ import annotations

from typing import Any, Literal

from hideaway.api.call import Call
from hideaway.api.instance import volumes as v1
from hideaway.api.instance.shared import Tokens, by_token, present, tokened
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Name, ObjectName, Tags, UInt64, given
from hideaway.cloud.backups import export
from hideaway.cloud.volumes import Snapshot, Volume

STATES = {"resizing": "creating", "snapshotting": "snapshotting"}
SNAPSHOT_STATES = {"snapshotting": "creating", "importing": "creating"}
"""instance/v1's state -> v2alpha1's status, where they differ."""


class CreateVolume(Body, frozen=True, kw_only=True):
    name: Name
    project_id: str | None = None
    tags: Tags | None = None
    size: UInt64 | None = None
    base_snapshot_id: str | None = None
    volume_type: Literal["l_ssd", "scratch", "unknown_volume_type"] | None = None


class ListVolumes(Tokens, frozen=True, kw_only=True):
    order_by: Literal["created_at_desc", "created_at_asc", "updated_at_desc", "updated_at_asc"] | None = None
    volume_ids: list[str] | None = None
    name: str | None = None
    tags: list[str] | None = None
    volume_type: str | None = None


class CreateSnapshot(Body, frozen=True, kw_only=True):
    name: Name
    base_volume_id: str
    project_id: str | None = None
    tags: Tags | None = None
    public: bool | None = None


class UpdateSnapshot(Body, frozen=True, kw_only=True):
    name: Name | None = None
    tags: Tags | None = None
    public: bool | None = None


class ImportSnapshot(Body, frozen=True, kw_only=True):
    name: Name
    bucket: ObjectName
    object_key: ObjectName
    project_id: str | None = None
    tags: Tags | None = None
    size: UInt64 | None = None
    volume_type: Literal["l_ssd", "unknown_volume_type"] | None = None


class ExportSnapshot(Body, frozen=True, kw_only=True):
    bucket: ObjectName
    object_key: ObjectName


class ListSnapshots(Tokens, frozen=True, kw_only=True):
    order_by: Literal["created_at_desc", "created_at_asc", "updated_at_desc", "updated_at_asc"] | None = None
    snapshot_ids: list[str] | None = None
    name: str | None = None
    tags: list[str] | None = None
    base_volume_id: str | None = None


def types(call: Call, query: Tokens) -> dict[str, Any]:
    kinds = [{"name": name, "min_size": v1.SMALLEST, "max_size": largest} for name, largest in v1.LARGEST.items()]
    return by_token("volume_types", kinds, query, dict)


def view(volume: Volume) -> dict[str, Any]:
    return present(
        id=volume.id,
        project_id=volume.project_id,
        name=volume.name,
        tags=volume.tags,
        size=volume.size,
        status=STATES.get(volume.state, volume.state),
        volume_type=volume.volume_type,
        created_at=volume.created_at,
        updated_at=volume.updated_at,
        server_id=volume.server_id,
        zone=volume.zone,
    )


def create(call: Call, body: CreateVolume) -> dict[str, Any]:
    type_ = None if body.volume_type == "unknown_volume_type" else body.volume_type
    wanted = v1.CreateVolume(
        name=body.name, project=body.project_id, tags=body.tags, size=body.size or None, volume_type=type_,
        base_snapshot=body.base_snapshot_id,
    )  # fmt: skip
    return view(v1.make_volume(call, wanted))


def get(call: Call) -> dict[str, Any]:
    return view(call.own(Volume, param="volume_id"))


def list_(call: Call, query: ListVolumes) -> dict[str, Any]:
    special = {"volume_ids": lambda v, wanted: v.id in wanted}
    return tokened("volumes", call.visible(Volume), query, view, special)


def update(call: Call, body: v1.UpdateVolume) -> dict[str, Any]:
    return view(v1.change_volume(call, body))


def snapshot_view(snapshot: Snapshot) -> dict[str, Any]:
    return present(
        id=snapshot.id,
        project_id=snapshot.project_id,
        name=snapshot.name,
        base_volume_id=snapshot.base_volume.id if snapshot.base_volume else None,
        tags=snapshot.tags,
        size=snapshot.size,
        status=SNAPSHOT_STATES.get(snapshot.state, snapshot.state),
        volume_type=snapshot.volume_type,
        created_at=snapshot.created_at,
        updated_at=snapshot.updated_at,
        zone=snapshot.zone,
        public=snapshot.public,
    )


def create_snapshot(call: Call, body: CreateSnapshot) -> dict[str, Any]:
    wanted = v1.CreateSnapshot(name=body.name, volume_id=body.base_volume_id, project=body.project_id, tags=body.tags)
    snapshot = v1.take_snapshot(call, wanted, "base_volume_id")
    if body.public:
        snapshot = snapshot.changed(call.change.now, public=True)
        call.change.ledger.put(snapshot)
    return snapshot_view(snapshot)


def get_snapshot(call: Call) -> dict[str, Any]:
    return snapshot_view(call.own(Snapshot, param="snapshot_id"))


def list_snapshots(call: Call, query: ListSnapshots) -> dict[str, Any]:
    special = {
        "snapshot_ids": lambda s, wanted: s.id in wanted,
        "base_volume_id": lambda s, wanted: s.base_volume is not None and s.base_volume.id == wanted.lower(),
    }
    return tokened("snapshots", call.visible(Snapshot), query, snapshot_view, special)


def update_snapshot(call: Call, body: UpdateSnapshot) -> dict[str, Any]:
    snapshot = call.own(Snapshot, param="snapshot_id").changed(call.change.now, **given(body))
    call.change.ledger.put(snapshot)
    return snapshot_view(snapshot)


def import_snapshot(call: Call, body: ImportSnapshot) -> dict[str, Any]:
    wanted = v1.CreateSnapshot(
        name=body.name, bucket=body.bucket, key=body.object_key, project=body.project_id, tags=body.tags,
        size=body.size, volume_type=body.volume_type,
    )  # fmt: skip
    return snapshot_view(v1.import_snapshot(call, wanted))


def export_snapshot(call: Call, body: ExportSnapshot) -> dict[str, Any]:
    return snapshot_view(export(call.change, call.own(Snapshot, param="snapshot_id")))


BASE, SNAPSHOTS = "/zones/{zone}/volumes", "/zones/{zone}/snapshots"
ONE, SNAPSHOT = BASE + "/{volume_id}", SNAPSHOTS + "/{snapshot_id}"
ROUTES = [
    Route(method="GET", path="/zones/{zone}/volume-types", handler=types, query=Tokens),
    Route(method="POST", path=BASE, handler=create, body=CreateVolume),
    Route(method="GET", path=BASE, handler=list_, query=ListVolumes),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=v1.UpdateVolume),
    Route(method="DELETE", path=ONE, handler=v1.delete, status=204),
    Route(method="POST", path=SNAPSHOTS, handler=create_snapshot, body=CreateSnapshot),
    Route(method="GET", path=SNAPSHOTS, handler=list_snapshots, query=ListSnapshots),
    Route(method="GET", path=SNAPSHOT, handler=get_snapshot),
    Route(method="PATCH", path=SNAPSHOT, handler=update_snapshot, body=UpdateSnapshot),
    Route(method="DELETE", path=SNAPSHOT, handler=v1.delete_snapshot, status=204),
    Route(method="POST", path=SNAPSHOTS + "/import-from-object-storage", handler=import_snapshot, body=ImportSnapshot),
    Route(method="POST", path=SNAPSHOT + "/export-to-object-storage", handler=export_snapshot, body=ExportSnapshot),
]
