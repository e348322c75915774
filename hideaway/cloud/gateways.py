"""vpc-gw/v2: Public Gateways, their attachment to Private Networks, their addresses and port translations."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import msgspec

from hideaway.base.ids import Ids
from hideaway.cloud.addressing import give_back_public, release_from
from hideaway.cloud.change import Change
from hideaway.cloud.documents import GONE, Document, Ledger

VERSION = "0.8.5"
"""The gateway software that every gateway runs (the newest in the recordings)."""


class GatewayIp(Document, frozen=True, kw_only=True):
    kind: ClassVar[str] = "vpcgw/ip"
    resource: ClassVar[str] = "ip"

    zone: str
    address: str
    reverse: str | None = None
    gateway_id: str | None = None
    tags: list[str] = []

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.gateway_id,) if self.gateway_id else ()


class Gateway(Document, frozen=True, kw_only=True):
    """status: allocating, configuring, running, stopping, stopped, failed, deleting."""

    kind: ClassVar[str] = "vpcgw/gateway"
    resource: ClassVar[str] = "gateway"
    carried: ClassVar[bool] = True

    zone: str
    name: str
    type: str = "VPC-GW-S"
    bandwidth: int = 100
    status: str = "allocating"
    tags: list[str] = []
    ip_id: str | None = msgspec.field(default=None, name="_ip_id")
    delete_ip: bool = msgspec.field(default=False, name="_delete_ip")
    """Whether its address goes with it, once it is being deleted."""
    bastion_enabled: bool = False
    bastion_port: int = 61000
    bastion_allowed_ips: list[str] = msgspec.field(default_factory=lambda: ["0.0.0.0/0"])
    smtp_enabled: bool = False
    is_legacy: bool = False
    ssh_keys: list[str] = msgspec.field(default=[], name="_ssh_keys")
    """The ids of the SSH keys that its bastion came to know."""
    nat_ports: tuple[int, int] | None = msgspec.field(default=None, name="_nat_ports")
    """The ports that translated connections leave from, where an operator narrowed them."""
    version: str | None = None
    can_upgrade_to: str | None = None
    boots: int = msgspec.field(default=0, name="_boots")
    """How often it was built anew."""

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.ip_id,) if self.ip_id else ()

    def settled(self, ledger: Ledger, now: datetime) -> Document | None:
        """Its software is known once it was allocated; its address is free, or gone, only when the gateway is gone."""
        if self.pending is not None and self.pending.to == GONE:
            for ip in ledger.find(GatewayIp, ref=self.id):
                if self.delete_ip:
                    release_ip(Change(ledger, now, Ids()), ip)
                else:
                    ledger.put(ip.changed(now, gateway_id=None))
            return None
        settled = super().settled(ledger, now)
        return settled.changed(settled.updated_at, version=VERSION) if settled and not self.version else settled


class GatewayNetwork(Document, frozen=True, kw_only=True):
    """A gateway's attachment to a Private Network. status: created, attaching, configuring, ready, detaching."""

    kind: ClassVar[str] = "vpcgw/gateway_network"
    resource: ClassVar[str] = "gateway_network"
    carried: ClassVar[bool] = True

    zone: str
    gateway_id: str
    private_network_id: str
    masquerade_enabled: bool = True
    push_default_route: bool = True
    ipam_ip_id: str = ""
    mac_address: str | None = None
    status: str = "created"

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.gateway_id, self.private_network_id, self.ipam_ip_id)

    def settled(self, ledger: Ledger, now: datetime) -> Document | None:
        """Its address in the network is free only when it is gone."""
        if self.pending is not None and self.pending.to == GONE:
            release_from(Change(ledger, now, Ids()), self.id)
        return super().settled(ledger, now)


class PatRule(Document, frozen=True, kw_only=True):
    """protocol: tcp, udp, both."""

    kind: ClassVar[str] = "vpcgw/pat_rule"
    resource: ClassVar[str] = "pat_rule"

    zone: str
    gateway_id: str
    public_port: int
    private_ip: str
    private_port: int
    protocol: str = "both"

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.gateway_id,)


def release_ip(change: Change, ip: GatewayIp) -> None:
    """Forget a gateway's address, which may then be taken again."""
    give_back_public(change, ip.address)
    change.ledger.remove(ip)
