"""VPCs that route become Router hosts, which join the segments of their Private Networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hideaway.cloud.memory import MemoryLedger
from hideaway.cloud.network import PrivateNetwork, Vpc
from hideaway.compile.acls import router
from hideaway.compile.common import because, first_of, short
from hideaway.compile.segments import subnets
from hideaway.compile.ways import Way, Ways, hops, members, routed, routes
from hideaway.fabric.model import Host, Port, Role


def hosts(ledger: MemoryLedger) -> Iterator[Host]:
    """One router a VPC with routing and at least two Private Networks. Networks of two VPCs never share one."""
    for vpc in ledger.find(Vpc):
        networks = members(ledger, vpc)
        if routed(vpc, networks):
            ports = tuple(_port(n) for n in networks)
            yield Host(
                id=vpc.id,
                name=f"router-{vpc.id}",
                role=Role.ROUTER,
                ports=ports,
                routes=routes(ports, _custom(ledger, vpc, networks)),
                router=router(ledger, vpc, networks),
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


def _custom(ledger: MemoryLedger, vpc: Vpc, networks: Sequence[PrivateNetwork]) -> Ways:
    """A router follows the VPC's custom routes, when they are told to the other Private Networks."""
    found: dict[str, list[Way]] = {n.id: [] for n in networks}
    for hop in hops(ledger, vpc) if vpc.custom_routes_propagation_enabled else ():
        if hop.private_network_id in found:
            found[hop.private_network_id].append(hop.way)
    return found
