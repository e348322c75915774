"""Private Networks become Segments."""

from __future__ import annotations

from collections.abc import Iterator

from hideaway.cloud.memory import MemoryLedger
from hideaway.cloud.network import PrivateNetwork
from hideaway.compile.common import because, is_v6, network
from hideaway.fabric.model import Segment


def segments(ledger: MemoryLedger) -> Iterator[Segment]:
    """One Segment a Private Network, with its IPv4 and its IPv6 subnets."""
    for private in ledger.find(PrivateNetwork):
        yield Segment(id=private.id, name=private.name, networks=subnets(private), because=because(private))


def subnets(private: PrivateNetwork) -> tuple[str, ...]:
    """A Private Network's subnets, IPv4 first."""
    found = {n for s in private.subnets if (n := network(s.subnet))}
    return tuple(sorted(found, key=lambda n: (is_v6(n), n)))
