"""The cloud as the world inside sees it: its API at 198.18.0.1, and what hosts are told about themselves.

The API's listening socket is made inside the world and lent to this process, so requests come from the addresses that
they have there (policies may ask for them). It goes with its world; under the next world there is a next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

import msgspec
from granian._granian import SocketHolder
from granian.server.embed import Server as HttpServer

from hideaway.api.metadata import Question, Told
from hideaway.base.errors import HideawayError

log = logging.getLogger(__name__)
PAUSE = 0.5
"""Seconds between looks at whether the world is another."""
LINE = 1 << 20
"""Bytes of a question, body and all."""


class World(Protocol):
    """What the world offers to its server."""

    def name(self) -> str: ...

    def api_socket(self) -> socket.socket: ...

    def guests_socket(self) -> socket.socket: ...


class LentServer(HttpServer):
    """An HTTP server on a listening socket that somebody else made. granian has no public way to say so."""

    def __init__(self, listener: socket.socket, application: Any, **settings: Any):
        super().__init__(application, **settings)
        self._listener = listener

    def _init_shared_socket(self) -> None:
        self._listener.setblocking(False)
        held: Any = SocketHolder
        self._shd: Any = held(self._listener.detach(), False, self.backlog)
        self._sfd = self._shd.get_fd()
        self._ssp = None


@contextlib.asynccontextmanager
async def present(
    world: World, serve: Callable[[socket.socket], HttpServer], tell: Callable[[Question], Told]
) -> AsyncIterator[None]:
    """Be there for the world inside while the block runs. serve makes an HTTP server for a socket."""
    guests = await asyncio.start_unix_server(lambda r, w: _hear(tell, r, w), sock=world.guests_socket(), limit=LINE)
    api = asyncio.create_task(_api(world, serve))
    try:
        yield
    finally:
        api.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await api
        guests.close()


async def _api(world: World, serve: Callable[[socket.socket], HttpServer]) -> None:
    """Serve the API in whatever world there is."""
    served, server, serving = "", None, None
    try:
        while True:
            name = world.name()
            if name and name != served:
                await _end(server, serving)
                server = serving = None
                try:
                    listener = await asyncio.to_thread(world.api_socket)
                except HideawayError as error:
                    log.warning("the API does not answer inside the world yet: %s", error)
                else:
                    server = serve(listener)
                    serving = asyncio.create_task(server.serve())
                    served = name
            await asyncio.sleep(PAUSE)
    finally:
        await _end(server, serving)


async def _end(server: HttpServer | None, serving: asyncio.Task[None] | None) -> None:
    if server is not None and serving is not None:
        server.stop()  # type: ignore[no-untyped-call]  # granian's own
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            await asyncio.wait_for(serving, 5)


async def _hear(tell: Callable[[Question], Told], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One question, one answer."""
    with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError):
        told = tell(msgspec.json.decode(await reader.readline(), type=Question))
        writer.write(msgspec.json.encode(told) + b"\n")
        await writer.drain()
    writer.close()
