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
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from hideaway.backends.base import OpenDoor, WorldLost
from hideaway.backends.linux.channel import Channel
from hideaway.fabric.doors import Door

log = logging.getLogger(__name__)

SOCKET = "porter.sock"
PATIENCE = 10.0  # seconds
TOGETHER = 200
"""Sockets handed over in one message: the kernel takes 253."""
BACKLOG = 4096
STEPS = (0, 8000, 20000, 30000, 40000, 50000)
"""A door's port outside, above the port that it leads to: 80 is 8080 where 80 cannot be had, and 22 is 8022."""


class Doors:
    """The doors of one world. folder is the world's; all that is wanted is said each time, as everywhere."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._lock = threading.Lock()
        self._channel: Channel | None = None
        self._faults: dict[Door, str] = {}

    def attend(self, wanted: Iterable[Door]) -> None:
        """Open what is not open yet and close what shall not be; what stays is not disturbed. Raises WorldLost."""
        with self._lock:
            there = self._listed()
            doors = {_key(door): door for door in wanted}
            gone = [key for key in there if key not in doors]
            if gone:
                self._ask("close", doors=[_named(key) for key in gone])
            ports = _ports(doors.values())
            self._faults = {}
            made: list[tuple[Door, socket.socket]] = []
            try:
                for key, door in doors.items():
                    channel = self._made(door, there.get(key), ports)
                    if channel is not None:
                        made.append((door, channel))
                for start in range(0, len(made), TOGETHER):
                    some = made[start : start + TOGETHER]
                    named = [_named(_key(door)) for door, _channel in some]
                    self._ask("open", [channel.fileno() for _door, channel in some], doors=named)
            finally:
                for _door, channel in made:
                    channel.close()  # the porter's own copies stay

    def _made(self, door: Door, present: dict[str, Any] | None, ports: Mapping[str, set[int]]) -> socket.socket | None:
        """A new socket for a door that has none, or that could move to the port where it belongs."""
        if present is not None and (present["at"][1] == door.port or present["open"]):
            return None
        steps = STEPS if present is None else STEPS[:1]
        fault = ""
        for step in steps:
            port = door.port + step
            if port > 65535 or (step and port in ports[_outside(door.address)]):
                continue
            try:
                return _listener(door.protocol, _outside(door.address), port)
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EADDRINUSE):
                    fault = f"{_outside(door.address)}:{port}: {error.strerror}"
                    break
                fault = f"{_outside(door.address)}:{door.port} cannot be had, nor the ports that stand for it"
        if present is None:
            self._faults[door] = fault
        return None

    def open(self, wanted: Iterable[Door]) -> Iterator[OpenDoor]:
        """These doors and where they are."""
        with self._lock:
            there, faults = self._listed(), dict(self._faults)
        for door in wanted:
            found = there.get(_key(door))
            yield OpenDoor(
                host=door.host,
                address=door.address,
                protocol=door.protocol,
                port=door.port,
                at=found["at"][0] if found else "",
                at_port=found["at"][1] if found else 0,
                fault="" if found else faults.get(door, "not open yet"),
                opened=found["opened"] if found else 0,
                open=found["open"] if found else 0,
            )

    def lend(self, address: str, port: int) -> socket.socket:
        """A socket that listens at an address of the edge. Raises WorldLost, or Refused where it cannot be."""
        with self._lock:
            self._ask("lend", address=address, port=port)
            assert self._channel is not None
            return socket.socket(fileno=self._channel.descriptors.pop())

    def forget(self) -> None:
        """Leave the porter as it is."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _listed(self) -> dict[tuple[str, str, int], dict[str, Any]]:
        listed = self._ask("list")["doors"]
        return {(each["address"], each["protocol"], each["port"]): each for each in listed}

    def _ask(self, op: str, descriptors: list[int] | None = None, /, **said: Any) -> dict[str, Any]:
        """Ask the porter, which may just be starting. Nothing is asked twice: a list is first, and finds it again."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._channel = self._channel or Channel(self.folder, SOCKET)
                return self._channel.ask(op, PATIENCE, descriptors=descriptors or (), **said)
            except WorldLost:
                self._forget()
                if op != "list" or time.monotonic() > deadline:
                    raise
            time.sleep(0.02)


class Wishes:
    """The doors that somebody asked for besides those that the Fabric calls for; kept in a file of the state folder."""

    def __init__(self, file: Path):
        self.file = file
        self._lock = threading.Lock()

    def kept(self) -> dict[str, list[tuple[str, int]]]:
        """Host's id -> ports. A file that says nothing that can be read counts as none."""
        try:
            return msgspec.json.decode(self.file.read_bytes(), type=dict[str, list[tuple[str, int]]])
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


def _key(door: Door) -> tuple[str, str, int]:
    return (door.address, door.protocol, door.port)


def _named(key: tuple[str, str, int]) -> dict[str, Any]:
    address, protocol, port = key
    return {"address": address, "protocol": protocol, "port": port}


def _outside(address: str) -> str:
    """198.18.a.b in the world is 127.18.a.b outside."""
    return f"127.{address.split('.', 1)[1]}"


def _ports(wanted: Iterable[Door]) -> dict[str, set[int]]:
    """The ports that are doors' own at each address outside: none of them stands for another."""
    found: dict[str, set[int]] = {}
    for door in wanted:
        found.setdefault(_outside(door.address), set()).add(door.port)
    return found


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
