"""k8s/v1: clusters, their access rules, pools and nodes."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import msgspec

from hideaway.cloud.addressing import PublicAddress
from hideaway.cloud.balancers import Lb
from hideaway.cloud.documents import GONE, Document, Ledger
from hideaway.cloud.network import PrivateNetwork
from hideaway.cloud.places import REGIONS
from hideaway.cloud.private_networks import users

SHARED_TYPE = "kapsule"
"""The one cluster type whose control plane sleeps while it has no pool (every recording without pools)."""


class AutoscalerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The defaults are those of a cluster whose request has no autoscaler_config (every recorded `scw` cluster)."""

    scale_down_disabled: bool = False
    scale_down_delay_after_add: str = "10m"
    estimator: str = "binpacking"
    expander: str = "random"
    ignore_daemonsets_utilization: bool = False
    balance_similar_node_groups: bool = False
    expendable_pods_priority_cutoff: int = -10
    scale_down_unneeded_time: str = "10m"
    scale_down_utilization_threshold: float = 0.5
    max_graceful_termination_sec: int = 600
    skip_nodes_with_local_storage: bool = True
    log_level: int = 2


class MaintenanceWindow(msgspec.Struct, frozen=True, kw_only=True):
    start_hour: int = 0
    day: str = "any"


class AutoUpgrade(msgspec.Struct, frozen=True, kw_only=True):
    enabled: bool = False
    maintenance_window: MaintenanceWindow = MaintenanceWindow()


class OpenIdConnectConfig(msgspec.Struct, frozen=True, kw_only=True):
    issuer_url: str = ""
    client_id: str = ""
    username_claim: str = ""
    username_prefix: str = ""
    groups_claim: list[str] = []
    groups_prefix: str = ""
    required_claim: list[str] = []


class Cluster(Document, frozen=True, kw_only=True):
    """status: creating, pool_required, ready, updating, deleting, locked."""

    kind: ClassVar[str] = "k8s/cluster"
    resource: ClassVar[str] = "cluster"
    carried: ClassVar[bool] = True

    region: str
    name: str
    type: str = "kapsule"
    description: str = ""
    status: str = "creating"
    version: str
    cni: str = "cilium"
    tags: list[str] = []
    cluster_url: str = ""
    dns_wildcard: str = ""
    autoscaler_config: AutoscalerConfig = AutoscalerConfig()
    auto_upgrade: AutoUpgrade = AutoUpgrade()
    upgrade_available: bool = False
    feature_gates: list[str] = []
    admission_plugins: list[str] = []
    open_id_connect_config: OpenIdConnectConfig = OpenIdConnectConfig()
    apiserver_cert_sans: list[str] = []
    private_network_id: str | None = None
    commitment_ends_at: datetime | None = None
    acl_available: bool = True
    new_images_enabled: bool = False
    """Answered in the recordings of late 2025 and no longer in the newest; a pool's is true. Kept for who reads it."""
    iam_nodes_group_id: str = ""
    pod_cidr: str = "100.64.0.0/15"
    service_cidr: str = "10.32.0.0/20"
    service_dns_ip: str = "10.32.0.10"
    address: str = msgspec.field(default="", name="_address")
    """The control plane's public address (IPv4, no prefix)."""
    admin_token: str = msgspec.field(default="", name="_admin_token")
    ca_certificate: str = msgspec.field(default="", name="_ca_certificate")  # PEM
    ca_key: str = msgspec.field(default="", name="_ca_key")  # PEM
    made_groups: list[str] = msgspec.field(default_factory=list, name="_made_groups")
    """The ids of the security groups that were made for it (not by a user): they go with it."""
    takes_network_along: bool = msgspec.field(default=False, name="_takes_network_along")
    """Whether it is being deleted together with its Private Network, where nothing else is in that."""

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.private_network_id,) if self.private_network_id else ()

    def resting(self, ledger: Ledger) -> str:
        """The status that it comes to rest in: ready, or pool_required where its control plane waits for a pool."""
        if self.type != SHARED_TYPE or any(p.status != "deleting" for p in ledger.find(Pool, ref=self.id)):
            return "ready"
        return "pool_required"

    def settled(self, ledger: Ledger, now: datetime) -> Document | None:
        """A cluster that has come up rests; with one that is gone goes all that was its own."""
        if self.pending is None or self.pending.to != GONE:
            return self.changed(now, status=self.resting(ledger), pending=None) if self.pending else self
        if self.takes_network_along and balancers_of(ledger, self):
            return self  # they leave the Private Network first
        for type_ in (Node, Pool, Access, ExternalNode):
            for document in ledger.find(type_, ref=self.id):
                ledger.remove(document)
        address = ledger.get(PublicAddress, self.address)
        if address is not None:
            ledger.remove(address)
        network = ledger.get(PrivateNetwork, self.private_network_id or "") if self.takes_network_along else None
        if network is not None and [u.id for u in users(ledger, network)] == [self.id]:
            ledger.remove(network)
        return None


def balancers_of(ledger: Ledger, cluster: Cluster) -> list[Lb]:
    """The Load Balancers that the cloud controller made for a cluster's services: their names begin with its id."""
    zones = REGIONS[cluster.region]
    found = [lb for zone in zones for lb in ledger.find(Lb, project=cluster.project_id, locality=zone)]
    return [lb for lb in found if lb.name.startswith(cluster.id)]


class Access(Document, frozen=True, kw_only=True):
    """One rule of a cluster's API ACL: an address range, or the vendor's own ranges."""

    kind: ClassVar[str] = "k8s/acl"
    resource: ClassVar[str] = "acl"

    region: str
    cluster_id: str
    ip: str | None = None
    scaleway_ranges: bool | None = None
    description: str = ""

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.cluster_id,)


class UpgradePolicy(msgspec.Struct, frozen=True, kw_only=True):
    max_unavailable: int = 1
    max_surge: int = 0


class Taint(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    value: str = ""
    effect: str = "NoSchedule"


class Pool(Document, frozen=True, kw_only=True):
    """status: scaling, ready, upgrading, warning, deleting, locked."""

    kind: ClassVar[str] = "k8s/pool"
    resource: ClassVar[str] = "pool"
    carried: ClassVar[bool] = True

    region: str
    cluster_id: str
    name: str
    status: str = "scaling"
    version: str
    node_type: str
    autoscaling: bool = False
    size: int = 1
    min_size: int = 1
    max_size: int = 1
    container_runtime: str = "containerd"
    autohealing: bool = False
    tags: list[str] = []
    placement_group_id: str | None = None
    kubelet_args: dict[str, str] = {}
    upgrade_policy: UpgradePolicy = UpgradePolicy()
    zone_of: str = msgspec.field(name="zone")
    root_volume_type: str = "sbs_5k"
    root_volume_size: int = 20_000_000_000
    new_images_enabled: bool = True
    public_ip_disabled: bool = False
    security_group_id: str = ""
    """The group in force. Chosen by the user, or `kubernetes <cluster-id>` of the zone."""
    own_security_group: bool = msgspec.field(default=False, name="_own_security_group")
    """Whether the user chose the group."""
    labels: dict[str, str] = {}
    taints: list[Taint] = []
    startup_taints: list[Taint] = []
    private_network_id: str | None = None
    """Its own Private Network; None where its nodes are in the cluster's."""
    error_message: str | None = None
    max_termination_grace_period: str | None = None
    user_data: dict[str, str] = msgspec.field(default_factory=dict, name="_user_data")

    @property
    def refs(self) -> tuple[str, ...]:
        return tuple(
            r for r in (self.cluster_id, self.security_group_id, self.placement_group_id, self.private_network_id) if r
        )

    @property
    def locality(self) -> str:
        return self.region

    def settled(self, ledger: Ledger, now: datetime) -> Document | None:
        """With a pool that is gone go its nodes; a cluster that loses its last one waits for another (scaleway.md)."""
        if self.pending is None or self.pending.to != GONE:
            return super().settled(ledger, now)
        for node in ledger.find(Node, ref=self.id):
            ledger.remove(node)
        cluster = ledger.get(Cluster, self.cluster_id)
        if cluster is not None and cluster.pending is None:
            ledger.put(cluster.changed(now, status=cluster.resting(ledger)))
        return None


class Node(Document, frozen=True, kw_only=True):
    """status: creating, starting, registering, ready, not_ready, rebooting, upgrading, creation_error, deleting.

    error_message says why it is not ready. server_id is "" for one whose server was deleted under it, and for an
    external one (of a Kosmos pool).
    """

    kind: ClassVar[str] = "k8s/node"
    resource: ClassVar[str] = "node"
    carried: ClassVar[bool] = True

    region: str
    cluster_id: str
    pool_id: str
    name: str
    status: str = "creating"
    conditions: dict[str, str] = {}
    public_ip_v4: str | None = None
    public_ip_v6: str | None = None
    provider_id: str = ""
    error_message: str = ""
    server_id: str = msgspec.field(default="", name="_server_id")
    version: str = msgspec.field(default="", name="_version")

    @property
    def refs(self) -> tuple[str, ...]:
        return tuple(r for r in (self.cluster_id, self.pool_id, self.server_id) if r)

    @property
    def external(self) -> bool:
        """Whether it is a machine elsewhere that was let into a Kosmos pool."""
        return self.provider_id.startswith("scaleway://external/")

    def settled(self, ledger: Ledger, now: datetime) -> Document | None:
        if self.pending is not None and self.pending.to == "ready":
            return self.healthy(now)
        return super().settled(ledger, now)

    def healthy(self, now: datetime) -> Node:
        """A copy that is ready, with the conditions that a ready node was recorded to have."""
        return self.changed(now, status="ready", pending=None, error_message="", conditions=dict(WELL))

    def silent(self, now: datetime, reason: str) -> Node:
        """A copy that is not ready: what the kubelet reports is then unknown (as Kubernetes does)."""
        unknown = {c: v if c == "NetworkUnavailable" else "Unknown" for c, v in WELL.items()}
        return self.changed(now, status="not_ready", pending=None, error_message=reason, conditions=unknown)


WELL = {
    "DiskPressure": "False",
    "MemoryPressure": "False",
    "NetworkUnavailable": "False",
    "PIDPressure": "False",
    "Ready": "True",
}


class ExternalNode(Document, frozen=True, kw_only=True):
    """A machine outside that was let into a Kosmos pool. Its id is the access key of the key that it was given."""

    kind: ClassVar[str] = "k8s/external_node"
    resource: ClassVar[str] = "node"

    region: str
    cluster_id: str
    pool_id: str
    node_id: str = ""
    """The node that it became when it first asked for its metadata."""

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.cluster_id, self.pool_id, *((self.node_id,) if self.node_id else ()))
