"""What a backend promises to the control loop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from hideaway.base.errors import HideawayError
from hideaway.fabric.model import Fabric, Plug
from hideaway.fabric.seen import Count, Packet, Trace
from hideaway.fabric.services import Observed
from hideaway.plan import Step


class Present(msgspec.Struct, frozen=True, kw_only=True):
    """What the world holds: the Fabric of the last apply that ended, and what later ones may have left half-built.

    Both go to `plan` as they are.
    """

    fabric: Fabric = Fabric()
    suspects: frozenset[str] = frozenset()


class WorldLost(HideawayError):
    """The world ended. `up` makes a new, empty one."""


class OpenDoor(msgspec.Struct, frozen=True, kw_only=True):
    """A door (see fabric.doors) and where it is outside: at:at_port, or "" and why it is not there in fault.

    opened: the connections that came through it so far; open: those that are there now.
    """

    host: str
    address: str
    protocol: str
    port: int
    at: str
    at_port: int
    fault: str = ""
    opened: int = 0
    open: int = 0


class Backend(Protocol):
    """Carries steps out. Safe to call from several threads; apply and up wait for each other."""

    def up(self) -> bool:
        """Have a world: True when a living one was found (or held already), False when a new, empty one was made.

        Raises Unavailable where this machine cannot.
        """
        ...

    def present(self) -> Present:
        """What the world holds; nothing after a fresh `up`."""
        ...

    def apply(self, steps: Sequence[Step], wanted: Fabric) -> None:
        """Carry out the steps that `plan(wanted, *present)` gave; returns once they are in force.

        Raises HideawayError when a step fails: what the steps touch stays suspect, and the next plan builds it anew.
        Raises WorldLost when the world ended.
        """
        ...

    def check(self) -> None:
        """Look whether the world still holds the filters that it was given: what differs is suspect from now on.

        Raises WorldLost when the world ended.
        """
        ...

    def heartbeats(self) -> dict[str, float]:
        """Source host's id -> seconds since a heartbeat of it last arrived at its control plane; absent if never."""
        ...

    def services(self) -> dict[str, Observed]:
        """`<host's id>/<service's id>` -> how it fares, of all services that the world holds."""
        ...

    def observed(self, host: str, service: str) -> Observed | None:
        """How one service fares, asked now; None when the world holds no such service."""
        ...

    def plug(self, wanted: Plug) -> Plug:
        """The same, with what tells its place from a later one there. Raises Unavailable, saying why it cannot be."""
        ...

    def stored(self, volume: str, file: str) -> Path | None:
        """Where a file of a volume lies on this machine, to be read while the volume is kept; None where it is not."""
        ...

    def strike(self, host: str, *, program: bool) -> None:
        """Kill a host (its id or name) once: it is in doubt, and the next plan builds it anew. program: kill the
        programs on it instead, which are started again.

        Raises NotFound when there is no such host, WorldLost when there is no world.
        """
        ...

    def doors(self, host: str | None = None) -> tuple[OpenDoor, ...]:
        """The doors from the machine outside into the world, or those that lead to one host (its id)."""
        ...

    def open(self, host: str, protocol: str, port: int) -> None:
        """From now on, have a door to this port of a host (its id) too, if its filter lets users in."""
        ...

    def trace(self, source: str, packet: Packet, patience: float) -> Trace:
        """Send a packet from a host (its id or name) and tell what became of it within patience seconds.

        Of the packet, target, protocol and target_port count; the rest is the host's choice. Raises NotFound when there
        is no such host, HideawayError when the packet cannot be followed, WorldLost when there is no world.
        """
        ...

    def counts(self) -> tuple[Count, ...]:
        """What each rule of filters, gateways and routers has met since it was last stated. Raises WorldLost."""
        ...

    def command(self, host: str, argv: Sequence[str]) -> list[str]:
        """A command line that runs argv inside a host (its id or name), from outside, while the world lives.

        Raises NotFound when there is no such host, WorldLost when there is no world.
        """
        ...

    def capture(self, host: str, interface: str) -> list[str]:
        """A command line that writes a pcap of an interface of a host (`any`: of all) to its output, from outside.

        Raises as `command` does.
        """
        ...

    def alive(self) -> bool:
        """Whether the world answers."""
        ...

    def close(self) -> None:
        """End the world and all in it."""
        ...
