"""The attachments of Load Balancers to Private Networks, each with an address that IPAM holds."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from hideaway.api.call import Call
from hideaway.api.lb.shapes import Addresses, Ids
from hideaway.api.lb.views import lb_of, view_lb, view_network, wanted, without_instances
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Nothing
from hideaway.base.errors import InvalidArguments, NotFound, invalid
from hideaway.cloud.balancer_parts import (
    Empty,
    StaticConfig,
)
from hideaway.cloud.balancers import (
    Lb,
    LbPrivateNetwork,
)
from hideaway.cloud.balancing import attach_network, detach_network
from hideaway.cloud.network import Ip, PrivateNetwork


class DhcpBody(Body, frozen=True, kw_only=True):
    ip_id: str | None = None


class StaticBody(Body, frozen=True, kw_only=True):
    ip_address: Addresses | None = None


class Attach(Body, frozen=True, kw_only=True):
    """The new spelling names the network in the body, the old one (`OldAttach`) in the path."""

    private_network_id: str
    ipam_ids: Ids | None = None
    static_config: StaticBody | None = None
    dhcp_config: DhcpBody | None = None
    ipam_config: Empty | None = None


class OldAttach(Body, frozen=True, kw_only=True):
    ipam_ids: Ids | None = None
    static_config: StaticBody | None = None
    dhcp_config: DhcpBody | None = None
    ipam_config: Empty | None = None


class Detach(Body, frozen=True, kw_only=True):
    """Clients send nothing more; where the network is in the path, the body is empty."""

    private_network_id: str


class ListNetworks(Listing, frozen=True, kw_only=True):
    pass


def _booked(call: Call, ids: list[str], private: PrivateNetwork) -> Ip | None:
    """The booked IPv4 address of this network that is named: one at most (contract). Raises InvalidArguments."""
    if not ids:
        return None
    if len(ids) > 1:
        raise invalid("ipam_ids", "one IPv4 address can be given")
    ip = call.refer(Ip, ids[0], "ipam_ids", project_id=private.project_id)
    if ip.private_network_id != private.id or ip.is_ipv6:
        raise invalid("ipam_ids", "the address is no IPv4 address of the Private Network")
    if ip.attachment is not None:
        raise invalid("ipam_ids", "the address is attached to another resource")
    return ip


def _static(body: StaticBody | None) -> str | None:
    """The address, maybe with its mask, that a static configuration names. Raises InvalidArguments for several."""
    named = (body.ip_address or []) if body else []
    if len(named) > 1:
        raise invalid("static_config.ip_address", "one address can be given")
    return named[0] if named else None


def _attach(call: Call, private_network_id: str, body: Attach | OldAttach) -> dict[str, Any]:
    lb = lb_of(call)
    private = call.refer(PrivateNetwork, private_network_id, "private_network_id", project_id=lb.project_id)
    ids = body.ipam_ids or ([body.dhcp_config.ip_id] if body.dhcp_config and body.dhcp_config.ip_id else [])
    ip, address = _booked(call, ids, private), _static(body.static_config)
    if ip is not None and address is not None:
        raise invalid("static_config", "give ipam_ids or a static address, not both")
    network = LbPrivateNetwork(
        **call.common(lb.project_id, LbPrivateNetwork.resource),
        zone=lb.zone,
        lb_id=lb.id,
        private_network_id=private.id,
        chosen=ip is not None or address is not None,
        static_config=StaticConfig(ip_address=[address]) if address else UNSET,
    )
    try:
        kept = attach_network(call.change, network, lb, private, ip, address=address)
    except InvalidArguments as error:
        if address is None:
            raise
        raise invalid("static_config.ip_address", error.faults[0].help_message) from None
    return view_network(kept, view_lb(call, lb))


def attach(call: Call, body: Attach) -> dict[str, Any]:
    return _attach(call, body.private_network_id, body)


def old_attach(call: Call, body: OldAttach) -> dict[str, Any]:
    return _attach(call, call.params["private_network_id"], body)


def _attached(call: Call, lb: Lb, private_network_id: str) -> LbPrivateNetwork:
    for network in call.change.ledger.find(LbPrivateNetwork, ref=lb.id):
        if network.private_network_id == private_network_id:
            return network
    raise NotFound(LbPrivateNetwork.resource, private_network_id)


def detach(call: Call, body: Detach) -> None:
    lb = lb_of(call)
    detach_network(call.change, _attached(call, lb, wanted(body.private_network_id, "private_network_id")), lb)


def old_detach(call: Call, body: Nothing) -> None:
    lb = lb_of(call)
    detach_network(call.change, _attached(call, lb, call.params["private_network_id"].lower()), lb)


def list_(call: Call, query: ListNetworks) -> dict[str, Any]:
    lb = lb_of(call)
    bare, networks = without_instances(view_lb(call, lb)), call.change.ledger.find(LbPrivateNetwork, ref=lb.id)
    return listing("private_network", networks, query, lambda n: view_network(n, bare))


LB = "/lbs/{lb_id}"
OLD = LB + "/private-networks/{private_network_id}"
ROUTES = [
    Route(method="GET", path=LB + "/private-networks", handler=list_, query=ListNetworks),
    Route(method="POST", path=LB + "/attach-private-network", handler=attach, body=Attach, records=False),
    Route(method="POST", path=LB + "/detach-private-network", handler=detach, body=Detach, status=204, records=False),
    Route(method="POST", path=OLD + "/attach", handler=old_attach, body=OldAttach, records=False),
    Route(method="POST", path=OLD + "/detach", handler=old_detach, body=Nothing, status=204, records=False),
]
