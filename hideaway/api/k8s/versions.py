"""Versions and cluster types, all of them and those that a cluster can change to."""

from __future__ import annotations

from typing import Any

from hideaway.api.call import Call
from hideaway.api.k8s import catalogue
from hideaway.api.listing import page_of
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Listing
from hideaway.base.errors import NotFound
from hideaway.cloud.kubernetes import Cluster


def list_versions(call: Call) -> dict[str, Any]:
    return {"versions": [catalogue.view_version(v, call.region) for v in catalogue.versions()]}


def get_version(call: Call) -> dict[str, Any]:
    name = call.params["version_name"]
    found = catalogue.version(name)
    if found is None:
        raise NotFound("version", name)
    return catalogue.view_version(found, call.region)


def list_types(call: Call, query: Listing) -> dict[str, Any]:
    types = catalogue.cluster_types()
    page = page_of(list(types), query)
    return {"cluster_types": [catalogue.view_type(t) for t in page], "total_count": len(types)}


def available_versions(call: Call) -> dict[str, Any]:
    cluster = call.own(Cluster, param="cluster_id")
    return {"versions": [catalogue.view_version(v, call.region) for v in catalogue.upgrades(cluster.version)]}


def available_types(call: Call) -> dict[str, Any]:
    types = catalogue.types_for(call.own(Cluster, param="cluster_id"), call.change.now)
    return {"cluster_types": [catalogue.view_type(t) for t in types], "total_count": len(types)}


REGION = "/regions/{region}"
CLUSTER = REGION + "/clusters/{cluster_id}"
ROUTES = [
    Route(method="GET", path=REGION + "/versions", handler=list_versions),
    Route(method="GET", path=REGION + "/versions/{version_name}", handler=get_version),
    Route(method="GET", path=REGION + "/cluster-types", handler=list_types, query=Listing),
    Route(method="GET", path=CLUSTER + "/available-versions", handler=available_versions),
    Route(method="GET", path=CLUSTER + "/available-types", handler=available_types),
]
