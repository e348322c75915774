"""What runs inside hosts: programs that answer on the host's addresses, said in networking's words.

A service states what it shall do, never how a program is configured for it: that is the backend's. Frozen values, as
all of the Fabric. A new kind is a struct here, a member of `AnyService`, and a module in `backends/linux/services`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hideaway.fabric.balancing import Certificate, Frontend, Pool, Tls


class Service(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something that runs on a host. id is unique within the host and fit for a file's name (an API id, a word)."""

    id: str
    because: str = ""

    def listens(self) -> tuple[tuple[str, int], ...]:
        """The ports that it answers on, on all addresses of its host: (`tcp` or `udp`, port)."""
        return ()

    def quiet(self) -> Any:
        """The same without the words that are for people: two that differ only there need no step between them."""
        return msgspec.structs.replace(self, because="")


class Balancer(Service, frozen=True, kw_only=True, tag=True):
    """A Load Balancer: what comes in on a frontend is shared among a pool's servers.

    tls: whose TLS its frontends take. facts: `servers`, a list of Wellness.
    """

    tls: Tls = Tls.INTERMEDIATE
    frontends: tuple[Frontend, ...] = ()
    pools: tuple[Pool, ...] = ()
    certificates: tuple[Certificate, ...] = ()

    def listens(self) -> tuple[tuple[str, int], ...]:
        return tuple(("tcp", frontend.port) for frontend in self.frontends)


AnyService = Balancer
"""All kinds of services."""


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """How a service fares. ready: it does what was last asked of it; else reason says why not.

    facts are what only the program itself knows, in shapes of its kind (see the service).
    """

    ready: bool = False
    reason: str = ""
    facts: dict[str, Any] = {}
