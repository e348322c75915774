"""Endpoints of instances and replicas, one by one."""

from __future__ import annotations

from typing import Any

from hideaway.api.call import Call
from hideaway.api.pipeline import Route
from hideaway.api.rdb.specs import EndpointSpec, wanted
from hideaway.api.rdb.views import instance_of, view_endpoint
from hideaway.api.shapes import Body
from hideaway.base.errors import NotFound
from hideaway.cloud.databases import Database, ReadReplica
from hideaway.cloud.databasing import add_endpoint, move_endpoint, owner_of, remove_endpoint


class CreateEndpoint(Body, frozen=True, kw_only=True):
    endpoint_spec: EndpointSpec


class MigrateEndpoint(Body, frozen=True, kw_only=True):
    instance_id: str


def _owner(call: Call) -> tuple[Database | ReadReplica, str]:
    """The caller's instance or replica that has the path's endpoint, and the endpoint's id. Raises NotFound."""
    id_ = call.params["endpoint_id"].lower()
    found = owner_of(call.change, id_)
    try:
        return call.own(type(found), found.id), id_
    except NotFound:  # another organization's, or another region's
        raise NotFound("endpoint", id_) from None


def create(call: Call, body: CreateEndpoint) -> dict[str, Any]:
    """One in a Private Network has its address at once; a public one is known once the instance is ready (recorded)."""
    database = call.own(Database, param="instance_id")
    spec = wanted(call, body.endpoint_spec, database.project_id, "endpoint_spec")
    return view_endpoint(add_endpoint(call.change, database, spec))


def get(call: Call) -> dict[str, Any]:
    owner, id_ = _owner(call)
    return view_endpoint(next(e for e in owner.listed_endpoints if e.id == id_))


def delete(call: Call) -> None:
    owner, id_ = _owner(call)
    remove_endpoint(call.change, owner, id_)


def migrate(call: Call, body: MigrateEndpoint) -> dict[str, Any]:
    owner, id_ = _owner(call)
    if isinstance(owner, ReadReplica):
        raise NotFound("endpoint", id_)
    new = instance_of(call, body.instance_id)
    if new.project_id != owner.project_id:
        raise NotFound(new.resource, new.id)
    return view_endpoint(move_endpoint(call.change, owner, id_, new))


ONE = "/regions/{region}/endpoints/{endpoint_id}"
ROUTES = [
    Route(
        method="POST",
        path="/regions/{region}/instances/{instance_id}/endpoints",
        handler=create,
        body=CreateEndpoint,
        records=False,
    ),
    Route(method="GET", path=ONE, handler=get),
    Route(method="DELETE", path=ONE, handler=delete, status=204, records=False),
    Route(method="POST", path=ONE + "/migrate", handler=migrate, body=MigrateEndpoint, records=False),
]
