"""A server's volumes as a request asks for them: which stand already, which are to be made, what its type may have."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from hideaway.api.call import Call
from hideaway.api.instance.shared import here
from hideaway.api.shapes import Body, Name, UInt64
from hideaway.base.errors import NotFound, PreconditionFailed, invalid
from hideaway.base.ids import is_uuid
from hideaway.cloud.images import PublicImage, public_image
from hideaway.cloud.instances import NewVolume
from hideaway.cloud.server_types import ServerType
from hideaway.cloud.volumes import BlockSnapshot, BlockVolume, Image, Snapshot, Volume, VolumePart

MAX_VOLUMES = 16
SBS_SIZE = 10_000_000_000  # bytes: of every recorded root volume whose size was left out
WINDOWS_SIZE = 25_000_000_000
TYPES = ("l_ssd", "scratch", "sbs_volume")


class VolumeTemplate(Body, frozen=True, kw_only=True):
    """A volume in a server's request: one that stands (id), else one to be made. size in bytes."""

    id: str | None = None
    boot: bool | None = None
    name: Name | None = None
    size: UInt64 | None = None
    volume_type: str | None = None
    base_snapshot: str | None = None


class Storage(msgspec.Struct, frozen=True, kw_only=True):
    """By slot: the ids of volumes to attach, and volumes to make."""

    standing: dict[str, str] = {}
    new: dict[str, NewVolume] = {}


def check_slots(templates: Mapping[str, VolumeTemplate]) -> None:
    """Raises InvalidArguments for slots that are no small numbers, unknown volume types and sizes of nothing."""
    if len(templates) > MAX_VOLUMES:
        raise invalid("volumes", f"a server has {MAX_VOLUMES} volumes at most")
    for slot, one in templates.items():
        if not slot.isascii() or not slot.isdigit() or len(slot) > 3:
            raise invalid(f"volumes.{slot}", "volumes are numbered from 0 on")
        if one.volume_type is not None and one.volume_type not in (*TYPES, "unknown_volume_type"):
            raise invalid(f"volumes.{slot}.volume_type", f"{one.volume_type!r} is none of {', '.join(TYPES)}")


def plan(
    call: Call,
    templates: Mapping[str, VolumeTemplate],
    kind: ServerType,
    image: PublicImage | Image | None,
    project_id: str,
) -> Storage:
    """The volumes of a new server. Raises InvalidArguments, NotFound, PreconditionFailed."""
    check_slots(templates)
    standing, new = {}, {}
    for slot, one in templates.items():
        if one.id:
            standing[slot] = free_volume(call, one.id, f"volumes.{slot}.id", project_id).id
        elif slot == "0" and image is not None and not one.base_snapshot:
            new[slot] = root_of(image, one)
        else:
            new[slot] = not_of_image(call, f"volumes.{slot}", one, project_id)
    if image is not None and "0" not in templates:
        new["0"] = root_of(image, VolumeTemplate())
    if isinstance(image, Image):
        new |= {s: _of_part(p, VolumeTemplate()) for s, p in image.extra_volumes.items() if s not in templates}
    check_local(call, kind, standing, new)
    return Storage(standing=standing, new=new)


def free_volume(call: Call, id_: str, argument: str, project_id: str) -> Volume | BlockVolume:
    """A volume of this zone and project that no server has. Raises NotFound (as an instance volume) or 412."""
    ledger = call.change.ledger
    if is_uuid(id_) and ledger.get(BlockVolume, id_.lower()) is not None:
        volume: Volume | BlockVolume = here(call, BlockVolume, id_, argument, project_id)
        used = bool(volume.references)  # type: ignore[union-attr]
    else:
        local = volume = here(call, Volume, id_, argument, project_id)
        used = local.server_id is not None
    if used:
        raise PreconditionFailed(
            "resource_still_in_use", "the volume is attached to a server already", volume.resource, volume.id
        )
    return volume


def root_of(image: PublicImage | Image, wanted: VolumeTemplate) -> NewVolume:
    root = image.root_volume
    if isinstance(image, PublicImage) and root is not None:
        type_ = wanted.volume_type if wanted.volume_type in TYPES else None
        if type_ is None:
            type_ = "l_ssd" if root.volume_type == "l_ssd" else "sbs_volume"
        smallest = WINDOWS_SIZE if image.label.startswith("windows") else SBS_SIZE
        sbs = type_ == "sbs_volume"
        name = f"{image.name}_sbs_volume_0" if sbs else image.name
        return NewVolume(
            volume_type=type_,
            size=wanted.size or root.size or smallest,
            name=wanted.name or name,
            snapshot_id=root.id if sbs else None,
        )
    assert isinstance(root, VolumePart)
    return _of_part(root, wanted)


def _of_part(part: VolumePart, wanted: VolumeTemplate) -> NewVolume:
    """A volume made of a user's image's snapshot."""
    sbs = part.volume_type == "sbs_snapshot"
    return NewVolume(
        volume_type="sbs_volume" if sbs else part.volume_type,
        size=wanted.size or part.size or SBS_SIZE,
        name=wanted.name or part.name,
        snapshot_id=part.id if sbs else None,
    )


def not_of_image(call: Call, where: str, wanted: VolumeTemplate, project_id: str) -> NewVolume:
    """A volume of a snapshot, or an empty one."""
    size, type_, snapshot_id = wanted.size or 0, wanted.volume_type or "l_ssd", None
    if wanted.base_snapshot:
        snapshot = need_snapshot(call, wanted.base_snapshot, f"{where}.base_snapshot", project_id)
        sbs = isinstance(snapshot, BlockSnapshot)
        type_, snapshot_id = ("sbs_volume", snapshot.id) if sbs else (snapshot.volume_type, None)
        size = size or snapshot.size
        if size < snapshot.size:
            raise invalid(f"{where}.size", "the volume is smaller than its snapshot")
    if type_ not in TYPES:
        type_ = "l_ssd"
    if not size:
        raise invalid(f"{where}.size", "size is required", "required")
    return NewVolume(volume_type=type_, size=size, name=wanted.name or "", snapshot_id=snapshot_id)


def need_snapshot(call: Call, id_: str, argument: str, project_id: str) -> Snapshot | BlockSnapshot:
    """A snapshot of this zone and project, local or block. Raises NotFound (as an instance snapshot)."""
    if is_uuid(id_) and call.change.ledger.get(BlockSnapshot, id_.lower()) is not None:
        return here(call, BlockSnapshot, id_, argument, project_id)
    return here(call, Snapshot, id_, argument, project_id)


def find_image(call: Call, id_: str, argument: str, project_id: str) -> PublicImage | Image:
    """An image of this zone: the vendor's, or the project's own. Raises NotFound."""
    image = public_image(id_.lower())
    if image is None:
        return here(call, Image, id_, argument, project_id)
    if image.zone != call.place:
        raise NotFound(Image.resource, id_)
    return image


def check_local(call: Call, kind: ServerType, standing: Mapping[str, str], new: Mapping[str, NewVolume]) -> None:
    """A type's local volumes have a size, together, that the type allows (volumes_constraint)."""
    sizes = [v.size for v in new.values() if v.volume_type == "l_ssd"]
    for id_ in standing.values():
        volume = call.change.ledger.get(Volume, id_)
        if volume is not None and volume.volume_type == "l_ssd":
            sizes.append(volume.size)
    limit = kind.volumes_constraint
    if sizes and not kind.local:
        raise invalid("volumes", f"{kind.name} has no local volumes: use sbs_volume")
    if sum(sizes) > limit.max_size:
        raise invalid("volumes", f"{kind.name}: local volumes have {limit.max_size} bytes together at most")
    scratch = [v.size for v in new.values() if v.volume_type == "scratch"]
    if sum(scratch) > (kind.scratch_storage_max_size or 0):
        raise invalid("volumes", f"{kind.name}: scratch volumes have {kind.scratch_storage_max_size} bytes at most")
