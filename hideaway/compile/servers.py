"""Instances, and the Kubernetes nodes among them, become hosts."""

from __future__ import annotations

from collections.abc import Iterator

from hideaway.cloud.kubernetes import Node
from hideaway.cloud.memory import MemoryLedger
from hideaway.cloud.network import Ip, PrivateNetwork
from hideaway.cloud.servers import PrivateNic, SecurityGroup, Server, ServerIp
from hideaway.compile.common import because, by_age, interface, is_v6, leaving, single
from hideaway.compile.resolvers import told
from hideaway.compile.shells import of_server
from hideaway.compile.ways import Ways, routes
from hideaway.fabric.model import EDGE, Host, Port, Role

UP = frozenset({"starting", "running"})
"""A server that is starting is built already: it is `running` only once packets flow."""
FIRST_NIC = 5  # the vendor's images name the first private interface ens5


def hosts(ledger: MemoryLedger, ways: Ways) -> list[Host]:
    """One host a server that runs."""
    return [host(ledger, server, ways) for server in running(ledger)]


def running(ledger: MemoryLedger) -> list[Server]:
    """The servers that have a host."""
    return [s for s in ledger.find(Server) if s.state in UP and not leaving(s)]


def host(ledger: MemoryLedger, server: Server, ways: Ways) -> Host:
    """A server's host. It follows from the documents that are read here and from its networks' ways, and from nothing
    else: `remember` counts on that."""
    node = ledger.get(Node, server.node_id) if server.node_id else None
    ports = (*_public(ledger, server), *_private(ledger, server))
    made = Host(
        id=server.id,
        name=node.name if node else server.name,
        role=Role.NODE if server.node_id else Role.INSTANCE,
        ports=ports,
        routes=routes(ports, ways),
        metadata=True,
        services=of_server(ledger, server),
        boots=server.boots,
        because=because(server),
    )
    return told(ledger, made)


def _public(ledger: MemoryLedger, server: Server) -> Iterator[Port]:
    """The public port, with all of the server's public addresses: IPv4 first, of each family the default one.

    A server whose group is gone gets none: an unfiltered port is the one thing that must not come of it.
    """
    ips = [ip for ip in by_age(ledger.find(ServerIp, ref=server.id)) if single(ip.address)]
    ips.sort(key=lambda ip: ip.id != server.default_ip_id)
    if not ips or (server.security_group_id and not ledger.has(SecurityGroup, server.security_group_id)):
        return
    addresses = dict.fromkeys(a for ip in ips if (a := single(ip.address)))
    yield Port(
        id=f"pub-{server.id}",
        name="pub",
        link=EDGE,
        addresses=tuple(sorted(addresses, key=is_v6)),
        filter=server.security_group_id,
        because=because(ips[0]),
    )


def _private(ledger: MemoryLedger, server: Server) -> Iterator[Port]:
    """The private ports, named in the order in which they were made."""
    nics = (n for n in ledger.find(PrivateNic, ref=server.id) if not leaving(n))
    present = by_age(n for n in nics if ledger.has(PrivateNetwork, n.private_network_id))
    for number, nic in enumerate(present, FIRST_NIC):
        yield Port(
            id=nic.id,
            name=f"ens{number}",
            link=nic.private_network_id,
            addresses=_booked(ledger, nic),
            mac=nic.mac_address.lower(),
            because=because(nic),
        )


def _booked(ledger: MemoryLedger, nic: PrivateNic) -> tuple[str, ...]:
    """The addresses that IPAM holds for a NIC in its network, IPv4 first."""
    named = (ip for id_ in nic.ipam_ip_ids if (ip := ledger.get(Ip, id_)))
    attached = (ip for ip in ledger.find(Ip, ref=nic.id) if ip.attachment and ip.attachment.id == nic.id)
    booked = {ip.id: ip for ip in (*named, *attached) if ip.private_network_id == nic.private_network_id}
    addresses = dict.fromkeys(a for ip in by_age(booked.values()) if (a := interface(ip.address)))
    return tuple(sorted(addresses, key=is_v6))
