"""Clusters become control planes on the public internet, behind their API's ACL; nodes send them heartbeats."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import msgspec

from hideaway.cloud.kubernetes import Access, Cluster, Node, Pool
from hideaway.cloud.memory import MemoryLedger
from hideaway.cloud.servers import Server
from hideaway.compile.attachments import Served, ways_out
from hideaway.compile.common import DEFAULT_V4, DEFAULT_V6, bare, because, by_age, edge_routes, leaving, network, single
from hideaway.fabric.model import (
    EDGE,
    INTERNET_V4,
    INTERNET_V6,
    Action,
    Direction,
    Filter,
    Heartbeat,
    Host,
    Listener,
    Port,
    Protocol,
    Role,
    Rule,
)

API_PORT = 6443
AGENT_PORT = 8132
"""Where nodes reach the control plane besides its API (scaleway.md: outbound needed by nodes)."""
NOT_THE_CLOUDS = ("198.18.0.0/20", "2001:2::/64", "2001:2:0:909::/64")
"""The edge's own ranges and the probe host's: users and strangers, not resources of the cloud (cloud/addressing.py)."""


class Plane(msgspec.Struct, frozen=True, kw_only=True):
    """A control plane and what belongs to it."""

    host: Host
    filter: Filter
    heartbeats: tuple[Heartbeat, ...]


def planes(ledger: MemoryLedger, machines: Sequence[Host], served: Sequence[Served]) -> list[Plane]:
    """One control plane a cluster that has an address and is not being deleted."""
    nodes = _nodes(ledger, machines)
    gateways: dict[str, list[Served]] = defaultdict(list)
    for one in served:
        gateways[one.network.private_network_id].append(one)
    for private, one in ways_out(ledger, served).items():
        if one not in gateways[private]:
            gateways[private].append(one)
    found = []
    for cluster in ledger.find(Cluster):
        address = single(cluster.address)
        if address and cluster.status != "deleting" and not leaving(cluster):
            own = nodes[cluster.id]
            trusted = (*_by_nodes(own), *_by_gateways(ledger, cluster, gateways))
            found.append(_plane(ledger, cluster, address, own, trusted))
    return found


def _nodes(ledger: MemoryLedger, machines: Sequence[Host]) -> dict[str, list[Host]]:
    """The hosts that are nodes, by their cluster's id."""
    found: dict[str, list[Host]] = defaultdict(list)
    for host in machines:
        server = ledger.get(Server, host.id) if host.role == Role.NODE else None
        node = ledger.get(Node, server.node_id or "") if server else None
        if node:
            found[node.cluster_id].append(host)
    return found


def _plane(
    ledger: MemoryLedger, cluster: Cluster, address: str, nodes: Sequence[Host], trusted: Sequence[tuple[str, str]]
) -> Plane:
    reason = because(cluster)
    port = Port(
        id=f"pub-{cluster.id}",
        name="pub",
        link=EDGE,
        addresses=(address,),
        filter=f"acl:{cluster.id}",
        because=reason,
    )
    host = Host(
        id=cluster.id,
        name=f"control-plane-{cluster.id}",
        role=Role.CONTROL_PLANE,
        ports=(port,),
        routes=tuple(edge_routes(port)),
        listeners=(Listener(port=API_PORT, what="closed-api"), Listener(port=AGENT_PORT, what="control-plane")),
        because=reason,
    )
    beats = tuple(
        Heartbeat(source=n.id, target=cluster.id, address=bare(address), port=AGENT_PORT)
        for n in sorted(nodes, key=lambda n: n.id)
    )
    return Plane(host=host, filter=_filter(ledger, cluster, trusted), heartbeats=beats)


def _filter(ledger: MemoryLedger, cluster: Cluster, trusted: Sequence[tuple[str, str]]) -> Filter:
    """The API's ACL: own nodes and gateways always, then who the ACL lets in, echo from anywhere, and nothing else."""
    reason = because(cluster)
    rules = [_tcp(port, source, why) for source, why in sorted(trusted) for port in (API_PORT, AGENT_PORT)]
    rules += _accesses(ledger, cluster)
    rules += [
        Rule(action=Action.ACCEPT, direction=Direction.INBOUND, protocol=Protocol.ICMP, network=n, because=reason)
        for n in (DEFAULT_V4, DEFAULT_V6)
    ]
    return Filter(
        id=f"acl:{cluster.id}",
        stateful=True,
        inbound=Action.DROP,
        outbound=Action.ACCEPT,
        rules=tuple(rules),
        because=reason,
    )


def _by_nodes(nodes: Sequence[Host]) -> Iterator[tuple[str, str]]:
    """The public addresses of a cluster's own nodes, each with why."""
    for host in nodes:
        for port in host.ports:
            for address in port.addresses if port.link == EDGE else ():
                yield address, port.because


def _by_gateways(ledger: MemoryLedger, cluster: Cluster, served: dict[str, list[Served]]) -> Iterator[tuple[str, str]]:
    """The public addresses of the gateways of a cluster's Private Networks (its own, and those that pools name)."""
    pools = (p.private_network_id for p in ledger.find(Pool, ref=cluster.id))
    for private in {cluster.private_network_id, *pools}:
        for one in served.get(private or "", ()):
            yield one.public, because(one.network)


def _accesses(ledger: MemoryLedger, cluster: Cluster) -> list[Rule]:
    """The ACL's rules, ranges first. The default, one rule that names all of IPv4, means everybody."""
    accesses = by_age(ledger.find(Access, ref=cluster.id))
    named = [(n, because(a)) for a in accesses if a.ip and (n := network(a.ip))]
    if len(accesses) == 1 and [n for n, _ in named] == [DEFAULT_V4]:
        named.append((DEFAULT_V6, because(accesses[0])))
    rules = [_tcp(API_PORT, n, why) for n, why in named]
    for access in accesses:
        if access.scaleway_ranges:
            rules += [_tcp(API_PORT, n, because(access), Action.DROP) for n in NOT_THE_CLOUDS]
            rules += [_tcp(API_PORT, n, because(access)) for n in (INTERNET_V4, INTERNET_V6)]
    return rules


def _tcp(port: int, source: str, reason: str, action: Action = Action.ACCEPT) -> Rule:
    return Rule(
        action=action,
        direction=Direction.INBOUND,
        protocol=Protocol.TCP,
        network=source,
        ports=(port, port),
        because=reason,
    )
