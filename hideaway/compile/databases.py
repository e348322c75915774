"""Managed databases become hosts with a port for each endpoint. No process listens there in this version."""

from __future__ import annotations

from collections.abc import Iterator

from hideaway.cloud.databases import Database, Endpoint
from hideaway.cloud.memory import MemoryLedger
from hideaway.cloud.network import PrivateNetwork
from hideaway.compile.common import because, interface, leaving, short, single
from hideaway.compile.ways import Ways, routes
from hideaway.fabric.model import EDGE, Host, Port, Role


def hosts(ledger: MemoryLedger, ways: Ways) -> Iterator[Host]:
    """One host a database that has an endpoint and is not being deleted."""
    for database in ledger.find(Database):
        if database.status == "deleting" or leaving(database):
            continue
        ports = (*_public(database), *_private(ledger, database))
        if ports:
            yield Host(
                id=database.id,
                name=database.name,
                role=Role.DATABASE,
                ports=ports,
                routes=routes(ports, ways),
                because=because(database),
            )


def _public(database: Database) -> Iterator[Port]:
    """The public port, with the address of each load-balancer endpoint."""
    found = {a: e for e in database.listed_endpoints if not e.private_network_id and (a := single(e.ip))}
    if found:
        yield Port(
            id=f"pub-{database.id}", name="pub", link=EDGE, addresses=tuple(sorted(found)), because=because(database)
        )


def _private(ledger: MemoryLedger, database: Database) -> Iterator[Port]:
    for endpoint in sorted(database.listed_endpoints, key=lambda e: e.id):
        address = _inside(ledger, endpoint)
        if endpoint.private_network_id and address:
            yield Port(
                id=endpoint.id,
                name=f"pn-{short(endpoint.private_network_id)}",
                link=endpoint.private_network_id,
                addresses=(address,),
                because=because(database),
            )


def _inside(ledger: MemoryLedger, endpoint: Endpoint) -> str | None:
    if ledger.get(PrivateNetwork, endpoint.private_network_id or "") is None:
        return None
    return interface(endpoint.service_ip or "")
