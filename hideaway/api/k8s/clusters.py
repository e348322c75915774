"""Clusters: made with or without pools, updated, upgraded, changed in type, deleted; their kubeconfig and its token."""

from __future__ import annotations

import base64
from typing import Any, Literal

import msgspec

from hideaway.api.call import Call, answer
from hideaway.api.k8s import catalogue
from hideaway.api.k8s.checks import Faults, check_ranges, left_out
from hideaway.api.k8s.cluster_bodies import FRESH, CreateCluster, UpdateCluster, settings
from hideaway.api.k8s.pool_bodies import build, check_room
from hideaway.api.listing import listing
from hideaway.api.pipeline import Raw, Route
from hideaway.api.shapes import Body, Listing, Query, given
from hideaway.base.errors import TransientState, invalid
from hideaway.cloud import nodes
from hideaway.cloud.kubeconfig import kubeconfig
from hideaway.cloud.kubernetes import SHARED_TYPE, Cluster
from hideaway.cloud.network import PrivateNetwork
from hideaway.cloud.node_groups import live_pools

DEFAULT_CNI = {"kapsule": "cilium", "multicloud": "kilo"}
LONGEST_PREFIX = 23
"""Of a cluster's network: a /24 was refused (scaleway.md, Private network); that a /23 is not is assumed."""
TRANSIENT = ("creating", "updating", "deleting")


ClusterStatus = Literal["unknown", "creating", "ready", "deleting", "deleted", "updating", "locked", "pool_required"]


class ListClusters(Listing, frozen=True, kw_only=True):
    name: str | None = None
    status: ClusterStatus | None = None
    type: str | None = None
    private_network_id: str | None = None
    version: str | None = None


class DeleteCluster(Query, frozen=True, kw_only=True):
    with_additional_resources: bool | None = None


class UpgradeCluster(Body, frozen=True, kw_only=True):
    version: str
    upgrade_pools: bool | None = None


class SetType(Body, frozen=True, kw_only=True):
    type: str


class KubeconfigQuery(Query, frozen=True, kw_only=True):
    dl: bool | None = None
    redacted: bool | None = None


def view(cluster: Cluster) -> dict[str, Any]:
    return answer(cluster, upgrade_available=bool(catalogue.upgrades(cluster.version)))


def create(call: Call, body: CreateCluster) -> dict[str, Any]:
    common = call.common(body.project_id, Cluster.resource)
    faults = Faults()
    cluster, version = _build(call, faults, body, common)
    pools = [build(call, faults, cluster, config, version) for config in body.pools or []] if version else []
    check_room(call, faults, cluster, pools)
    faults.raise_any()
    made = nodes.make_cluster(call.change, cluster)
    for pool in pools:
        nodes.make_pool(call.change, made, pool)
    return view(call.change.need(Cluster, made.id))


def _build(
    call: Call, faults: Faults, body: CreateCluster, common: dict[str, Any]
) -> tuple[Cluster, catalogue.Version | None]:
    """A new cluster's document and its version (None where the version is a fault)."""
    type_ = catalogue.cluster_type(body.type or SHARED_TYPE)
    if type_ is None:
        faults.one_of("type", body.type or "", [t.name for t in catalogue.cluster_types()])
        type_ = catalogue.cluster_types()[0]
    version = _version(faults, body.version or "")
    region = call.region
    network = _network(call, faults, body, type_, common["project_id"])
    # Network ranges that the client leaves out are the document's defaults.
    pods, services = body.pod_cidr or _default("pod_cidr"), body.service_cidr or _default("service_cidr")
    cluster = Cluster(
        **common,
        region=region,
        name=body.name or f"k8s-{call.change.ids.word()}",
        type=type_.name,
        description=body.description or "",
        version=version.name if version else "",
        cni=_cni(faults, body.cni, type_, version),
        tags=body.tags or [],
        cluster_url=f"https://{common['id']}.api.k8s.{region}.scw.cloud:6443",
        dns_wildcard=f"*.{common['id']}.nodes.k8s.{region}.scw.cloud",
        feature_gates=body.feature_gates or [],
        admission_plugins=body.admission_plugins or [],
        apiserver_cert_sans=body.apiserver_cert_sans or [],
        private_network_id=network.id if network else None,
        commitment_ends_at=call.change.now + type_.commitment,
        pod_cidr=pods,
        service_cidr=services,
        service_dns_ip=check_ranges(faults, call.change.ledger, network, pods, services, body.service_dns_ip),
        **(settings(faults, body, FRESH, version) if version else {}),
    )
    return cluster, version


def _default(field: str) -> str:
    return next(str(f.default) for f in msgspec.structs.fields(Cluster) if f.name == field)


def _version(faults: Faults, name: str) -> catalogue.Version | None:
    found = catalogue.version(name)
    if found is None and not name:
        faults.add("version", "a version is needed", "required")
    elif found is None:
        faults.one_of("version", name, [v.name for v in catalogue.versions()])
    return found


def _cni(faults: Faults, asked: str | None, type_: catalogue.ClusterType, version: catalogue.Version | None) -> str:
    """Kapsule clusters have no kilo, and multicloud ones nothing else, or none at all."""
    cni = DEFAULT_CNI[type_.family] if left_out(asked) else str(asked)
    if version is not None:
        kosmos = type_.family == "multicloud"
        fitting = ("kilo", "none") if kosmos else [c for c in version.available_cnis if c != "kilo"]
        faults.one_of("cni", cni, fitting)
    return cni


def _network(
    call: Call, faults: Faults, body: CreateCluster, type_: catalogue.ClusterType, project_id: str
) -> PrivateNetwork | None:
    """The cluster's Private Network: of its region and project; mandatory for Kapsule, refused for Kosmos."""
    argument = "private_network_id"
    if type_.family == "multicloud":
        if body.private_network_id:
            faults.add(argument, "a Private Network cannot be used with this cluster type")
        return None
    if not body.private_network_id:
        faults.add(argument, "a Private Network is mandatory for this cluster type")  # the vendor's words (scaleway.md)
        return None
    network = call.refer(PrivateNetwork, body.private_network_id, argument, project_id=project_id)
    if not any(":" not in s.subnet and int(s.subnet.split("/")[1]) <= LONGEST_PREFIX for s in network.subnets):
        faults.add(argument, "Private Network subnets are too short")
    return network


def get(call: Call) -> dict[str, Any]:
    return view(call.own(Cluster, param="cluster_id"))


def list_(call: Call, query: ListClusters) -> dict[str, Any]:
    special = {"version": lambda c, v: c.version.startswith(v)}
    return listing("clusters", call.visible(Cluster), query, view, special=special)


def _steady(call: Call) -> Cluster:
    """The cluster of the path. Raises TransientState while it is on its way to another state."""
    cluster = call.own(Cluster, param="cluster_id")
    if cluster.status in TRANSIENT:
        raise TransientState(Cluster.resource, cluster.id, cluster.status)
    return cluster


def update(call: Call, body: UpdateCluster) -> dict[str, Any]:
    """Every update, even an empty one, goes through updating (recorded)."""
    cluster = _steady(call)
    faults = Faults()
    version = catalogue.version(cluster.version)
    parts = ("autoscaler_config", "auto_upgrade", "open_id_connect_config")
    old = {part: getattr(cluster, part) for part in parts}
    shared = settings(faults, body, old, version) if version else {}
    faults.raise_any()
    changed = cluster.changed(call.change.now, **given(body, *parts), **shared)
    return view(call.change.begin(changed, "updating", "ready"))


def delete(call: Call, query: DeleteCluster) -> dict[str, Any]:
    cluster = call.own(Cluster, param="cluster_id")
    if cluster.status == "deleting":
        raise TransientState(Cluster.resource, cluster.id, cluster.status)
    along = bool(query.with_additional_resources)
    return view(nodes.retire_cluster(call.change, cluster, with_additional_resources=along))


def upgrade(call: Call, body: UpgradeCluster) -> dict[str, Any]:
    """To a later patch of the same minor version, or to the next minor version."""
    cluster = _steady(call)
    if body.version not in [v.name for v in catalogue.upgrades(cluster.version)]:
        raise invalid("version", f"{cluster.version} cannot be upgraded to {body.version!r}")
    pools = bool(body.upgrade_pools)
    return view(nodes.upgrade_cluster(call.change, cluster, body.version, pools=pools))


def set_type(call: Call, body: SetType) -> dict[str, Any]:
    """Within a family only, and to nothing smaller before the commitment ends."""
    cluster = _steady(call)
    type_ = next((t for t in catalogue.types_for(cluster, call.change.now) if t.name == body.type), None)
    if type_ is None or type_.name == cluster.type:
        raise invalid("type", f"a cluster of type {cluster.type} cannot become {body.type!r}; see available-types")
    size = sum(p.size for p in live_pools(call.change.ledger, cluster))
    if size > type_.max_nodes:
        raise invalid("type", f"the cluster has {size} nodes; type {type_.name} has {type_.max_nodes} at most")
    changed = cluster.changed(call.change.now, type=type_.name, commitment_ends_at=call.change.now + type_.commitment)
    return view(call.change.begin(changed, "updating", "ready"))


def reset_admin_token(call: Call) -> None:
    cluster = call.own(Cluster, param="cluster_id")
    call.change.ledger.put(cluster.changed(call.change.now, admin_token=call.change.ids.token(64)))


def get_kubeconfig(call: Call, query: KubeconfigQuery) -> Any:
    """As JSON with the file in base64, or (dl=1) the file itself."""
    text = kubeconfig(call.own(Cluster, param="cluster_id"), redacted=bool(query.redacted)).encode()
    if query.dl:
        call.headers["Content-Disposition"] = 'attachment; filename="kubeconfig"'
        return Raw(content=text, media_type="application/octet-stream")
    content = base64.b64encode(text).decode()
    return {"name": "kubeconfig", "content_type": "application/octet-stream", "content": content}


BASE = "/regions/{region}/clusters"
ONE = BASE + "/{cluster_id}"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=CreateCluster, records=False),
    Route(method="GET", path=BASE, handler=list_, query=ListClusters),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateCluster, records=False),
    Route(method="DELETE", path=ONE, handler=delete, query=DeleteCluster, records=False),
    Route(method="POST", path=ONE + "/upgrade", handler=upgrade, body=UpgradeCluster, records=False),
    Route(method="POST", path=ONE + "/set-type", handler=set_type, body=SetType, records=False),
    Route(method="POST", path=ONE + "/reset-admin-token", handler=reset_admin_token, status=204),
    Route(method="GET", path=ONE + "/kubeconfig", handler=get_kubeconfig, query=KubeconfigQuery),
]
