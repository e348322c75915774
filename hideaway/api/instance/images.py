"""Images: the vendor's, which are public and never change, and those that users make of their snapshots."""

from __future__ import annotations

from typing import Any, Literal

from hideaway.api.call import Call
from hideaway.api.instance.shared import Page, pages
from hideaway.api.instance.storage import need_snapshot
from hideaway.api.instance.views import image_view, public_image_view
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Name, Tags, given
from hideaway.base.errors import NotFound, PermissionDenied, invalid
from hideaway.cloud.backups import make_image, remove_image
from hideaway.cloud.images import current_images, public_image
from hideaway.cloud.volumes import BlockSnapshot, Image, VolumePart

Arch = Literal["x86_64", "arm64", "arm", "unknown_arch"]
MAX_EXTRA = 15


class ImageVolume(Body, frozen=True, kw_only=True):
    """A volume of an image: the id of its snapshot."""

    id: str


class CreateImage(Body, frozen=True, kw_only=True):
    root_volume: str
    name: Name | None = None
    arch: Arch | None = None
    extra_volumes: dict[str, ImageVolume] | None = None
    organization: str | None = None
    project: str | None = None
    tags: Tags | None = None
    public: bool | None = None


class UpdateImage(Body, frozen=True, kw_only=True):
    name: Name | None = None
    arch: Arch | None = None
    tags: Tags | None = None
    public: bool | None = None
    extra_volumes: dict[str, ImageVolume] | None = None


class ListImages(Page, frozen=True, kw_only=True):
    name: str | None = None
    public: bool | None = None
    arch: str | None = None
    tags: list[str] | None = None


def _part(call: Call, id_: str, argument: str, project_id: str) -> VolumePart:
    """A snapshot as an image has it. Of a block snapshot it knows no size and no name (recorded)."""
    snapshot = need_snapshot(call, id_, argument, project_id)
    if isinstance(snapshot, BlockSnapshot):
        return VolumePart(id=snapshot.id, volume_type="sbs_snapshot")
    return VolumePart(id=snapshot.id, name=snapshot.name, volume_type=snapshot.volume_type, size=snapshot.size)


def _extras(call: Call, wanted: dict[str, ImageVolume], project_id: str) -> dict[str, VolumePart]:
    if len(wanted) > MAX_EXTRA:
        raise invalid("extra_volumes", f"an image has {MAX_EXTRA} extra volumes at most")
    wrong = [slot for slot in wanted if not (slot.isascii() and slot.isdigit() and 0 < len(slot) < 3 and int(slot))]
    if wrong:
        raise invalid("extra_volumes", "extra volumes are numbered from 1 on")
    return {slot: _part(call, one.id, f"extra_volumes.{slot}.id", project_id) for slot, one in wanted.items()}


def create(call: Call, body: CreateImage) -> dict[str, Any]:
    common = call.common(body.project or body.organization, Image.resource, "project")
    image = Image(
        **common,
        zone=call.place,
        name=body.name or f"img-{call.change.ids.word()}",
        arch="x86_64" if body.arch in (None, "unknown_arch") else str(body.arch),
        root_volume=_part(call, body.root_volume, "root_volume", common["project_id"]),
        extra_volumes=_extras(call, body.extra_volumes or {}, common["project_id"]),
        public=bool(body.public),
        tags=body.tags or [],
    )
    return {"image": image_view(make_image(call.change, image))}


def _own(call: Call) -> Image:
    """The caller's image of the path. The vendor's can be read by all and changed by none."""
    id_ = call.params["image_id"].lower()
    known = public_image(id_)
    if known is not None and known.zone == call.place:
        raise PermissionDenied("write", Image.resource)
    return call.own(Image, id_)


def get(call: Call) -> dict[str, Any]:
    id_ = call.params["image_id"].lower()
    known = public_image(id_)
    if known is None:
        return {"image": image_view(call.own(Image, id_))}
    if known.zone != call.place:
        raise NotFound(Image.resource, id_)
    return {"image": public_image_view(id_)}


def list_(call: Call, query: ListImages) -> dict[str, Any]:
    """The caller's images, newest first, then the vendor's current ones; all filters look at what is answered."""
    shown = [image_view(i) for i in reversed(call.visible(Image))]
    shown += [view for i in current_images(call.place) if (view := public_image_view(i.id)) is not None]
    return {"images": pages(call, [image for image in shown if _passes(image, query)], query, "/images")}


def _passes(image: dict[str, Any], query: ListImages) -> bool:
    if query.name is not None and query.name.lower() not in image["name"].lower():
        return False
    if query.tags and not all(tag in image["tags"] for tag in query.tags):
        return False
    given_ = {name: getattr(query, name) for name in ("public", "arch", "organization", "project")}
    return all(value is None or image[name] == value for name, value in given_.items())


def update(call: Call, body: UpdateImage) -> dict[str, Any]:
    image = _own(call)
    fields = given(body, "extra_volumes")
    if fields.get("arch") == "unknown_arch":
        del fields["arch"]
    if body.extra_volumes is not None:
        fields["extra_volumes"] = _extras(call, body.extra_volumes, image.project_id)
    image = image.changed(call.change.now, **fields)
    call.change.ledger.put(image)
    return {"image": image_view(image)}


def delete(call: Call) -> None:
    remove_image(call.change, _own(call))


BASE = "/zones/{zone}/images"
ONE = BASE + "/{image_id}"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=CreateImage, status=201),
    Route(method="GET", path=BASE, handler=list_, query=ListImages),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateImage),
    Route(method="PUT", path=ONE, handler=update, body=UpdateImage),
    Route(method="DELETE", path=ONE, handler=delete, status=204),
]
