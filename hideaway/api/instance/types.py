"""What can be bought: server types, how many are left, volume types."""

from __future__ import annotations

from typing import Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.instance.shared import Page, pages
from hideaway.api.pipeline import Route
from hideaway.cloud.server_types import offered

# The recorded answer of products/volumes.
VOLUME_TYPES: dict[str, Any] = {
    "l_ssd": {
        "capabilities": {"snapshot": True},
        "display_name": "Local SSD",
        "constraints": {"min": 1_000_000_000, "max": 800_000_000_000},
    },
    "scratch": {
        "capabilities": {"snapshot": False},
        "display_name": "Scratch Storage",
        "constraints": {"min": 1_000_000_000, "max": 60_000_000_000_000},
    },
}


def servers(call: Call, query: Page) -> dict[str, Any]:
    """The zone's server types by name, 50 a page."""
    shown = []
    for name, kind in offered(call.place).items():
        fields = msgspec.to_builtins(kind)
        del fields["name"]
        shown.append((name, fields))
    return {"servers": dict(pages(call, shown, query, "/products/servers"))}


def availability(call: Call, query: Page) -> dict[str, Any]:
    """Nothing runs out here: every type that the zone offers is available."""
    names = [(name, {"availability": "available"}) for name in offered(call.place)]
    return {"servers": dict(pages(call, names, query, "/products/servers/availability"))}


def volumes(call: Call, query: Page) -> dict[str, Any]:
    return {"volumes": dict(pages(call, list(VOLUME_TYPES.items()), query, "/products/volumes"))}


BASE = "/zones/{zone}/products"
ROUTES = [
    Route(method="GET", path=BASE + "/servers/availability", handler=availability, query=Page),
    Route(method="GET", path=BASE + "/servers", handler=servers, query=Page),
    Route(method="GET", path=BASE + "/volumes", handler=volumes, query=Page),
]
