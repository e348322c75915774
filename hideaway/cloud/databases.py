"""rdb/v1: managed databases, their endpoints and what is in them; read replicas, backups, snapshots, logs."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self

import msgspec

from hideaway.base.ids import Ids
from hideaway.cloud.addressing import give_back_public, release, release_static
from hideaway.cloud.change import Change
from hideaway.cloud.database_types import first_settings
from hideaway.cloud.documents import GONE, Document, Ledger
from hideaway.cloud.network import Ip


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A way to reach a database: in a Private Network, or through a public load balancer (a replica: directly).

    ip has no prefix; service_ip is CIDR (172.16.0.2/22). ipam_id is IPAM's booking, "" for a public or a static one.
    shown: whether it is answered already. A public one is only once its instance is ready (recorded).
    beside_public: whether it came to an instance that had a public one (what that means: api/rdb/views.py).
    """

    id: str
    port: int
    ip: str
    private_network_id: str | None = None
    service_ip: str | None = None
    provisioning_mode: str | None = None  # ipam or static
    zone: str | None = None
    ipam_id: str = ""
    direct: bool = False
    shown: bool = True
    beside_public: bool = False


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    value: str


class BackupSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """frequency in hours, retention in days."""

    disabled: bool = False
    frequency: int = 24
    retention: int = 7
    next_run_at: datetime | None = None


class LogsPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Days, bytes."""

    max_age_retention: int | None = 30
    total_disk_retention: int | None = None


class AccessRule(msgspec.Struct, frozen=True, kw_only=True):
    """Who may reach the public endpoint (inbound, tcp, allow; its port is the endpoint's)."""

    ip: str  # CIDR
    description: str = ""


class DatabaseUser(msgspec.Struct, frozen=True, kw_only=True):
    """Of a password only what recognises it is kept: verifier is the engine's own, "" where there is no password."""

    name: str
    is_admin: bool = False
    verifier: str = ""


class LogicalDatabase(msgspec.Struct, frozen=True, kw_only=True):
    """A database within an instance. size in bytes; owner and size of a new one as recorded."""

    name: str
    managed: bool = True
    owner: str = "_rdb_superadmin"
    size: int = 7_736_467


class Privilege(msgspec.Struct, frozen=True, kw_only=True):
    """permission: readonly, readwrite, all, custom, none."""

    database_name: str
    user_name: str
    permission: str


class DataOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """Whose data a new instance begins with: the id of an instance (live) or of a snapshot, and its engine."""

    id: str
    engine: str
    live: bool = False


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """The two servers of a highly available instance, and what is decided about them.

    second: whether the second leads. waits: whether the leader shall acknowledge a commit only with the other's word.
    guarded: whether it was seen to do so, with the other one having all that was acknowledged before: only then may the
    other take over.
    """

    second: bool = False
    waits: bool = False
    guarded: bool = False


class Database(Document, frozen=True, kw_only=True):
    """A managed database (the vendor's rdb Instance).

    status: provisioning, initializing, ready, configuring, restarting, deleting.
    """

    kind: ClassVar[str] = "rdb/instance"
    resource: ClassVar[str] = "instance"
    carried: ClassVar[bool] = True

    region: str
    name: str
    engine: str
    node_type: str
    status: str = "provisioning"
    is_ha_cluster: bool = False
    high_availability_mode: str = "unknown_high_availability_mode"
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
    leaving_endpoints: list[Endpoint] = msgspec.field(default_factory=list, name="_leaving_endpoints")
    """Still answered while the instance is configuring, and served no more."""
    users: list[DatabaseUser] = msgspec.field(default_factory=list, name="_users")
    databases: list[LogicalDatabase] = msgspec.field(default_factory=list, name="_databases")
    privileges: list[Privilege] = msgspec.field(default_factory=list, name="_privileges")
    access_rules: list[AccessRule] = msgspec.field(default_factory=list, name="_access_rules")
    certificate: str = msgspec.field(default="", name="_certificate")  # PEM
    key: str = msgspec.field(default="", name="_key")  # the certificate's, PEM
    origin: DataOrigin | None = msgspec.field(default=None, name="_origin")
    """Until its data is there."""
    starts: int = msgspec.field(default=0, name="_starts")
    """How often it was asked to start anew."""
    logs_purged_at: datetime | None = msgspec.field(default=None, name="_logs_purged_at")
    pair: Pair = msgspec.field(default=Pair(), name="_pair")

    @property
    def servers(self) -> tuple[str, ...]:
        """The ids of its servers (each is a host's and a volume's), the one that leads first."""
        first, second = self.id, f"{self.id}-b"
        ordered = (second, first) if self.pair.second else (first, second)
        return ordered if self.is_ha_cluster else ordered[:1]

    @property
    def host_id(self) -> str:
        return self.servers[0]

    @property
    def refs(self) -> tuple[str, ...]:
        """The Private Networks that it is in, its endpoints, and whose data it begins with."""
        return (*endpoint_refs(self.listed_endpoints), *((self.origin.id,) if self.origin else ()))

    def settled(self, ledger: Ledger, now: datetime) -> Document | None:
        """A new one has settings and its public endpoint only once it is ready; addresses are free when it is gone."""
        if self.pending is None:
            return self
        gone = self.pending.to == GONE
        for endpoint in [*self.leaving_endpoints, *(self.listed_endpoints if gone else ())]:
            let_go(ledger, now, endpoint)
        if gone:
            return None
        settings = self.settings
        if self.status == "provisioning" and not settings:
            settings = [Setting(name=n, value=v) for n, v in first_settings(self.engine, self.node_type).items()]
        return self.changed(
            now,
            status=self.pending.to,
            pending=None,
            settings=settings,
            listed_endpoints=show(self.listed_endpoints),
            leaving_endpoints=[],
            origin=None,
        )


class ReadReplica(Document, frozen=True, kw_only=True):
    """status: provisioning, initializing, ready, configuring, promoting, deleting."""

    kind: ClassVar[str] = "rdb/read_replica"
    resource: ClassVar[str] = "read_replica"
    carried: ClassVar[bool] = True

    region: str
    instance_id: str
    same_zone: bool = True
    status: str = "provisioning"
    copies: int = msgspec.field(default=0, name="_copies")
    """How often it was made anew from its instance."""
    listed_endpoints: list[Endpoint] = msgspec.field(default_factory=list, name="_endpoints")
    leaving_endpoints: list[Endpoint] = msgspec.field(default_factory=list, name="_leaving_endpoints")

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.instance_id, *endpoint_refs(self.listed_endpoints))

    def settled(self, ledger: Ledger, now: datetime) -> Document | None:
        if self.pending is None:
            return self
        gone = self.pending.to == GONE
        for endpoint in [*self.leaving_endpoints, *(self.listed_endpoints if gone else ())]:
            let_go(ledger, now, endpoint)
        shown = {"listed_endpoints": show(self.listed_endpoints), "leaving_endpoints": []}
        return None if gone else self.changed(now, status=self.pending.to, pending=None, **shown)


class Errand(Document, frozen=True, kw_only=True):
    """What an instance's server is asked to do once: its transition ends when that is done.

    task is what the server knows it by, performer the instance; both "" when there is nothing to do.
    """

    carried: ClassVar[bool] = True

    task: str = msgspec.field(default="", name="_task")
    performer: str = msgspec.field(default="", name="_performer")

    def settled(self, ledger: Ledger, now: datetime) -> Document | None:
        """By the clock, where no server does it."""
        settled = super().settled(ledger, now)
        return msgspec.structs.replace(settled, task="", performer="") if isinstance(settled, Errand) else settled

    def ended(self, now: datetime, size: int, error: str) -> Self:
        """What it becomes when the server has done it; size in bytes, error why it could not."""
        to = "error" if error or self.pending is None else self.pending.to
        return self.changed(now, status=to, pending=None, task="", performer="")


class Backup(Errand, frozen=True, kw_only=True):
    """A backup of one database. status: creating, ready, exporting, restoring, deleting, error."""

    kind: ClassVar[str] = "rdb/backup"
    resource: ClassVar[str] = "database_backup"

    region: str
    instance_id: str
    instance_name: str
    database_name: str
    name: str
    status: str = "creating"
    size: int | None = None  # bytes
    expires_at: datetime | None = None
    download_url: str | None = None
    download_url_expires_at: datetime | None = None
    same_region: bool = False
    restored_as: str = msgspec.field(default="", name="_restored_as")
    """The database that it is being restored to."""
    token: str = msgspec.field(default="", name="_token")
    """Who knows it may download the backup."""

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.instance_id, *_some(self.performer, self.token))

    def ended(self, now: datetime, size: int, error: str) -> Self:
        """A restore that failed leaves the backup as good as it was."""
        if self.status == "restoring":
            return super().ended(now, size, "")
        return super().ended(now, size, error).changed(now, size=None if error else size)

    def settled(self, ledger: Ledger, now: datetime) -> Document | None:
        """It has a size once it is made."""
        settled = super().settled(ledger, now)
        return settled.changed(now, size=EMPTY_BACKUP) if settled and self.status == "creating" else settled


EMPTY_BACKUP = 1255  # bytes, of the recorded backups of an empty database


class Snapshot(Errand, frozen=True, kw_only=True):
    """A copy of all of an instance's data, with what it takes to make an instance of it. status: as a backup's."""

    kind: ClassVar[str] = "rdb/snapshot"
    resource: ClassVar[str] = "instance_snapshot"

    region: str
    instance_id: str
    instance_name: str
    name: str
    node_type: str
    status: str = "creating"
    size: int | None = None  # bytes
    expires_at: datetime | None = None
    source: Database = msgspec.field(name="_source")
    """The instance as it was."""

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.instance_id, *_some(self.performer))

    def ended(self, now: datetime, size: int, error: str) -> Self:
        """It is as large as its volume, however much of that is in use (recorded)."""
        return super().ended(now, size, error).changed(now, size=None if error else self.source.volume_size)

    def settled(self, ledger: Ledger, now: datetime) -> Document | None:
        """It has a size once it is made."""
        settled = super().settled(ledger, now)
        return settled.changed(now, size=self.source.volume_size) if settled and self.status == "creating" else settled


class InstanceLog(Errand, frozen=True, kw_only=True):
    """A log that was asked for: what the server said from since to until. status: creating, ready, error."""

    kind: ClassVar[str] = "rdb/log"
    resource: ClassVar[str] = "instance_log"

    region: str
    instance_id: str
    node_name: str
    status: str = "creating"
    expires_at: datetime | None = None
    download_url: str | None = None
    since: datetime | None = msgspec.field(default=None, name="_since")
    until: datetime | None = msgspec.field(default=None, name="_until")
    token: str = msgspec.field(default="", name="_token")
    address: str | None = msgspec.field(default=None, name="_address")
    """Where it can be downloaded, answered once it is ready."""

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.instance_id, *_some(self.token))

    def ended(self, now: datetime, size: int, error: str) -> Self:
        return super().ended(now, size, error).changed(now, download_url=None if error else self.address)


def _some(*ids: str) -> tuple[str, ...]:
    return tuple(id_ for id_ in ids if id_)


def endpoint_refs(endpoints: list[Endpoint]) -> tuple[str, ...]:
    """What finds the owner of endpoints: their ids and their Private Networks'."""
    return (*(e.private_network_id for e in endpoints if e.private_network_id), *(e.id for e in endpoints))


def show(endpoints: list[Endpoint]) -> list[Endpoint]:
    """The endpoints, all of them to be answered from now on."""
    return [msgspec.structs.replace(e, shown=True) for e in endpoints]


def let_go(ledger: Ledger, now: datetime, endpoint: Endpoint) -> None:
    """Free an endpoint's address."""
    change = Change(ledger, now, Ids())
    if endpoint.private_network_id is None:
        give_back_public(change, endpoint.ip)
    elif endpoint.ipam_id:
        ip = ledger.get(Ip, endpoint.ipam_id)
        if ip is not None:
            release(change, ip)
    else:
        release_static(change, endpoint.private_network_id, endpoint.ip)
