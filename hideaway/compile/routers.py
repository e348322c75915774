"""VPCs that route become Router hosts, which join the segments of their Private Networks."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec

from hideaway.cloud.memory import MemoryLedger
from hideaway.cloud.network import PrivateNetwork, Vpc
from hideaway.compile.acls import router
from hideaway.compile.attachments import Served, members, routed, ways_out
from hideaway.compile.common import DEFAULT_V4, bare, because, first_of, is_v6, network, short
from hideaway.compile.segments import subnets
from hideaway.compile.ways import Way, hops, routes
from hideaway.fabric.model import Host, Leaving, Port, Role, Route


def hosts(ledger: MemoryLedger, served: Sequence[Served]) -> Iterator[Host]:
    """One router a VPC with routing and at least two Private Networks. Networks of two VPCs never share one."""
    out = ways_out(ledger, served)
    for vpc in ledger.find(Vpc):
        networks = members(ledger, vpc)
        if routed(vpc, networks):
            yield _host(ledger, vpc, networks, out)


def _host(ledger: MemoryLedger, vpc: Vpc, networks: Sequence[PrivateNetwork], out: Mapping[str, Served]) -> Host:
    ports = tuple(_port(n) for n in networks)
    ways = _custom(ledger, vpc, networks)
    # Who takes another network's default route sends to the router, which follows that gateway's.
    takers = {n.id: one for n in networks if (one := out.get(n.id)) and one.network.private_network_id != n.id}
    for one in takers.values():
        way = Way(destination=DEFAULT_V4, via=bare(one.inside), because=because(one.network))
        ways[one.network.private_network_id].append(way)
    found = routes(ports, ways)
    filtered = router(ledger, vpc, networks)
    if takers:
        filtered = msgspec.structs.replace(filtered, leaving=_leaving(vpc, takers, ports, found))
    return Host(
        id=vpc.id,
        name=f"router-{vpc.id}",
        role=Role.ROUTER,
        ports=ports,
        routes=found,
        router=filtered,
        because=because(vpc),
    )


def _leaving(vpc: Vpc, takers: Collection[str], ports: Sequence[Port], ways: Sequence[Route]) -> Leaving:
    """Networks that do not take another's default route send to the VPC's networks and along its custom routes only."""
    inside = {network(a) for port in ports for a in port.addresses} | {way.destination for way in ways}
    networks = (ipaddress.IPv4Network(n) for n in inside if n and not is_v6(n) and n != DEFAULT_V4)
    return Leaving(
        ports=tuple(sorted(port.id for port in ports if port.link in takers)),
        inside=tuple(map(str, ipaddress.collapse_addresses(networks))),
        because=because(vpc),
    )


def _port(private: PrivateNetwork) -> Port:
    """The router's port in a Private Network, at the first address of each subnet."""
    return Port(
        id=f"router-{private.id}",
        name=f"pn-{short(private.id)}",
        link=private.id,
        addresses=tuple(first_of(s) for s in subnets(private)),
        because=because(private),
    )


def _custom(ledger: MemoryLedger, vpc: Vpc, networks: Sequence[PrivateNetwork]) -> dict[str, list[Way]]:
    """A router follows the VPC's custom routes, when they are told to the other Private Networks."""
    found: dict[str, list[Way]] = {n.id: [] for n in networks}
    for hop in hops(ledger, vpc) if vpc.custom_routes_propagation_enabled else ():
        if hop.private_network_id in found:
            found[hop.private_network_id].append(hop.way)
    return found
