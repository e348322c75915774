"""Services that one program of the world does for all hosts: SSH, bastions, first boots' scripts (inside/attendant.py).

Each host has a service of its own in the Fabric. A process each would be too much for a cloud of many Instances.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from hideaway.backends.linux import names, world
from hideaway.backends.linux.channel import Channel, Line
from hideaway.backends.linux.inside.homes import SETTLED
from hideaway.base.errors import HideawayError
from hideaway.fabric.model import Fabric, Host
from hideaway.fabric.services import AnyService, Bastion, Observed, Script, Shell

ATTENDED = (Shell, Bastion, Script)
ATTENDANT, SOCKET = "attendant", "attendant.sock"
LIBRARIES = ("asyncssh", "cryptography", "typing_extensions")
"""What the attendant needs beyond Python's own, wherever each is installed."""


class Attendant:
    """The attendant of a world, from outside. folder is the world's, data what outlives it."""

    def __init__(self, folder: Path, data: Path, alive: Callable[[], bool]):
        self.data = data
        self._channel = Line(folder, SOCKET, alive)
        self._told: dict[str, Any] | None = None
        self._state: dict[str, Any] = {"faults": {}, "scripts": {}}

    def attend(self, keeper: Channel, id_: str, fabric: Fabric, made: Collection[str] = ()) -> None:
        """Have the hosts of a world's Fabric attended; made are those of them that were built since the last time.

        id_ is the world's. Raises WorldLost.
        """
        wanted = {"world": id_, **settings(fabric)}
        hosts = {each["host"] for key in ("entrances", "scripts") for each in wanted[key]}
        if wanted == self._told and hosts.isdisjoint(made):
            return
        if hosts or self._told is not None:
            argv = [*world.program("attendant"), "--world", id_, "--data", str(self.data), *_paths()]
            keeper.ask("employ", name=ATTENDANT, argv=argv)
            self._state = self._channel.ask("set", settings=wanted)
            self._told = wanted

    def look_again(self) -> None:
        """Ask how all that is attended fares. What it does not answer is as it was."""
        if self._told is not None:
            try:
                self._state = self._channel.ask("state")
            except HideawayError as error:
                faults = {f"{each['host']}:{each['port']}": str(error) for each in self._told["entrances"]}
                self._state = {"faults": faults, "scripts": {}}

    def look(self, host: str, service: AnyService) -> Observed:
        """How a service fared when that was last asked."""
        if isinstance(service, Script):
            return Observed(ready=True, facts=self._state["scripts"].get(host, {}))
        faults = (self._state["faults"].get(f"{host}:{port}") for _protocol, port in service.listens())
        reason = "; ".join(filter(None, faults))
        return Observed(ready=not reason, reason=reason)

    def at_home(self, host: Host | None, keeper: int) -> tuple[list[str], list[str]]:
        """How a command enters the root of a host that people go into: nsenter's options, and what runs the command.

        keeper is the process id of the world's keeper. Both are empty for other hosts, which have no root of their own.
        """
        shell = next((s for s in host.services if isinstance(s, Shell)), None) if host is not None else None
        if host is None or shell is None:
            return [], []
        root = f"/proc/{keeper}/root{self._channel.ask('house', namespace=names.namespace(host.id))['root']}"
        return [f"--root={root}", f"--wd={root}"], ["unshare", "--uts", "--", "sh", "-c", SETTLED, shell.hostname]

    def forget(self) -> None:
        """Leave the attendant as it is."""
        self._channel.close()
        self._told = None


def settings(fabric: Fabric) -> dict[str, Any]:
    """What the attendant is to do for a Fabric."""
    up = (host for host in fabric.hosts if not host.killed)
    served = [(host, service) for host in up for service in host.services if isinstance(service, ATTENDED)]
    return {
        "entrances": [_entrance(h, s) for h, s in served if not isinstance(s, Script)],
        "scripts": [_script(h, s) for h, s in served if isinstance(s, Script)],
    }


def _entrance(host: Host, service: Shell | Bastion) -> dict[str, Any]:
    """networks: where connections may lead to, None anywhere."""
    bastion = service if isinstance(service, Bastion) else None
    return {
        "host": host.id,
        "namespace": names.namespace(host.id),
        "kind": "bastion" if bastion else "shell",
        "port": service.port,
        "user": service.user,
        "hostname": service.hostname if isinstance(service, Shell) else "",
        "keys": list(service.keys),
        "networks": list(bastion.networks) if bastion else None,
        "names": [list(pair) for pair in bastion.names] if bastion else [],
    }


def _script(host: Host, script: Script) -> dict[str, Any]:
    return {
        "host": host.id,
        "namespace": names.namespace(host.id),
        "hostname": script.hostname,
        "content": script.content,
        "output": script.output,
    }


def _paths() -> Iterator[str]:
    """Where the libraries are, as arguments."""
    for place in sorted({_place(name) for name in LIBRARIES} - {""}):
        yield from ("--path", place)


def _place(library: str) -> str:
    """The folder that a library is found in; "" where it is not installed."""
    spec = importlib.util.find_spec(library)
    file = Path(spec.origin) if spec is not None and spec.origin is not None else None
    if file is None:
        return ""
    return str(file.parent.parent if file.name == "__init__.py" else file.parent)
