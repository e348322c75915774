"""The catalogue of the vendor's images: the marketplace's labels, and the image that each is in a zone.

Images that were seen are listed with their ids (`known`; they stay usable when a newer one is current); for the zones,
architectures and labels of which none was seen an id is derived, always the same.
"""

from __future__ import annotations

import uuid
from functools import cache
from pathlib import Path

import msgspec

from hideaway.cloud.places import ZONES
from hideaway.cloud.server_types import offered, server_type

CATALOGUE = Path(__file__).parent / "catalogue" / "images.json"
OWNER = "51b656e3-4865-41e8-adbc-0c45bdd780db"
"""The organization and project of every image of the vendor's."""
LOCAL, SBS = "instance_local", "instance_sbs"
LOCAL_SIZE = 10_000_000_000  # bytes: the root volume of every recorded local image
NODE_LABEL, NODE_NAME = "kapsule_jammy", "k8s_base_node_instance"
_DERIVED = uuid.UUID("7b0d0f57-5a3c-4b57-9b53-1f2f3c0c3a10")
_DISTRIBUTION = "distribution"
_BORN = "2026-05-12T15:06:26.845576+00:00"


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """An image of the marketplace, whatever the zone."""

    id: str
    name: str
    label: str
    description: str
    logo: str
    categories: list[str]
    valid_until: str | None
    created_at: str
    updated_at: str


class Root(msgspec.Struct, frozen=True, kw_only=True):
    """The snapshot that an image's root volume is made of. size in bytes, 0 for sbs_snapshot."""

    id: str
    name: str
    volume_type: str
    size: int


class PublicImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image of the vendor's in a zone. type: instance_local or instance_sbs."""

    id: str
    zone: str
    label: str
    arch: str
    type: str
    name: str = ""
    created_at: str = _BORN
    root_volume: Root | None = None
    current: bool = False


class _File(msgspec.Struct):
    marketplace: list[Label]
    known: list[PublicImage]
    compatible: dict[str, list[str]]


@cache
def _file() -> _File:
    return msgspec.json.decode(CATALOGUE.read_bytes(), type=_File)


def labels() -> list[Label]:
    """The marketplace's images, by name."""
    return _file().marketplace


@cache
def _images() -> dict[str, PublicImage]:
    images = {image.id: _complete(image) for image in _file().known}
    current = {(i.zone, i.label, i.type, i.arch) for i in images.values() if i.current}
    for zone in ZONES:
        for label in labels():
            for type_, arch in _variants(label):
                if (zone, label.label, type_, arch) not in current:
                    image = _derived(zone, label.label, type_, arch)
                    images[image.id] = image
    return images


def _variants(label: Label) -> list[tuple[str, str]]:
    """Of which types and architectures a label has images: what the recorded lists of local images show."""
    if _DISTRIBUTION not in label.categories or label.label.startswith("windows"):
        return [(SBS, "x86_64")]
    return [(SBS, "x86_64"), (SBS, "arm64"), (LOCAL, "x86_64")]


def _derived(zone: str, label: str, type_: str, arch: str) -> PublicImage:
    id_ = str(uuid.uuid5(_DERIVED, f"{zone}/{label}/{type_}/{arch}"))
    return _complete(PublicImage(id=id_, zone=zone, label=label, arch=arch, type=type_, current=True))


def _complete(image: PublicImage) -> PublicImage:
    name = image.name or _name(image.label)
    root = image.root_volume
    if root is None:
        id_ = str(uuid.uuid5(_DERIVED, f"{image.id}/root"))
        if image.type == SBS:
            root = Root(id=id_, name="", volume_type="sbs_snapshot", size=0)
        else:
            root = Root(id=id_, name=name, volume_type="l_ssd", size=LOCAL_SIZE)
    return msgspec.structs.replace(image, name=name, root_volume=root)


def _name(label: str) -> str:
    if label.startswith("kapsule"):
        return NODE_NAME
    return next((one.name for one in labels() if one.label == label), label)


def public_image(id_: str) -> PublicImage | None:
    """The vendor's image with this id, or None."""
    return _images().get(id_)


@cache
def current_images(zone: str) -> tuple[PublicImage, ...]:
    """The current images of a zone, by id (the order of the recorded lists)."""
    return tuple(sorted((i for i in _images().values() if i.zone == zone and i.current), key=lambda i: i.id))


def image_of(zone: str, label: str, commercial_type: str = "", type_: str = SBS) -> PublicImage | None:
    """The current image of a label for servers of a commercial type; None when there is none.

    type_ is preferred: where the label has no image of that type, one of the other is taken.
    """
    kind = server_type(commercial_type)
    found = [i for i in current_images(zone) if i.label == label and (kind is None or i.arch == kind.arch)]
    return next(iter(sorted(found, key=lambda i: (i.type != type_, i.arch != "x86_64"))), None)


def node_image(zone: str, commercial_type: str) -> PublicImage | None:
    """The image of a Kubernetes node."""
    return image_of(zone, NODE_LABEL, commercial_type) or image_of(zone, NODE_LABEL)


def compatible_types(image: PublicImage) -> list[str]:
    """The commercial types that an image can be used with, in the vendor's order.

    Types at the end of their service, and the smallest one, are named only where the zone offers them: every recorded
    list of local images. Old labels have a list of their own that the vendor leaves as it is: ubuntu_bionic's names a
    type that its zone did not offer in the same recording, debian_bullseye's lacks types that every other label had.
    """
    lists, kind = _file().compatible, _compatible_list(image)
    own = lists.get(f"{image.label}/{kind}")
    if own is not None:
        return own
    here = offered(image.zone)
    return [n for n in lists[kind] if n in here or not _rare(n)]


def _compatible_list(image: PublicImage) -> str:
    if "gpu" in image.label:
        return "gpu"
    if image.label.startswith("windows"):
        return "windows"
    return "local" if image.type == LOCAL else image.arch


def _rare(name: str) -> bool:
    kind = server_type(name)
    return name.startswith("STARDUST") or (kind is not None and kind.end_of_service)


@cache
def root_snapshots() -> frozenset[str]:
    """The ids of the snapshots that the vendor's images are made of."""
    return frozenset(i.root_volume.id for i in _images().values() if i.root_volume)
