"""Read replicas: servers of their own that follow their instance's, and refuse writes."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.pipeline import Route
from hideaway.api.rdb.specs import ReplicaEndpointSpec, several
from hideaway.api.rdb.views import instance_of, view_instance, view_replica
from hideaway.api.shapes import Body
from hideaway.base.errors import invalid
from hideaway.cloud.databases import Database, ReadReplica
from hideaway.cloud.databasing import add_replica_endpoints, make_replica, promote, settled
from hideaway.cloud.quotas import READ_REPLICAS

Specs = Annotated[list[ReplicaEndpointSpec], msgspec.Meta(max_length=10)]


class CreateReplica(Body, frozen=True, kw_only=True):
    instance_id: str
    endpoint_spec: Specs | None = None
    same_zone: bool | None = None


class CreateReplicaEndpoint(Body, frozen=True, kw_only=True):
    endpoint_spec: Specs


def _of(call: Call) -> tuple[ReadReplica, Database]:
    replica = call.own(ReadReplica, param="read_replica_id")
    return replica, call.change.need(Database, replica.instance_id)


def create(call: Call, body: CreateReplica) -> dict[str, Any]:
    """same_zone is true unless it is said not to be (the contract's default)."""
    instance = instance_of(call, body.instance_id)
    settled(instance)
    present = call.change.ledger.find(ReadReplica, ref=instance.id)
    READ_REPLICAS.leaves_room(len(present))
    replica = ReadReplica(
        **call.common(instance.project_id, ReadReplica.resource),
        region=call.region,
        instance_id=instance.id,
        same_zone=body.same_zone is not False,
    )
    wanted = several(call, body.endpoint_spec or [], instance.project_id, "endpoint_spec")
    return view_replica(make_replica(call.change, instance, replica, wanted))


def get(call: Call) -> dict[str, Any]:
    return view_replica(call.own(ReadReplica, param="read_replica_id"))


def delete(call: Call) -> dict[str, Any]:
    return view_replica(call.change.retire(call.own(ReadReplica, param="read_replica_id")))


def create_endpoint(call: Call, body: CreateReplicaEndpoint) -> dict[str, Any]:
    replica, instance = _of(call)
    if not body.endpoint_spec:
        raise invalid("endpoint_spec", "give at least one", "required")
    wanted = several(call, body.endpoint_spec, instance.project_id, "endpoint_spec")
    return view_replica(add_replica_endpoints(call.change, instance, replica, wanted))


def reset(call: Call) -> dict[str, Any]:
    """Made anew from its instance."""
    replica, _ = _of(call)
    settled(replica)
    anew = msgspec.structs.replace(replica, copies=replica.copies + 1)
    return view_replica(call.change.begin(anew, "provisioning", "ready"))


def promote_(call: Call) -> dict[str, Any]:
    replica, instance = _of(call)
    return view_instance(call, promote(call.change, instance, replica))


BASE = "/regions/{region}/read-replicas"
ONE = BASE + "/{read_replica_id}"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=CreateReplica),
    Route(method="GET", path=ONE, handler=get),
    Route(method="DELETE", path=ONE, handler=delete),
    Route(method="POST", path=ONE + "/endpoints", handler=create_endpoint, body=CreateReplicaEndpoint),
    Route(method="POST", path=ONE + "/reset", handler=reset),
    Route(method="POST", path=ONE + "/promote", handler=promote_),
]
