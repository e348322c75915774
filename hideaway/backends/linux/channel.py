"""Asking the keeper and the programs of the world: JSON lines over a Unix socket in the state folder."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from hideaway.backends.base import WorldLost
from hideaway.base.errors import HideawayError


class Refused(HideawayError):
    """The other side understood and could not; the text says why."""


def connect(folder: Path, name: str, timeout: float) -> socket.socket:
    """A connection to the Unix socket of that name in a folder. timeout: seconds. Raises OSError."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    channel.settimeout(timeout)
    try:
        # A socket's path may have about 107 bytes; through the folder's descriptor any folder will do.
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            channel.connect(f"/proc/self/fd/{descriptor}/{name}")
        finally:
            os.close(descriptor)
    except OSError:
        channel.close()
        raise
    return channel


class Channel:
    """One connection. ask() may be called from several threads; they take turns.

    descriptors are those that came with answers and that nobody took yet.
    """

    def __init__(self, folder: Path, name: str, timeout: float = 10):
        """Raises WorldLost when nobody listens there."""
        self._lock = threading.Lock()
        self._number = 0
        try:
            self._socket = connect(folder, name, timeout)
        except OSError as error:
            raise WorldLost(f"no world answers in {folder}: {error}") from error
        self._received = b""
        self.descriptors: list[int] = []

    def ask(self, op: str, patience: float = 10, /, *, descriptors: Sequence[int] = (), **said: Any) -> dict[str, Any]:
        """One request, with descriptors to hand over, one answer.

        Raises Refused, or WorldLost when the other side is gone or silent for patience seconds.
        """
        with self._lock:
            self._number += 1
            request = msgspec.json.encode({"id": self._number, "op": op, **said}) + b"\n"
            try:
                self._socket.settimeout(patience)
                sent = socket.send_fds(self._socket, [request], descriptors) if descriptors else 0
                self._socket.sendall(request[sent:])
                line = self._line()
            except OSError as error:
                self.close()
                raise WorldLost(f"the world does not answer {op}: {error}") from error
        if not line:
            raise WorldLost(f"the world ended during {op}")
        answer: dict[str, Any] = msgspec.json.decode(line)
        if answer.get("error"):
            raise Refused(f"{op}: {answer['error']}")
        return answer

    def _line(self) -> bytes:
        """The next line, or nothing once the other side has ended."""
        while b"\n" not in self._received:
            data, descriptors, _flags, _address = socket.recv_fds(self._socket, 1 << 20, 8)
            self.descriptors += descriptors
            if not data:
                return b""
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        return line

    def peer(self) -> int:
        """The process that listens, by this machine's process ids."""
        size = struct.calcsize("3i")
        pid, _uid, _gid = struct.unpack("3i", self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        return int(pid)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.close()


class Line:
    """To a program of the world, which may just be starting: connects until it answers, for patience seconds in all.

    alive tells whether waiting has any sense. Safe to use from several threads.
    """

    def __init__(self, folder: Path, name: str, alive: Callable[[], bool], patience: float = 10):
        self.folder, self.name, self.alive, self.patience = folder, name, alive, patience
        self._lock = threading.Lock()
        self._channel: Channel | None = None

    def ask(self, op: str, /, *, descriptors: Sequence[int] = (), **said: Any) -> dict[str, Any]:
        """One request, one answer; may be asked twice when the program ends in between. Raises Refused, WorldLost."""
        deadline = time.monotonic() + self.patience
        with self._lock:
            while True:
                try:
                    self._channel = self._channel or Channel(self.folder, self.name)
                    return self._channel.ask(op, self.patience, descriptors=descriptors, **said)
                except WorldLost:
                    self._close()
                    if time.monotonic() > deadline or not self.alive():
                        raise
                time.sleep(0.02)

    def take(self) -> socket.socket:
        """The socket that came with the last answer."""
        with self._lock:
            if self._channel is None or not self._channel.descriptors:
                raise WorldLost(f"no socket came from {self.name}")
            return socket.socket(fileno=self._channel.descriptors.pop())

    def close(self) -> None:
        """Hang up; the next question connects anew."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
