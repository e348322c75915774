"""Load Balancers become hosts on which a balancer runs, with a public port and one in each Private Network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hideaway.cloud.balancer_parts import SslLevel
from hideaway.cloud.balancers import Backend, Certificate, Frontend, Lb, LbIp, LbPrivateNetwork
from hideaway.cloud.memory import MemoryLedger
from hideaway.cloud.network import Ip, PrivateNetwork
from hideaway.compile import balancing
from hideaway.compile.common import because, by_age, interface, is_v6, leaving, short, single
from hideaway.compile.ways import Ways, routes
from hideaway.fabric import balancing as fabric
from hideaway.fabric.model import EDGE, Host, Port, Role
from hideaway.fabric.services import Balancer

SERVICE = "balancer"
"""The id of the service on each Load Balancer's host."""
LEVELS = {SslLevel.MODERN: fabric.Tls.MODERN, SslLevel.OLD: fabric.Tls.OLD}


def hosts(ledger: MemoryLedger, ways: Ways) -> Iterator[Host]:
    """One host a Load Balancer that is not being deleted."""
    for lb in ledger.find(Lb):
        if not lb.going and not leaving(lb):
            ports = (*_public(ledger, lb), *_private(ledger, lb))
            yield Host(
                id=lb.id,
                name=lb.name,
                role=Role.BALANCER,
                ports=ports,
                routes=routes(ports, ways),
                services=(balancer(ledger, lb),),
                because=because(lb),
            )


def balancer(ledger: MemoryLedger, lb: Lb) -> Balancer:
    """What a Load Balancer does."""
    frontends = sorted(ledger.find(Frontend, ref=lb.id), key=lambda f: f.id)
    shown = {id_ for frontend in frontends for id_ in frontend.certificate_ids}
    certificates = sorted((c for c in ledger.find(Certificate, ref=lb.id) if c.id in shown), key=lambda c: c.id)
    return Balancer(
        id=SERVICE,
        tls=LEVELS.get(lb.ssl_compatibility_level, fabric.Tls.INTERMEDIATE),
        frontends=tuple(f for each in frontends if (f := balancing.frontend(ledger, each))),
        pools=tuple(balancing.pool(b) for b in sorted(ledger.find(Backend, ref=lb.id), key=lambda b: b.id)),
        certificates=tuple(fabric.Certificate(id=c.id, chain=c.chain) for c in certificates),
        because=because(lb),
    )


def _public(ledger: MemoryLedger, lb: Lb) -> Iterator[Port]:
    """The public port, with all of the Load Balancer's addresses, IPv4 first. No security group filters it."""
    ips = [ip for ip in by_age(ledger.find(LbIp, ref=lb.id)) if single(ip.ip_address)]
    if ips:
        yield Port(
            id=f"pub-{lb.id}",
            name="pub",
            link=EDGE,
            addresses=_sorted(a for ip in ips if (a := single(ip.ip_address))),
            because=because(ips[0]),
        )


def _private(ledger: MemoryLedger, lb: Lb) -> Iterator[Port]:
    """A port in each Private Network that it is attached to and not leaving."""
    for network in by_age(ledger.find(LbPrivateNetwork, ref=lb.id)):
        booked = [ip for id_ in network.ipam_ids if (ip := ledger.get(Ip, id_))]
        addresses = _sorted(a for ip in booked if (a := interface(ip.address)))
        if addresses and not leaving(network) and ledger.get(PrivateNetwork, network.private_network_id):
            yield Port(
                id=network.id,
                name=f"pn-{short(network.private_network_id)}",
                link=network.private_network_id,
                addresses=addresses,
                mac=_mac(booked),
                because=because(network),
            )


def _sorted(addresses: Iterator[str]) -> tuple[str, ...]:
    return tuple(sorted(dict.fromkeys(addresses), key=is_v6))


def _mac(booked: Sequence[Ip]) -> str:
    macs = (ip.attachment.mac_address for ip in booked if ip.attachment and ip.attachment.mac_address)
    return next((mac.lower() for mac in macs), "")
