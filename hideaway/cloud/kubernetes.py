"""k8s/v1: clusters, their access rules, pools and nodes."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import msgspec

from hideaway.cloud.documents import GONE, Document, Ledger


class AutoscalerConfig(msgspec.Struct, frozen=True, kw_only=True):
    scale_down_disabled: bool = False
    scale_down_delay_after_add: str = "10m"
    estimator: str = "binpacking"
    expander: str = "random"
    ignore_daemonsets_utilization: bool = False
    balance_similar_node_groups: bool = False
    expendable_pods_priority_cutoff: int = 0
    scale_down_unneeded_time: str = "10m"
    scale_down_utilization_threshold: float = 0.5
    max_graceful_termination_sec: int = 0


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
    iam_nodes_group_id: str = ""
    pod_cidr: str = "100.64.0.0/15"
    service_cidr: str = "10.32.0.0/20"
    service_dns_ip: str = "10.32.0.10"
    address: str = msgspec.field(default="", name="_address")
    """The control plane's public address (IPv4, no prefix)."""
    admin_token: str = msgspec.field(default="", name="_admin_token")
    ca_certificate: str = msgspec.field(default="", name="_ca_certificate")  # PEM
    ca_key: str = msgspec.field(default="", name="_ca_key")  # PEM

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.private_network_id,) if self.private_network_id else ()

    def settled(self, ledger: Ledger, now: datetime) -> Document | None:
        """A cluster that has come up is ready when it has a pool and waits for one (pool_required) else."""
        if self.pending and self.pending.to != GONE:
            pools = [p for p in ledger.find(Pool, ref=self.id) if p.status != "deleting"]
            return self.changed(now, status="ready" if pools else "pool_required", pending=None)
        return super(Cluster, self).settled(ledger, now)


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
    public_ip_disabled: bool = False
    security_group_id: str = ""
    """The group in force. Chosen by the user, or `kubernetes <cluster-id>` of the zone."""
    own_security_group: bool = msgspec.field(default=False, name="_own_security_group")
    """Whether the user chose the group."""
    labels: dict[str, str] = {}
    taints: list[Taint] = []
    startup_taints: list[Taint] = []
    private_network_id: str | None = msgspec.field(default=None, name="_private_network_id")

    @property
    def refs(self) -> tuple[str, ...]:
        return tuple(
            r for r in (self.cluster_id, self.security_group_id, self.placement_group_id, self.private_network_id) if r
        )

    @property
    def locality(self) -> str:
        return self.region


class Node(Document, frozen=True, kw_only=True):
    """status: creating, starting, registering, ready, not_ready, rebooting, upgrading, creation_error, deleting."""

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
