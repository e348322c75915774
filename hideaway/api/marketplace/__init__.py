"""marketplace/v2: the labels of the vendor's images, and which image each is where. The same for everyone."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

import msgspec

from hideaway.api.call import Call
from hideaway.api.pipeline import Product, Route
from hideaway.api.shapes import Query
from hideaway.base.errors import NotFound, invalid
from hideaway.cloud.images import Label, PublicImage, compatible_types, current_images, labels, public_image
from hideaway.cloud.places import ZONES

PAGE_SIZE, MAX_PAGE_SIZE = 20, 100  # recorded: 20 images on the first page
_VERSION = uuid.UUID("c6b7a3f0-3f2b-4d53-a1d5-4b8a0c1f6e2d")
PageNumber = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]


class Page(Query, frozen=True, kw_only=True):
    page: PageNumber | None = None
    page_size: PageNumber | None = None
    order_by: str | None = None


class ListImages(Page, frozen=True, kw_only=True):
    arch: str | None = None
    category: str | None = None
    include_eol: bool | None = None


class ListLocal(Page, frozen=True, kw_only=True):
    image_id: str | None = None
    version_id: str | None = None
    image_label: str | None = None
    zone: str | None = None
    type: Literal["instance_local", "instance_sbs", "unknown_type"] | None = None
    arch: str | None = None


class ListVersions(Page, frozen=True, kw_only=True):
    image_id: str


def _page(key: str, items: list[Any], query: Page) -> dict[str, Any]:
    size = min(query.page_size or PAGE_SIZE, MAX_PAGE_SIZE)
    start = ((query.page or 1) - 1) * size
    return {key: items[start : start + size], "total_count": len(items)}


def _ordered(items: list[Any], query: Page, allowed: dict[str, str], default: str) -> list[Any]:
    """The items in the order asked for; allowed: order's field -> attribute."""
    wanted = query.order_by or default
    field, _, direction = wanted.rpartition("_")
    if field not in allowed or direction not in ("asc", "desc"):
        raise invalid("order_by", f"{wanted!r} is no order of this list")
    return sorted(items, key=lambda item: getattr(item, allowed[field]), reverse=direction == "desc")


def _label(call: Call) -> Label:
    wanted = call.params["image_id"]
    for one in labels():
        if wanted.lower() in (one.id, one.label):
            return one
    raise NotFound("image", wanted)


def list_images(call: Call, query: ListImages) -> dict[str, Any]:
    """None of the listed is at the end of its life, so include_eol adds nothing."""
    chosen = list(labels())
    if query.category:
        chosen = [one for one in chosen if query.category in one.categories]
    if query.arch:
        having = {i.label for i in current_images("fr-par-1") if i.arch == query.arch}
        chosen = [one for one in chosen if one.label in having]
    order = {"name": "name", "created_at": "created_at", "updated_at": "updated_at"}
    return _page("images", [msgspec.to_builtins(i) for i in _ordered(chosen, query, order, "name_asc")], query)


def get_image(call: Call) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(_label(call))
    return shown


def _version_id(label: Label) -> str:
    return str(uuid.uuid5(_VERSION, label.label))


def _version(label: Label) -> dict[str, Any]:
    """Each label has one version here: the current one."""
    at = label.updated_at
    return {"id": _version_id(label), "name": at[:10], "created_at": at, "updated_at": at, "published_at": at}


def list_versions(call: Call, query: ListVersions) -> dict[str, Any]:
    chosen = [one for one in labels() if one.id == query.image_id.lower()]
    if not chosen:
        raise NotFound("image", query.image_id)
    return _page("versions", [_version(one) for one in chosen], query)


def get_version(call: Call) -> dict[str, Any]:
    wanted = call.params["version_id"].lower()
    for one in labels():
        if _version_id(one) == wanted:
            return _version(one)
    raise NotFound("version", wanted)


def local_view(image: PublicImage) -> dict[str, Any]:
    return {
        "id": image.id,
        "arch": image.arch,
        "zone": image.zone,
        "compatible_commercial_types": compatible_types(image),
        "label": image.label,
        "type": image.type,
    }


def list_local(call: Call, query: ListLocal) -> dict[str, Any]:
    """The current images of one label, version or image; exactly one of these must be asked for."""
    asked = [query.image_id, query.version_id, query.image_label]
    if sum(one is not None for one in asked) != 1:
        raise invalid("image_label", "one of image_id, version_id and image_label is required", "required")
    label = _asked(query)
    if query.zone is not None and query.zone not in ZONES:
        raise invalid("zone", f"{query.zone!r} is not a zone")
    chosen = [i for zone in ZONES if query.zone in (None, zone) for i in current_images(zone) if i.label == label]
    if query.type not in (None, "unknown_type"):
        chosen = [i for i in chosen if i.type == query.type]
    if query.arch not in (None, "unknown_arch"):
        chosen = [i for i in chosen if i.arch == query.arch]
    order = {"type": "type", "created_at": "created_at"}
    found = _ordered(chosen, query, order, "type_asc")
    return _page("local_images", [local_view(i) for i in found], query)


def _asked(query: ListLocal) -> str:
    for one in labels():
        if query.image_label == one.label or (query.image_id or "").lower() == one.id:
            return one.label
        if query.version_id is not None and query.version_id.lower() == _version_id(one):
            return one.label
    if query.image_label is not None:
        return query.image_label
    raise NotFound("image" if query.image_id else "version", query.image_id or query.version_id or "")


def get_local(call: Call) -> dict[str, Any]:
    image = public_image(call.params["local_image_id"].lower())
    if image is None:
        raise NotFound("local_image", call.params["local_image_id"])
    return local_view(image)


def _categories() -> list[dict[str, Any]]:
    names = sorted({name for one in labels() for name in one.categories})
    return [{"id": str(uuid.uuid5(_VERSION, name)), "name": name, "description": ""} for name in names]


def list_categories(call: Call, query: Page) -> dict[str, Any]:
    return _page("categories", _categories(), query)


def get_category(call: Call) -> dict[str, Any]:
    for one in _categories():
        if one["id"] == call.params["category_id"].lower():
            return one
    raise NotFound("category", call.params["category_id"])


PRODUCT = Product(
    prefix="/marketplace/v2",
    area="Marketplace",
    routes=[
        Route(method="GET", path="/images", handler=list_images, query=ListImages, open=True),
        Route(method="GET", path="/images/{image_id}", handler=get_image, raw_ids=True, open=True),
        Route(method="GET", path="/versions", handler=list_versions, query=ListVersions, open=True),
        Route(method="GET", path="/versions/{version_id}", handler=get_version, open=True),
        Route(method="GET", path="/local-images", handler=list_local, query=ListLocal, open=True),
        Route(method="GET", path="/local-images/{local_image_id}", handler=get_local, open=True),
        Route(method="GET", path="/categories", handler=list_categories, query=Page, open=True),
        Route(method="GET", path="/categories/{category_id}", handler=get_category, open=True),
    ],
)
