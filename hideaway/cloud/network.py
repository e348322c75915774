"""vpc/v2 and ipam/v1: VPCs, Private Networks, subnets, routes, network ACLs, and the addresses booked in them."""

from __future__ import annotations

import ipaddress
from datetime import datetime
from typing import ClassVar

import msgspec

from hideaway.cloud.documents import Document


class Vpc(Document, frozen=True, kw_only=True):
    kind: ClassVar[str] = "vpc/vpc"
    resource: ClassVar[str] = "vpc"

    name: str
    region: str
    tags: list[str] = []
    is_default: bool = False
    routing_enabled: bool = True
    custom_routes_propagation_enabled: bool = True
    transitivity_enabled: bool = False
    object_storage_private_access_enabled: bool = False
    # private_network_count is counted when answered


class Subnet(msgspec.Struct, frozen=True, kw_only=True):
    """A part of its Private Network's document; times, project and network are the network's own."""

    id: str
    subnet: str  # CIDR


class PrivateNetwork(Document, frozen=True, kw_only=True):
    kind: ClassVar[str] = "vpc/private_network"
    resource: ClassVar[str] = "private_network"

    name: str
    region: str
    vpc_id: str
    tags: list[str] = []
    subnets: list[Subnet] = []
    dhcp_enabled: bool = True
    default_route_propagation_enabled: bool = False
    has_object_storage_private_access: bool = False

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.vpc_id, *(s.id for s in self.subnets))


class Route(Document, frozen=True, kw_only=True):
    """A custom route of a VPC. Read-only ones (subnets, default routes) are derived when listed."""

    kind: ClassVar[str] = "vpc/route"
    resource: ClassVar[str] = "unknown"  # as the vendor's 404 says

    region: str
    vpc_id: str
    destination: str
    description: str = ""
    tags: list[str] = []
    nexthop_resource_id: str | None = None
    nexthop_private_network_id: str | None = None
    nexthop_vpc_connector_id: str | None = None
    is_read_only: bool = False
    type: str = "custom"

    @property
    def refs(self) -> tuple[str, ...]:
        hops = (self.nexthop_resource_id, self.nexthop_private_network_id, self.nexthop_vpc_connector_id)
        return (self.vpc_id, *(h for h in hops if h))


class VpcConnector(Document, frozen=True, kw_only=True):
    """One VPC's half of a peering with another. Its status (orphan, peered, conflict) is derived when answered."""

    kind: ClassVar[str] = "vpc/connector"
    resource: ClassVar[str] = "vpc_connector"

    name: str
    region: str
    vpc_id: str
    target_vpc_id: str
    tags: list[str] = []

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.vpc_id, self.target_vpc_id)


class IngressRule(Document, frozen=True, kw_only=True):
    """Where a VPC sends what arrives for a source range: an address in one of its Private Networks."""

    kind: ClassVar[str] = "vpc/ingress_rule"
    resource: ClassVar[str] = "unknown"  # as the vendor's 404 says

    region: str
    vpc_id: str
    is_ipv6: bool
    source: str  # CIDR
    nexthop_resource_ip: str
    nexthop_private_network_id: str
    description: str | None = None
    tags: list[str] = []

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.vpc_id, self.nexthop_private_network_id)

    @property
    def prefix_len(self) -> int:
        return ipaddress.ip_network(self.source).prefixlen


class AclRule(msgspec.Struct, frozen=True, kw_only=True):
    """Ports 0 and 0 mean all. protocol: ANY, TCP, UDP or ICMP, spelled as the client did (SDKs differ in case)."""

    protocol: str = "ANY"
    source: str = "0.0.0.0/0"
    src_port_low: int = 0
    src_port_high: int = 0
    destination: str = "0.0.0.0/0"
    dst_port_low: int = 0
    dst_port_high: int = 0
    action: str = "accept"
    description: str | None = None


class Acl(Document, frozen=True, kw_only=True):
    """A VPC's network ACL of one family. Its id is `<vpc id>/v4` or `<vpc id>/v6`."""

    kind: ClassVar[str] = "vpc/acl"
    resource: ClassVar[str] = "acl"

    region: str
    vpc_id: str
    is_ipv6: bool
    default_policy: str = "accept"
    rules: list[AclRule] = []

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.vpc_id,)


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """What an address belongs to. type: the vendor's ResourceType (instance_private_nic, vpc_gateway_network, ...)."""

    type: str
    id: str
    mac_address: str | None = None
    name: str | None = None


class Reverse(msgspec.Struct, frozen=True, kw_only=True):
    hostname: str
    address: str | None = None


class Ip(Document, frozen=True, kw_only=True):
    """An address that IPAM holds: in a Private Network's subnet, or (subnet None) a public one."""

    kind: ClassVar[str] = "ipam/ip"
    resource: ClassVar[str] = "ip"

    region: str
    address: str  # CIDR: 172.16.0.2/22
    is_ipv6: bool = False
    subnet_id: str | None = msgspec.field(default=None, name="_subnet_id")
    private_network_id: str | None = msgspec.field(default=None, name="_private_network_id")
    vpc_id: str | None = msgspec.field(default=None, name="_vpc_id")
    zone_of: str | None = msgspec.field(default=None, name="_zone")
    """The zone of a public address."""
    attachment: Attachment | None = msgspec.field(default=None, name="_attachment")
    attached_at: datetime | None = msgspec.field(default=None, name="_attached_at")
    booked: bool = msgspec.field(default=False, name="_booked")
    """Whether a user booked it (it stays when its resource goes), rather than a resource that was made."""
    tags: list[str] = []
    reverses: list[Reverse] = []

    @property
    def refs(self) -> tuple[str, ...]:
        attached = self.attachment.id if self.attachment else None
        return tuple(r for r in (self.subnet_id, self.private_network_id, self.vpc_id, attached) if r)

    @property
    def host(self) -> str:
        """The address without its mask."""
        return self.address.partition("/")[0]

    @property
    def ip_address(self) -> tuple[bool, int]:
        """What lists by ip_address are ordered by."""
        return self.is_ipv6, int(ipaddress.ip_address(self.host))

    @property
    def mac_address(self) -> str | None:
        """The MAC address of what it is attached to, where that has one."""
        return self.attachment.mac_address if self.attachment else None
