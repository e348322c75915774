"""How things stand, as a tree: what `hideaway status` shows. Reads the ledger and asks compile why; changes nothing."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import TypeVar

import msgspec

from hideaway.base.tree import Item
from hideaway.cloud.balancers import Frontend, Lb, LbIp
from hideaway.cloud.databases import Database, ReadReplica
from hideaway.cloud.documents import Document
from hideaway.cloud.faults import Fault
from hideaway.cloud.gateways import Gateway, GatewayIp, GatewayNetwork
from hideaway.cloud.kubernetes import Cluster, Node, Pool
from hideaway.cloud.machines import Machine, addresses
from hideaway.cloud.memory import MemoryLedger
from hideaway.cloud.network import Ip, PrivateNetwork
from hideaway.cloud.node_groups import security_groups_differ
from hideaway.cloud.servers import PrivateNic, Server, ServerIp
from hideaway.compile.balancers import SERVICE as BALANCER
from hideaway.compile.faults import egress_fault
from hideaway.compile.resolvers import resolver_of
from hideaway.compile.shells import OUTPUT, SCRIPT
from hideaway.fabric.balancing import Wellness
from hideaway.fabric.services import DATABASE, DatabaseFacts, Observed

D = TypeVar("D", bound=Document)

WELL = {
    "ready", "running", "available", "attached", "pool_required", "stopped", "stopped in place",
}  # fmt: skip
"""Statuses that nobody need worry about."""


def report(
    ledger: MemoryLedger,
    organization_id: str,
    *,
    data_plane: str,
    error: str = "",
    shown: Callable[[Document], bool] = lambda _: True,
    observed: Callable[[str, str], Observed | None] = lambda _host, _service: None,
) -> Item:
    """The tree of one organization, as far as `shown` lets somebody see its resources.

    data_plane is `linux` or `none`, error what the control loop last said. observed: how a host's service fares now.
    """

    def found(type_: type[D]) -> list[D]:
        return [d for d in ledger.find(type_, organization=organization_id) if shown(d)]

    groups = [
        _group("faults", [_fault(f) for f in found(Fault)]),
        _group("networks", [_network(ledger, n, observed(*resolver_of(n))) for n in found(PrivateNetwork)]),
        _group("gateways", [_gateway(ledger, g) for g in found(Gateway)]),
        _group("machines", [_machine(ledger, m) for m in found(Machine)]),
        _group("clusters", [_cluster(ledger, c) for c in found(Cluster)]),
        _group("servers", [_server(ledger, s, observed(s.id, SCRIPT)) for s in found(Server) if s.node_id is None]),
        _group("balancers", [_balancer(ledger, b, observed(b.id, BALANCER)) for b in found(Lb)]),
        _group("databases", [_database(ledger, d, lambda host: observed(host, DATABASE)) for d in found(Database)]),
    ]
    notes = [] if data_plane != "none" else ["no data plane: resources are records, no packet flows"]
    return Item(
        kind="cloud",
        name="hideaway",
        id=organization_id,
        status="failing" if error else "running",
        healthy=not error,
        reason=error and f"the data plane does not follow: {error}",
        facts={"data_plane": data_plane},
        notes=notes,
        children=[g for g in groups if g.children],
    )


def _fault(fault: Fault) -> Item:
    reason = f"as wished since {fault.created_at:%Y-%m-%d %H:%M:%S}: `hideaway fault clear {fault.id}` mends it"
    return Item(kind="fault", name=fault.said, id=fault.id, healthy=False, reason=reason)


def _group(name: str, items: list[Item]) -> Item:
    return Item(kind="group", name=name, children=items)


def _network(ledger: MemoryLedger, network: PrivateNetwork, names: Observed | None) -> Item:
    """names: how what answers addresses and names there fares; None where nobody is in it, or packets are none."""
    subnets = ", ".join(s.subnet for s in network.subnets)
    booked = len(ledger.find(Ip, ref=network.id))
    return Item(
        kind="network",
        name=network.name,
        id=network.id,
        facts={"region": network.region, "subnets": subnets, "addresses": str(booked)},
        notes=[] if names is None or names.ready else [f"DHCP and names are not answered: {names.reason}"],
    )


def _machine(ledger: MemoryLedger, machine: Machine) -> Item:
    network = ledger.get(PrivateNetwork, machine.private_network_id)
    held = addresses(ledger, machine.private_network_id, machine.mac_address)
    return Item(
        kind="machine",
        name=machine.name,
        id=machine.id,
        status=machine.status,
        healthy=machine.status in WELL,
        facts={
            "network": network.name if network else machine.private_network_id,
            "mac": machine.mac_address,
            "addresses": ", ".join(ip.host for ip in sorted(held, key=lambda ip: ip.is_ipv6)) or "none",
        },
    )


def _gateway(ledger: MemoryLedger, gateway: Gateway) -> Item:
    ip = ledger.get(GatewayIp, gateway.ip_id) if gateway.ip_id else None
    children = []
    for attachment in ledger.find(GatewayNetwork, ref=gateway.id):
        network = ledger.get(PrivateNetwork, attachment.private_network_id)
        switches = {
            "masquerade": "on" if attachment.masquerade_enabled else "off",
            "default_route": "on" if attachment.push_default_route else "off",
        }
        children.append(
            Item(
                kind="attachment",
                name=network.name if network else attachment.private_network_id,
                id=attachment.id,
                status=attachment.status,
                healthy=attachment.status in WELL,
                facts=switches,
            )
        )
    return Item(
        kind="gateway",
        name=gateway.name,
        id=gateway.id,
        status=gateway.status,
        healthy=gateway.status in WELL,
        facts={"zone": gateway.zone, "public_ip": ip.address if ip else "none"},
        children=children,
    )


def _cluster(ledger: MemoryLedger, cluster: Cluster) -> Item:
    notes = ["kubeconfig: well-formed, but no Kubernetes answers there in this version"]
    differ = security_groups_differ(ledger, cluster)
    if differ:
        notes.append(differ)
    return Item(
        kind="cluster",
        name=cluster.name,
        id=cluster.id,
        status=cluster.status,
        healthy=cluster.status in WELL,
        facts={"region": cluster.region, "version": cluster.version, "control_plane": cluster.address},
        notes=notes,
        children=[_pool(ledger, cluster, p) for p in ledger.find(Pool, ref=cluster.id) if p.cluster_id == cluster.id],
    )


def _pool(ledger: MemoryLedger, cluster: Cluster, pool: Pool) -> Item:
    network = pool.private_network_id or cluster.private_network_id
    fault = egress_fault(ledger, network) if pool.public_ip_disabled and network else None
    nodes = [_node(ledger, n, fault) for n in ledger.find(Node, ref=pool.id)]
    silent = sum(not n.healthy for n in nodes)
    return Item(
        kind="pool",
        name=pool.name,
        id=pool.id,
        status=pool.status,
        healthy=pool.status in WELL and not silent and fault is None,
        reason=fault or (f"{silent} of {len(nodes)} nodes are not ready" if silent else ""),
        facts={
            "zone": pool.zone_of,
            "isolation": "full" if pool.public_ip_disabled else "controlled",
            "security_group": pool.security_group_id,
        },
        children=nodes,
    )


def _node(ledger: MemoryLedger, node: Node, fault: str | None) -> Item:
    healthy = node.status in WELL
    reason = "" if healthy else "; ".join(r for r in (node.error_message, fault) if r)
    return Item(
        kind="node",
        name=node.name,
        id=node.id,
        status=node.status,
        healthy=healthy,
        reason=reason,
        facts=_addresses(ledger, node.server_id),
    )


def _server(ledger: MemoryLedger, server: Server, observed: Observed | None) -> Item:
    script = observed.facts if observed is not None else {}
    ended, status = script.get("state") == "done", script.get("status")
    told = {"user_data": f"ended with status {status}" if ended else str(script["state"])} if script else {}
    return Item(
        kind="server",
        name=server.name,
        id=server.id,
        status=server.state,
        healthy=server.state in WELL,
        reason=f"its user data ended with status {status}: see {OUTPUT} in it" if ended and status else "",
        facts={"zone": server.zone, **_addresses(ledger, server.id), **told},
    )


def _balancer(ledger: MemoryLedger, lb: Lb, service: Observed | None) -> Item:
    """With the servers behind it, as HAProxy sees them."""
    servers = msgspec.convert(service.facts.get("servers", []), list[Wellness]) if service else []
    return Item(
        kind="balancer",
        name=lb.name,
        id=lb.id,
        status=lb.status,
        healthy=lb.status in WELL and (service is None or service.ready),
        reason=service.reason if service else "",
        facts={
            "zone": lb.zone,
            "public_ip": ", ".join(ip.ip_address for ip in ledger.find(LbIp, ref=lb.id)) or "none",
            "ports": ", ".join(str(f.inbound_port) for f in ledger.find(Frontend, ref=lb.id)) or "none",
            "servers": ", ".join(f"{s.address} {s.check}" for s in servers) or "none",
        },
    )


def _database(ledger: MemoryLedger, database: Database, observed: Callable[[str], Observed | None]) -> Item:
    """With what really runs: one program serves every version that is asked for."""
    server = observed(database.host_id)
    facts = msgspec.convert(server.facts, DatabaseFacts) if server else DatabaseFacts()
    notes = [f"{database.engine} was asked for, {facts.version} runs"] if facts.version else []
    if facts.ignored:
        notes.append(f"{facts.version} does not know, and ignores: {', '.join(facts.ignored)}")
    return Item(
        kind="database",
        name=database.name,
        id=database.id,
        status=database.status,
        healthy=database.status in WELL and not (server and server.reason),
        reason=server.reason if server else "",
        facts={
            "engine": database.engine,
            "runs": facts.version,
            "endpoints": ", ".join(f"{e.ip}:{e.port}" for e in database.listed_endpoints),
            **({"commits": _commits(database)} if database.is_ha_cluster else {}),
        },
        notes=notes,
        children=[
            *(_following("standby", id_, observed(id_), facts) for id_ in database.servers[1:]),
            *(_following("replica", r.id, observed(r.id), facts) for r in ledger.find(ReadReplica, ref=database.id)),
        ],
    )


def _commits(database: Database) -> str:
    """Whether the standby could take over."""
    if database.pair.guarded:
        return "synchronous: the standby has every acknowledged one"
    return "becoming synchronous" if database.pair.waits else "asynchronous: no standby that could take over"


def _following(kind: str, id_: str, server: Observed | None, leader: DatabaseFacts) -> Item:
    """A server that follows another one."""
    lag = next((f.lag for f in leader.followers if f.volume == id_), None)
    return Item(
        kind=kind,
        name=id_,
        id=id_,
        status="streaming" if server and server.ready else "away",
        healthy=server is None or server.ready,
        reason=server.reason if server else "",
        facts={} if lag is None else {"behind": f"{lag} bytes"},
    )


def _addresses(ledger: MemoryLedger, server_id: str) -> dict[str, str]:
    public = [ip.address for ip in ledger.find(ServerIp, ref=server_id) if ip.address]
    private = [
        ip.address.split("/")[0]
        for nic in ledger.find(PrivateNic, ref=server_id)
        for ip in ledger.find(Ip, ref=nic.id)
        if ipaddress.ip_interface(ip.address).version == 4
    ]
    return {"public_ip": ", ".join(public) or "none", "private_ip": ", ".join(private) or "none"}
