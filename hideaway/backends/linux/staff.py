"""The programs of hosts: their files, their start, their end, and how they fare. See services/ for what they are."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from hideaway.backends.linux import names
from hideaway.backends.linux.attending import ATTENDED, Attendant
from hideaway.backends.linux.channel import Channel
from hideaway.backends.linux.services import look, outgrown, prepare, program
from hideaway.backends.linux.services.base import LOG, Place, Program
from hideaway.backends.linux.world import program as inside
from hideaway.base.errors import HideawayError
from hideaway.fabric.model import Damage, Fabric, Host
from hideaway.fabric.services import AnyService, Observed
from hideaway.plan.steps import KeepVolumes, RemoveHost, RemovePort, SetLink, SetService, Step, StopService

FOLDER = "services"
LOG_BYTES = 4 << 20
READY = "ready"
"""What a program that delays writes once it does."""
PATIENCE = 10.0  # seconds


class Staff:
    """Carries out the steps that concern programs.

    world: the folder of the world's things, which is where its keeper runs; data: what outlives the world; attendant:
    who does what needs no program of its own; resolver: who is asked for the real internet's names, "" for nobody.
    """

    def __init__(self, world: Path, data: Path, attendant: Attendant, resolver: str = ""):
        self.world, self.data, self.attendant, self.resolver = world, data, attendant, resolver

    def leave(self, step: Step, keeper: Channel) -> None:
        """Carry out what must be done before the kernel is changed: end what shall run no more."""
        if isinstance(step, RemoveHost):
            keeper.ask("dismiss", prefix=f"{names.namespace(step.host)}/", at_once=True)
            shutil.rmtree(self._folder(step.host), ignore_errors=True)
        elif isinstance(step, StopService):
            keeper.ask("dismiss", names=[_name(step.host, step.service)], at_once=step.at_once)
        elif isinstance(step, SetLink) or (isinstance(step, RemovePort) and step.damaged):
            keeper.ask("dismiss", names=[_latency(step.host, step.port.id)])

    def come(self, step: Step, keeper: Channel) -> None:
        """Carry out what comes after the kernel was changed: have programs run."""
        if isinstance(step, KeepVolumes):
            self.keep(step)
        elif isinstance(step, SetLink) and step.damage is not None and not step.damage.down:
            self._delay(step, step.damage, keeper)
        elif isinstance(step, SetService) and not isinstance(step.service, ATTENDED):
            place = self._place(step.host, step.service.id)
            wanted = program(step.host, step.service, place)
            prepare(step.service, place)
            anew = outgrown(step.service, place)
            _write(place.folder, wanted)
            keeper.ask(
                "employ",
                name=_name(step.host, step.service.id),
                namespace=names.namespace(step.host),
                folder=str(place.folder.relative_to(self.world)),
                argv=wanted.argv,
                digest=wanted.digest,
                reload=0 if anew else int(wanted.reload or 0),
                stop=int(wanted.stop),
                patience=wanted.patience,
            )

    def keep(self, step: KeepVolumes) -> None:
        """Remove the data of all volumes but these. Nothing runs on them any more: their hosts went before."""
        volumes = Place(folder=self.world, data=self.data).volumes
        for folder in volumes.iterdir() if volumes.exists() else ():
            if folder.name not in step.volumes:
                shutil.rmtree(folder, ignore_errors=True)

    def _delay(self, step: SetLink, damage: Damage, keeper: Channel) -> None:
        """Have a program pass a port's packets on, late; returns once it does."""
        folder = self._place(step.host, f"latency-{step.port.id}").folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / READY).unlink(missing_ok=True)
        ends = (names.hidden_link(step.host, step.port.id), names.twin_link(step.host, step.port.id))
        argv = [*inside("latency"), *ends, *(f"{each:g}" for each in (damage.delay, damage.jitter, damage.loss))]
        name, place = _latency(step.host, step.port.id), str(folder.relative_to(self.world))
        keeper.ask("employ", name=name, folder=place, argv=argv, digest=" ".join(argv))
        deadline = time.monotonic() + PATIENCE
        while not (folder / READY).exists():
            if time.monotonic() > deadline:
                raise HideawayError(f"the delay of {step.port.id} does not begin: see {folder}/log")
            time.sleep(0.01)

    def stored(self, volume: str, file: str) -> Path | None:
        """Where a file of a volume lies, None where it is not."""
        found = Place(folder=self.world, data=self.data).volumes / volume / file
        return found if found.is_file() else None

    def clear(self) -> None:
        """Forget the folders of a world that is no more."""
        shutil.rmtree(self.world / FOLDER, ignore_errors=True)

    def look(self, host: Host, service: AnyService) -> Observed:
        """How what runs for a service fares, now."""
        if isinstance(service, ATTENDED):
            self.attendant.look_again()
        return self._look(host, service)

    def _look(self, host: Host, service: AnyService) -> Observed:
        if host.killed:  # what it said before it was killed may be better
            return Observed(ready=False, reason="it is killed")
        if isinstance(service, ATTENDED):
            return self.attendant.look(host.id, service)
        return look(service, self._place(host.id, service.id))

    def look_at_all(self, fabric: Fabric) -> dict[str, Observed]:
        """`<host>/<service>` -> how it fares, of all services. What they say is kept within bounds."""
        self.attendant.look_again()
        served = [(host, each) for host in fabric.hosts for each in host.services]
        for host, each in served:
            if not isinstance(each, ATTENDED):
                _trim(self._place(host.id, each.id).folder / LOG)
        return {f"{host.id}/{each.id}": self._look(host, each) for host, each in served}

    def strike(self, host: str, services: Iterable[AnyService], keeper: Channel) -> None:
        """Kill programs, and all that they started; they are started again."""
        keeper.ask("strike", names=[_name(host, service.id) for service in services])

    def _folder(self, host: str) -> Path:
        return self.world / FOLDER / names.namespace(host)

    def _place(self, host: str, service: str) -> Place:
        return Place(folder=self._folder(host) / service, data=self.data, names=self.resolver)


def _latency(host: str, port: str) -> str:
    """What the keeper calls the program that passes a port's packets on late: no service has such a name."""
    return f"{names.namespace(host)}/latency:{port}"


def _name(host: str, service: str) -> str:
    """What the keeper calls a program."""
    return f"{names.namespace(host)}/{service}"


def _trim(log: Path) -> None:
    """Put a log that has grown long aside, over the one before it. A line that comes right then may be lost."""
    with contextlib.suppress(OSError):
        if log.stat().st_size > LOG_BYTES:
            shutil.copyfile(log, log.with_name(f"{LOG}.1"))
            os.truncate(log, 0)


def _write(folder: Path, wanted: Program) -> None:
    """Put a program's files in place, each whole; what else is there (sockets, its log) stays."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, content in wanted.files.items():
        file = folder / name
        file.parent.mkdir(mode=0o700, exist_ok=True)
        new = file.with_name(f"{file.name}.new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as written:
            written.write(content)
        os.replace(new, file)
