"""Database engines and node types."""

from __future__ import annotations

from typing import Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.listing import page_of
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Listing
from hideaway.cloud.database_types import DatabaseNodeType, EngineVersion, catalogue, node_types


class ListEngines(Listing, frozen=True, kw_only=True):
    name: str | None = None
    version: str | None = None


class ListNodeTypes(Listing, frozen=True, kw_only=True):
    include_disabled_types: bool = False


def _version(version: EngineVersion) -> dict[str, Any]:
    settings = catalogue().settings
    fields: dict[str, Any] = msgspec.to_builtins(version)
    return fields | {
        "available_settings": [settings[i] for i in version.available_settings],
        "available_init_settings": [settings[i] for i in version.available_init_settings],
    }


def list_engines(call: Call, query: ListEngines) -> dict[str, Any]:
    """name and version are exact: MySQL, 8 (recorded)."""
    engines = []
    for engine in catalogue().engines:
        versions = [v for v in engine.versions if query.version in (None, v.version)]
        if versions and query.name in (None, engine.name):
            common = {"name": engine.name, "logo_url": engine.logo_url, "region": call.region}
            engines.append(common | {"versions": [_version(v) for v in versions]})
    return {"engines": page_of(engines, query), "total_count": len(engines)}


def _node_type(call: Call, type_: DatabaseNodeType) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(type_)
    local = type_.volume("lssd")
    return fields | {
        "stock_status": "available",
        "disabled": False,
        "beta": False,
        "is_ha_required": False,
        "is_bssd_compatible": False,
        "volume_constraint": {"min_size": local.min_size, "max_size": local.max_size} if local else None,
        "region": call.region,
    }


def list_node_types(call: Call, query: ListNodeTypes) -> dict[str, Any]:
    types = list(node_types().values())
    return {"node_types": [_node_type(call, t) for t in page_of(types, query)], "total_count": len(types)}


ROUTES = [
    Route(method="GET", path="/regions/{region}/database-engines", handler=list_engines, query=ListEngines),
    Route(method="GET", path="/regions/{region}/node-types", handler=list_node_types, query=ListNodeTypes),
]
