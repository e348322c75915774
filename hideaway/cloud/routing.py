"""A VPC's routing table as the vendor lists it: subnets, default routes through gateways, custom routes, next hops."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Iterator

import msgspec

from hideaway.cloud.addressing import Network
from hideaway.cloud.documents import Ledger
from hideaway.cloud.gateways import GatewayNetwork
from hideaway.cloud.network import Ip, PrivateNetwork, Route, Vpc
from hideaway.cloud.servers import PrivateNic

LEAVING = frozenset({"detaching", "deleting"})
_DEFAULT_ROUTES = uuid.UUID("5a0c3f0e-7f0b-4a35-9d0e-0c6f2f6a1c11")
"""Names the ids of default routes: each is made of its gateway network's id, so that it stays the same."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A route and what its next hop is: the resource's type and name in IPAM, and its address in the network."""

    route: Route
    nexthop_ip: str | None = None
    nexthop_name: str | None = None
    nexthop_resource_type: str = "unknown_type"

    @property
    def created_at(self) -> str:
        return self.route.created_at.isoformat()

    @property
    def network(self) -> Network:
        return ipaddress.ip_network(self.route.destination)

    @property
    def destination(self) -> tuple[int, int, int]:
        """What lists by destination are ordered by."""
        return self.network.version, int(self.network.network_address), self.network.prefixlen

    @property
    def prefix_len(self) -> int:
        return self.network.prefixlen


def table(ledger: Ledger, vpc: Vpc) -> Iterator[Entry]:
    """All routes of a VPC, those that nobody made first: of its subnets, and through its gateways."""
    networks = ledger.find(PrivateNetwork, ref=vpc.id)
    for network in networks:
        yield from subnet_routes(network)
    for network in networks:
        yield from default_routes(ledger, network)
    for route in ledger.find(Route, ref=vpc.id):
        yield _hop(ledger, route)


def subnet_routes(network: PrivateNetwork) -> Iterator[Entry]:
    """A Private Network's local routes, as recorded: without an id, tagged MANAGED."""
    for subnet in network.subnets:
        yield Entry(
            route=_derived(
                network, "", "subnet", subnet.subnet, "Local Private Network route", tags=["MANAGED"]
            )
        )  # fmt: skip


def default_routes(ledger: Ledger, network: PrivateNetwork) -> Iterator[Entry]:
    """A default route for each gateway that pushes one into a Private Network, as recorded (its nexthop_ip is null)."""
    for attached in ledger.find(GatewayNetwork, ref=network.id):
        if attached.push_default_route and attached.status not in LEAVING:
            id_ = str(uuid.uuid5(_DEFAULT_ROUTES, attached.id))
            route = _derived(network, id_, "default", "0.0.0.0/0", "Default route", hop=attached)
            yield msgspec.structs.replace(_hop(ledger, route), nexthop_ip=None)


def _derived(
    network: PrivateNetwork,
    id_: str,
    type_: str,
    destination: str,
    description: str,
    *,
    tags: list[str] | None = None,
    hop: GatewayNetwork | None = None,
) -> Route:
    since = hop or network
    return Route(
        id=id_,
        organization_id=network.organization_id,
        project_id=network.project_id,
        created_at=since.created_at,
        updated_at=since.updated_at,
        region=network.region,
        vpc_id=network.vpc_id,
        destination=destination,
        description=description,
        tags=tags or [],
        nexthop_private_network_id=network.id,
        nexthop_resource_id=hop.id if hop else None,
        is_read_only=True,
        type=type_,
    )


def _hop(ledger: Ledger, route: Route) -> Entry:
    ip = next_hop(ledger, route)
    if ip is None:
        return Entry(route=route)
    attachment = ip.attachment
    return Entry(
        route=route,
        nexthop_ip=ip.host,
        nexthop_name=attachment.name if attachment else None,
        nexthop_resource_type=attachment.type if attachment else "unknown_type",
    )


def next_hop(ledger: Ledger, route: Route) -> Ip | None:
    """The oldest address of a route's resource: of the destination's family, in the VPC and the network that it names.

    The resource is what an address is attached to (a NIC, a gateway's attachment), a server, or the booking itself.
    """
    resource = route.nexthop_resource_id
    if not resource:
        return None
    owners = [resource, *(nic.id for nic in ledger.find(PrivateNic, ref=resource) if nic.server_id == resource)]
    held = [ip for owner in owners for ip in ledger.find(Ip, ref=owner) if ip.attachment and ip.attachment.id == owner]
    itself = ledger.get(Ip, resource)
    fitting = [
        ip
        for ip in (held if itself is None else [*held, itself])
        if ip.is_ipv6 == (":" in route.destination)
        and ip.vpc_id in (None, route.vpc_id)
        and route.nexthop_private_network_id in (None, ip.private_network_id)
    ]
    return min(fitting, key=lambda ip: (ip.created_at, ip.id), default=None)
