"""Which address is meant by a name, and which hosts a packet to it may come through. Pure, and only of the Fabric."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from functools import lru_cache

from hideaway.fabric.model import EDGE, Fabric, Host, Port


def aim(fabric: Fabric, source: Host, target: str, *, v6: bool = False) -> str | None:
    """The address that a host means by a name: an address itself, or that of the host with this id or name.

    Of a host's addresses the nearest counts: one on a network that both are in, one that a route other than a default
    one leads to, a public one, any. v6: of IPv6. None where there is no such host, or it has no address of the family.
    """
    try:
        return str(ipaddress.ip_address(target))
    except ValueError:
        host = fabric.host(target)
    found = [] if host is None else sorted(_nearness(source, port, v6) for port in host.ports if of(port, v6))
    return found[0][1] if found else None


def _nearness(source: Host, port: Port, v6: bool) -> tuple[int, str]:
    address = of(port, v6)[0]
    if port.link != EDGE and port.link in {p.link for p in source.ports}:
        return 0, address
    if port.link != EDGE and any(within(address, r.destination) for r in source.routes if not _default(r.destination)):
        return 1, address
    return (2 if port.link == EDGE else 3), address


def on_the_way(fabric: Fabric, source: Host, target: str) -> tuple[Host, ...]:
    """The hosts that a packet and its answer may come through: both ends, and who passes packets on for them.

    That is more than will see it: every gateway and router of the networks that are touched, and every next hop.
    """
    found = {source.id: source}
    found |= {host.id: host for host in fabric.hosts if any(has(port, target) for port in host.ports)}
    while True:
        links = {port.link for host in found.values() for port in host.ports if port.link != EDGE}
        hops = {r.via for host in found.values() for r in host.routes}
        hops |= {f.private_address for host in found.values() if host.gateway for f in host.gateway.forwards}
        more = {host.id: host for host in fabric.hosts if host.id not in found and _passes(host, links, hops)}
        if not more:
            return tuple(found[id_] for id_ in sorted(found))
        found |= more


def _passes(host: Host, links: set[str], hops: set[str]) -> bool:
    near = [port for port in host.ports if port.link in links]
    return bool(near) and bool(host.gateway or host.router or any(has(p, hop) for p in near for hop in hops))


def of(port: Port, v6: bool) -> list[str]:
    """A port's addresses of one family, without their prefix lengths."""
    return [bare(a) for a in port.addresses if (":" in a) is v6]


def has(port: Port, address: str) -> bool:
    return any(bare(each) == address for each in port.addresses)


def bare(address: str) -> str:
    return address.partition("/")[0]


@lru_cache(maxsize=65536)
def within(address: str, network: str) -> bool:
    """Whether an address lies in a network (CIDR, host bits allowed) of its own family."""
    net = ipaddress.ip_network(network, strict=False)
    found = ipaddress.ip_address(address)
    return found.version == net.version and found in net


def next_hop(host: Host, port: Port, target: str) -> str:
    """Where a host sends what it sends by a port to an address: to itself, or to the best route's next hop."""
    if any(within(target, address) for address in port.addresses):
        return target
    routes = [r for r in host.routes if r.port == port.id and within(target, r.destination)]
    return max(routes, key=lambda r: int(r.destination.rpartition("/")[2])).via or target if routes else target


def owners(fabric: Fabric, link: str, address: str) -> Iterator[tuple[Host, Port]]:
    """Who has an address on a link."""
    for host in fabric.hosts:
        for port in host.ports:
            if port.link == link and has(port, address):
                yield host, port


def _default(destination: str) -> bool:
    return destination.endswith("/0")
