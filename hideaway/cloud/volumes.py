"""Storage of servers: volumes and snapshots of instance/v1 (local) and block/v1 (SBS), and images made of them."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import msgspec

from hideaway.cloud.documents import Document, Ledger


class Volume(Document, frozen=True, kw_only=True):
    """An l_ssd or scratch volume of instance/v1. state: available, snapshotting, resizing, ..."""

    kind: ClassVar[str] = "instance/volume"
    resource: ClassVar[str] = "instance_volume"
    status_field: ClassVar[str] = "state"

    zone: str
    name: str
    volume_type: str
    size: int  # bytes
    state: str = "available"
    server_id: str | None = None
    tags: list[str] = []

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.server_id,) if self.server_id else ()


class VolumePart(msgspec.Struct, frozen=True, kw_only=True):
    """What an instance/v1 snapshot or image says of a volume. volume_type: l_ssd or sbs_snapshot."""

    id: str
    name: str = ""
    volume_type: str = "l_ssd"
    size: int = 0  # bytes


class Snapshot(Document, frozen=True, kw_only=True):
    """A snapshot of a local volume. state: snapshotting, available, importing, exporting, error."""

    kind: ClassVar[str] = "instance/snapshot"
    resource: ClassVar[str] = "instance_snapshot"
    status_field: ClassVar[str] = "state"

    zone: str
    name: str
    volume_type: str
    size: int  # bytes
    state: str = "snapshotting"
    base_volume: VolumePart | None = None
    public: bool = False
    tags: list[str] = []
    error_reason: str | None = None

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.base_volume.id,) if self.base_volume else ()


class Image(Document, frozen=True, kw_only=True):
    """An image that a user made of snapshots; the vendor's own are in `images`. state: creating, available, error."""

    kind: ClassVar[str] = "instance/image"
    resource: ClassVar[str] = "instance_image"
    status_field: ClassVar[str] = "state"

    zone: str
    name: str
    arch: str = "x86_64"
    root_volume: VolumePart
    extra_volumes: dict[str, VolumePart] = {}
    from_server: str = ""
    public: bool = False
    state: str = "available"
    tags: list[str] = []

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.root_volume.id, *(v.id for v in self.extra_volumes.values()))


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """Who uses a block volume or snapshot. status: attached, detaching, ..."""

    id: str
    product_resource_type: str
    product_resource_id: str
    created_at: datetime
    type: str = "exclusive"
    status: str = "attached"


class BlockVolume(Document, frozen=True, kw_only=True):
    """A volume of block/v1 (SBS). status: creating, available, in_use, resizing, deleting, ..."""

    kind: ClassVar[str] = "block/volume"
    resource: ClassVar[str] = "volume"

    zone: str
    name: str
    size: int  # bytes
    perf_iops: int = 5000
    status: str = "creating"
    parent_snapshot_id: str | None = None
    references: list[Reference] = []
    last_detached_at: datetime | None = None
    kms_key_id: str | None = None
    tags: list[str] = []
    next_size: int | None = msgspec.field(default=None, name="_next_size")
    next_iops: int | None = msgspec.field(default=None, name="_next_iops")
    """What it becomes when an update ends; until then it answers what it was (recorded)."""

    @property
    def refs(self) -> tuple[str, ...]:
        parent = (self.parent_snapshot_id,) if self.parent_snapshot_id else ()
        return (*parent, *(r.product_resource_id for r in self.references))

    def settled(self, ledger: Ledger, now: datetime) -> Document | None:
        result = super().settled(ledger, now)
        if not isinstance(result, BlockVolume):
            return result
        return msgspec.structs.replace(
            result,
            size=self.next_size or self.size,
            perf_iops=self.next_iops or self.perf_iops,
            next_size=None,
            next_iops=None,
        )


class BlockSnapshot(Document, frozen=True, kw_only=True):
    """A snapshot of block/v1. volume_id: the volume that it was taken of, which may be gone."""

    kind: ClassVar[str] = "block/snapshot"
    resource: ClassVar[str] = "snapshot"

    zone: str
    name: str
    size: int  # bytes
    status: str = "creating"
    public: bool = False
    volume_id: str | None = None
    volume_name: str = ""
    volume_type: str = "sbs_5k"
    references: list[Reference] = []
    tags: list[str] = []

    @property
    def refs(self) -> tuple[str, ...]:
        parent = (self.volume_id,) if self.volume_id else ()
        return (*parent, *(r.product_resource_id for r in self.references))
