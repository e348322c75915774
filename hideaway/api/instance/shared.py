"""How instance/v1 spells things: owners and times by other names, answers wrapped in their kind, pages in headers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec

from hideaway.api.call import Call
from hideaway.api.listing import Test, order, select
from hideaway.api.shapes import Listing, Query
from hideaway.base.errors import NotFound, invalid
from hideaway.base.ids import is_uuid
from hideaway.cloud.documents import Document

D = TypeVar("D", bound=Document)
T = TypeVar("T")

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 100
PageNumber = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]


class Page(Query, frozen=True, kw_only=True):
    """The query of a list: which page, of how many; whose."""

    page: PageNumber | None = None
    per_page: PageNumber | None = None
    page_size: PageNumber | None = None
    organization: str | None = None
    project: str | None = None


def stamp(time: datetime | None) -> str | None:
    """A time as instance/v1 writes it: with microseconds and +00:00."""
    return time.isoformat(timespec="microseconds") if time else None


def owners(document: Document) -> dict[str, Any]:
    """Whose a resource is."""
    return {"organization": document.organization_id, "project": document.project_id}


def times(document: Document) -> dict[str, Any]:
    """When a resource was made and changed."""
    return {"creation_date": stamp(document.created_at), "modification_date": stamp(document.updated_at)}


def owned_by(query: Page) -> dict[str, Test]:
    """The filters that every list has."""
    return {
        "organization": lambda d, wanted: d.organization_id == wanted,
        "project": lambda d, wanted: d.project_id == wanted,
    }


def pages(call: Call, items: list[Any], query: Page, path: str) -> list[Any]:
    """The items on the page asked for; how many there are and where the other pages are goes into the headers."""
    size = min(query.per_page or query.page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
    number = query.page or 1
    last = max(1, -(-len(items) // size))
    call.headers["X-Total-Count"] = str(len(items))
    wanted = {"first": 1, "previous": number - 1, "next": number + 1, "last": last}
    call.headers["Link"] = ", ".join(
        f'<{path}?page={page}&per_page={size}>; rel="{name}"' for name, page in wanted.items() if 1 <= page <= last
    )
    return items[(number - 1) * size : number * size]


def listed(
    call: Call,
    key: str,
    documents: Iterable[D],
    query: Page,
    view: Callable[[D], Any],
    special: dict[str, Test] | None = None,
) -> dict[str, Any]:
    """A list's whole answer, `{key: [...]}`: the newest first (every recorded list of servers, IPs and volumes)."""
    chosen = select(documents, query, owned_by(query) | (special or {}))[::-1]
    return {key: [view(d) for d in pages(call, chosen, query, f"/{key}")]}


class Tokens(Listing, frozen=True, kw_only=True):
    """The query of a list of v2alpha1: pages follow one another by tokens."""

    page_token: str | None = None


def tokened(
    key: str,
    documents: Iterable[D],
    query: Tokens,
    view: Callable[[D], Any],
    special: dict[str, Test] | None = None,
) -> dict[str, Any]:
    """A list's whole answer in v2alpha1: the newest first unless asked for otherwise (its SDKs' first order)."""
    tests = {"page_token": lambda d, token: True, **(special or {})}
    return by_token(key, order(select(documents, query, tests), query.order_by, "created_at_desc"), query, view)


def by_token(key: str, items: Sequence[T], query: Tokens, view: Callable[[T], Any]) -> dict[str, Any]:
    """The page of items asked for. A token is the number of items that came before; the last page has none."""
    token = query.page_token or "0"
    if not (token.isascii() and token.isdigit() and len(token) < 10):
        raise invalid("page_token", f"{token[:40]!r} is no token of this list")
    start, size = int(token), min(query.page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
    answer = {key: [view(one) for one in items[start : start + size]], "total_count": len(items)}
    return answer | ({"next_page_token": str(start + size)} if start + size < len(items) else {})


def present(**fields: Any) -> dict[str, Any]:
    """The fields that have a value: v2alpha1 leaves out the others (recorded for templates and their volumes)."""
    return {name: value for name, value in fields.items() if value is not None}


def here(call: Call, type_: type[D], id_: str, argument: str, project_id: str | None = None) -> D:
    """A document of this zone (project_id: and of this project) that a request refers to.

    Raises InvalidArguments in instance/v1's own words (recorded) for what is no UUID, NotFound for what is elsewhere.
    """
    if not is_uuid(id_):
        raise invalid(argument, "not a valid value")
    found = call.refer(type_, id_, argument, project_id=project_id)
    if found.locality != call.place:
        raise NotFound(type_.resource, id_)
    return found
