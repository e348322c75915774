"""Gateway networks: the attachments of gateways to Private Networks, each with an address that IPAM holds."""

from __future__ import annotations

from typing import Any

from hideaway.api.call import Call
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing
from hideaway.api.vpcgw.views import gateway_of, status_in, view_network
from hideaway.base.errors import invalid
from hideaway.cloud.gatewaying import attach_network, reconfigure_network
from hideaway.cloud.gateways import GatewayNetwork
from hideaway.cloud.network import Ip, PrivateNetwork


class CreateNetwork(Body, frozen=True, kw_only=True):
    gateway_id: str
    private_network_id: str
    enable_masquerade: bool | None = None
    push_default_route: bool | None = None
    ipam_ip_id: str | None = None


class UpdateNetwork(Body, frozen=True, kw_only=True):
    enable_masquerade: bool | None = None
    push_default_route: bool | None = None
    ipam_ip_id: str | None = None


class ListNetworks(Listing, frozen=True, kw_only=True):
    status: list[str] | None = None
    gateway_ids: list[str] | None = None
    private_network_ids: list[str] | None = None
    masquerade_enabled: bool | None = None


def _booked(call: Call, id_: str, private: PrivateNetwork, holder_id: str) -> Ip:
    """The booked IPv4 address of this Private Network that nothing but the holder has. Raises InvalidArguments."""
    ip = call.refer(Ip, id_, "ipam_ip_id", project_id=private.project_id)
    if ip.private_network_id != private.id or ip.is_ipv6:
        raise invalid("ipam_ip_id", "the address is no IPv4 address of the Private Network")
    if ip.attachment is not None and ip.attachment.id != holder_id:
        raise invalid("ipam_ip_id", "the address is attached to another resource")
    return ip


def create(call: Call, body: CreateNetwork) -> dict[str, Any]:
    """Both settings are on unless switched off; advertising the default route switches masquerading on (contract)."""
    gateway = gateway_of(call, body.gateway_id)
    private = call.refer(PrivateNetwork, body.private_network_id, "private_network_id", project_id=gateway.project_id)
    default_route = body.push_default_route is not False
    network = GatewayNetwork(
        **call.common(gateway.project_id, GatewayNetwork.resource),
        zone=call.place,
        gateway_id=gateway.id,
        private_network_id=private.id,
        masquerade_enabled=body.enable_masquerade is not False or default_route,
        push_default_route=default_route,
    )
    ip = _booked(call, body.ipam_ip_id, private, network.id) if body.ipam_ip_id else None
    return view_network(attach_network(call.change, gateway, network, private, ip))


def get(call: Call) -> dict[str, Any]:
    return view_network(call.own(GatewayNetwork, param="gateway_network_id"))


def list_(call: Call, query: ListNetworks) -> dict[str, Any]:
    special = {
        "status": status_in,
        "gateway_ids": lambda n, ids: n.gateway_id in ids,
        "private_network_ids": lambda n, ids: n.private_network_id in ids,
    }
    return listing("gateway_networks", call.visible(GatewayNetwork), query, view_network, special=special)


def update(call: Call, body: UpdateNetwork) -> dict[str, Any]:
    """Switching the default route on switches masquerading on; either alone can be switched off."""
    network = call.own(GatewayNetwork, param="gateway_network_id")
    masquerade = network.masquerade_enabled if body.enable_masquerade is None else body.enable_masquerade
    ip = None
    if body.ipam_ip_id:
        private = call.refer(PrivateNetwork, network.private_network_id, "private_network_id")
        ip = _booked(call, body.ipam_ip_id, private, network.id)
    changed = reconfigure_network(
        call.change,
        network,
        masquerade=masquerade or bool(body.push_default_route),
        default_route=network.push_default_route if body.push_default_route is None else body.push_default_route,
        ip=ip,
    )
    return view_network(changed)


def delete(call: Call) -> dict[str, Any]:
    network = call.own(GatewayNetwork, param="gateway_network_id")
    return view_network(call.change.retire(network, "detaching"))


BASE = "/zones/{zone}/gateway-networks"
ONE = BASE + "/{gateway_network_id}"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=CreateNetwork, records=False),
    Route(method="GET", path=BASE, handler=list_, query=ListNetworks),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateNetwork, records=False),
    Route(method="DELETE", path=ONE, handler=delete, records=False),
]
