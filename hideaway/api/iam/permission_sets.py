"""The vendor's permission sets, as a list."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from hideaway.api.access import require
from hideaway.api.call import Call
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Listing
from hideaway.cloud.permissions import PERMISSION_SETS, PermissionSet


class ListPermissionSets(Listing, frozen=True, kw_only=True):
    order_by: Literal["name_asc", "name_desc", "created_at_asc", "created_at_desc"] | None = None


def view(one: PermissionSet) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "scope_type": one.scope_type,
        "description": one.description,
        "categories": one.categories,
    }


def list_(call: Call, query: ListPermissionSets) -> dict[str, Any]:
    """The same for every organization."""
    require(call.principal, call.area, "permission_set", write=False, project_id=None)
    special = {"organization_id": lambda *_: True, "project_id": lambda *_: True}
    if query.order_by and query.order_by.startswith("created_at"):  # scw's own default; they have no times here
        query = msgspec.structs.replace(query, order_by=query.order_by.replace("created_at", "name"))
    return listing(
        "permission_sets", PERMISSION_SETS.values(), query, view, special=special, default_order="name_asc"
    )  # fmt: skip


ROUTES = [Route(method="GET", path="/permission-sets", handler=list_, query=ListPermissionSets)]
