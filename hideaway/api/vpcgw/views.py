"""How vpc-gw/v2 answers its resources: what has no value is left out, where other products say null (recorded)."""

from __future__ import annotations

from typing import Any

from hideaway.api.call import Call, answer
from hideaway.base.errors import NotFound, invalid
from hideaway.base.ids import is_uuid
from hideaway.cloud.documents import Document
from hideaway.cloud.gateways import Gateway, GatewayIp, GatewayNetwork, PatRule

OWNERS = ("organization_id", "project_id")


def bare(document: Document, *leave_out: str) -> dict[str, Any]:
    """A document's answer without these fields and without those that have no value."""
    return {name: v for name, v in answer(document).items() if v is not None and name not in leave_out}


def view_ip(ip: GatewayIp) -> dict[str, Any]:
    return bare(ip)


def view_network(network: GatewayNetwork) -> dict[str, Any]:
    """The MAC address is known once the attachment is configured (recorded: none while created)."""
    return bare(network, *OWNERS, *(("mac_address",) if network.status in ("created", "attaching") else ()))


def view_rule(rule: PatRule) -> dict[str, Any]:
    return bare(rule, *OWNERS)


def view_gateway(call: Call, gateway: Gateway) -> dict[str, Any]:
    networks = call.change.ledger.find(GatewayNetwork, ref=gateway.id)
    ip = call.change.ledger.get(GatewayIp, gateway.ip_id or "")
    joined: dict[str, Any] = {"gateway_networks": [view_network(n) for n in networks]}
    if ip is not None:
        joined["ipv4"] = view_ip(ip)
    return bare(gateway) | joined


def gateway_of(call: Call, id_: str, argument: str = "gateway_id") -> Gateway:
    """The caller's gateway in this zone that a body refers to, and that this call may change. Raises NotFound."""
    if not is_uuid(id_):
        raise invalid(argument, "value must be a valid UUID", "format")
    return call.own(Gateway, id_)


def free_ip_of(call: Call, id_: str, project_id: str) -> GatewayIp:
    """The address of this zone and project that a new gateway shall have. Raises NotFound."""
    ip = call.refer(GatewayIp, id_, "ip_id", project_id=project_id)
    if ip.zone != call.place:
        raise NotFound(GatewayIp.resource, id_)
    return ip


def status_in(document: Any, wanted: list[str]) -> bool:
    """The filter `status`: one of these; the vendor's `unknown...` includes all."""
    return document.status in wanted or any(w.startswith("unknown") for w in wanted)
