"""A new server's volumes as v2alpha1 asks for them: in the order of their slots, the first one to be booted from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from hideaway.api.call import Call
from hideaway.api.instance.storage import (
    MAX_VOLUMES,
    VolumeTemplate,
    check_local,
    free_volume,
    need_snapshot,
    not_of_image,
    root_of,
)
from hideaway.api.shapes import Body, Name, Tags, UInt32, UInt64
from hideaway.base.errors import invalid
from hideaway.cloud.images import LOCAL, SBS, PublicImage, image_of
from hideaway.cloud.instances import NewVolume
from hideaway.cloud.server_types import ServerType
from hideaway.cloud.volumes import BlockSnapshot, BlockVolume

Type = Literal["l_ssd", "sbs", "scratch", "unknown_volume_type"]
IOPS = (5000, 15000)


class VolumeBody(Body, frozen=True, kw_only=True):
    """A volume to make: of a snapshot, of an image by its label, or empty. size in bytes."""

    name: Name | None = None
    tags: Tags | None = None
    size: UInt64 | None = None
    perf_iops: UInt32 | None = None
    base_snapshot_id: str | None = None
    image_label: Name | None = None


class ServerVolume(Body, frozen=True, kw_only=True):
    """A volume of a server: one that stands, or one to be made."""

    volume_type: Type | None = None
    volume_id: str | None = None
    new_volume: VolumeBody | None = None


class Storage(msgspec.Struct, frozen=True, kw_only=True):
    """By slot: the ids of volumes to attach, and volumes to make; and the image of the first one."""

    standing: dict[str, str]
    new: dict[str, NewVolume]
    image: PublicImage | None


def plan(
    call: Call, volumes: Sequence[ServerVolume], kind: ServerType, project_id: str, *, labels: bool = True
) -> Storage:
    """The volumes of a new server. Raises InvalidArguments, NotFound, PreconditionFailed; changes nothing.

    Without labels, volumes of images are passed over: their labels are not looked up.
    """
    if len(volumes) > MAX_VOLUMES:
        raise invalid("volumes", f"a server has {MAX_VOLUMES} volumes at most")
    standing: dict[str, str] = {}
    new: dict[str, NewVolume] = {}
    image = None
    for n, one in enumerate(volumes):
        where, slot = f"volumes.{n}", str(n)
        if bool(one.volume_id) == (one.new_volume is not None):
            raise invalid(where, "one of volume_id and new_volume is required", "required")
        if one.volume_id:
            standing[slot] = _standing(call, one, where, project_id)
            continue
        if not labels and one.new_volume is not None and one.new_volume.image_label:
            continue
        of_image = _image(call, one, kind, where)
        image = of_image if n == 0 else image
        new[slot] = _new(call, one, of_image, where, project_id)
    if len(set(standing.values())) != len(standing):
        raise invalid("volumes", "a volume can be attached once")
    check_local(call, kind, standing, new)
    return Storage(standing=standing, new=new, image=image)


def _standing(call: Call, wanted: ServerVolume, where: str, project_id: str) -> str:
    volume = free_volume(call, wanted.volume_id or "", f"{where}.volume_id", project_id)
    check_type(wanted.volume_type, "sbs" if isinstance(volume, BlockVolume) else volume.volume_type, where)
    return volume.id


def check_type(wanted: str | None, present: str, where: str) -> None:
    """Raises InvalidArguments where a volume is said to be of another type than it is."""
    if wanted not in (None, "unknown_volume_type", present):
        raise invalid(f"{where}.volume_type", f"the volume is {present}, not {wanted}")


def _image(call: Call, wanted: ServerVolume, kind: ServerType, where: str) -> PublicImage | None:
    """The marketplace's image that a new volume is made of. Raises InvalidArguments for an unknown label."""
    label = wanted.new_volume.image_label if wanted.new_volume else None
    if not label:
        return None
    image = image_of(call.place, label, kind.name, LOCAL if wanted.volume_type == "l_ssd" else SBS)
    if image is None:
        raise invalid(f"{where}.new_volume.image_label", f"{label!r} is no label of the marketplace for {kind.name}")
    return image


def _new(call: Call, wanted: ServerVolume, image: PublicImage | None, where: str, project_id: str) -> NewVolume:
    body, where = wanted.new_volume or VolumeBody(), f"{where}.new_volume"
    if wanted.volume_type in (None, "unknown_volume_type"):
        raise invalid(where.replace("new_volume", "volume_type"), "volume_type is required", "required")
    sbs = wanted.volume_type == "sbs"
    if body.perf_iops and not (sbs and body.perf_iops in IOPS):
        raise invalid(f"{where}.perf_iops", f"an sbs volume has {IOPS[0]} or {IOPS[1]}, another none")
    if image is not None and wanted.volume_type == "scratch":
        raise invalid(f"{where}.image_label", "a scratch volume is made empty")
    if body.base_snapshot_id and body.image_label:
        raise invalid(where, "at most one of base_snapshot_id and image_label")
    if body.base_snapshot_id:
        snapshot = need_snapshot(call, body.base_snapshot_id, f"{where}.base_snapshot_id", project_id)
        if isinstance(snapshot, BlockSnapshot) != sbs:
            raise invalid(f"{where}.base_snapshot_id", f"is no snapshot of an {wanted.volume_type} volume")
    template = VolumeTemplate(
        name=body.name or None,
        size=body.size or None,
        volume_type="sbs_volume" if sbs else wanted.volume_type,
        base_snapshot=body.base_snapshot_id or None,
    )
    made = root_of(image, template) if image else not_of_image(call, where, template, project_id)
    return msgspec.structs.replace(made, tags=body.tags or [], iops=body.perf_iops or IOPS[0])
