"""`/hideaway/v1/open`: where the doors of a resource are, outside, and what to type there; one more where asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.pipeline import Product, Route
from hideaway.api.shapes import Body
from hideaway.backends.base import Backend, OpenDoor
from hideaway.base.errors import PlainError, invalid
from hideaway.cloud.databases import Database
from hideaway.cloud.documents import Ledger
from hideaway.cloud.gateways import Gateway
from hideaway.cloud.kubernetes import Cluster
from hideaway.fabric.doors import lets_in, public_v4
from hideaway.fabric.model import USER_V4, Fabric, Host, Role
from hideaway.server.rights import owner_only

HTTP, HTTPS = (80, 3000, 8000, 8080), (443, 6443, 8443)
SSH = 22


class Open(Body, frozen=True, kw_only=True):
    """resource: a host's id or name, or a cluster's. port: have a door to this one, too, from now on."""

    resource: str
    port: int | None = None
    protocol: str = "tcp"


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A door as a person needs it: what is at address:port in the world is at `at` outside. hint is what to type."""

    address: str
    port: int
    protocol: str
    at: str
    hint: str
    fault: str = ""
    connections: int = 0


def opening_product(backend: Backend | None, theirs: Callable[[Call, Host], bool]) -> Product:
    """The route. theirs: whether a host is the caller's to know of."""

    def open_(call: Call, body: Open) -> dict[str, Any]:
        owner_only(call, "door")
        if body.port is not None and not 0 < body.port < 65536:
            raise invalid("port", "value must be one of 1 to 65535")
        if body.protocol not in ("tcp", "udp"):
            raise invalid("protocol", "value must be tcp or udp")
        if backend is None:
            raise PlainError(412, "there is no data plane here, so nothing to open", "precondition_failed")
        fabric = backend.present().fabric
        host = _host(call, fabric, body.resource, theirs)
        if not any(public_v4(port) for port in host.ports):
            said = f"{host.name} has no public IPv4 address: reach it from inside (hideaway exec), or through a gateway"
            raise PlainError(412, said, "precondition_failed")
        if body.port is not None:
            _let_in(fabric, host, body.protocol, body.port)
            backend.open(host.id, body.protocol, body.port)
        shown = [_shown(call.change.ledger, host, door) for door in backend.doors(host.id)]
        chosen = [s for s in shown if body.port is None or (s.port, s.protocol) == (body.port, body.protocol)]
        return {"host": host.id, "name": host.name, "doors": msgspec.to_builtins(chosen), "user_address": USER_V4}

    return Product(
        prefix="",
        area="Organization",
        routes=[Route(method="POST", path="/hideaway/v1/open", handler=open_, body=Open)],
    )


def _host(call: Call, fabric: Fabric, resource: str, theirs: Callable[[Call, Host], bool]) -> Host:
    hosts = tuple(host for host in fabric.hosts if theirs(call, host))
    clusters = call.change.ledger.find(Cluster, organization=call.principal.organization_id, label=resource)
    named = [resource, *(cluster.id for cluster in clusters)]
    found = next((host for name in named if (host := Fabric(hosts=hosts).host(name))), None)
    if found is None:
        names = ", ".join(sorted(h.name for h in hosts if any(map(public_v4, h.ports)))) or "none"
        raise PlainError(
            404, f"nothing that runs is called {resource!r}; on the public internet there are: {names}", "not_found"
        )
    return found


def _let_in(fabric: Fabric, host: Host, protocol: str, number: int) -> None:
    """Refuse a door that would lead to a closed port."""
    filters = {each.id: each for each in fabric.filters}
    if not any(lets_in(port, filters, protocol, number) for port in host.ports if public_v4(port)):
        said = (
            f"the filter before {host.name} lets nobody at {USER_V4} reach {protocol} {number}: accept it there first"
        )
        raise PlainError(412, said, "precondition_failed")


def _shown(ledger: Ledger, host: Host, door: OpenDoor) -> Shown:
    return Shown(
        address=door.address,
        port=door.port,
        protocol=door.protocol,
        at=f"{door.at}:{door.at_port}" if door.at else "",
        hint=next(_hints(ledger, host, door)) if door.at else "",
        fault=door.fault,
        connections=door.open,
    )


def _hints(ledger: Ledger, host: Host, door: OpenDoor) -> Iterator[str]:
    """What to type, the likeliest first."""
    if door.protocol == "tcp":
        if host.role == Role.DATABASE:
            yield _client(ledger, host, door)
        if host.role == Role.GATEWAY and _is_bastion(ledger, host, door.port):
            yield f"ssh -J bastion@{door.at}:{door.at_port} root@NAME.NETWORK.internal"
        if door.port == SSH:
            port = "" if door.at_port == SSH else f"-p {door.at_port} "
            yield f"ssh {port}root@{door.at}"
        for scheme, ports, usual in (("http", HTTP, 80), ("https", HTTPS, 443)):
            if door.port in ports:
                yield f"{scheme}://{door.at}" + ("" if door.at_port == usual else f":{door.at_port}")
    yield f"{door.at}:{door.at_port}"


def _client(ledger: Ledger, host: Host, door: OpenDoor) -> str:
    database = ledger.get(Database, host.id)
    if database is None:  # a read replica
        return f"psql -h {door.at} -p {door.at_port}"
    user = next((u.name for u in database.users if u.is_admin), "USER")
    if database.engine.startswith("MySQL"):
        return f"mysql -h {door.at} -P {door.at_port} -u {user} -p rdb"
    return f"psql -h {door.at} -p {door.at_port} -U {user} rdb"


def _is_bastion(ledger: Ledger, host: Host, port: int) -> bool:
    gateway = ledger.get(Gateway, host.id)
    return gateway is not None and gateway.bastion_port == port
