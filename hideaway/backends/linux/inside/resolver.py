"""Names for the world, while it has an uplink: what is asked at the edge's port 53 goes to the machine's own resolvers.

The sockets that hosts ask are made in the edge's namespace by a child and handed back, so one process has both sides.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import select
import socket
import time
from collections.abc import Callable

from . import namespaces
from .relay import Datagrams, Passage, Reactor

PORT = 53
IDLE, LONGEST = 15.0, 60.0  # seconds, for datagrams and for connections
MOST = 512
"""Connections at once."""
RESOLVERS = "/etc/resolv.conf"


class Resolver:
    """Passes questions on. address: where hosts ask, in the namespace that the file `edge` leads to."""

    def __init__(self, reactor: Reactor, edge: str, address: str):
        self.reactor = reactor
        datagrams, self.listener = _made_in(edge, lambda: _sockets(address))
        datagrams.setblocking(False)
        self.listener.setblocking(False)
        self.datagrams = Datagrams(reactor, datagrams, self._datagrams, idle=IDLE)
        self.passages: dict[Passage, float] = {}  # and when each began
        reactor.hear(self.listener.fileno(), select.EPOLLIN, self._accept)

    def sweep(self) -> None:
        """End what has lasted long."""
        self.datagrams.sweep()
        for passage in [each for each, began in self.passages.items() if time.monotonic() - began > LONGEST]:
            passage.abort()

    def _datagrams(self) -> socket.socket:
        return self._outside(socket.SOCK_DGRAM)[0]

    def _accept(self, _events: int) -> None:
        with contextlib.suppress(OSError):
            outer, _client = self.listener.accept()
            if len(self.passages) >= MOST:
                outer.close()
                return
            outer.setblocking(False)
            inner, number = self._outside(socket.SOCK_STREAM)
            passage = Passage(self.reactor, outer, inner, lambda ended: self.passages.pop(ended, None))
            self.passages[passage] = time.monotonic()
            if number not in (0, errno.EINPROGRESS):
                passage.abort()

    def _outside(self, kind: int) -> tuple[socket.socket, int]:
        """A socket on its way to the machine's first resolver."""
        target = resolvers()[0]
        family = socket.AF_INET6 if ":" in target else socket.AF_INET
        channel = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        return channel, channel.connect_ex((target, PORT))


def resolvers() -> list[str]:
    """The machine's resolvers, as they are now; its loopback when it names none (as resolv.conf(5) has it)."""
    try:
        with open(RESOLVERS) as file:
            found = re.findall(r"^\s*nameserver\s+([0-9a-fA-F.:]+)", file.read(), re.MULTILINE)
    except OSError:
        found = []
    return found or ["127.0.0.1"]


def _sockets(address: str) -> list[socket.socket]:
    made = []
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        channel = socket.socket(socket.AF_INET, kind | socket.SOCK_CLOEXEC)
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        channel.bind((address, PORT))
        made.append(channel)
    made[1].listen(128)
    return made


def _made_in(namespace: str, make: Callable[[], list[socket.socket]]) -> list[socket.socket]:
    """Sockets of another network namespace: who goes there without privileges outside does not come back."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours, theirs:
        pid = os.fork()
        if pid == 0:
            try:
                namespaces.enter(os.open(namespace, os.O_RDONLY | os.O_CLOEXEC))
                made = make()
                socket.send_fds(theirs, [b"+"], [channel.fileno() for channel in made])
            finally:
                os._exit(0)
        theirs.close()
        _said, descriptors, _flags, _address = socket.recv_fds(ours, 1, 8)
        os.waitpid(pid, 0)
    if not descriptors:
        raise OSError(errno.ECHILD, f"no sockets came from {namespace}")
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]
