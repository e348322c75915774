"""Public Gateways become hosts that masquerade and forward."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from hideaway.cloud.gateways import Gateway, PatRule
from hideaway.cloud.memory import MemoryLedger
from hideaway.compile.attachments import Served, public_address, up
from hideaway.compile.common import bare, because, leaving, short, single
from hideaway.compile.shells import bastion, openings
from hideaway.compile.ways import Ways, routes
from hideaway.fabric import model
from hideaway.fabric.model import EDGE, Forward, Host, Port, Protocol, Role

SMTP = (25, 465, 587)
"""What a gateway without `enable_smtp` lets nothing leave to: the ports that security groups close by default too."""
PROTOCOLS = {"tcp": Protocol.TCP, "udp": Protocol.UDP, "both": Protocol.ANY}


def hosts(ledger: MemoryLedger, served: list[Served], ways: Ways) -> Iterator[Host]:
    """One host a gateway that is up and has a public address."""
    inside: dict[str, list[Served]] = defaultdict(list)
    for one in served:
        inside[one.network.gateway_id].append(one)
    for gateway in ledger.find(Gateway):
        address = public_address(ledger, gateway) if up(gateway) else None
        if address:
            yield _host(ledger, gateway, address, inside[gateway.id], ways)


def _host(ledger: MemoryLedger, gateway: Gateway, address: tuple[str, str], inside: list[Served], ways: Ways) -> Host:
    outside = Port(id=f"pub-{gateway.id}", name="pub", link=EDGE, addresses=(address[0],), because=address[1])
    ports = (outside, *(_inside_port(s) for s in inside))
    ways_out = routes(ports, ways)
    return Host(
        id=gateway.id,
        name=gateway.name,
        role=Role.GATEWAY,
        ports=ports,
        routes=ways_out,
        gateway=model.Gateway(
            outside=outside.id,
            masquerade=tuple(sorted(s.network.id for s in inside if s.network.masquerade_enabled)),
            forwards=() if gateway.is_legacy else tuple(_forwards(ledger, gateway)),
            ports=gateway.nat_ports,
            closed=() if gateway.smtp_enabled else SMTP,
            openings=openings(gateway),
        ),
        services=tuple(bastion(ledger, gateway, ports, ways_out)),
        boots=gateway.boots,
        because=because(gateway),
    )


def _inside_port(one: Served) -> Port:
    return Port(
        id=one.network.id,
        name=f"pn-{short(one.network.private_network_id)}",
        link=one.network.private_network_id,
        addresses=(one.inside,),
        mac=(one.network.mac_address or "").lower(),
        because=because(one.network),
    )


def _forwards(ledger: MemoryLedger, gateway: Gateway) -> Iterator[Forward]:
    for rule in sorted(ledger.find(PatRule, ref=gateway.id), key=lambda r: (r.public_port, r.protocol, r.id)):
        address, protocol = single(rule.private_ip), PROTOCOLS.get(rule.protocol)
        if address and protocol and not leaving(rule):
            yield Forward(
                protocol=protocol,
                public_port=rule.public_port,
                private_address=bare(address),
                private_port=rule.private_port,
                because=because(rule),
            )
