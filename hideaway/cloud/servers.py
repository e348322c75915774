"""instance/v1: servers, their public addresses, private NICs and security groups. Their storage is in `volumes`.

instance/v1 spells owners and times its own way (`organization`, `creation_date`); its API translates on the way out.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import msgspec

from hideaway.cloud.documents import Document, Ledger


class Server(Document, frozen=True, kw_only=True):
    """An Instance. state: stopped, starting, running, stopping, stopped in place, locked."""

    kind: ClassVar[str] = "instance/server"
    resource: ClassVar[str] = "instance_server"
    status_field: ClassVar[str] = "state"
    carried: ClassVar[bool] = True

    zone: str
    name: str
    hostname: str
    commercial_type: str
    arch: str = "x86_64"
    state: str = "stopped"
    state_detail: str = ""
    tags: list[str] = []
    image_id: str | None = None
    boot_type: str = "local"
    mac_address: str = ""
    protected: bool = False
    dynamic_ip_required: bool = False
    enable_ipv6: bool = False
    security_group_id: str = ""
    placement_group_id: str | None = None
    volumes: dict[str, str] = {}  # slot -> volume id (instance/volume, or block/volume)
    default_ip_id: str | None = None  # the public address that was chosen to be the first
    boot_slots: list[str] = []  # the slots whose volumes were asked to be booted from
    password_key_id: str | None = None  # the SSH key that Windows' first password is encrypted for
    user_data: dict[str, str] = {}  # key -> value, base64
    node_id: str | None = None  # the Kubernetes node that it is
    boots: int = msgspec.field(default=0, name="_boots")  # how often it was started or rebooted
    authorized: list[str] = msgspec.field(default=[], name="_authorized")
    """The SSH keys that its last start found: ids of IAM's, and AUTHORIZED_KEY tags."""

    @property
    def refs(self) -> tuple[str, ...]:
        return tuple(
            r for r in (self.security_group_id, self.placement_group_id, self.node_id, *self.volumes.values()) if r
        )

    def settled(self, ledger: Ledger, now: datetime) -> Document | None:
        """A server that has come to rest says so in its state_detail (the vendor's words)."""
        result = super().settled(ledger, now)
        if isinstance(result, Server) and self.pending is not None:
            return msgspec.structs.replace(result, state_detail=SETTLED_DETAIL.get(result.state, ""))
        return result


SETTLED_DETAIL = {"running": "booting kernel", "stopped": "", "stopped in place": "stopped in place"}


class ServerIp(Document, frozen=True, kw_only=True):
    """A public (flexible) address. type: routed_ipv4 or routed_ipv6.

    address has no prefix length. A v6 one is a /64 (prefix): its address is what its server makes of it, None without
    a server, and never answered by the IP itself.
    """

    kind: ClassVar[str] = "instance/ip"
    resource: ClassVar[str] = "instance_ip"

    zone: str
    type: str = "routed_ipv4"
    address: str | None = None
    prefix: str | None = None
    reverse: str | None = None
    server_id: str | None = None
    dynamic: bool = False  # made for a server that asked for one, gone with its stop
    tags: list[str] = []
    ipam_id: str = ""

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.server_id,) if self.server_id else ()


class PrivateNic(Document, frozen=True, kw_only=True):
    """A server's port in a Private Network. state: available, syncing, syncing_error. server_id: "" without one."""

    kind: ClassVar[str] = "instance/private_nic"
    resource: ClassVar[str] = "instance_private_nic"
    status_field: ClassVar[str] = "state"
    carried: ClassVar[bool] = True

    zone: str
    server_id: str
    private_network_id: str
    mac_address: str  # lower case
    state: str = "available"
    ipam_ip_ids: list[str] = []
    tags: list[str] = []

    @property
    def refs(self) -> tuple[str, ...]:
        return tuple(r for r in (self.server_id, self.private_network_id, *self.ipam_ip_ids) if r)


class SecurityRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of a security group, in the order of position per direction. protocol: TCP, UDP, ICMP, ANY."""

    id: str
    protocol: str
    direction: str
    action: str
    ip_range: str
    dest_port_from: int | None = None
    dest_port_to: int | None = None
    position: int = 1
    editable: bool = True


class SecurityGroup(Document, frozen=True, kw_only=True):
    """rules holds the editable rules only; the six of enable_default_security are derived (see `default_rules`)."""

    kind: ClassVar[str] = "instance/security_group"
    resource: ClassVar[str] = "instance_security_group"
    status_field: ClassVar[str] = "state"
    carried: ClassVar[bool] = True

    zone: str
    name: str
    description: str | None = None
    tags: list[str] = []
    stateful: bool = True
    inbound_default_policy: str = "accept"
    outbound_default_policy: str = "accept"
    enable_default_security: bool = True
    project_default: bool = False
    state: str = "available"
    rules: list[SecurityRule] = []


def default_rules() -> list[SecurityRule]:
    """The six outbound drops of SMTP that enable_default_security adds, as the vendor lists them (ids included)."""
    rules: list[SecurityRule] = []
    for network in ("0.0.0.0/0", "::/0"):
        for port in (25, 465, 587):
            number = len(rules) + 1
            rules.append(
                SecurityRule(
                    id=f"11111111-2222-4333-8444-{number:012d}", protocol="TCP", direction="outbound", action="drop",
                    ip_range=network, dest_port_from=port, position=number, editable=False,
                )
            )  # fmt: skip
    return rules


class PlacementGroup(Document, frozen=True, kw_only=True):
    kind: ClassVar[str] = "instance/placement_group"
    resource: ClassVar[str] = "instance_placement_group"

    zone: str
    name: str
    tags: list[str] = []
    policy_mode: str = "optional"
    policy_type: str = "max_availability"
