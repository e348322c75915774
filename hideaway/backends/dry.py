"""A backend that carries nothing out and remembers what it was told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hideaway.backends.base import OpenDoor, Present, WorldLost
from hideaway.base.errors import NotFound
from hideaway.fabric.model import Fabric, Plug
from hideaway.fabric.seen import Count, Outcome, Packet, Trace
from hideaway.fabric.services import Observed
from hideaway.plan import Step


class DryBackend:
    """Records steps. applied: every apply's steps, oldest first. beats: what heartbeats() answers.

    unready: `<host>/<service>` -> how it fares, of the services that are not ready; all others are.
    """

    def __init__(self) -> None:
        self.applied: list[tuple[Step, ...]] = []
        self.beats: dict[str, float] = {}
        self.unready: dict[str, Observed] = {}
        self._fabric: Fabric | None = None

    def up(self) -> bool:
        adopted = self._fabric is not None
        self._fabric = self._fabric or Fabric()
        return adopted

    def present(self) -> Present:
        return Present(fabric=self._world())

    def apply(self, steps: Sequence[Step], wanted: Fabric) -> None:
        self._world()
        self.applied.append(tuple(steps))
        self._fabric = wanted

    def check(self) -> None:
        self._world()

    def heartbeats(self) -> dict[str, float]:
        return dict(self.beats)

    def services(self) -> dict[str, Observed]:
        keys = (f"{host.id}/{service.id}" for host in self._world().hosts for service in host.services)
        return {key: self.unready.get(key, Observed(ready=True)) for key in keys}

    def observed(self, host: str, service: str) -> Observed | None:
        return self.services().get(f"{host}/{service}")

    def plug(self, wanted: Plug) -> Plug:
        return wanted

    def stored(self, volume: str, file: str) -> Path | None:
        return None

    def strike(self, host: str, *, program: bool) -> None:
        if self._world().host(host) is None:
            raise NotFound("host", host)

    def doors(self, host: str | None = None) -> tuple[OpenDoor, ...]:
        return ()

    def open(self, host: str, protocol: str, port: int) -> None:
        self._world()

    def trace(self, source: str, packet: Packet, patience: float) -> Trace:
        if self._world().host(source) is None:
            raise NotFound("host", source)
        return Trace(packet=packet, outcome=Outcome.LOST, why="nothing is carried here")

    def counts(self) -> tuple[Count, ...]:
        self._world()
        return ()

    def command(self, host: str, argv: Sequence[str]) -> list[str]:
        if self._world().host(host) is None:
            raise NotFound("host", host)
        return list(argv)

    def capture(self, host: str, interface: str) -> list[str]:
        return self.command(host, ["capture", interface])

    def alive(self) -> bool:
        return self._fabric is not None

    def close(self) -> None:
        self._fabric = None

    def _world(self) -> Fabric:
        if self._fabric is None:
            raise WorldLost("there is no world: call up first")
        return self._fabric
