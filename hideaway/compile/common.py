"""What the rules share: why an element is there, which documents are older, and how addresses are spelled."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import TypeVar

from hideaway.cloud.documents import GONE, Document
from hideaway.fabric.model import EDGE, EDGE_V4, EDGE_V6, Port, Route

DEFAULT_V4 = "0.0.0.0/0"
DEFAULT_V6 = "::/0"

D = TypeVar("D", bound=Document)


def because(document: Document) -> str:
    """Why an element is there: `<kind>:<id>` of the document that asks for it."""
    return f"{document.kind}:{document.id}"


def leaving(document: Document) -> bool:
    """Whether a resource is being deleted: what is on its way out carries no packets any more."""
    return document.pending is not None and document.pending.to == GONE


def by_age(documents: Iterable[D]) -> list[D]:
    """Oldest first, whatever order they were kept in."""
    return sorted(documents, key=lambda d: (d.created_at, d.id))


def is_v6(address: str) -> bool:
    """Whether an address or a range is of IPv6."""
    return ":" in address


def bare(address: str) -> str:
    """An address without its prefix length."""
    return address.partition("/")[0]


@lru_cache(maxsize=65536)
def interface(address: str) -> str | None:
    """An address and its subnet (172.16.0.2/22) in canonical form, or None when it is no such thing."""
    try:
        return str(ipaddress.ip_interface(address))
    except ValueError:
        return None


@lru_cache(maxsize=65536)
def on_link(via: str, address: str) -> bool:
    """Whether a next hop lies in the subnet of an address in CIDR form, and is not that address itself."""
    own = ipaddress.ip_interface(address)
    hop = ipaddress.ip_address(via)
    return hop in own.network and hop != own.ip


@lru_cache(maxsize=65536)
def first_of(subnet: str) -> str:
    """A subnet's first address in CIDR form (172.16.0.1/22): the router's, which IPAM never books."""
    net = ipaddress.ip_network(subnet)
    return f"{net.network_address + 1}/{net.prefixlen}"


@lru_cache(maxsize=65536)
def network(text: str) -> str | None:
    """A range (an address alone counts as one) as canonical CIDR, host bits cleared; None when it is no range."""
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return None


def single(address: str | None) -> str | None:
    """A public address as the /32 or /128 that an edge port carries, or None when there is none."""
    return network(bare(address)) if address else None


def short(id_: str) -> str:
    """The last twelve letters of an id: with a prefix of three they make an interface's name of 15 characters."""
    return id_.replace("-", "")[-12:]


def edge_routes(port: Port) -> list[Route]:
    """The default routes of a host by its public port: of each family that the port has an address of."""
    if port.link != EDGE:
        return []
    families = {is_v6(a) for a in port.addresses}
    wanted = ((False, DEFAULT_V4, EDGE_V4), (True, DEFAULT_V6, EDGE_V6))
    return [
        Route(destination=destination, via=via, port=port.id, because=port.because)
        for v6, destination, via in wanted
        if v6 in families
    ]
