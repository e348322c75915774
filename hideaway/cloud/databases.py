"""rdb/v1: managed databases and their endpoints."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from hideaway.cloud.documents import Document


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A way to reach a database: in a Private Network, or through a public load balancer.

    ip has no prefix; service_ip is CIDR (172.16.0.2/22). ipam_id is IPAM's booking, "" for a load balancer.
    """

    id: str
    port: int
    ip: str
    private_network_id: str | None = None
    service_ip: str | None = None
    provisioning_mode: str | None = None  # ipam or static
    zone: str | None = None
    ipam_id: str = ""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    value: str


class BackupSchedule(msgspec.Struct, frozen=True, kw_only=True):
    disabled: bool = False
    frequency: int = 24
    retention: int = 7
    next_run_at: str | None = None


class LogsPolicy(msgspec.Struct, frozen=True, kw_only=True):
    max_age_retention: int | None = 30
    total_disk_retention: int | None = None


class Database(Document, frozen=True, kw_only=True):
    """A managed database (the vendor's rdb Instance). status: provisioning, initializing, ready, configuring, deleting."""

    kind: ClassVar[str] = "rdb/instance"
    resource: ClassVar[str] = "instance"

    region: str
    name: str
    engine: str
    node_type: str
    status: str = "provisioning"
    is_ha_cluster: bool = False
    tags: list[str] = []
    settings: list[Setting] = []
    init_settings: list[Setting] = []
    backup_schedule: BackupSchedule = BackupSchedule()
    backup_same_region: bool = False
    logs_policy: LogsPolicy = LogsPolicy()
    volume_type: str = msgspec.field(default="lssd", name="_volume_type")
    volume_size: int = msgspec.field(default=5_000_000_000, name="_volume_size")
    encryption_enabled: bool = msgspec.field(default=False, name="_encryption_enabled")
    listed_endpoints: list[Endpoint] = msgspec.field(default_factory=list, name="_endpoints")

    @property
    def refs(self) -> tuple[str, ...]:
        return tuple(e.private_network_id for e in self.listed_endpoints if e.private_network_id)
