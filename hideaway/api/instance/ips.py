"""Public (flexible) addresses: an IPv4 each, or an IPv6 /64. A server may have several."""

from __future__ import annotations

import ipaddress
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from hideaway.api.call import Call
from hideaway.api.instance.shared import Page, here, listed, owners
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Name, Tags
from hideaway.base.errors import NotFound, PreconditionFailed, invalid
from hideaway.base.ids import is_uuid
from hideaway.cloud.public_ips import attach_public_ip, leave_to_ipam, make_public_ip, release_ip, take_public_ip
from hideaway.cloud.servers import Server, ServerIp

Type = Literal["routed_ipv4", "routed_ipv6", "unknown_iptype"]


class CreateIp(Body, frozen=True, kw_only=True):
    organization: str | None = None
    project: str | None = None
    tags: Tags | None = None
    server: str | None = None
    type: Type | None = None


class UpdateIp(Body, frozen=True, kw_only=True):
    """server and reverse: null takes them away, left out they stay."""

    reverse: Name | UnsetType | None = UNSET
    tags: Tags | None = None
    server: str | UnsetType | None = UNSET


class ListIps(Page, frozen=True, kw_only=True):
    name: str | None = None
    tags: list[str] | None = None
    type: str | None = None


def view(call: Call, ip: ServerIp) -> dict[str, Any]:
    server = call.change.ledger.get(Server, ip.server_id) if ip.server_id else None
    return {
        "id": ip.id,
        "address": None if ip.prefix else ip.address,
        "prefix": ip.prefix,
        "reverse": ip.reverse,
        "server": {"id": server.id, "name": server.name} if server else None,
        **owners(ip),
        "zone": ip.zone,
        "type": ip.type,
        "state": "attached" if server else "detached",
        "tags": ip.tags,
        "ipam_id": ip.ipam_id,
    }


def _wrapped(call: Call, ip: ServerIp) -> dict[str, Any]:
    return {"ip": view(call, ip)}


def find_ip(call: Call, wanted: str) -> ServerIp:
    """The caller's address by its id or by its text. Raises NotFound."""
    if is_uuid(wanted):
        return call.own(ServerIp, wanted)
    try:
        text = str(ipaddress.ip_address(wanted.split("/")[0]))
    except ValueError:
        raise invalid("ip", f"{wanted!r} is neither an id nor an address", "format") from None
    for ip in call.visible(ServerIp):
        if text in (ip.address, str(ipaddress.ip_network(ip.prefix)[0]) if ip.prefix else None):
            return call.own(ServerIp, ip.id)
    raise NotFound(ServerIp.resource, text if ":" in text else f"{text}/32")


def create(call: Call, body: CreateIp) -> dict[str, Any]:
    organization, project = call.project(body.project or body.organization, ServerIp.resource, "project")
    server = here(call, Server, body.server, "server", project) if body.server else None
    ip = make_public_ip(
        call.change,
        organization_id=organization,
        project_id=project,
        zone=call.place,
        v6=body.type == "routed_ipv6",
        tags=body.tags or [],
    )
    if server is not None:
        ip = attach_public_ip(call.change, server, ip)
    return _wrapped(call, ip)


def get(call: Call) -> dict[str, Any]:
    return _wrapped(call, find_ip(call, call.params["ip"]))


def list_(call: Call, query: ListIps) -> dict[str, Any]:
    """A dynamic address is no flexible one: it is its server's alone, and not listed."""
    special = {"name": lambda ip, wanted: wanted in (ip.address or ip.prefix or "")}
    return listed(
        call, "ips", [ip for ip in call.visible(ServerIp) if not ip.dynamic], query, lambda ip: view(call, ip), special
    )


def update(call: Call, body: UpdateIp) -> dict[str, Any]:
    """Move it to a server (from whichever had it), or take it away; name what it resolves to."""
    ip = find_ip(call, call.params["ip"])
    if isinstance(body.server, str):
        server = here(call, Server, body.server, "server", ip.project_id)
        if server.id != ip.server_id:
            ip = attach_public_ip(call.change, server, ip)
    elif body.server is None and ip.server_id:
        ip = take_public_ip(call.change, ip)
    if body.tags is not None:
        ip = ip.changed(call.change.now, tags=body.tags)
    if not isinstance(body.reverse, UnsetType):
        ip = ip.changed(call.change.now, reverse=body.reverse or None)
    call.change.ledger.put(ip)
    return _wrapped(call, ip)


def delete(call: Call) -> None:
    """An address that a server has is taken from it (the vendor's clients delete attached addresses)."""
    release_ip(call.change, flexible(find_ip(call, call.params["ip"])))


def release_to_ipam(call: Call) -> None:
    """Give up the address and keep its reservation: IPAM has it until it is attached again, or deleted there."""
    leave_to_ipam(call.change, flexible(find_ip(call, call.params["ip"])))


def flexible(ip: ServerIp) -> ServerIp:
    """The address itself. Raises PreconditionFailed for one that is its server's alone."""
    if ip.dynamic:
        raise PreconditionFailed("resource_not_usable", "a dynamic address goes with its server", ip.resource, ip.id)
    return ip


BASE = "/zones/{zone}/ips"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=CreateIp, status=201, records=False),
    Route(method="GET", path=BASE, handler=list_, query=ListIps),
    Route(method="GET", path=BASE + "/{ip}", handler=get),
    Route(method="PATCH", path=BASE + "/{ip}", handler=update, body=UpdateIp, records=False),
    Route(method="DELETE", path=BASE + "/{ip}", handler=delete, status=204, records=False),
    Route(method="POST", path=BASE + "/{ip}/release-to-ipam", handler=release_to_ipam, status=204, records=False),
]
