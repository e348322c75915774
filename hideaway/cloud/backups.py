"""What can be made of a volume: a snapshot of it, and of all of a server's an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from hideaway.base.errors import TransientState
from hideaway.cloud.change import Change
from hideaway.cloud.servers import Server
from hideaway.cloud.volumes import BlockSnapshot, BlockVolume, Image, Reference, Snapshot, Volume, VolumePart

S = TypeVar("S", Snapshot, BlockSnapshot)


def snapshot_local(
    change: Change, volume: Volume, name: str, *, project_id: str = "", tags: Sequence[str] = ()
) -> Snapshot:
    """Take a snapshot of a local volume."""
    snapshot = Snapshot(
        **change.of(volume, project_id),
        zone=volume.zone,
        name=name,
        volume_type=volume.volume_type,
        size=volume.size,
        base_volume=VolumePart(id=volume.id, name=volume.name),
        tags=list(tags),
    )
    return change.begin(snapshot, "snapshotting", "available")


def snapshot_block(
    change: Change,
    volume: BlockVolume,
    name: str,
    *,
    project_id: str = "",
    tags: Sequence[str] = (),
    public: bool = False,
) -> BlockSnapshot:
    """Take a snapshot of a block volume."""
    snapshot = BlockSnapshot(
        **change.of(volume, project_id),
        zone=volume.zone,
        name=name,
        size=volume.size,
        volume_id=volume.id,
        volume_name=volume.name,
        volume_type=volume_type(volume),
        public=public,
        tags=list(tags),
    )
    return change.begin(snapshot, "creating", "available")


def import_local(
    change: Change, owner: dict[str, Any], *, zone: str, name: str, type_: str, size: int, tags: Sequence[str]
) -> Snapshot:
    """Keep a snapshot that is said to come from object storage; owner: a new document's common fields."""
    snapshot = Snapshot(**owner, zone=zone, name=name, volume_type=type_, size=size, tags=list(tags))
    return change.begin(snapshot, "importing", "available")


def import_block(
    change: Change, owner: dict[str, Any], *, zone: str, name: str, size: int, tags: Sequence[str]
) -> BlockSnapshot:
    """The same, of block/v1."""
    snapshot = BlockSnapshot(**owner, zone=zone, name=name, size=size, tags=list(tags))
    return change.begin(snapshot, "creating", "available")


def export(change: Change, snapshot: S) -> S:
    """Let a snapshot be exporting for a while: nothing is read, for its content is no part of the cloud.

    Raises TransientState for one that is on its way from one state to another.
    """
    state = str(getattr(snapshot, snapshot.status_field))
    if snapshot.pending is not None:
        raise TransientState(snapshot.resource, snapshot.id, state)
    return change.begin(snapshot, "exporting", state)


def volume_type(volume: BlockVolume) -> str:
    """What block/v1 calls a volume's type: sbs_5k or sbs_15k."""
    return f"sbs_{volume.perf_iops // 1000}k"


def backup(change: Change, server: Server, name: str = "") -> Image:
    """Take a snapshot of each of a server's volumes, and make an image of them; of volumes of slot 0 at least."""
    name = name or f"image_{server.name}_{change.now:%Y-%m-%d_%H-%M}"
    parts: dict[str, VolumePart] = {}
    for slot, id_ in sorted(server.volumes.items()):
        local, block = change.ledger.get(Volume, id_), change.ledger.get(BlockVolume, id_)
        if local is not None and local.volume_type != "scratch":
            taken = snapshot_local(change, local, f"{name}_snap_{slot}")
            parts[slot] = VolumePart(id=taken.id, name=taken.name, volume_type=taken.volume_type, size=taken.size)
        elif block is not None:
            kept = snapshot_block(change, block, f"{name}_snap_{slot}")
            parts[slot] = VolumePart(id=kept.id, volume_type="sbs_snapshot")
    root = parts.pop(min(parts, key=int))
    image = Image(
        **change.of(server),
        zone=server.zone,
        name=name,
        arch=server.arch,
        root_volume=root,
        extra_volumes=parts,
        from_server=server.id,
    )
    return make_image(change, image)


def make_image(change: Change, image: Image) -> Image:
    """Keep a new image; the block snapshots that it is made of say that it uses them (recorded)."""
    for part in (image.root_volume, *image.extra_volumes.values()):
        snapshot = change.ledger.get(BlockSnapshot, part.id)
        if snapshot is not None:
            link = Reference(
                id=change.ids.uuid(),
                product_resource_type="instance_image",
                product_resource_id=image.id,
                created_at=change.now,
                type="link",
            )
            references = [*snapshot.references, link]
            change.ledger.put(snapshot.changed(change.now, references=references, status="in_use", pending=None))
    return change.begin(image, "creating", "available")


def remove_image(change: Change, image: Image) -> None:
    """Forget an image; its snapshots stay, free."""
    for snapshot in change.ledger.find(BlockSnapshot, ref=image.id):
        left = [r for r in snapshot.references if r.product_resource_id != image.id]
        change.ledger.put(snapshot.changed(change.now, references=left, status="in_use" if left else "available"))
    change.ledger.remove(image)
