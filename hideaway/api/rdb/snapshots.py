"""Snapshots of instances, as records, and the instances that are made of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hideaway.api.call import Call
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.rdb.instances import availability, fitting
from hideaway.api.rdb.views import view_instance, view_snapshot
from hideaway.api.shapes import Body, Listing, Name, given
from hideaway.base.errors import TransientState
from hideaway.cloud.databases import Database, DataOrigin, Snapshot
from hideaway.cloud.databasing import begin_errand, copy, settled, unneeded

LIFE = timedelta(days=365)  # recorded


class CreateSnapshot(Body, frozen=True, kw_only=True):
    name: Name | None = None
    expires_at: datetime | None = None


class UpdateSnapshot(Body, frozen=True, kw_only=True):
    name: Name | None = None
    expires_at: datetime | None = None


class CreateInstance(Body, frozen=True, kw_only=True):
    instance_name: Name | None = None
    is_ha_cluster: bool | None = None
    high_availability_mode: str | None = None
    node_type: str | None = None


class ListSnapshots(Listing, frozen=True, kw_only=True):
    name: str | None = None
    instance_id: str | None = None


def create(call: Call, body: CreateSnapshot) -> dict[str, Any]:
    instance = call.own(Database, param="instance_id")
    settled(instance)
    snapshot = Snapshot(
        **call.common(instance.project_id, Snapshot.resource),
        region=call.region,
        instance_id=instance.id,
        instance_name=instance.name,
        name=body.name or f"snapshot-{call.change.ids.word()}",
        node_type=instance.node_type,
        expires_at=body.expires_at or call.change.now + LIFE,
        source=instance,
    )
    return view_snapshot(begin_errand(call.change, snapshot, instance, "creating"))


def get(call: Call) -> dict[str, Any]:
    return view_snapshot(call.own(Snapshot, param="snapshot_id"))


def list_(call: Call, query: ListSnapshots) -> dict[str, Any]:
    return listing("snapshots", call.visible(Snapshot), query, view_snapshot)


def update(call: Call, body: UpdateSnapshot) -> dict[str, Any]:
    snapshot = call.own(Snapshot, param="snapshot_id").changed(call.change.now, **given(body))
    call.change.ledger.put(snapshot)
    return view_snapshot(snapshot)


def delete(call: Call) -> dict[str, Any]:
    snapshot = call.own(Snapshot, param="snapshot_id")
    unneeded(call.change, snapshot)
    return view_snapshot(call.change.retire(snapshot))


def create_instance(call: Call, body: CreateInstance) -> dict[str, Any]:
    """Like the instance was, its tags and settings too (recorded), with a public endpoint of its own."""
    snapshot = call.own(Snapshot, param="snapshot_id")
    if snapshot.status != "ready":
        raise TransientState(snapshot.resource, snapshot.id, snapshot.status)
    source = snapshot.source
    made = copy(
        call.change,
        source,
        DataOrigin(id=snapshot.id, engine=source.engine),
        name=body.instance_name or f"{snapshot.instance_name[:245]}-restored",
        **availability(
            source.is_ha_cluster if body.is_ha_cluster is None else body.is_ha_cluster, body.high_availability_mode
        ),
        **fitting(source, body.node_type or snapshot.node_type),
    )
    return view_instance(call, made)


BASE = "/regions/{region}/snapshots"
ONE = BASE + "/{snapshot_id}"
ROUTES = [
    Route(
        method="POST",
        path="/regions/{region}/instances/{instance_id}/snapshots",
        handler=create,
        body=CreateSnapshot,
    ),
    Route(method="GET", path=BASE, handler=list_, query=ListSnapshots),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateSnapshot),
    Route(method="DELETE", path=ONE, handler=delete),
    Route(method="POST", path=ONE + "/create-instance", handler=create_instance, body=CreateInstance, records=False),
]
