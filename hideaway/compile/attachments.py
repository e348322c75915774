"""Which Public Gateway serves which Private Network, and in plain words why one that is attached does not."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hideaway.cloud.gateways import Gateway, GatewayIp, GatewayNetwork
from hideaway.cloud.memory import MemoryLedger
from hideaway.cloud.network import Ip, PrivateNetwork, Vpc
from hideaway.cloud.places import region_of
from hideaway.compile.common import because, by_age, interface, is_v6, leaving, single


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """An attachment that serves its Private Network.

    inside is the gateway's address there (172.16.0.2/22), public its public one (198.18.20.1/32).
    """

    network: GatewayNetwork
    inside: str
    public: str


UP = frozenset({"allocating", "configuring", "running", "failed"})
"""A gateway that is coming up is built already: it is `running` only once packets flow. `failed` says that a fault took
it out; it comes back when that is taken back."""


def served_networks(ledger: MemoryLedger) -> list[Served]:
    """The attachments that serve their Private Network, oldest first; at most one a gateway and network."""
    found: dict[tuple[str, str], Served] = {}
    for attachment in by_age(ledger.find(GatewayNetwork)):
        key = (attachment.gateway_id, attachment.private_network_id)
        if key not in found and fault(ledger, attachment) is None:
            gateway, inside = ledger.get(Gateway, attachment.gateway_id), inside_address(ledger, attachment)
            public = gateway and public_address(ledger, gateway)
            if gateway and inside and public:
                found[key] = Served(network=attachment, inside=inside, public=public[0])
    return list(found.values())


def ways_out(ledger: MemoryLedger, served: Sequence[Served]) -> dict[str, Served]:
    """Private Network's id -> the attachment whose default route is followed there.

    Its own oldest one that pushes it; else, where it takes the default routes of its VPC's networks, the VPC's oldest.
    """
    found: dict[str, Served] = {}
    for one in served:
        if one.network.push_default_route:
            found.setdefault(one.network.private_network_id, one)
    own = dict(found)
    for vpc in ledger.find(Vpc):
        networks = members(ledger, vpc)
        offered = [own[n.id] for n in networks if n.id in own]
        if offered and routed(vpc, networks):
            oldest = min(offered, key=lambda one: (one.network.created_at, one.network.id))
            for private in networks:
                if private.default_route_propagation_enabled:
                    found.setdefault(private.id, oldest)
    return found


def members(ledger: MemoryLedger, vpc: Vpc) -> list[PrivateNetwork]:
    """The VPC's Private Networks, by id."""
    return sorted(ledger.find(PrivateNetwork, ref=vpc.id), key=lambda n: n.id)


def routed(vpc: Vpc, networks: Sequence[PrivateNetwork]) -> bool:
    """Whether the VPC has a router: routing is on and there is something to join."""
    return vpc.routing_enabled and len(networks) >= 2


def fault(ledger: MemoryLedger, attachment: GatewayNetwork) -> str | None:
    """In plain words, why an attached gateway does not serve the network at all; None when it does."""
    gateway = ledger.get(Gateway, attachment.gateway_id)
    private = ledger.get(PrivateNetwork, attachment.private_network_id)
    if gateway is None or private is None:
        return f"Public Gateway {attachment.gateway_id} is gone"
    who = f"Public Gateway {gateway.name} ({gateway.id})"
    if region_of(gateway.zone) != private.region:
        return f"{who} is in another region ({gateway.zone}, the Private Network is in {private.region})"
    if attachment.status == "detaching" or leaving(attachment):
        return f"{who} is being detached"
    if not up(gateway):
        return f"{who} is {'being deleted' if leaving(gateway) else gateway.status}"
    if gateway.is_legacy:
        return f"{who} is a legacy gateway, which IPAM does not know; upgrade it"
    if public_address(ledger, gateway) is None:
        return f"{who} has no public address"
    if inside_address(ledger, attachment) is None:
        return f"{who} has no address in the Private Network"
    return None


def up(gateway: Gateway) -> bool:
    """Whether a gateway is a host: it comes up or runs, and nobody is deleting it."""
    return gateway.status in UP and not leaving(gateway)


def public_address(ledger: MemoryLedger, gateway: Gateway) -> tuple[str, str] | None:
    """A gateway's public address as a /32, and because of what it has it; None without one."""
    for ip in (*filter(None, [ledger.get(GatewayIp, gateway.ip_id or "")]), *ledger.find(GatewayIp, ref=gateway.id)):
        address = single(ip.address)
        if address and ip.gateway_id in (None, gateway.id):
            return address, because(ip)
    return None


def inside_address(ledger: MemoryLedger, attachment: GatewayNetwork) -> str | None:
    """An attachment's IPv4 address in its network, in CIDR form, as IPAM booked it; None without one."""
    ip = ledger.get(Ip, attachment.ipam_ip_id)
    if ip is None or ip.private_network_id not in (None, attachment.private_network_id) or is_v6(ip.address):
        return None
    return interface(ip.address)
