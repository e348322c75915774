"""Doors from the machine outside into the world: listening sockets made here and handed to the world's porter.

198.18.a.b:p in the world is 127.18.a.b:p outside, so nothing is allocated and a restart changes nothing. Where that
port cannot be had (below 1024 for an ordinary user, or a program of the machine's listens there on all addresses),
another of the same address stands for it. See inside/porter.py for the side within.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import msgspec

from hideaway.backends.base import OpenDoor
from hideaway.backends.linux.channel import Line
from hideaway.fabric.doors import Door, outside

log = logging.getLogger(__name__)

TOGETHER = 200
"""Sockets handed over in one message: the kernel takes 253."""
BACKLOG = 4096
STEPS = (0, 8000, 20000, 30000, 40000, 50000)
"""A door's port outside, above the port that it leads to: 80 is 8080 where 80 cannot be had, and 22 is 8022."""

Key = tuple[str, str, int]


class Doors:
    """The doors of one world, at a network of this machine (see fabric.doors.outside)."""

    def __init__(self, porter: Line, network: str):
        self._porter, self._network = porter, network
        self._lock = threading.Lock()
        self._there: dict[Key, Present] | None = None
        """What the porter holds, as far as is known."""
        self._wanted: Sequence[Door] = ()
        """What was wanted when that was so."""
        self._faults: dict[Key, str] = {}

    def attend(self, wanted: Sequence[Door], *, look: bool = False) -> None:
        """Open what is not open yet and close all but these; what stays is not disturbed.

        look: ask the porter what it holds, which may be another than the one that was told before; and have doors back
        at the ports where they belong. Raises HideawayError.
        """
        with self._lock:
            if wanted is self._wanted and self._there is not None and not look:
                return
            there = self._listed() if look or self._there is None else self._there
            doors = {_key(door): self._outside(door) for door in wanted}
            gone = [key for key, each in there.items() if key not in doors or doors[key][0] != each.at[0]]
            there = {key: each for key, each in there.items() if key not in gone}
            self._faults, self._there = {}, None
            if gone:
                self._porter.ask("close", doors=[_named(key) for key in gone])
            taken, told = set(doors.values()), dict[Key, Present]()
            wanting = [key for key, at in doors.items() if _wants(there.get(key), at, look)]
            for start in range(0, len(wanting), TOGETHER):
                told |= self._made({key: doors[key] for key in wanting[start : start + TOGETHER]}, there, taken)
            self._there, self._wanted = {**there, **told}, wanted

    def _made(
        self, some: Mapping[Key, tuple[str, int]], there: Mapping[Key, Present], taken: Set[tuple[str, int]]
    ) -> dict[Key, Present]:
        """Make sockets for some doors and hand them over; those that are there may only go where they belong."""
        made = dict[Key, socket.socket]()
        try:
            for key, at in some.items():
                self._have(made, key, at, taken, STEPS[:1] if key in there else STEPS)
            if made:
                descriptors = [channel.fileno() for channel in made.values()]
                self._porter.ask("open", descriptors=descriptors, doors=list(map(_named, made)))
            return {key: Present(at=channel.getsockname()) for key, channel in made.items()}
        finally:
            for channel in made.values():
                channel.close()  # the porter's own copies stay

    def _have(
        self,
        made: dict[Key, socket.socket],
        key: Key,
        at: tuple[str, int],
        taken: Set[tuple[str, int]],
        steps: Sequence[int],
    ) -> None:
        """A new socket for a door, at the first port of its steps that can be had and is no other door's."""
        address, own = at
        for port in (own + step for step in steps):
            if port > 65535 or (port != own and (address, port) in taken):
                continue
            try:
                made[key] = _listener(key[1], address, port)
                self._faults.pop(key, None)
                return
            except OSError as error:
                self._faults.setdefault(key, f"{address}:{port}: {error.strerror}")
                if error.errno not in (errno.EACCES, errno.EADDRINUSE):
                    return

    def _outside(self, door: Door) -> tuple[str, int]:
        """Where a door belongs."""
        return outside(door.address, self._network), door.port

    def open(self, wanted: Iterable[Door]) -> Iterator[OpenDoor]:
        """These doors and where they are. Raises HideawayError."""
        with self._lock:
            there, faults = self._listed(), dict(self._faults)
        for door in wanted:
            found = there.get(_key(door), NOWHERE)
            yield OpenDoor(
                host=door.host,
                address=door.address,
                protocol=door.protocol,
                port=door.port,
                at=found.at[0],
                at_port=found.at[1],
                fault="" if found.at[0] else faults.get(_key(door), "not open yet"),
                opened=found.opened,
                open=found.open,
            )

    def lend(self, address: str, port: int) -> socket.socket:
        """A socket that listens at an address of the edge. Raises HideawayError."""
        with self._lock:
            self._porter.ask("lend", address=address, port=port)
            return self._porter.take()

    def forget(self) -> None:
        """Leave the porter as it is."""
        with self._lock:
            self._there = None
            self._porter.close()

    def _listed(self) -> dict[Key, Present]:
        found = msgspec.convert(self._porter.ask("list")["doors"], list[Listed])
        return {(each.address, each.protocol, each.port): each for each in found}


class Present(msgspec.Struct, frozen=True, kw_only=True):
    """A door that is there: where it listens, the connections that it had, and has."""

    at: tuple[str, int]
    opened: int = 0
    open: int = 0


class Listed(Present, frozen=True, kw_only=True):
    """The same as the porter says it."""

    address: str
    protocol: str
    port: int


NOWHERE = Present(at=("", 0))


def _wants(present: Present | None, at: tuple[str, int], look: bool) -> bool:
    """Whether a door is to be made: it is not there, or one looks and it could move to where it belongs."""
    return present is None or (look and present.at != at and not present.open)


class Wishes:
    """The doors that somebody asked for besides those that the Fabric calls for; kept in a file of the state folder."""

    def __init__(self, file: Path):
        self.file = file
        self._lock = threading.Lock()

    def kept(self) -> dict[str, tuple[tuple[str, int], ...]]:
        """Host's id -> ports. A file that says nothing that can be read counts as none."""
        try:
            return msgspec.json.decode(self.file.read_bytes(), type=dict[str, tuple[tuple[str, int], ...]])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("%s says nothing of doors: %s", self.file, error)
            return {}

    def add(self, host: str, protocol: str, port: int) -> None:
        with self._lock:
            kept = self.kept()
            ports = {*kept.get(host, ()), (protocol, port)}
            new = self.file.with_name(f"{self.file.name}.new")
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(msgspec.json.encode({**kept, host: sorted(ports)}))
            os.replace(new, self.file)


def _key(door: Door) -> Key:
    return (door.address, door.protocol, door.port)


def _named(key: Key) -> dict[str, Any]:
    address, protocol, port = key
    return {"address": address, "protocol": protocol, "port": port}


def _listener(protocol: str, address: str, port: int) -> socket.socket:
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    channel = socket.socket(socket.AF_INET, kind | socket.SOCK_CLOEXEC)
    try:
        if kind == socket.SOCK_STREAM:
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        channel.bind((address, port))
        if kind == socket.SOCK_STREAM:
            channel.listen(BACKLOG)
    except OSError:
        channel.close()
        raise
    return channel
