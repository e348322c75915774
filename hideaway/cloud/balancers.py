"""lb/v1: Load Balancers, their addresses, backends, frontends, routes, ACLs, certificates, Private Networks.

A Load Balancer is carried by the data plane as one host: it is ready, and so are its attachments and certificates,
once what balances there serves what was asked for. An LB's `LbInstance` is what runs it; a change of configuration
shows there, as the vendor's does.
`resource` names the type in the vendor's bare 404 (recorded: `{"message": "lbs not Found"}`).
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from hideaway.base.ids import Ids
from hideaway.cloud.addressing import attach, give_back_public
from hideaway.cloud.balancer_parts import (
    AclAction,
    AclMatch,
    Algorithm,
    Email,
    HealthCheck,
    MarkedDown,
    Protocol,
    ProxyProtocol,
    RouteMatch,
    SslLevel,
    StaticConfig,
    Sticky,
    Webhook,
)
from hideaway.cloud.change import Change
from hideaway.cloud.documents import GONE, Document, Ledger, Pending
from hideaway.cloud.network import Ip


class LbIp(Document, frozen=True, kw_only=True):
    """A public address of Load Balancers: reserved on its own, held by one LB at a time."""

    kind: ClassVar[str] = "lb/ip"
    resource: ClassVar[str] = "ips"

    zone: str
    ip_address: str
    reverse: str = ""
    tags: list[str] = []
    lb_id: str | None = None

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.lb_id,) if self.lb_id else ()

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.ip_address


class Lb(Document, frozen=True, kw_only=True):
    """status: to_create, creating, ready, pending, stopped, error, locked, migrating, to_delete, deleting."""

    kind: ClassVar[str] = "lb/lb"
    resource: ClassVar[str] = "lbs"
    carried: ClassVar[bool] = True

    zone: str
    name: str
    description: str = ""
    type: str  # in lower case, as the vendor answers it: lb-s
    status: str = "to_create"
    tags: list[str] = []
    ssl_compatibility_level: SslLevel = SslLevel.INTERMEDIATE
    subscriber_id: str | None = msgspec.field(default=None, name="_subscriber_id")
    ready_at: float = msgspec.field(default=0.0, name="_ready_at")
    """When its creation ends, in seconds since the epoch; it passes through `creating` before (recorded)."""
    release_ip: bool = msgspec.field(default=False, name="_release_ip")
    """Whether its addresses go with it, once it is being deleted."""

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.subscriber_id,) if self.subscriber_id else ()

    @property
    def going(self) -> bool:
        """Whether it is being deleted."""
        return self.status in ("to_delete", "deleting")

    def settled(self, ledger: Ledger, now: datetime) -> Document | None:
        """What it has stays until it is gone (recorded: the counts in `to_delete`); its addresses are then free."""
        if self.pending is None:
            return self
        if self.pending.to == "creating" and now.timestamp() < self.ready_at:
            return self.changed(now, status="creating", pending=Pending("ready", self.ready_at))
        if self.pending.to == "creating":
            return self.changed(now, status="ready", pending=None)
        if self.pending.to == GONE:
            _dismantle(Change(ledger, now, Ids()), self)
        return super().settled(ledger, now)


class LbInstance(Document, frozen=True, kw_only=True):
    """What runs a Load Balancer. status: unknown, ready, pending, stopped, error, locked, migrating."""

    kind: ClassVar[str] = "lb/instance"
    carried: ClassVar[bool] = True

    zone: str
    lb_id: str = msgspec.field(name="_lb_id")
    ip_address: str = ""  # always empty in the recordings
    status: str = "unknown"

    @property
    def host_id(self) -> str:
        return self.lb_id

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.lb_id,)


class Backend(Document, frozen=True, kw_only=True):
    """The servers that a Load Balancer forwards to. Timeouts are milliseconds; what was left out is null (recorded)."""

    kind: ClassVar[str] = "lb/backend"
    resource: ClassVar[str] = "backend"

    zone: str = msgspec.field(name="_zone")
    lb_id: str = msgspec.field(name="_lb_id")
    name: str
    forward_protocol: Protocol
    forward_port: int
    forward_port_algorithm: Algorithm = Algorithm.ROUNDROBIN
    sticky_sessions: Sticky = Sticky.NONE
    sticky_sessions_cookie_name: str = ""
    health_check: HealthCheck
    pool: list[str] = []
    send_proxy_v2: bool = False
    timeout_server: int | None = None
    timeout_connect: int | None = None
    timeout_tunnel: int | None = None
    on_marked_down_action: MarkedDown = MarkedDown.NONE
    proxy_protocol: ProxyProtocol = ProxyProtocol.UNKNOWN
    failover_host: str | None = None
    ssl_bridging: bool = False
    ignore_ssl_server_verify: bool | None = None
    redispatch_attempt_count: int | None = None
    max_retries: int | None = None
    max_connections: int | None = None
    timeout_queue: str | None = None  # seconds: 0s
    host: str = ""

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.lb_id,)


class Frontend(Document, frozen=True, kw_only=True):
    """A port that a Load Balancer listens on, and the backend that it passes to."""

    kind: ClassVar[str] = "lb/frontend"
    resource: ClassVar[str] = "frontend"

    zone: str = msgspec.field(name="_zone")
    lb_id: str = msgspec.field(name="_lb_id")
    backend_id: str = msgspec.field(name="_backend_id")
    name: str
    inbound_port: int
    timeout_client: int | None = None  # milliseconds
    certificate_ids: list[str] = []
    enable_http3: bool = False
    connection_rate_limit: int | None = None  # new connections a second
    enable_access_logs: bool = False

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.lb_id, self.backend_id, *self.certificate_ids)


class LbRoute(Document, frozen=True, kw_only=True):
    """What a frontend passes to another backend than its own."""

    kind: ClassVar[str] = "lb/route"
    resource: ClassVar[str] = "privateNetwork"  # the vendor's own slip, recorded

    zone: str = msgspec.field(name="_zone")
    lb_id: str = msgspec.field(name="_lb_id")
    frontend_id: str
    backend_id: str
    match: RouteMatch | None = None

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.lb_id, self.frontend_id, self.backend_id)


class LbAcl(Document, frozen=True, kw_only=True):
    """What a frontend does with some of its clients; the lowest index first."""

    kind: ClassVar[str] = "lb/acl"
    resource: ClassVar[str] = "acl"

    zone: str = msgspec.field(name="_zone")
    lb_id: str = msgspec.field(name="_lb_id")
    frontend_id: str = msgspec.field(name="_frontend_id")
    name: str
    index: int
    description: str = ""
    action: AclAction
    match: AclMatch | None = None

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.lb_id, self.frontend_id)


class Certificate(Document, frozen=True, kw_only=True):
    """status: pending, ready, error. type: letsencrypt, custom. What it certifies is answered once it is ready."""

    kind: ClassVar[str] = "lb/certificate"
    resource: ClassVar[str] = "certificate"
    carried: ClassVar[bool] = True

    zone: str = msgspec.field(name="_zone")
    lb_id: str = msgspec.field(name="_lb_id")
    name: str
    type: str
    status: str = "pending"
    status_details: str | None = None
    common_name: str = ""
    subject_alternative_name: list[str] = []
    fingerprint: str = ""  # SHA-1
    not_valid_before: datetime
    not_valid_after: datetime
    chain: str = msgspec.field(default="", name="_chain")
    """PEM: the certificate, those above it, its key."""

    @property
    def host_id(self) -> str:
        return self.lb_id

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.lb_id,)


class LbPrivateNetwork(Document, frozen=True, kw_only=True):
    """A Load Balancer's attachment to a Private Network. status: pending, ready, error."""

    kind: ClassVar[str] = "lb/balancer_attachment"
    resource: ClassVar[str] = "privateNetwork"
    carried: ClassVar[bool] = True

    zone: str = msgspec.field(name="_zone")
    lb_id: str = msgspec.field(name="_lb_id")
    private_network_id: str
    status: str = "pending"
    ipam_ids: list[str] = []
    chosen: bool = msgspec.field(default=False, name="_chosen")
    """Whether the client named the address; else it is answered once the attachment is ready (recorded)."""
    static_config: StaticConfig | UnsetType = UNSET

    @property
    def host_id(self) -> str:
        return self.lb_id

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.lb_id, self.private_network_id, *self.ipam_ids)

    def settled(self, ledger: Ledger, now: datetime) -> Document | None:
        """Its address is free only when it is gone."""
        if self.pending is not None and self.pending.to == GONE:
            release_private(Change(ledger, now, Ids()), self)
        return super().settled(ledger, now)


class Subscriber(Document, frozen=True, kw_only=True):
    """Who shall hear of an LB's troubles: an e-mail address or a web hook. Nothing is sent."""

    kind: ClassVar[str] = "lb/subscriber"
    resource: ClassVar[str] = "subscriber"

    zone: str = msgspec.field(name="_zone")
    name: str
    email_config: Email | UnsetType = UNSET
    webhook_config: Webhook | UnsetType = UNSET


OF_AN_LB: tuple[type[Document], ...] = (LbAcl, LbRoute, Frontend, Backend, Certificate, LbInstance)
"""What goes with its Load Balancer, beside addresses and attachments."""


def release_ip(change: Change, ip: LbIp) -> None:
    """Forget a public address, which may then be taken again."""
    give_back_public(change, ip.ip_address)
    change.ledger.remove(ip)


def release_private(change: Change, network: LbPrivateNetwork) -> None:
    """Take back the addresses of an attachment: a user's bookings stay, the others go."""
    for id_ in network.ipam_ids:
        ip = change.ledger.get(Ip, id_)
        if ip is not None and ip.booked:
            attach(change, ip, None)
        elif ip is not None:
            change.ledger.remove(ip)


def _dismantle(change: Change, lb: Lb) -> None:
    """Remove all that belongs to a Load Balancer, and free its addresses."""
    for network in change.ledger.find(LbPrivateNetwork, ref=lb.id):
        release_private(change, network)
        change.ledger.remove(network)
    for type_ in OF_AN_LB:
        for document in change.ledger.find(type_, ref=lb.id):
            change.ledger.remove(document)
    for ip in change.ledger.find(LbIp, ref=lb.id):
        if lb.release_ip:
            release_ip(change, ip)
        else:
            change.ledger.put(ip.changed(change.now, lb_id=None))
