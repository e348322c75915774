"""How packets leave a Private Network: by default to a gateway, to the VPC's other networks, and by custom routes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from hideaway.cloud.memory import MemoryLedger
from hideaway.cloud.network import PrivateNetwork, Vpc
from hideaway.cloud.network import Route as CustomRoute
from hideaway.cloud.routing import next_hop
from hideaway.compile.attachments import Served, members, routed, ways_out
from hideaway.compile.common import (
    DEFAULT_V4,
    bare,
    because,
    by_age,
    edge_routes,
    first_of,
    interface,
    is_v6,
    network,
    on_link,
)
from hideaway.compile.segments import subnets
from hideaway.fabric.model import EDGE, Port, Route


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """A route that a Private Network offers to the hosts in it."""

    destination: str
    via: str
    because: str


Ways = Mapping[str, Sequence[Way]]
"""Private Network's id -> its ways, the one that counts first where two have the same destination."""


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """A custom route whose next hop is known: an address in a Private Network of the VPC."""

    private_network_id: str
    way: Way


def ways_of(ledger: MemoryLedger, served: Sequence[Served]) -> Ways:
    """What each Private Network offers: the oldest gateway's default route, the VPC's networks, custom routes, and last
    the default route of another of the VPC's networks."""
    found: dict[str, list[Way]] = defaultdict(list)
    for one in served:
        if one.network.push_default_route:
            way = Way(destination=DEFAULT_V4, via=bare(one.inside), because=because(one.network))
            found[one.network.private_network_id].append(way)
    out = ways_out(ledger, served)
    for vpc in ledger.find(Vpc):
        networks, custom = members(ledger, vpc), hops(ledger, vpc)
        for private in networks:
            found[private.id] += _offered(vpc, private, networks, custom)
            another = out.get(private.id)
            if another is not None and another.network.private_network_id != private.id:
                routers = (bare(first_of(s)) for s in subnets(private) if not is_v6(s))
                reason = because(another.network)
                found[private.id] += (Way(destination=DEFAULT_V4, via=via, because=reason) for via in routers)
    return found


def _offered(
    vpc: Vpc, private: PrivateNetwork, networks: Sequence[PrivateNetwork], custom: Sequence[Hop]
) -> Iterator[Way]:
    routers = [bare(first_of(s)) for s in subnets(private)] if routed(vpc, networks) else []
    for via in routers:
        for other in networks:
            for subnet in subnets(other) if other is not private else ():
                if is_v6(subnet) == is_v6(via):
                    yield Way(destination=subnet, via=via, because=because(vpc))
    for hop in custom:
        if hop.private_network_id == private.id:
            yield hop.way
        elif vpc.custom_routes_propagation_enabled:
            for via in routers:
                if is_v6(via) == is_v6(hop.way.via):
                    yield msgspec.structs.replace(hop.way, via=via)


def hops(ledger: MemoryLedger, vpc: Vpc) -> list[Hop]:
    """The VPC's custom routes that lead to an address, oldest first."""
    found = []
    for route in by_age(ledger.find(CustomRoute, ref=vpc.id)):
        destination, ip = network(route.destination), next_hop(ledger, route)
        address = interface(ip.address) if ip else None
        if destination and ip and ip.private_network_id and address:
            way = Way(destination=destination, via=bare(address), because=because(route))
            found.append(Hop(private_network_id=ip.private_network_id, way=way))
    return found


def routes(ports: Sequence[Port], ways: Ways) -> tuple[Route, ...]:
    """A host's routes, one a destination: its own way to the internet outranks what its Private Networks offer.

    A way counts only where its next hop lies in a subnet of the port (and is not the host itself). A subnet that the
    host has a port in needs none.
    """
    chosen = {r.destination: r for port in ports for r in edge_routes(port)}
    near = {network(a) for p in ports if p.link != EDGE for a in p.addresses}
    for port in ports:
        for way in ways.get(port.link, ()) if port.link != EDGE else ():
            if way.destination in chosen or way.destination in near:
                continue
            if any(is_v6(a) == is_v6(way.via) and on_link(way.via, a) for a in port.addresses):
                chosen[way.destination] = Route(
                    destination=way.destination, via=way.via, port=port.id, because=way.because
                )
    return tuple(sorted(chosen.values(), key=lambda r: (is_v6(r.destination), r.destination)))
