"""What clients send about pools, and how a pool's document is made of it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.k8s.catalogue import Version, cluster_type
from hideaway.api.k8s.checks import EFFECTS, Faults, check_kubelet_args, left_out
from hideaway.api.shapes import Body, Name, Tags, Text, UInt32, UInt64
from hideaway.base.errors import NotFound
from hideaway.base.ids import is_uuid
from hideaway.cloud.documents import Document
from hideaway.cloud.kubernetes import Cluster, Pool, Taint, UpgradePolicy
from hideaway.cloud.network import PrivateNetwork
from hideaway.cloud.node_groups import live_pools
from hideaway.cloud.node_types import EXTERNAL, LEAST_MEMORY, answered, node_type, root_volume
from hideaway.cloud.places import REGIONS, ZONES
from hideaway.cloud.servers import PlacementGroup, SecurityGroup

VOLUME_TYPES = ("l_ssd", "sbs_5k", "sbs_15k")
LEAST_VOLUME, MOST_VOLUME = 20_000_000_000, 10_000_000_000_000  # bytes; the least is every default's, the most assumed
PLACEMENT_GROUP_SIZE = 20  # the contract: placement groups are limited to 20 instances

Strings = dict[Name, Text]


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    max_unavailable: UInt32 | None = None
    max_surge: UInt32 | None = None


class TaintBody(msgspec.Struct, frozen=True, kw_only=True):
    key: Name = ""
    value: Name | None = None
    effect: str = ""


Taints = Annotated[list[TaintBody], msgspec.Meta(max_length=100)]


class PoolConfig(Body, frozen=True, kw_only=True):
    """A pool to be made: by itself, or along with its cluster."""

    name: Name | None = None
    node_type: str = ""
    placement_group_id: str | None = None
    autoscaling: bool | None = None
    size: UInt32
    min_size: UInt32 | None = None
    max_size: UInt32 | None = None
    container_runtime: str | None = None
    autohealing: bool | None = None
    tags: Tags | None = None
    kubelet_args: Strings | None = None
    upgrade_policy: Policy | None = None
    zone: str | None = None
    root_volume_type: str | None = None
    root_volume_size: UInt64 | None = None
    public_ip_disabled: bool | None = None
    security_group_id: str | None = None
    labels: Strings | None = None
    taints: Taints | None = None
    startup_taints: Taints | None = None
    private_network_id: str | None = None
    user_data: Strings | None = None
    max_termination_grace_period: Name | None = None


class UpdatePool(Body, frozen=True, kw_only=True):
    """public_ip_disabled, the zone and the node type cannot be changed: they are no part of it."""

    autoscaling: bool | None = None
    size: UInt32 | None = None
    min_size: UInt32 | None = None
    max_size: UInt32 | None = None
    autohealing: bool | None = None
    tags: Tags | None = None
    kubelet_args: Strings | None = None
    upgrade_policy: Policy | None = None
    security_group_id: str | None = None
    max_termination_grace_period: Name | None = None


def taints_of(faults: Faults, argument: str, bodies: list[TaintBody] | None) -> list[Taint]:
    for taint in bodies or []:
        if not taint.key:
            faults.add(f"{argument}.key", "a taint has a key", "required")
        faults.one_of(f"{argument}.effect", taint.effect, sorted(EFFECTS))
    return [Taint(key=t.key, value=t.value or "", effect=t.effect) for t in bodies or []]


def policy_of(faults: Faults, old: UpgradePolicy, asked: Policy | None) -> UpgradePolicy:
    if asked is None:
        return old
    surge = old.max_surge if asked.max_surge is None else asked.max_surge
    unavailable = old.max_unavailable if asked.max_unavailable is None else asked.max_unavailable
    if surge == unavailable == 0:
        faults.add("upgrade_policy", "with max_unavailable and max_surge both 0 no node could ever be upgraded")
    return UpgradePolicy(max_unavailable=unavailable, max_surge=surge)


def check_sizes(faults: Faults, pool: Pool) -> None:
    """max_size is 1 at least (Terraform's provider explains this refusal) and never below min_size.

    Where the autoscaler works, size lies between them.
    """
    if pool.max_size < 1 and pool.node_type != EXTERNAL:
        faults.add("max_size", "max_size must be at least 1; it is size where it is left out")
    elif pool.max_size < pool.min_size:
        faults.add("max_size", f"max_size {pool.max_size} is smaller than min_size {pool.min_size}")
    elif pool.autoscaling and not pool.min_size <= pool.size <= pool.max_size:
        faults.add("size", f"size {pool.size} is not between min_size {pool.min_size} and max_size {pool.max_size}")


def check_room(call: Call, faults: Faults, cluster: Cluster, pools: list[Pool]) -> None:
    """A cluster has no more nodes than its type allows, and a placement group no more than 20 servers."""
    mine = {p.id for p in pools}
    total = sum(p.size for p in (*pools, *(p for p in live_pools(call.change.ledger, cluster) if p.id not in mine)))
    type_ = cluster_type(cluster.type)
    if type_ and total > type_.max_nodes:
        faults.add("size", f"the cluster would have {total} nodes; type {type_.name} has {type_.max_nodes} at most")
    for pool in pools:
        if pool.placement_group_id and pool.size > PLACEMENT_GROUP_SIZE:
            faults.add("size", f"a placement group holds {PLACEMENT_GROUP_SIZE} Instances at most")


def of_zone(call: Call, type_: type[Document], id_: str, argument: str, zone: str, project_id: str) -> Any:
    """A zoned document that a pool refers to: of its own zone (Kosmos pools: any region's) and project, else 404."""
    if not is_uuid(id_):
        faults = Faults()
        faults.add(argument, "value must be a valid UUID", "format")
        faults.raise_any()
    found = call.change.ledger.get(type_, id_.lower())
    if found is None or found.locality != zone or found.project_id != project_id:
        raise NotFound(type_.resource, id_)
    return found


def build(call: Call, faults: Faults, cluster: Cluster, config: PoolConfig, version: Version) -> Pool:
    """A new pool's document, its faults added. Raises NotFound for what it refers to and may not."""
    external = config.node_type.lower() == EXTERNAL
    zone = config.zone or REGIONS[cluster.region][0]
    _check_place(faults, cluster, config, zone, external)
    volume = _root_volume(faults, config, zone, external)
    group = placement = None
    if config.security_group_id:
        group = of_zone(call, SecurityGroup, config.security_group_id, "security_group_id", zone, cluster.project_id)
    if config.placement_group_id:
        id_ = config.placement_group_id
        placement = of_zone(call, PlacementGroup, id_, "placement_group_id", zone, cluster.project_id)
    if config.container_runtime and not left_out(config.container_runtime):
        faults.one_of("container_runtime", config.container_runtime, version.available_container_runtimes)
    check_kubelet_args(faults, config.kubelet_args, version)
    faults.duration("max_termination_grace_period", config.max_termination_grace_period)
    size = 0 if external else config.size
    pool = Pool(
        **call.change.of(cluster),
        region=cluster.region,
        cluster_id=cluster.id,
        name=config.name or f"pool-{call.change.ids.word()}",
        version=cluster.version,
        node_type=answered(config.node_type),
        autoscaling=bool(config.autoscaling),
        size=size,
        min_size=config.min_size or 0,
        max_size=config.max_size or size,  # the Python SDK sends 0 for what it leaves out
        autohealing=bool(config.autohealing),
        tags=config.tags or [],
        placement_group_id=placement.id if placement else None,
        kubelet_args=config.kubelet_args or {},
        upgrade_policy=policy_of(faults, UpgradePolicy(), config.upgrade_policy),
        zone_of=zone,
        root_volume_type=volume[0],
        root_volume_size=volume[1],
        public_ip_disabled=bool(config.public_ip_disabled),
        security_group_id=group.id if group else "",
        own_security_group=group is not None,
        labels=config.labels or {},
        taints=taints_of(faults, "taints", config.taints),
        startup_taints=taints_of(faults, "startup_taints", config.startup_taints),
        private_network_id=_own_network(call, faults, cluster, config),
        max_termination_grace_period=config.max_termination_grace_period or None,
        user_data=config.user_data or {},
    )
    check_sizes(faults, pool)
    return pool


def _check_place(faults: Faults, cluster: Cluster, config: PoolConfig, zone: str, external: bool) -> None:
    """Kapsule pools are in the cluster's region; Kosmos ones anywhere (recorded), always with public addresses."""
    kosmos = cluster.type.startswith("multicloud")
    if zone not in ZONES:
        faults.add("zone", f"{zone!r} is not a zone; there are {', '.join(ZONES)}")
        return
    if not kosmos and ZONES[zone] != cluster.region:
        faults.add("zone", f"{zone} is not in the cluster's region {cluster.region}")
    if external and not kosmos:
        faults.add("node_type", "external nodes are for multicloud clusters only")
    if kosmos and config.public_ip_disabled:
        faults.add("public_ip_disabled", "full isolation is for Kapsule clusters only")
    if external:
        return
    type_ = node_type(config.node_type, zone)
    if type_ is None:
        faults.add("node_type", f"{config.node_type!r} is not a node type of {zone}")
    elif type_.ram < LEAST_MEMORY:
        faults.add("node_type", f"{type_.name} has not enough memory for a node")


def _root_volume(faults: Faults, config: PoolConfig, zone: str, external: bool) -> tuple[str, int]:
    type_ = None if external or zone not in ZONES else node_type(config.node_type, zone)
    if type_ is None:
        return "sbs_5k", config.root_volume_size or LEAST_VOLUME
    wanted, default = root_volume(type_)
    if config.root_volume_type and not left_out(config.root_volume_type, "default_volume_type"):
        faults.one_of("root_volume_type", config.root_volume_type, VOLUME_TYPES)
        if config.root_volume_type != wanted:
            default = LEAST_VOLUME
        wanted = config.root_volume_type
    if wanted == "l_ssd" and not type_.local:
        faults.add("root_volume_type", f"{type_.name} has no local storage; take sbs_5k or sbs_15k")
    size = config.root_volume_size or default
    most = type_.volumes_constraint.max_size if wanted == "l_ssd" and type_.local else MOST_VOLUME
    if not LEAST_VOLUME <= size <= most:
        faults.add("root_volume_size", f"{size} bytes: from {LEAST_VOLUME} to {most} for {wanted} on {type_.name}")
    return wanted, size


def _own_network(call: Call, faults: Faults, cluster: Cluster, config: PoolConfig) -> str | None:
    """A pool's own Private Network: one of the VPC of the cluster's."""
    if not config.private_network_id:
        return None
    argument = "private_network_id"
    network = call.refer(PrivateNetwork, config.private_network_id, argument, project_id=cluster.project_id)
    home = call.change.ledger.get(PrivateNetwork, cluster.private_network_id or "")
    if home is None or home.vpc_id != network.vpc_id:
        faults.add(argument, "a pool's Private Network is of the same VPC as the cluster's")
    return network.id
