"""Machines that are plugged in become hosts that nobody programs: what they are told when they ask is said here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from hideaway.cloud.machines import Machine, addresses
from hideaway.cloud.memory import MemoryLedger
from hideaway.cloud.network import PrivateNetwork
from hideaway.compile.common import because, interface, is_v6, leaving, network, short
from hideaway.compile.ways import Ways, routes
from hideaway.fabric.model import Host, Plug, Port, Role
from hideaway.fabric.services import Advertised, Advertisements, LeaseClient

ADVERTISEMENTS = "advertisements"


def hosts(ledger: MemoryLedger, ways: Ways) -> Iterator[Host]:
    """One host a machine whose Private Network is there."""
    for machine in ledger.find(Machine):
        if not leaving(machine) and ledger.has(PrivateNetwork, machine.private_network_id):
            port = _port(ledger, machine)
            yield Host(
                id=machine.id,
                name=machine.name,
                role=Role.MACHINE,
                ports=(port,),
                routes=routes((port,), ways),
                services=_clients(port) if machine.dhcp else (),
                plug=Plug(tap=machine.tap, place=machine.netns, identity=machine.netns_identity),
                because=because(machine),
            )


def _port(ledger: MemoryLedger, machine: Machine) -> Port:
    booked = (interface(ip.address) for ip in addresses(ledger, machine.private_network_id, machine.mac_address))
    return Port(
        id=f"plug-{machine.id}",
        # In a namespace of somebody else's nothing else is called so; behind a tap device nobody sees it.
        name=f"hd{short(machine.id)}" if machine.netns else "uplink" if machine.tap else "ens5",
        link=machine.private_network_id,
        addresses=tuple(sorted(filter(None, booked), key=is_v6)),
        mac=machine.mac_address.lower(),
        because=because(machine),
    )


def _clients(port: Port) -> tuple[LeaseClient, ...]:
    return (
        LeaseClient(id="lease", device=port.name, because=port.because),
        LeaseClient(id="lease-v6", device=port.name, v6=True, because=port.because),
    )


def advertising(there: Sequence[Host], plugged: Iterable[Host], ways: Ways) -> Iterator[Host]:
    """The same routers and resolvers, with router advertisements to the networks that somebody is plugged into.

    By the router, who then is the way to the VPC's other networks; where there is none, by the resolver. Hosts that are
    programmed need none.
    """
    links = {port.link for host in plugged for port in host.ports}
    speaker: dict[str, str] = {}
    for host in sorted(there, key=lambda h: (h.router is None, h.id)):
        for port in host.ports:
            speaker.setdefault(port.link, host.id)
    by_host: Mapping[str, set[str]] = defaultdict(set)
    for link in links & speaker.keys():
        by_host[speaker[link]].add(link)
    for host in there:
        said = tuple(_advertised(host, port, ways) for port in host.ports if port.link in by_host[host.id])
        if said:
            service = Advertisements(id=ADVERTISEMENTS, links=said, because=host.because)
            services = tuple(sorted((*host.services, service), key=lambda s: s.id))
            yield msgspec.structs.replace(host, services=services)
        else:
            yield host


def _advertised(host: Host, port: Port, ways: Ways) -> Advertised:
    own = sorted({n for a in port.addresses if is_v6(a) and (n := network(a))})
    others = {w.destination for w in ways.get(port.link, ()) if is_v6(w.destination)} if host.router else set()
    return Advertised(device=port.name, networks=tuple(own), routes=tuple(sorted(others - set(own))))
