"""Gateways and their types. A gateway serves the Private Networks of its region, through attachments (`networks`)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Name, PortNumber, Query, Tags, given
from hideaway.api.vpcgw.views import free_ip_of, status_in, view_gateway
from hideaway.base.errors import invalid
from hideaway.cloud.gatewaying import delete_gateway, make_gateway, refreshed, rename_gateway, settled, upgrade_gateway
from hideaway.cloud.gateways import Gateway, GatewayNetwork

TYPES = {"VPC-GW-S": 100, "VPC-GW-M": 1000, "VPC-GW-L": 3000, "VPC-GW-XL": 10000}
"""The commercial types and their bandwidth in Mbit/s: S and M as recorded, L and XL as the vendor publishes them."""
DEFAULT_BASTION_PORT = 61000


class CreateGateway(Body, frozen=True, kw_only=True):
    project_id: str | None = None
    name: Name | None = None
    tags: Tags | None = None
    type: str | None = None
    ip_id: str | None = None
    enable_smtp: bool | None = None
    enable_bastion: bool | None = None
    bastion_port: PortNumber | None = None


class UpdateGateway(Body, frozen=True, kw_only=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] | None = None
    tags: Tags | None = None
    enable_bastion: bool | None = None
    bastion_port: PortNumber | None = None
    enable_smtp: bool | None = None


class UpgradeGateway(Body, frozen=True, kw_only=True):
    type: str | None = None


class DeleteGateway(Query, frozen=True, kw_only=True):
    delete_ip: bool = False


class ListGateways(Listing, frozen=True, kw_only=True):
    name: str | None = None
    tags: list[str] | None = None
    types: list[str] | None = None
    status: list[str] | None = None
    private_network_ids: list[str] | None = None
    include_legacy: bool = False


def _bandwidth(type_: str) -> int:
    if type_ not in TYPES:
        raise invalid("type", f"{type_!r} is no gateway type; there are {', '.join(TYPES)}")
    return TYPES[type_]


def list_types(call: Call) -> dict[str, Any]:
    types = [{"name": n, "bandwidth": bandwidth, "zone": call.place} for n, bandwidth in TYPES.items()]
    return {"total_count": len(types), "types": types}


def create(call: Call, body: CreateGateway) -> dict[str, Any]:
    common = call.common(body.project_id, Gateway.resource)
    type_ = body.type or "VPC-GW-S"
    gateway = Gateway(
        **common,
        zone=call.place,
        name=body.name or f"gw-{call.change.ids.word()}",
        type=type_,
        bandwidth=_bandwidth(type_),
        tags=body.tags or [],
        bastion_enabled=bool(body.enable_bastion),
        bastion_port=body.bastion_port or DEFAULT_BASTION_PORT,
        smtp_enabled=bool(body.enable_smtp),
    )
    ip = free_ip_of(call, body.ip_id, common["project_id"]) if body.ip_id else None
    return view_gateway(call, make_gateway(call.change, gateway, ip))


def get(call: Call) -> dict[str, Any]:
    return view_gateway(call, call.own(Gateway, param="gateway_id"))


def list_(call: Call, query: ListGateways) -> dict[str, Any]:
    def attached(gateway: Gateway, ids: list[str]) -> bool:
        return any(n.private_network_id in ids for n in call.change.ledger.find(GatewayNetwork, ref=gateway.id))

    special = {
        "types": lambda g, types: g.type in types,
        "status": status_in,
        "private_network_ids": attached,
        "include_legacy": lambda g, include: include or not g.is_legacy,
    }
    return listing("gateways", call.visible(Gateway), query, lambda g: view_gateway(call, g), special=special)


def update(call: Call, body: UpdateGateway) -> dict[str, Any]:
    """Answered in the state it was in: a name, a tag or a setting changes no packet's way (recorded)."""
    gateway = call.own(Gateway, param="gateway_id")
    fields = given(body, "enable_bastion", "enable_smtp", "bastion_port")
    if body.enable_bastion is not None:
        fields["bastion_enabled"] = body.enable_bastion
    if body.enable_bastion and not gateway.bastion_enabled:
        gateway = refreshed(call.change, gateway)
    if body.enable_smtp is not None:
        fields["smtp_enabled"] = body.enable_smtp
    if body.bastion_port:
        fields["bastion_port"] = body.bastion_port
    changed = gateway.changed(call.change.now, **fields)
    call.change.ledger.put(changed)
    if changed.name != gateway.name:
        rename_gateway(call.change, changed)
    return view_gateway(call, changed)


def delete(call: Call, query: DeleteGateway) -> dict[str, Any]:
    """The address stays unless `delete_ip` says otherwise."""
    gateway = call.own(Gateway, param="gateway_id")
    return view_gateway(call, delete_gateway(call.change, gateway, delete_ip=query.delete_ip))


def upgrade(call: Call, body: UpgradeGateway) -> dict[str, Any]:
    """To a larger type, and to the newest software. What is neither larger nor newer changes nothing."""
    gateway = call.own(Gateway, param="gateway_id")
    settled(gateway)
    type_ = body.type or gateway.type
    bandwidth = _bandwidth(type_)
    if bandwidth < gateway.bandwidth:
        raise invalid("type", f"a gateway cannot be changed from {gateway.type} to the smaller {type_}")
    return view_gateway(call, upgrade_gateway(call.change, gateway, type_, bandwidth))


def refresh_ssh_keys(call: Call) -> dict[str, Any]:
    """The bastion gets to know the project's keys that are new; those that are gone it has forgotten by itself."""
    gateway = call.own(Gateway, param="gateway_id")
    settled(gateway)
    return view_gateway(call, call.change.begin(refreshed(call.change, gateway), "configuring", "running"))


BASE = "/zones/{zone}/gateways"
ONE = BASE + "/{gateway_id}"
ROUTES = [
    Route(method="GET", path="/zones/{zone}/gateway-types", handler=list_types),
    Route(method="POST", path=BASE, handler=create, body=CreateGateway, records=False),
    Route(method="GET", path=BASE, handler=list_, query=ListGateways),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateGateway, records=False),
    Route(method="DELETE", path=ONE, handler=delete, query=DeleteGateway, records=False),
    Route(method="POST", path=ONE + "/upgrade", handler=upgrade, body=UpgradeGateway, records=False),
    Route(method="POST", path=ONE + "/refresh-ssh-keys", handler=refresh_ssh_keys, records=False),
]
