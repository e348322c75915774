"""Pools: nodes that are alike, in one zone, under controlled isolation or fully isolated (public_ip_disabled)."""

from __future__ import annotations

import base64
from typing import Any, Literal

import msgspec

from hideaway.api.call import Call, answer
from hideaway.api.k8s import catalogue
from hideaway.api.k8s.checks import Faults, check_kubelet_args
from hideaway.api.k8s.pool_bodies import (
    PoolConfig,
    Strings,
    Taints,
    UpdatePool,
    build,
    check_room,
    check_sizes,
    of_zone,
    policy_of,
    taints_of,
)
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, given
from hideaway.base.errors import NotFound, TransientState, invalid
from hideaway.cloud import nodes
from hideaway.cloud.kubernetes import Cluster, Pool
from hideaway.cloud.node_groups import move_pool, shown_group
from hideaway.cloud.node_types import EXTERNAL
from hideaway.cloud.servers import SecurityGroup

NO_VERSION = "the cluster's version {} is no longer in the catalogue; upgrade the cluster"


PoolStatus = Literal["unknown", "ready", "deleting", "deleted", "scaling", "warning", "locked", "upgrading"]


class ListPools(Listing, frozen=True, kw_only=True):
    name: str | None = None
    status: PoolStatus | None = None


class UpgradePool(Body, frozen=True, kw_only=True):
    version: str | None = None


class SetLabels(Body, frozen=True, kw_only=True):
    labels: Strings | None = None


class SetTaints(Body, frozen=True, kw_only=True):
    taints: Taints | None = None


class SetStartupTaints(Body, frozen=True, kw_only=True):
    startup_taints: Taints | None = None


def view(call: Call, pool: Pool) -> dict[str, Any]:
    """The security group that is answered is the one in force."""
    cluster = call.change.ledger.get(Cluster, pool.cluster_id)
    group = shown_group(call.change.ledger, cluster, pool) if cluster else pool.security_group_id
    fields = answer(pool, security_group_id=group)
    del fields["organization_id"], fields["project_id"]
    return fields


def create(call: Call, body: PoolConfig) -> dict[str, Any]:
    cluster = call.own(Cluster, param="cluster_id")
    if cluster.status == "deleting":
        raise TransientState(Cluster.resource, cluster.id, cluster.status)
    version = catalogue.version(cluster.version)
    if version is None:
        raise invalid("version", NO_VERSION.format(cluster.version))
    faults = Faults()
    pool = build(call, faults, cluster, body, version)
    check_room(call, faults, cluster, [pool])
    faults.raise_any()
    return view(call, nodes.make_pool(call.change, cluster, pool))


def get(call: Call) -> dict[str, Any]:
    return view(call, call.own(Pool, param="pool_id"))


def list_(call: Call, query: ListPools) -> dict[str, Any]:
    cluster = call.own(Cluster, param="cluster_id")
    pools = call.change.ledger.find(Pool, ref=cluster.id)
    return listing("pools", pools, query, lambda p: view(call, p))


def _changeable(call: Call) -> Pool:
    """The pool of the path, to be changed: also while it scales (recorded), never once it is being deleted."""
    pool = call.own(Pool, param="pool_id")
    if pool.status == "deleting":
        raise TransientState(Pool.resource, pool.id, pool.status)
    return pool


def update(call: Call, body: UpdatePool) -> dict[str, Any]:
    pool = _changeable(call)
    cluster = call.change.need(Cluster, pool.cluster_id)
    faults = Faults()
    version = catalogue.version(pool.version) or catalogue.version(cluster.version)
    if version is not None:
        check_kubelet_args(faults, body.kubelet_args, version)
    faults.duration("max_termination_grace_period", body.max_termination_grace_period)
    policy = policy_of(faults, pool.upgrade_policy, body.upgrade_policy)
    fields = given(body, "upgrade_policy", "security_group_id", "size")
    changed = pool.changed(call.change.now, **fields, upgrade_policy=policy)
    resized = _resized(faults, changed, body)
    check_room(call, faults, cluster, [resized])
    faults.raise_any()
    call.change.ledger.put(changed)
    if body.security_group_id is not None:
        changed = _move(call, cluster, changed, body.security_group_id)
    if resized.size != pool.size:
        changed = nodes.resize(call.change, changed, resized.size)
    return view(call, changed)


def _resized(faults: Faults, pool: Pool, body: UpdatePool) -> Pool:
    """The pool with the size asked for. A pool that is not scaled by the autoscaler may outgrow its max_size."""
    size = pool.size if body.size is None else body.size
    if pool.node_type == EXTERNAL and size != pool.size:
        faults.add("size", "external nodes join and leave by themselves")
    resized = msgspec.structs.replace(pool, size=size)
    check_sizes(faults, resized)
    return resized


def _move(call: Call, cluster: Cluster, pool: Pool, group_id: str) -> Pool:
    """Move the pool's servers to a group (recorded: at once, the pool stays ready); "" is back to the cluster's."""
    group = None
    if group_id:
        group = of_zone(call, SecurityGroup, group_id, "security_group_id", pool.zone_of, pool.project_id)
    return move_pool(call.change, cluster, pool, group)


def delete(call: Call) -> dict[str, Any]:
    return view(call, nodes.retire_pool(call.change, _changeable(call)))


def upgrade(call: Call, body: UpgradePool) -> dict[str, Any]:
    """To the cluster's version, or one between the two: a pool is never newer than its control plane.

    To its own version is no change: Terraform asks for that after an upgrade of the cluster that took the pools along.
    """
    pool = _changeable(call)
    cluster = call.change.need(Cluster, pool.cluster_id)
    wanted = body.version or cluster.version
    if wanted == pool.version:
        return view(call, pool)
    later = [cluster.version, *(v.name for v in catalogue.versions())]
    numbers = catalogue.number_of(pool.version), catalogue.number_of(cluster.version)
    if wanted not in later or not numbers[0] < catalogue.number_of(wanted) <= numbers[1]:
        raise invalid("version", f"a pool of {pool.version} in a cluster of {cluster.version} cannot become {wanted!r}")
    return view(call, nodes.upgrade_pool(call.change, pool, wanted))


def _put(call: Call, **fields: Any) -> dict[str, Any]:
    pool = _changeable(call).changed(call.change.now, **fields)
    call.change.ledger.put(pool)
    return view(call, pool)


def set_labels(call: Call, body: SetLabels) -> dict[str, Any]:
    return _put(call, labels=body.labels or {})


def set_taints(call: Call, body: SetTaints) -> dict[str, Any]:
    faults = Faults()
    taints = taints_of(faults, "taints", body.taints)
    faults.raise_any()
    return _put(call, taints=taints)


def set_startup_taints(call: Call, body: SetStartupTaints) -> dict[str, Any]:
    faults = Faults()
    taints = taints_of(faults, "startup_taints", body.startup_taints)
    faults.raise_any()
    return _put(call, startup_taints=taints)


def list_user_data(call: Call) -> dict[str, Any]:
    return {"user_data": [{"key": key} for key in call.own(Pool, param="pool_id").user_data]}


def get_user_data(call: Call) -> dict[str, Any]:
    key = call.params["key"]
    data = call.own(Pool, param="pool_id").user_data.get(key)
    if data is None:
        raise NotFound("user_data", key)
    content = base64.b64encode(data.encode()).decode()
    return {"name": key, "content_type": "application/octet-stream", "content": content}


REGION = "/regions/{region}"
BASE = REGION + "/clusters/{cluster_id}/pools"
ONE = REGION + "/pools/{pool_id}"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=PoolConfig, records=False),
    Route(method="GET", path=BASE, handler=list_, query=ListPools),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdatePool, records=False),
    Route(method="DELETE", path=ONE, handler=delete, records=False),
    Route(method="POST", path=ONE + "/upgrade", handler=upgrade, body=UpgradePool, records=False),
    Route(method="PUT", path=ONE + "/set-labels", handler=set_labels, body=SetLabels),
    Route(method="PUT", path=ONE + "/set-taints", handler=set_taints, body=SetTaints),
    Route(method="PUT", path=ONE + "/set-startup-taints", handler=set_startup_taints, body=SetStartupTaints),
    Route(method="GET", path=ONE + "/user-data", handler=list_user_data),
    Route(method="GET", path=ONE + "/user-data/{key}", handler=get_user_data),
]
