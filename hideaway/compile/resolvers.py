"""Addresses and names: one host a Private Network answers DHCP and DNS, and whoever is there knows whom to ask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set

import msgspec

from hideaway.cloud.memory import MemoryLedger
from hideaway.cloud.naming import domain, host_name
from hideaway.cloud.network import Ip, PrivateNetwork, Vpc
from hideaway.compile.attachments import members, routed
from hideaway.compile.common import because, by_age, is_v6, on_link, short
from hideaway.compile.segments import resolver_addresses, subnets
from hideaway.compile.ways import Way, Ways, routes
from hideaway.fabric.model import EDGE, RESOLVER_V4, Host, Port, Resolver, Role, Route
from hideaway.fabric.services import Hop, Lease, Names, Record, Zone

SERVICE = "dhcp"
LEASE_SECONDS = 3600  # assumed; a client asks again after half of it
RESOLVER_ROUTE = f"{RESOLVER_V4}/32"
MOST_SERVERS = 3
"""More than these no program asks (resolv.conf(5))."""


def told(ledger: MemoryLedger, machine: Host) -> Host:
    """The same machine with the way to a resolver; without any where it is in no Private Network."""
    near = [(p, n) for p in machine.ports if p.link != EDGE and (n := _served(ledger, p.link))]
    # The vendor's address is reached by the first port that speaks IPv4; who has none asks by IPv6.
    way = next(((p, n) for p, n in near if any(not is_v6(a) for a in p.addresses)), None)
    routes = () if way is None else (_to_resolver(*way),)
    return msgspec.structs.replace(
        machine,
        routes=(*machine.routes, *routes),
        resolver=_resolver([n for _port, n in near], way[1] if way else None),
    )


def inhabited(ledger: MemoryLedger, links: Iterable[str]) -> frozenset[str]:
    """The ids of the Private Networks with DHCP among these links of machines."""
    return frozenset(link for link in set(links) if link != EDGE and _served(ledger, link))


def hosts(ledger: MemoryLedger, ways: Ways, links: Iterable[str]) -> list[Host]:
    """One host a Private Network that somebody is in: links are those of machines; a router alone is nobody."""
    there = inhabited(ledger, links)
    found = (ledger.get(PrivateNetwork, id_) for id_ in sorted(there))
    return [host(ledger, private, ways, there) for private in found if private]


def host(ledger: MemoryLedger, private: PrivateNetwork, ways: Ways, there: Set[str]) -> Host:
    """The host that answers in a Private Network; there are the ids of all networks in which one does.

    It follows from the documents that are read here, its network's ways and `there`: `remember` counts on that.
    """
    port = _port(private)
    own = (Route(destination=s, via="", port=port.id, because=port.because) for s in subnets(private) if not is_v6(s))
    id_, _service_id = resolver_of(private)
    return Host(
        id=id_,
        name=id_,
        role=Role.NAMES,
        ports=(port,),
        routes=(*own, *routes((port,), ways)),
        services=(_service(ledger, private, port, ways, there),),
        because=because(private),
    )


def resolver_of(private: PrivateNetwork) -> tuple[str, str]:
    """The ids of the host, and of its service, that answer in a Private Network while somebody is there."""
    return f"names-{private.id}", SERVICE


def _served(ledger: MemoryLedger, network_id: str) -> PrivateNetwork | None:
    private = ledger.get(PrivateNetwork, network_id)
    return private if private is not None and private.dhcp_enabled else None


def _to_resolver(port: Port, private: PrivateNetwork) -> Route:
    return Route(destination=RESOLVER_ROUTE, via="", port=port.id, because=because(private))


def _port(private: PrivateNetwork) -> Port:
    lengths = {False: 32, True: 64}
    return Port(
        id=f"names-{private.id}",
        name=f"pn-{short(private.id)}",
        link=private.id,
        addresses=tuple(f"{a}/{lengths[is_v6(a)]}" for a in resolver_addresses(private)),
        because=because(private),
    )


def _resolver(near: Sequence[PrivateNetwork], first: PrivateNetwork | None) -> Resolver:
    """The first network's resolver at the vendor's address; those of others, which may know other names, by IPv6."""
    others = [a for private in near if private is not first for a in resolver_addresses(private) if is_v6(a)]
    servers = (*([RESOLVER_V4] if first else []), *dict.fromkeys(others))
    return Resolver(servers=servers[:MOST_SERVERS], search=tuple(dict.fromkeys(domain(private) for private in near)))


def _service(ledger: MemoryLedger, private: PrivateNetwork, port: Port, ways: Ways, there: Set[str]) -> Names:
    booked = by_age(ip for ip in ledger.find(Ip, ref=private.id) if ip.private_network_id == private.id)
    return Names(
        id=SERVICE,
        device=port.name,
        domain=domain(private),
        networks=subnets(private),
        servers=resolver_addresses(private),
        lease=LEASE_SECONDS,
        leases=tuple(_leases(booked)),
        hops=(Hop(destination=RESOLVER_ROUTE, via=""), *_hops(private, ways.get(private.id, ()))),
        records=tuple(dict.fromkeys(r for ip in booked for r in _records(ip, domain(private)))),
        zones=tuple(_zones(ledger, private, there)),
        because=because(private),
    )


def _name(ip: Ip) -> str:
    """What IPAM calls the resource that has an address, as a host name; "" for none."""
    return host_name(ip.attachment.name or "") if ip.attachment else ""


def _leases(booked: Sequence[Ip]) -> Iterator[Lease]:
    """What is booked for each MAC, oldest first."""
    by_mac: dict[str, list[Ip]] = defaultdict(list)
    for ip in booked:
        if ip.mac_address:
            by_mac[ip.mac_address.lower()].append(ip)
    for mac, ips in sorted(by_mac.items()):
        names = (_name(ip).partition(".")[0] for ip in ips)
        addresses = sorted((ip.host for ip in ips), key=is_v6)
        yield Lease(mac=mac, addresses=tuple(addresses), name=next(filter(None, names), ""))


def _hops(private: PrivateNetwork, ways: Sequence[Way]) -> Iterator[Hop]:
    """The ways that whoever is only in this network takes: of one destination the first, if its next hop is near."""
    chosen: dict[str, Hop] = {}
    for way in ways:
        near = way.destination not in subnets(private) and any(
            is_v6(s) == is_v6(way.via) and on_link(way.via, s) for s in subnets(private)
        )
        if near:
            chosen.setdefault(way.destination, Hop(destination=way.destination, via=way.via))
    yield from sorted(chosen.values(), key=lambda hop: (is_v6(hop.destination), hop.destination))


def _records(ip: Ip, within: str) -> Iterator[Record]:
    """The name of what has an address, and the reverse names that a user gave it, which then are its reverse."""
    name = _name(ip)
    reverses = [r for r in ip.reverses if r.address in (None, ip.host)]
    if name:
        yield Record(name=f"{name}.{within}", address=ip.host, reverse=not reverses)
    for each in ip.reverses:
        if reverse := host_name(each.hostname):
            yield Record(name=reverse, address=each.address or ip.host)


def _zones(ledger: MemoryLedger, private: PrivateNetwork, there: Set[str]) -> Iterator[Zone]:
    """The VPC's other networks, where packets go there: their own resolvers are asked.

    Of several networks with one name only the own, or else the oldest, is found by it.
    """
    vpc = ledger.get(Vpc, private.vpc_id)
    networks = members(ledger, vpc) if vpc else []
    if vpc is None or not routed(vpc, networks):
        return
    taken = {domain(private)}
    for other in by_age(n for n in networks if n.id in there and n.id != private.id):
        servers = [a for a in resolver_addresses(other) if is_v6(a)]
        if servers:
            theirs = domain(other)
            yield Zone(domain="" if theirs in taken else theirs, networks=subnets(other), server=servers[0])
            taken.add(theirs)
