"""Managed databases become hosts with a server, and a port for each endpoint; the public one behind its own ACL."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from hideaway.cloud.database_contents import privileges_of, settings_of, with_unit
from hideaway.cloud.database_types import PORTS, engine_of, node_types
from hideaway.cloud.databases import Backup, Database, Endpoint, Errand, InstanceLog, ReadReplica, Snapshot
from hideaway.cloud.databasing import replica_name
from hideaway.cloud.memory import MemoryLedger
from hideaway.cloud.network import PrivateNetwork
from hideaway.compile.common import DEFAULT_V4, DEFAULT_V6, because, by_age, interface, leaving, network, short, single
from hideaway.compile.ways import Ways, routes
from hideaway.fabric.model import EDGE, Action, Direction, Filter, Host, Port, Protocol, Redirect, Role, Rule, Volume
from hideaway.fabric.services import DATABASE, DatabaseServer, Grant, Login, Origin, Task

KEPT = (ReadReplica, Backup, Snapshot, InstanceLog)
"""What has data of its own on a volume with its id, besides the servers of instances."""


def volumes(ledger: MemoryLedger) -> Iterator[Volume]:
    """The data of databases, and of what was made of them, for as long as they are there in any state."""
    for database in ledger.find(Database):
        for server in database.servers:
            yield Volume(id=server, because=because(database))
    for kind in KEPT:
        for document in ledger.find(kind):
            yield Volume(id=document.id, because=because(document))


def hosts(ledger: MemoryLedger, ways: Ways) -> Iterator[Host]:
    """One host a server of a database or replica that is not being deleted. Endpoints are at the one that leads."""
    for database in ledger.find(Database):
        if not _serves(database):
            continue
        server = _server(ledger, database)
        yield _host(ledger, ways, database, database, server)
        for follower in database.servers[1:]:
            yield Host(
                id=follower,
                name=f"{database.name}-standby",
                role=Role.DATABASE,
                services=(_standby(server, follower),),
                because=because(database),
            )
        for replica in _replicas(ledger, database):
            following = _follower(server, replica.id, replica.copies, because(replica))
            yield _host(ledger, ways, replica, database, following)


def _serves(database: Database) -> bool:
    return database.status != "deleting" and not leaving(database)


def _replicas(ledger: MemoryLedger, database: Database) -> list[ReadReplica]:
    """The replicas of an instance that can have some, oldest first."""
    return by_age(r for r in ledger.find(ReadReplica, ref=database.id) if r.instance_id == database.id and _here(r))


def _here(replica: ReadReplica) -> bool:
    return replica.status != "deleting" and not leaving(replica)


def _host(
    ledger: MemoryLedger, ways: Ways, owner: Database | ReadReplica, database: Database, server: DatabaseServer
) -> Host:
    """The host of a server with its owner's endpoints."""
    ports = (*_public(owner), *_private(ledger, owner))
    return Host(
        id=owner.host_id,
        name=owner.name if isinstance(owner, Database) else replica_name(owner),
        role=Role.DATABASE,
        ports=ports,
        routes=routes(ports, ways),
        services=(server,),
        redirects=tuple(_redirects(owner, PORTS[engine_of(database.engine)])),
        because=because(owner),
    )


def _follower(leader: DatabaseServer, volume: str, copies: int = 0, reason: str = "") -> DatabaseServer:
    """A server that follows another one: users, databases and privileges come with the data, and so do no tasks."""
    return msgspec.structs.replace(
        leader,
        volume=volume,
        follows=leader.volume,
        followers=(),
        awaited="",
        copies=copies,
        users=(),
        databases=(),
        grants=(),
        tasks=(),
        origin=None,
        because=reason or leader.because,
    )


def _standby(leader: DatabaseServer, volume: str) -> DatabaseServer:
    """A follower whose word counts for commits."""
    return msgspec.structs.replace(_follower(leader, volume), awaited=volume)


def filters(ledger: MemoryLedger) -> Iterator[Filter]:
    """Before each public endpoint, who may reach it: a replica's is its instance's."""
    for database in ledger.find(Database):
        if _serves(database):
            owners: list[Database | ReadReplica] = [database, *_replicas(ledger, database)]
            yield from (_filter(owner, database) for owner in owners if any(_public(owner)))


def _public(owner: Database | ReadReplica) -> Iterator[Port]:
    """The public port, with the address of each load-balancer endpoint."""
    found = {a: e for e in owner.listed_endpoints if not e.private_network_id and (a := single(e.ip))}
    if found:
        yield Port(
            id=f"pub-{owner.id}",
            name="pub",
            link=EDGE,
            addresses=tuple(sorted(found)),
            filter=f"acl:{owner.id}",
            because=because(owner),
        )


def _private(ledger: MemoryLedger, owner: Database | ReadReplica) -> Iterator[Port]:
    for endpoint in sorted(owner.listed_endpoints, key=lambda e: e.id):
        address = _inside(ledger, endpoint)
        if endpoint.private_network_id and address:
            yield Port(
                id=endpoint.id,
                name=f"pn-{short(endpoint.private_network_id)}",
                link=endpoint.private_network_id,
                addresses=(address,),
                because=because(owner),
            )


def _inside(ledger: MemoryLedger, endpoint: Endpoint) -> str | None:
    if ledger.get(PrivateNetwork, endpoint.private_network_id or "") is None:
        return None
    return interface(endpoint.service_ip or "")


def _redirects(owner: Database | ReadReplica, own: int) -> Iterator[Redirect]:
    """A public endpoint has a number of its own, and the server but one."""
    for endpoint in owner.listed_endpoints:
        if not endpoint.private_network_id and single(endpoint.ip) and endpoint.port != own:
            yield Redirect(port=f"pub-{owner.id}", number=endpoint.port, target=own)


def _filter(owner: Database | ReadReplica, database: Database) -> Filter:
    """The ACL: its ranges reach the public endpoint's port; echo from anywhere; nothing else comes in."""
    reason = because(database)
    numbers = sorted(e.port for e in owner.listed_endpoints if not e.private_network_id)
    ranges = sorted({r for rule in database.access_rules if (r := network(rule.ip))})
    rules = [
        Rule(
            action=Action.ACCEPT,
            direction=Direction.INBOUND,
            protocol=Protocol.TCP,
            network=range_,
            ports=(number, number),
            because=reason,
        )
        for number in numbers
        for range_ in ranges
    ]
    rules += [
        Rule(action=Action.ACCEPT, direction=Direction.INBOUND, protocol=Protocol.ICMP, network=n, because=reason)
        for n in (DEFAULT_V4, DEFAULT_V6)
    ]
    return Filter(
        id=f"acl:{owner.id}",
        stateful=True,
        inbound=Action.DROP,
        outbound=Action.ACCEPT,
        rules=tuple(rules),
        because=reason,
    )


def _server(ledger: MemoryLedger, database: Database) -> DatabaseServer:
    standby = database.servers[1:]
    origin, type_, policy = _origin(ledger, database), node_types().get(database.node_type), database.logs_policy
    return DatabaseServer(
        id=DATABASE,
        engine=database.engine,
        volume=database.host_id,
        port=PORTS[engine_of(database.engine)],
        node_memory=type_.memory if type_ else 0,
        certificate=database.certificate,
        key=database.key,
        users=tuple(Login(name=u.name, verifier=u.verifier, admin=u.is_admin) for u in database.users),
        databases=tuple(d.name for d in database.databases),
        grants=tuple(
            Grant(user=p.user_name, database=p.database_name, permission=p.permission) for p in privileges_of(database)
        ),
        settings=tuple((s.name, with_unit(database.engine, s)) for s in settings_of(database)),
        origin=origin,
        starts=database.starts,
        tasks=tuple(_tasks(ledger, database)),
        logs_since=database.logs_purged_at.timestamp() if database.logs_purged_at else 0.0,
        log_days=policy.max_age_retention or 0,
        log_bytes=policy.total_disk_retention or 0,
        followers=(*standby, *(replica.id for replica in _replicas(ledger, database))),
        awaited=standby[0] if standby and database.pair.waits else "",
        because=because(database),
    )


def _origin(ledger: MemoryLedger, database: Database) -> Origin | None:
    """Whose data it begins with: of another instance, the server's that leads."""
    origin = database.origin
    if origin is None:
        return None
    source = ledger.get(Database, origin.id)
    return Origin(volume=source.host_id if source else origin.id, engine=origin.engine, live=origin.live)


def _tasks(ledger: MemoryLedger, database: Database) -> Iterator[Task]:
    """What it is asked to do once, in the order of the asking."""
    found: list[Errand] = [e for kind in (Backup, Snapshot, InstanceLog) for e in ledger.find(kind, ref=database.id)]
    for errand in sorted(found, key=lambda e: (e.updated_at, e.id)):
        if not errand.task or errand.performer != database.id:
            continue
        if isinstance(errand, Backup):
            what = "restore" if errand.status == "restoring" else "dump"
            yield Task(id=errand.task, what=what, volume=errand.id, database=_named(errand))
        elif isinstance(errand, Snapshot):
            yield Task(id=errand.task, what="copy", volume=errand.id)
        elif isinstance(errand, InstanceLog):
            since, until = (t.timestamp() if t else 0.0 for t in (errand.since, errand.until))
            yield Task(id=errand.task, what="log", volume=errand.id, since=since, until=until)


def _named(backup: Backup) -> str:
    return backup.restored_as if backup.status == "restoring" else backup.database_name
