"""Carrying bytes and datagrams between sockets of two network namespaces, by one epoll: what the porter is made of.

One big buffer serves all connections; what the other side does not take at once is kept, and nothing more is read until
it is taken, so a slow reader costs one buffer at most. Each direction ends by itself (half-close); a reset is a reset.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from collections.abc import Callable

BUFFER = 1 << 18
BURST = 8
"""Buffers that one connection may move before the others have their turn."""
RESET = struct.pack("ii", 1, 0)
FLOW_IDLE, FLOWS = 120.0, 1024
"""Seconds after which a client's datagrams count as a new flow, and how many flows one door keeps."""


class Reactor:
    """Calls whoever is ready. A handler is called with epoll's events; interest 0 hears of nothing, errors neither."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.handlers: dict[int, Callable[[int], None]] = {}
        self.interests: dict[int, int] = {}
        self.stale: set[int] = set()
        """Descriptors that were closed in this turn: their numbers may be others' by now."""
        self.buffer = bytearray(BUFFER)
        self.view = memoryview(self.buffer)

    def hear(self, descriptor: int, events: int, handler: Callable[[int], None]) -> None:
        """From now on, and until `forget`, a descriptor is this handler's."""
        self.handlers[descriptor] = handler
        self.interest(descriptor, events)

    def interest(self, descriptor: int, events: int) -> None:
        before = self.interests.get(descriptor, 0)
        if events == before:
            return
        self.interests[descriptor] = events
        if not before:
            self.epoll.register(descriptor, events)
        elif events:
            self.epoll.modify(descriptor, events)
        else:  # epoll tells of errors and hang-ups whether one asks or not
            self.epoll.unregister(descriptor)

    def forget(self, descriptor: int) -> None:
        self.stale.add(descriptor)
        self.handlers.pop(descriptor, None)
        if self.interests.pop(descriptor, 0):
            with contextlib.suppress(OSError):
                self.epoll.unregister(descriptor)

    def turn(self, patience: float) -> None:
        """Wait up to patience seconds for something, and let it be handled."""
        self.stale.clear()
        for descriptor, events in self.epoll.poll(patience):
            if descriptor not in self.stale and self.interests.get(descriptor):
                self.handlers[descriptor](events)


class Side:
    """One socket of a connection. unsent is for this socket; ended: it has nothing more to say."""

    def __init__(self, channel: socket.socket):
        self.channel, self.descriptor = channel, channel.fileno()
        self.unsent = b""
        self.ended = self.told = False
        self.taken = 0
        """Bytes that were read from it."""


class Passage:
    """A connection through a door: outer is the client's, inner leads into the world and may still be connecting."""

    def __init__(self, reactor: Reactor, outer: socket.socket, inner: socket.socket, gone: Callable[[Passage], object]):
        self.reactor, self.gone = reactor, gone
        self.outer, self.inner = Side(outer), Side(inner)
        self.connecting, self.closed = True, False
        reactor.hear(self.outer.descriptor, 0, lambda events: self._ready(self.outer, self.inner, events))
        reactor.hear(self.inner.descriptor, select.EPOLLOUT, lambda events: self._ready(self.inner, self.outer, events))

    def _ready(self, side: Side, other: Side, events: int) -> None:
        try:
            if self.connecting:
                number = self.inner.channel.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if number:
                    raise OSError(number, "connect")
                self.connecting = False
            if side.unsent and events & ~select.EPOLLIN:
                self._send(side)
            if events & ~select.EPOLLOUT and not (other.unsent or side.ended):
                self._move(side, other)
            for one, peer in ((side, other), (other, side)):
                if peer.ended and not one.unsent and not one.told:
                    one.told = True
                    one.channel.shutdown(socket.SHUT_WR)
            if self.outer.told and self.inner.told:
                self.close()
            else:
                self._interests()
        except OSError:
            self.abort()

    def _move(self, side: Side, other: Side) -> None:
        view = self.reactor.view
        for _ in range(BURST):
            try:
                count = side.channel.recv_into(view)
            except BlockingIOError:
                return
            if not count:
                side.ended = True
                return
            side.taken += count
            try:
                sent = other.channel.send(view[:count])
            except BlockingIOError:
                sent = 0
            if sent < count:
                other.unsent = bytes(view[sent:count])
                return
            if count < BUFFER // 4:  # most likely that was all
                return

    def _send(self, side: Side) -> None:
        try:
            side.unsent = side.unsent[side.channel.send(side.unsent) :]
        except BlockingIOError:
            pass

    def _interests(self) -> None:
        for side, other in ((self.outer, self.inner), (self.inner, self.outer)):
            events = select.EPOLLOUT if side.unsent else 0
            if not (side.ended or other.unsent):
                events |= select.EPOLLIN
            self.reactor.interest(side.descriptor, events)

    def abort(self) -> None:
        """End it with a reset on both sides."""
        for side in (self.outer, self.inner):
            with contextlib.suppress(OSError):
                side.channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.close()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            for side in (self.outer, self.inner):
                self.reactor.forget(side.descriptor)
                side.channel.close()
            self.gone(self)


class Flow:
    """One client's datagrams through a door: its own socket in the world, so that answers find their way back."""

    def __init__(self, channel: socket.socket):
        self.channel, self.used = channel, time.monotonic()


class Datagrams:
    """A door for UDP. connect gives a socket that leads on, a new one for each client, for idle seconds."""

    def __init__(
        self, reactor: Reactor, outer: socket.socket, connect: Callable[[], socket.socket], idle: float = FLOW_IDLE
    ):
        self.reactor, self.outer, self.connect, self.idle = reactor, outer, connect, idle
        self.flows: dict[tuple[str, int], Flow] = {}
        self.opened = self.taken = self.given = 0
        reactor.hear(outer.fileno(), select.EPOLLIN, self._inward)

    def _inward(self, _events: int) -> None:
        for _ in range(64):
            try:
                count, client = self.outer.recvfrom_into(self.reactor.view)
            except OSError:  # nothing left, or a client that is gone: what ICMP said of an earlier answer
                return
            flow = self.flows.get(client) or self._begin(client)
            if flow is not None:
                flow.used = time.monotonic()
                self.taken += count
                with contextlib.suppress(OSError):
                    flow.channel.send(self.reactor.view[:count])

    def _begin(self, client: tuple[str, int]) -> Flow | None:
        if len(self.flows) >= FLOWS:
            self._end(min(self.flows, key=lambda each: self.flows[each].used))
        try:
            flow = Flow(self.connect())
        except OSError:
            return None
        self.flows[client], self.opened = flow, self.opened + 1
        self.reactor.hear(flow.channel.fileno(), select.EPOLLIN, lambda _events: self._outward(flow, client))
        return flow

    def _outward(self, flow: Flow, client: tuple[str, int]) -> None:
        for _ in range(64):
            try:
                count = flow.channel.recv_into(self.reactor.view)
            except OSError:  # nothing left, or nobody listens there
                return
            flow.used = time.monotonic()
            self.given += count
            with contextlib.suppress(OSError):
                self.outer.sendto(self.reactor.view[:count], client)

    def sweep(self) -> None:
        """End the flows that have been silent for long."""
        now = time.monotonic()
        for client in [each for each, flow in self.flows.items() if now - flow.used > self.idle]:
            self._end(client)

    def _end(self, client: tuple[str, int]) -> None:
        channel = self.flows.pop(client).channel
        self.reactor.forget(channel.fileno())
        channel.close()

    def close(self) -> None:
        for client in list(self.flows):
            self._end(client)
        self.reactor.forget(self.outer.fileno())
        self.outer.close()
