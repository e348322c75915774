"""Private Networks become Segments."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from functools import lru_cache

from hideaway.cloud.memory import MemoryLedger
from hideaway.cloud.network import PrivateNetwork
from hideaway.compile.common import because, is_v6, network
from hideaway.fabric.model import RESOLVER_V4, Segment


def segments(ledger: MemoryLedger) -> Iterator[Segment]:
    """One Segment a Private Network, with its IPv4 and its IPv6 subnets."""
    for private in ledger.find(PrivateNetwork):
        yield Segment(id=private.id, name=private.name, networks=subnets(private), because=because(private))


def subnets(private: PrivateNetwork) -> tuple[str, ...]:
    """A Private Network's subnets, IPv4 first."""
    found = {n for s in private.subnets if (n := network(s.subnet))}
    return tuple(sorted(found, key=lambda n: (is_v6(n), n)))


def resolver_addresses(private: PrivateNetwork) -> tuple[str, ...]:
    """Where a Private Network's names are answered: the vendor's address, and the last of each IPv6 subnet.

    IPAM books neither. The IPv6 one is for whoever is in several networks, or in another of the VPC.
    """
    return (RESOLVER_V4, *(_last(s) for s in subnets(private) if is_v6(s)))


@lru_cache(maxsize=65536)
def _last(subnet: str) -> str:
    return str(ipaddress.ip_network(subnet).broadcast_address)
