"""Local volumes and their snapshots."""

from __future__ import annotations

from typing import Any, Literal

from hideaway.api.call import Call
from hideaway.api.instance.shared import Page, here, listed, owners, times
from hideaway.api.instance.views import task_view, volume_view
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Name, ObjectName, Tags, Text, UInt64, given
from hideaway.base.errors import PreconditionFailed, invalid
from hideaway.cloud.backups import export, import_local, snapshot_local
from hideaway.cloud.volumes import Image, Snapshot, Volume

SMALLEST = 1_000_000_000  # bytes: products/volumes
LARGEST = {"l_ssd": 800_000_000_000, "scratch": 60_000_000_000_000}


class CreateVolume(Body, frozen=True, kw_only=True):
    name: Name | None = None
    organization: str | None = None
    project: str | None = None
    tags: Tags | None = None
    volume_type: Literal["l_ssd", "scratch", "b_ssd", "unified", "sbs_volume", "sbs_snapshot"] | None = None
    size: UInt64 | None = None
    base_snapshot: str | None = None


class UpdateVolume(Body, frozen=True, kw_only=True):
    name: Name | None = None
    tags: Tags | None = None
    size: UInt64 | None = None


class ListVolumes(Page, frozen=True, kw_only=True):
    name: str | None = None
    tags: list[str] | None = None
    volume_type: str | None = None


def create(call: Call, body: CreateVolume) -> dict[str, Any]:
    return {"volume": volume_view(call, make_volume(call, body))}


def make_volume(call: Call, body: CreateVolume) -> Volume:
    common = call.common(body.project or body.organization, Volume.resource, "project")
    size, type_ = body.size, str(body.volume_type or "l_ssd")
    if body.base_snapshot:
        snapshot = here(call, Snapshot, body.base_snapshot, "base_snapshot", common["project_id"])
        size, type_ = size or snapshot.size, snapshot.volume_type
        if size < snapshot.size:
            raise invalid("size", "the volume is smaller than its snapshot")
    _check(type_, size)
    volume = Volume(
        **common,
        zone=call.place,
        name=body.name or f"vol-{call.change.ids.word()}",
        volume_type=type_,
        size=size or 0,
        tags=body.tags or [],
    )
    call.change.ledger.put(volume)
    return volume


def _check(type_: str, size: int | None) -> None:
    if type_ not in LARGEST:
        raise invalid("volume_type", f"{type_!r} is none of {', '.join(LARGEST)}: block volumes are made by block/v1")
    if not size:
        raise invalid("size", "size is required", "required")
    if not SMALLEST <= size <= LARGEST[type_]:
        raise invalid("size", f"a {type_} volume has {SMALLEST} to {LARGEST[type_]} bytes")


def get(call: Call) -> dict[str, Any]:
    return {"volume": volume_view(call, call.own(Volume, param="volume_id"))}


def list_(call: Call, query: ListVolumes) -> dict[str, Any]:
    return listed(call, "volumes", call.visible(Volume), query, lambda v: volume_view(call, v))


def update(call: Call, body: UpdateVolume) -> dict[str, Any]:
    return {"volume": volume_view(call, change_volume(call, body))}


def change_volume(call: Call, body: UpdateVolume) -> Volume:
    """Local volumes keep their size (the vendor resizes block volumes only)."""
    volume = call.own(Volume, param="volume_id")
    if body.size is not None and body.size != volume.size:
        raise invalid("size", f"a {volume.volume_type} volume cannot be resized")
    volume = volume.changed(call.change.now, **given(body))
    call.change.ledger.put(volume)
    return volume


def delete(call: Call) -> None:
    volume = call.own(Volume, param="volume_id")
    if volume.server_id:
        raise PreconditionFailed(
            "resource_still_in_use", "the volume is attached to a server", volume.resource, volume.id
        )
    call.change.ledger.remove(volume)


class CreateSnapshot(Body, frozen=True, kw_only=True):
    name: Name | None = None
    volume_id: str | None = None
    tags: Tags | None = None
    organization: str | None = None
    project: str | None = None
    volume_type: str | None = None
    bucket: Text | None = None
    key: Text | None = None
    size: UInt64 | None = None


class ExportSnapshot(Body, frozen=True, kw_only=True):
    bucket: ObjectName
    key: ObjectName


class UpdateSnapshot(Body, frozen=True, kw_only=True):
    name: Name | None = None
    tags: Tags | None = None


class ListSnapshots(Page, frozen=True, kw_only=True):
    name: str | None = None
    tags: list[str] | None = None
    base_volume_id: str | None = None


def snapshot_view(snapshot: Snapshot) -> dict[str, Any]:
    base = snapshot.base_volume
    return {
        "id": snapshot.id,
        "name": snapshot.name,
        "volume_type": snapshot.volume_type,
        **times(snapshot),
        **owners(snapshot),
        "size": snapshot.size,
        "state": snapshot.state,
        "base_volume": {"id": base.id, "name": base.name} if base else None,
        "tags": snapshot.tags,
        "zone": snapshot.zone,
        "error_details": snapshot.error_reason,
    }


def create_snapshot(call: Call, body: CreateSnapshot) -> dict[str, Any]:
    """Of a local volume, or of an object that is said to be in object storage."""
    if body.bucket or body.key:
        return _import(call, body)
    if not body.volume_id:
        raise invalid("volume_id", "one of volume_id and bucket is required", "required")
    snapshot = take_snapshot(call, body, "volume_id")
    task = task_view(call, "volume_snapshot", "/snapshots", f"snapshots/{snapshot.id}")
    return {"snapshot": snapshot_view(snapshot), "task": task}


def take_snapshot(call: Call, body: CreateSnapshot, argument: str) -> Snapshot:
    volume = here(call, Volume, body.volume_id or "", argument, body.project or body.organization)
    _, project = call.project(volume.project_id, Snapshot.resource, "project")
    if volume.volume_type == "scratch":
        raise invalid(argument, "a scratch volume has no snapshots")
    name = body.name or f"snp-{call.change.ids.word()}"
    return snapshot_local(call.change, volume, name, project_id=project, tags=body.tags or [])


def _import(call: Call, body: CreateSnapshot) -> dict[str, Any]:
    snapshot = import_snapshot(call, body)
    task = task_view(call, "snapshot_import", "/snapshots", f"snapshots/{snapshot.id}")
    return {"snapshot": snapshot_view(snapshot), "task": task}


def import_snapshot(call: Call, body: CreateSnapshot) -> Snapshot:
    """Nothing is read of the object. A size that is left out is assumed to be the smallest."""
    common = call.common(body.project or body.organization, Snapshot.resource, "project")
    if not (body.bucket and body.key) or body.volume_id:
        raise invalid("key", "an import has a bucket and a key, and no volume_id", "required")
    if body.volume_type not in (None, "l_ssd", "unknown_volume_type"):
        raise invalid("volume_type", f"{body.volume_type!r} is not l_ssd: block snapshots are imported by block/v1")
    size = body.size or SMALLEST
    if size % 512 or not SMALLEST <= size <= LARGEST["l_ssd"]:
        raise invalid("size", f"an l_ssd snapshot has {SMALLEST} to {LARGEST['l_ssd']} bytes, a multiple of 512")
    name = body.name or f"snp-{call.change.ids.word()}"
    return import_local(call.change, common, zone=call.place, name=name, type_="l_ssd", size=size, tags=body.tags or [])


def export_snapshot(call: Call, body: ExportSnapshot) -> dict[str, Any]:
    snapshot = export(call.change, call.own(Snapshot, param="snapshot_id"))
    path = f"/snapshots/{snapshot.id}"
    return {"task": task_view(call, "snapshot_export", path + "/export", path)}


def get_snapshot(call: Call) -> dict[str, Any]:
    return {"snapshot": snapshot_view(call.own(Snapshot, param="snapshot_id"))}


def list_snapshots(call: Call, query: ListSnapshots) -> dict[str, Any]:
    special = {"base_volume_id": lambda s, wanted: s.base_volume is not None and s.base_volume.id == wanted.lower()}
    return listed(call, "snapshots", call.visible(Snapshot), query, snapshot_view, special)


def update_snapshot(call: Call, body: UpdateSnapshot) -> dict[str, Any]:
    snapshot = call.own(Snapshot, param="snapshot_id").changed(call.change.now, **given(body))
    call.change.ledger.put(snapshot)
    return {"snapshot": snapshot_view(snapshot)}


def delete_snapshot(call: Call) -> None:
    snapshot = call.own(Snapshot, param="snapshot_id")
    if call.change.ledger.find(Image, ref=snapshot.id):
        raise PreconditionFailed("resource_still_in_use", "an image uses it", snapshot.resource, snapshot.id)
    call.change.ledger.remove(snapshot)


BASE, SNAPSHOTS = "/zones/{zone}/volumes", "/zones/{zone}/snapshots"
ONE, SNAPSHOT = BASE + "/{volume_id}", SNAPSHOTS + "/{snapshot_id}"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=CreateVolume, status=201),
    Route(method="GET", path=BASE, handler=list_, query=ListVolumes),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateVolume),
    Route(method="DELETE", path=ONE, handler=delete, status=204),
    Route(method="POST", path=SNAPSHOTS, handler=create_snapshot, body=CreateSnapshot, status=201),
    Route(method="GET", path=SNAPSHOTS, handler=list_snapshots, query=ListSnapshots),
    Route(method="GET", path=SNAPSHOT, handler=get_snapshot),
    Route(method="PATCH", path=SNAPSHOT, handler=update_snapshot, body=UpdateSnapshot),
    Route(method="PUT", path=SNAPSHOT, handler=update_snapshot, body=UpdateSnapshot),
    Route(method="DELETE", path=SNAPSHOT, handler=delete_snapshot, status=204),
    Route(method="POST", path=SNAPSHOT + "/export", handler=export_snapshot, body=ExportSnapshot, status=202),
]
