"""Snapshots of block volumes. They outlive their volume."""

from __future__ import annotations

from typing import Any

import msgspec

from hideaway.api.block.volumes import LARGEST, SMALLEST
from hideaway.api.call import Call
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Name, ObjectName, Tags, UInt64, given
from hideaway.base.errors import NotFound, PermissionDenied, PreconditionFailed, invalid
from hideaway.cloud.backups import export, import_block, snapshot_block, volume_type
from hideaway.cloud.images import root_snapshots
from hideaway.cloud.volumes import BlockSnapshot, BlockVolume


class CreateSnapshot(Body, frozen=True, kw_only=True):
    volume_id: str
    name: Name | None = None
    project_id: str | None = None
    tags: Tags | None = None
    public: bool | None = None


class UpdateSnapshot(Body, frozen=True, kw_only=True):
    name: Name | None = None
    tags: Tags | None = None
    public: bool | None = None


class ImportSnapshot(Body, frozen=True, kw_only=True):
    bucket: ObjectName
    key: ObjectName
    name: Name | None = None
    project_id: str | None = None
    tags: Tags | None = None
    size: UInt64 | None = None


class ExportSnapshot(Body, frozen=True, kw_only=True):
    bucket: ObjectName
    key: ObjectName


class ListSnapshots(Listing, frozen=True, kw_only=True):
    name: str | None = None
    tags: list[str] | None = None
    volume_id: str | None = None
    include_deleted: bool | None = None


def view(call: Call, snapshot: BlockSnapshot) -> dict[str, Any]:
    return {
        "id": snapshot.id,
        "name": snapshot.name,
        "parent_volume": _parent(call, snapshot),
        "size": snapshot.size,
        "project_id": snapshot.project_id,
        "created_at": snapshot.created_at,
        "updated_at": snapshot.updated_at,
        "references": msgspec.to_builtins(snapshot.references),
        "status": snapshot.status,
        "tags": snapshot.tags,
        "class": "sbs",
        "public": snapshot.public,
        "zone": snapshot.zone,
    }


def _parent(call: Call, snapshot: BlockSnapshot) -> dict[str, Any] | None:
    """The volume that it is of, as it is now, or as it was last known."""
    if snapshot.volume_id is None:
        return None
    volume = call.change.ledger.get(BlockVolume, snapshot.volume_id)
    if volume is not None:
        return {"id": volume.id, "name": volume.name, "type": volume_type(volume), "status": volume.status}
    return {
        "id": snapshot.volume_id,
        "name": snapshot.volume_name,
        "type": snapshot.volume_type,
        "status": "deleted",
    }


def create(call: Call, body: CreateSnapshot) -> dict[str, Any]:
    volume = call.refer(BlockVolume, body.volume_id, "volume_id", project_id=body.project_id)
    if volume.zone != call.place:
        raise NotFound(volume.resource, body.volume_id)
    _, project = call.project(volume.project_id, BlockSnapshot.resource)
    snapshot = snapshot_block(
        call.change,
        volume,
        body.name or f"snp-{call.change.ids.word()}",
        project_id=project,
        tags=body.tags or [],
        public=bool(body.public),
    )
    return view(call, snapshot)


def _own(call: Call) -> BlockSnapshot:
    """The snapshot of the path. The vendor's own, which its images are made of, may not be read (recorded: 403)."""
    if call.params["snapshot_id"].lower() in root_snapshots():
        raise PermissionDenied("write" if call.write else "read", BlockSnapshot.resource)
    return call.own(BlockSnapshot, param="snapshot_id")


def get(call: Call) -> dict[str, Any]:
    return view(call, _own(call))


def list_(call: Call, query: ListSnapshots) -> dict[str, Any]:
    special = {"include_deleted": lambda s, wanted: True}
    return listing("snapshots", call.visible(BlockSnapshot), query, lambda s: view(call, s), special=special)


def update(call: Call, body: UpdateSnapshot) -> dict[str, Any]:
    snapshot = _own(call).changed(call.change.now, **given(body))
    call.change.ledger.put(snapshot)
    return view(call, snapshot)


def import_(call: Call, body: ImportSnapshot) -> dict[str, Any]:
    """A snapshot that is said to come from object storage: nothing is read of it.

    Assumed: a size that is left out is the smallest.
    """
    common = call.common(body.project_id, BlockSnapshot.resource)
    size = body.size or SMALLEST
    if not SMALLEST <= size <= LARGEST:
        raise invalid("size", f"a snapshot has {SMALLEST} to {LARGEST} bytes")
    name = body.name or f"snp-{call.change.ids.word()}"
    return view(call, import_block(call.change, common, zone=call.place, name=name, size=size, tags=body.tags or []))


def export_(call: Call, body: ExportSnapshot) -> dict[str, Any]:
    return view(call, export(call.change, _own(call)))


def delete(call: Call) -> None:
    snapshot = _own(call)
    if snapshot.references:
        raise PreconditionFailed("resource_still_in_use", "an image uses it", snapshot.resource, snapshot.id)
    call.change.ledger.remove(snapshot)


BASE = "/zones/{zone}/snapshots"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=CreateSnapshot),
    Route(method="GET", path=BASE, handler=list_, query=ListSnapshots),
    Route(method="GET", path=BASE + "/{snapshot_id}", handler=get),
    Route(method="PATCH", path=BASE + "/{snapshot_id}", handler=update, body=UpdateSnapshot),
    Route(method="DELETE", path=BASE + "/{snapshot_id}", handler=delete, status=204),
    Route(method="POST", path=BASE + "/import-from-object-storage", handler=import_, body=ImportSnapshot),
    Route(method="POST", path=BASE + "/{snapshot_id}/export-to-object-storage", handler=export_, body=ExportSnapshot),
]
ROUTES_ALPHA = [
    Route(method="POST", path=BASE + "/import-from-s3", handler=import_, body=ImportSnapshot),
]
"""What only v1alpha1 has: the import's older name."""
