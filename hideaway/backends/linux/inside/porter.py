"""The porter keeps the doors: it runs in the edge's namespace and holds listening sockets that were made outside.

What comes in on one of them it connects from the edge's own address for users (198.18.0.2) to where the door leads, so
filters apply to it as to anybody on the internet. It lives with the world and not with the server: doors stay open
while no server is there. It makes no socket outside, and needs no privilege there.

Asked on a Unix socket, JSON lines: `list`; `open`, with as many descriptors as doors (SCM_RIGHTS); `close`; `lend`,
which answers with a descriptor: a socket that listens at an address of the edge.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import resource
import select
import socket
from typing import Any

from .relay import RESET, Datagrams, Passage, Reactor

SOCKET = "porter.sock"
MOST = 250
"""Descriptors that one message may carry (the kernel's limit is 253)."""
BACKLOG = 4096
IDLE, APART, TIMES = 60, 10, 6  # seconds, seconds, probes: how a connection whose other side vanished is noticed
UNHEARD = 60_000  # milliseconds that what was sent may stay without an answer
ATTEMPTS = 3  # 15 seconds in all

Key = tuple[str, str, int]


class Streams:
    """A door for TCP: a socket that listens outside."""

    def __init__(self, reactor: Reactor, listener: socket.socket, source: str, target: tuple[str, int], spare: Spare):
        self.reactor, self.listener, self.source, self.target, self.spare = reactor, listener, source, target, spare
        self.passages: set[Passage] = set()
        self.opened = self._taken = self._given = 0
        listener.setblocking(False)
        reactor.hear(listener.fileno(), select.EPOLLIN, self._accept)

    @property
    def taken(self) -> int:
        """Bytes that came in."""
        return self._taken + sum(passage.outer.taken for passage in self.passages)

    @property
    def given(self) -> int:
        """Bytes that went out."""
        return self._given + sum(passage.inner.taken for passage in self.passages)

    def _accept(self, _events: int) -> None:
        for _ in range(64):
            try:
                outer, _client = self.listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    self.spare.refuse(self.listener)
                return
            self._begin(outer)

    def _begin(self, outer: socket.socket) -> None:
        try:
            inner = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        except OSError:
            outer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            outer.close()
            return
        outer.setblocking(False)
        for channel in (outer, inner):
            _patient(channel)
        inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, ATTEMPTS)
        inner.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        inner.bind((self.source, 0))
        self.opened += 1
        passage = Passage(self.reactor, outer, inner, self._gone)
        self.passages.add(passage)
        if inner.connect_ex(self.target) not in (0, errno.EINPROGRESS):
            passage.abort()

    def _gone(self, passage: Passage) -> None:
        if passage in self.passages:
            self.passages.discard(passage)
            self._taken += passage.outer.taken
            self._given += passage.inner.taken

    def close(self) -> None:
        """Listen no more, and cut what goes on: where the door led is no more, or is not let in any more."""
        self.reactor.forget(self.listener.fileno())
        self.listener.close()
        for passage in list(self.passages):
            passage.abort()


_IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h: the port is chosen when it connects, so each target has all of them


def _patient(channel: socket.socket) -> None:
    channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, IDLE),
        (socket.TCP_KEEPINTVL, APART),
        (socket.TCP_KEEPCNT, TIMES),
        (socket.TCP_USER_TIMEOUT, UNHEARD),
    ):
        channel.setsockopt(socket.IPPROTO_TCP, option, value)


class Spare:
    """A descriptor that is kept free for the moment when there is no other: who then comes is refused, not ignored."""

    def __init__(self) -> None:
        self.descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def refuse(self, listener: socket.socket) -> None:
        os.close(self.descriptor)
        with contextlib.suppress(OSError):
            channel, _client = listener.accept()
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            channel.close()
        self.descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


class Porter:
    """All doors, and those who ask about them."""

    def __init__(self, source: str):
        self.source = source
        self.reactor, self.spare = Reactor(), Spare()
        self.doors: dict[Key, Streams | Datagrams] = {}
        self.at: dict[Key, tuple[str, int]] = {}

    def open(self, request: dict[str, Any], descriptors: list[int]) -> dict[str, Any]:
        """Keep these doors; one that is there already goes on with its new socket, and loses its connections."""
        for door, descriptor in zip(request["doors"], descriptors, strict=True):
            key = (door["address"], door["protocol"], door["port"])
            self._close(key)
            channel = socket.socket(fileno=descriptor)
            target = (door["address"], door["port"])
            if door["protocol"] == "udp":
                channel.setblocking(False)
                self.doors[key] = Datagrams(self.reactor, channel, lambda target=target: self._datagrams(target))  # type: ignore[misc]
            else:
                self.doors[key] = Streams(self.reactor, channel, self.source, target, self.spare)
            self.at[key] = channel.getsockname()[:2]
        return {}

    def close(self, request: dict[str, Any], _descriptors: list[int]) -> dict[str, Any]:
        for door in request["doors"]:
            self._close((door["address"], door["protocol"], door["port"]))
        return {}

    def list(self, _request: dict[str, Any], _descriptors: list[int]) -> dict[str, Any]:
        """Each door: where it leads, where it listens, and what has come through it."""
        return {
            "doors": [
                {
                    "address": address,
                    "protocol": protocol,
                    "port": port,
                    "at": self.at[address, protocol, port],
                    "opened": door.opened,
                    "open": len(door.flows if isinstance(door, Datagrams) else door.passages),
                    "taken": door.taken,
                    "given": door.given,
                }
                for (address, protocol, port), door in self.doors.items()
            ]
        }

    def _close(self, key: Key) -> None:
        door = self.doors.pop(key, None)
        if door is not None:
            del self.at[key]
            door.close()

    def _datagrams(self, target: tuple[str, int]) -> socket.socket:
        channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            channel.bind((self.source, 0))
            channel.connect(target)
        except OSError:
            channel.close()
            raise
        return channel

    def sweep(self) -> None:
        for door in self.doors.values():
            if isinstance(door, Datagrams):
                door.sweep()


class Asker:
    """Who asks: one line, one answer, in turn."""

    def __init__(self, porter: Porter, channel: socket.socket):
        self.porter, self.channel = porter, channel
        self.received = b""
        self.descriptors: list[int] = []
        channel.setblocking(False)
        porter.reactor.hear(channel.fileno(), select.EPOLLIN, self._ready)

    def _ready(self, _events: int) -> None:
        try:
            data, descriptors, _flags, _address = socket.recv_fds(self.channel, 1 << 20, MOST)
            self.descriptors += descriptors
            if not data:
                raise ConnectionError
            *lines, self.received = (self.received + data).split(b"\n")
            for line in lines:
                self._answer(json.loads(line))
        except BlockingIOError:
            pass
        except (OSError, ValueError):
            self._end()

    def _answer(self, request: dict[str, Any]) -> None:
        mine, self.descriptors = self.descriptors, []
        lent: list[socket.socket] = []
        try:
            if request["op"] == "lend":
                lent.append(_listener(request["address"], request["port"]))
                said: dict[str, Any] = {}
            else:
                said = {"open": self.porter.open, "close": self.porter.close, "list": self.porter.list}[request["op"]](
                    request, mine
                )
        except (OSError, KeyError, ValueError) as error:
            said = {"error": f"{type(error).__name__}: {error}"}
        line = json.dumps({"id": request.get("id"), **said}).encode() + b"\n"
        self.channel.settimeout(5)  # a list may be long; who asks reads it at once
        try:
            if lent:
                socket.send_fds(self.channel, [line], [each.fileno() for each in lent])
            else:
                self.channel.sendall(line)
        finally:
            self.channel.setblocking(False)
            for each in lent:
                each.close()

    def _end(self) -> None:
        self.porter.reactor.forget(self.channel.fileno())
        self.channel.close()
        for descriptor in self.descriptors:
            os.close(descriptor)


def _listener(address: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _room() -> None:
    """As many descriptors as this process may have: two for each connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _serve(source: str) -> None:
    porter = Porter(source)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(SOCKET)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    listener.bind(SOCKET)
    os.chmod(SOCKET, 0o600)
    listener.listen(64)

    def accept(_events: int) -> None:
        with contextlib.suppress(OSError):
            Asker(porter, listener.accept()[0])

    porter.reactor.hear(listener.fileno(), select.EPOLLIN, accept)
    while True:
        porter.reactor.turn(30.0)
        porter.sweep()


def main() -> None:
    """Arguments: --source ADDRESS, which what comes through doors comes from. Runs until it is killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", required=True)
    os.umask(0o077)
    _room()
    _serve(parser.parse_args().source)
