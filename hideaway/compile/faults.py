"""Why hosts without a public address do not reach the internet, for status: the conditions of the document's note."""

from __future__ import annotations

from collections.abc import Iterator

from hideaway.cloud.faults import fatal
from hideaway.cloud.gateways import Gateway, GatewayNetwork
from hideaway.cloud.memory import MemoryLedger
from hideaway.cloud.network import PrivateNetwork, Vpc
from hideaway.compile.attachments import fault, members, routed
from hideaway.compile.common import by_age


def egress_fault(ledger: MemoryLedger, private_network_id: str) -> str | None:
    """In plain words, why hosts without public address in this network do not reach the internet; None if they do.

    It asks what compile asks (`attachments.fault`), so what it says and what is programmed are one. The gateway whose
    default route the hosts follow decides alone; where there is none, each gateway's reason is told.
    """
    private = ledger.get(PrivateNetwork, private_network_id)
    if private is None:
        return f"Private Network {private_network_id} is gone"
    reasons = []
    for attachment in _attachments(ledger, private):
        gateway = ledger.get(Gateway, attachment.gateway_id)
        if gateway is None:
            continue
        who = f"Public Gateway {gateway.name} ({gateway.id})"
        reason = fault(ledger, attachment)
        if reason is None and attachment.push_default_route:
            if killed := fatal(ledger, gateway):
                return f"{who} is down: {killed.said} (fault {killed.id})"
            return None if attachment.masquerade_enabled else f"{who} does not masquerade: dynamic NAT is off"
        also = "" if attachment.masquerade_enabled else ", and does not masquerade: dynamic NAT is off"
        reasons.append(reason or f"{who} does not advertise its default route{also}")
    return "; ".join(reasons) or f"no Public Gateway is attached to Private Network {private.name} ({private.id})"


def _attachments(ledger: MemoryLedger, private: PrivateNetwork) -> Iterator[GatewayNetwork]:
    """A network's own, oldest first; then those of its VPC's other networks, where it takes their default routes."""
    yield from by_age(ledger.find(GatewayNetwork, ref=private.id))
    vpc = ledger.get(Vpc, private.vpc_id)
    networks = members(ledger, vpc) if vpc is not None else []
    if vpc is not None and private.default_route_propagation_enabled and routed(vpc, networks):
        others = (a for other in networks if other.id != private.id for a in ledger.find(GatewayNetwork, ref=other.id))
        yield from by_age(others)
