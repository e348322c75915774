"""Types that requests are made of, with the limits that keep bad input out."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
UInt32 = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
UInt64 = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
PortNumber = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Text = Annotated[str, msgspec.Meta(max_length=4096)]
Name = Annotated[str, msgspec.Meta(max_length=255)]
ObjectName = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
"""A bucket of object storage, or a key in it."""
Tags = Annotated[list[Annotated[str, msgspec.Meta(max_length=255)]], msgspec.Meta(max_length=100)]


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """A request's body. Clients send null for what they leave out, so every optional field allows None."""


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A request's query string. A field of a list type collects repeated keys; unknown keys are ignored."""


class Listing(Query, frozen=True, kw_only=True):
    """The query of a list: which page, in which order. Subclasses add filters, spelled as the vendor spells them."""

    page: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None
    page_size: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None
    order_by: str | None = None
    organization_id: str | None = None
    project_id: str | None = None


class Nothing(Body, frozen=True, kw_only=True):
    """A body or query that says nothing."""


def given(body: msgspec.Struct, *leave_out: str) -> dict[str, Any]:
    """The fields of a body that the client gave (not None), for `Document.changed`: what an update changes."""
    return {f: value for f in body.__struct_fields__ if f not in leave_out and (value := getattr(body, f)) is not None}
