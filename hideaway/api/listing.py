"""Lists: filters, order and pages, the same way for every product."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, TypeVar

from hideaway.api.shapes import Listing, Query
from hideaway.base.errors import invalid

D = TypeVar("D")  # a Document, or what is made of one to be listed
Test = Callable[[Any, Any], bool]

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000
_PAGING = {"page", "page_size", "per_page", "order_by"}


def _contains(document: Any, value: Any) -> bool:
    return str(value).lower() in str(getattr(document, "name", "") or "").lower()


def _any_tag(document: Any, value: Any) -> bool:
    return any(tag in document.tags for tag in value)


COMMON: dict[str, Test] = {"name": _contains, "tags": _any_tag}
"""Filters that mean the same everywhere: `name` is a part of the name; `tags` has one of the tags."""


def select(documents: Iterable[D], query: Query, special: Mapping[str, Test] | None = None) -> list[D]:
    """The documents that pass every filter of the query.

    A filter is a field of the query that was given: by `special`, else by COMMON, else by equality with the document's
    attribute of that name (or being one of, for a list). The enumerations' `unknown...` means no filter.
    """
    tests = {**COMMON, **(special or {})}
    chosen = list(documents)
    for name in query.__struct_fields__:
        value = getattr(query, name)
        if name in _PAGING or value is None or value == [] or str(value).startswith("unknown"):
            continue
        test = tests.get(name)
        if test is not None:
            chosen = [d for d in chosen if test(d, value)]
        elif isinstance(value, list):
            chosen = [d for d in chosen if getattr(d, name, None) in value]
        else:
            chosen = [d for d in chosen if getattr(d, name, None) == value]
    return chosen


def order(documents: list[D], order_by: str | None, default: str = "created_at_asc") -> list[D]:
    """The documents in the order asked for (`<field>_asc` or `<field>_desc`). Raises InvalidArguments for another."""
    wanted = default if not order_by or order_by.startswith("unknown") else order_by
    field, _, direction = wanted.rpartition("_")
    if direction not in ("asc", "desc") or (documents and not hasattr(documents[0], field)):
        raise invalid("order_by", f"{wanted!r} is no order of this list", "constraint")
    if field == "created_at":  # the ledger's own order
        return documents if direction == "asc" else documents[::-1]
    try:
        return sorted(documents, key=lambda d: _key(getattr(d, field)), reverse=direction == "desc")
    except TypeError:  # a field that has no order
        raise invalid("order_by", f"{wanted!r} is no order of this list", "constraint") from None


def _key(value: Any) -> Any:
    return (value is not None, value.value if isinstance(value, Enum) else value)


def page_of(items: list[Any], query: Listing) -> list[Any]:
    """The items on the page asked for."""
    size = min(query.page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
    start = ((query.page or 1) - 1) * size
    return items[start : start + size]


def listing(
    key: str,
    documents: Iterable[D],
    query: Listing,
    view: Callable[[D], Any],
    *,
    special: Mapping[str, Test] | None = None,
    default_order: str = "created_at_asc",
) -> dict[str, Any]:
    """A list's whole answer: `{"total_count": n, key: [...]}`; view makes one item's answer."""
    chosen = order(select(documents, query, special), query.order_by, default_order)
    return {"total_count": len(chosen), key: [view(d) for d in page_of(chosen, query)]}
