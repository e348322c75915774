"""Block volumes: empty or of a snapshot, made larger and faster, never smaller."""

from __future__ import annotations

from typing import Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.listing import listing, page_of
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Name, Tags, UInt32, UInt64, given
from hideaway.base.errors import NotFound, PreconditionFailed, TransientState, invalid
from hideaway.cloud.backups import volume_type
from hideaway.cloud.volumes import BlockSnapshot, BlockVolume

IOPS = (5000, 15000)
SMALLEST, LARGEST = 1_000_000_000, 10_000_000_000_000  # bytes


class FromEmpty(Body, frozen=True, kw_only=True):
    size: UInt64


class FromSnapshot(Body, frozen=True, kw_only=True):
    snapshot_id: str
    size: UInt64 | None = None


class CreateVolume(Body, frozen=True, kw_only=True):
    name: Name | None = None
    project_id: str | None = None
    tags: Tags | None = None
    perf_iops: UInt32 | None = None
    from_empty: FromEmpty | None = None
    from_snapshot: FromSnapshot | None = None
    kms_key_id: str | None = None


class UpdateVolume(Body, frozen=True, kw_only=True):
    name: Name | None = None
    tags: Tags | None = None
    size: UInt64 | None = None
    perf_iops: UInt32 | None = None


class ListVolumes(Listing, frozen=True, kw_only=True):
    name: str | None = None
    tags: list[str] | None = None
    volume_ids: list[str] | None = None
    volume_type: str | None = None
    product_resource_id: str | None = None
    include_deleted: bool | None = None


def view(volume: BlockVolume) -> dict[str, Any]:
    return {
        "id": volume.id,
        "name": volume.name,
        "type": volume_type(volume),
        "size": volume.size,
        "project_id": volume.project_id,
        "created_at": volume.created_at,
        "updated_at": volume.updated_at,
        "references": msgspec.to_builtins(volume.references),
        "parent_snapshot_id": volume.parent_snapshot_id,
        "status": volume.status,
        "tags": volume.tags,
        "specs": {"perf_iops": volume.perf_iops, "class": "sbs"},
        "last_detached_at": volume.last_detached_at,
        "kms_key_id": volume.kms_key_id,
        "zone": volume.zone,
    }


def create(call: Call, body: CreateVolume) -> dict[str, Any]:
    common = call.common(body.project_id, BlockVolume.resource)
    if (body.from_empty is None) == (body.from_snapshot is None):
        raise invalid("from_empty", "one of from_empty and from_snapshot is required", "required")
    snapshot = None
    if body.from_snapshot is not None:
        snapshot = call.refer(
            BlockSnapshot,
            body.from_snapshot.snapshot_id,
            "from_snapshot.snapshot_id",
            project_id=common["project_id"],
        )
        if snapshot.zone != call.place:
            raise NotFound(snapshot.resource, snapshot.id)
        size = body.from_snapshot.size or snapshot.size
        if size < snapshot.size:
            raise invalid("from_snapshot.size", "the volume is smaller than its snapshot")
    else:
        size = body.from_empty.size if body.from_empty else 0
    _check(size, body.perf_iops)
    volume = BlockVolume(
        **common,
        zone=call.place,
        name=body.name or f"vol-{call.change.ids.word()}",
        size=size,
        perf_iops=body.perf_iops or IOPS[0],
        parent_snapshot_id=snapshot.id if snapshot else None,
        kms_key_id=body.kms_key_id,
        tags=body.tags or [],
    )
    return view(call.change.begin(volume, "creating", "available"))


def _check(size: int | None, iops: int | None) -> None:
    if size is not None and not SMALLEST <= size <= LARGEST:
        raise invalid("size", f"a volume has {SMALLEST} to {LARGEST} bytes")
    if iops and iops not in IOPS:
        raise invalid("perf_iops", f"perf_iops is one of {IOPS[0]} and {IOPS[1]}")


def _own(call: Call) -> BlockVolume:
    return call.own(BlockVolume, param="volume_id")


def get(call: Call) -> dict[str, Any]:
    return view(_own(call))


def list_(call: Call, query: ListVolumes) -> dict[str, Any]:
    """Nothing that was deleted is kept, so include_deleted adds nothing."""
    special = {
        "include_deleted": lambda v, wanted: True,
        "volume_ids": lambda v, wanted: v.id in wanted,
        "volume_type": lambda v, wanted: volume_type(v) == wanted,
        "product_resource_id": lambda v, wanted: any(r.product_resource_id == wanted for r in v.references),
    }
    return listing("volumes", call.visible(BlockVolume), query, view, special=special)


def update(call: Call, body: UpdateVolume) -> dict[str, Any]:
    """A new size or speed is answered once it is there; until then the volume is resizing or updating."""
    volume = _own(call)
    _check(body.size, body.perf_iops)
    if body.size is not None and body.size < volume.size:
        raise invalid("size", "a volume cannot be made smaller")
    volume = volume.changed(call.change.now, **given(body, "size", "perf_iops"))
    size = body.size if body.size != volume.size else None
    iops = body.perf_iops if body.perf_iops != volume.perf_iops else None
    if size or iops:
        if volume.pending is not None:
            raise TransientState(volume.resource, volume.id, volume.status)
        volume = msgspec.structs.replace(volume, next_size=size, next_iops=iops)
        return view(call.change.begin(volume, "resizing" if size else "updating", volume.status))
    call.change.ledger.put(volume)
    return view(volume)


def delete(call: Call) -> None:
    volume = _own(call)
    if volume.references:
        raise PreconditionFailed(
            "resource_still_in_use", "the volume is attached to a server", volume.resource, volume.id
        )
    call.change.ledger.remove(volume)


def types(call: Call, query: Listing) -> dict[str, Any]:
    """Prices are none: nothing costs anything here."""
    free = {"currency_code": "EUR", "units": 0, "nanos": 0}
    shown = [
        {
            "type": f"sbs_{iops // 1000}k",
            "zone": call.place,
            "pricing": free,
            "snapshot_pricing": free,
            "specs": {"perf_iops": iops, "class": "sbs"},
        }
        for iops in IOPS
    ]
    return {"volume_types": page_of(shown, query), "total_count": len(shown)}


BASE = "/zones/{zone}/volumes"
ROUTES = [
    Route(method="GET", path="/zones/{zone}/volume-types", handler=types, query=Listing),
    Route(method="POST", path=BASE, handler=create, body=CreateVolume),
    Route(method="GET", path=BASE, handler=list_, query=ListVolumes),
    Route(method="GET", path=BASE + "/{volume_id}", handler=get),
    Route(method="PATCH", path=BASE + "/{volume_id}", handler=update, body=UpdateVolume),
    Route(method="DELETE", path=BASE + "/{volume_id}", handler=delete, status=204),
]
