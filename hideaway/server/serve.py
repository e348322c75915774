"""Serving in the foreground: from options to a running cloud, and back to nothing on SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server as HttpServer

from hideaway import __version__
from hideaway.api.access import NOBODY
from hideaway.api.call import Call, Settings
from hideaway.api.metadata import Question, Told, tell
from hideaway.api.pipeline import Api
from hideaway.api.products import PRODUCTS
from hideaway.backends.base import Backend
from hideaway.base.clock import SystemClock
from hideaway.base.errors import Unavailable
from hideaway.base.ids import Ids
from hideaway.base.tree import Item
from hideaway.cloud.change import Change
from hideaway.cloud.documents import Document
from hideaway.cloud.founding import found
from hideaway.control.loop import Loop
from hideaway.control.report import report
from hideaway.fabric.model import Fabric
from hideaway.server.inside import LentServer, present
from hideaway.server.opening import opening_product
from hideaway.server.options import DataPlane, Options
from hideaway.server.own import Inside, own_product, theirs
from hideaway.server.seen import Sight
from hideaway.server.state import Folder, Server
from hideaway.server.temporary import temporary
from hideaway.server.variables import exports
from hideaway.store import Store

if TYPE_CHECKING:
    from hideaway.backends.linux import LinuxBackend

Say = Callable[[str], None]

CONNECTIONS = 2048
HEADER_SECONDS = 30
"""How long a connection may take to say what it asks for, from when it was opened or last answered."""


class Running:
    """The parts of one server, wired. Making it starts nothing."""

    def __init__(self, options: Options, store: Store, backend: LinuxBackend | None):
        self.options, self.store, self.world = options, store, backend
        self.backend: Backend | None = backend
        self.clock, self.ids = SystemClock(), Ids()
        self.data_plane = "linux" if backend else "none"
        self.loop: Loop | None = None
        if backend is not None:
            self.loop = Loop(
                store, backend, self.clock, self.ids, options.pace,
                interval=options.heartbeat_interval, grace=options.heartbeat_grace,
            )  # fmt: skip
        with store.transaction() as ledger:
            found(Change(ledger, self.clock.now(), self.ids, options.pace), options.owner)
        inside = Inside(
            data_plane=self.data_plane,
            durability=lambda: store.durability,
            report=self._report,
            fabric=self._fabric,
            command=backend.command if backend else None,
            plug=backend.plug if backend else None,
            sight=_sight(backend) if backend else None,
            error=self._error,
            settled=lambda: self.loop is None or self.loop.settled,
            organization_id=options.owner.organization_id,
            found=lambda change: found(change, options.owner),
            clear=lambda change, id_: change.ledger.clear(id_),  # type: ignore[attr-defined]  # the store's ledger's
        )
        settings = Settings(
            data_plane=backend is not None,
            heartbeat_grace=options.heartbeat_grace,
            observed=backend.observed if backend else lambda _host, _service: None,
            stored=backend.stored if backend else lambda _volume, _file: None,
        )
        products = (*PRODUCTS, own_product(inside), opening_product(backend, theirs))
        self.api = Api(store, self.clock, self.ids, options.pace, settings, products)

    def _report(self, organization_id: str, shown: Callable[[Document], bool]) -> Item:
        _, ledger = self.store.snapshot()
        observed = self.backend.observed if self.backend else lambda _host, _service: None
        return report(
            ledger, organization_id, data_plane=self.data_plane, error=self._error(), shown=shown, observed=observed
        )

    def tell(self, question: Question) -> Told:
        """What a host is told about itself."""
        with self.store.transaction() as ledger:
            change = Change(ledger, self.clock.now(), self.ids, self.options.pace)
            write = question.method != "GET"
            call = Call(
                change=change, principal=NOBODY, settings=self.api.settings, area="Instances", write=write,
                params={}, place="",
            )  # fmt: skip
            return tell(call, question)

    def _fabric(self) -> Fabric:
        return self.backend.present().fabric if self.backend else Fabric()

    def _error(self) -> str:
        return self.loop.health.error if self.loop else ""


def _sight(backend: Backend) -> Sight:
    return Sight(
        trace=backend.trace,
        counts=backend.counts,
        capture=backend.capture,
        strike=lambda host, program: backend.strike(host, program=program),
    )


def _say(text: str) -> None:
    print(text, flush=True)  # at once, into a file or a pipe as well: it is what tells that the server is there


def serve(options: Options, say: Say = _say) -> int:
    """Serve until SIGINT or SIGTERM; say what a person should know. Returns the exit status.

    Raises Unavailable when the address or the state folder cannot be had, or the data plane that was demanded.
    """
    stop = _Stop()
    with stop.minded(), _state(options) as folder, contextlib.ExitStack() as ends:
        _free_port(options)  # before a living world is adopted: a start that fails leaves it to the next one
        store = Store(folder.store() if folder else None, options.durability)
        ends.callback(store.close)
        backend, adopted, why_not = _backend(options, folder, ends)
        if backend is not None:
            ends.callback(backend.close)
        running = Running(options, store, backend)
        if running.loop is not None:
            ends.callback(running.loop.stop)
            running.loop.start(adopted=adopted)
        asyncio.run(_serve(options, running, folder, why_not, stop, say))
    return 0


class _Stop:
    """What SIGINT and SIGTERM say, from the start on: once the server serves it stops, and never half-way to there.

    A signal that raised would be met anywhere, also between a world and whoever ends it.
    """

    def __init__(self) -> None:
        self.told = False
        self._tell: Callable[[], object] | None = None

    @contextlib.contextmanager
    def minded(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._hear) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hear(self, _number: int, _frame: object) -> None:
        self.told = True
        if self._tell is not None:
            self._tell()

    async def wait(self) -> None:
        loop, heard = asyncio.get_running_loop(), asyncio.Event()
        self._tell = lambda: loop.call_soon_threadsafe(heard.set)
        try:
            if not self.told:
                await heard.wait()
        finally:
            self._tell = None


@contextlib.contextmanager
def _state(options: Options) -> Iterator[Folder | None]:
    if options.state is None:
        yield None
        return
    folder = Folder(options.state)
    with folder.held():
        folder.keep_owner(options.owner)
        yield folder
        folder.forget_server()


def _backend(
    options: Options, folder: Folder | None, ends: contextlib.ExitStack
) -> tuple[LinuxBackend | None, bool, str]:
    """The data plane that was asked for, up, and whether its world was adopted; or None and why there is none."""
    if options.data_plane == DataPlane.NONE:
        return None, False, "as asked"
    try:
        from hideaway.backends.linux import LinuxBackend

        place = folder.path if folder else Path(ends.enter_context(temporary(lambda old: LinuxBackend(old).alive())))
        linger = options.linger if folder else 0  # nobody could adopt a world whose state is gone
        backend = LinuxBackend(
            place, linger=linger, heartbeat_interval=options.heartbeat_interval,
            doors=options.doors, internet=options.internet, host_route=options.host_route,
        )  # fmt: skip
        adopted = backend.up()
    except Unavailable as error:
        if options.data_plane == DataPlane.LINUX or options.internet or options.host_route:
            raise
        return None, False, str(error)
    return backend, adopted, ""


async def _serve(
    options: Options, running: Running, folder: Folder | None, why_not: str, stop: _Stop, say: Say
) -> None:
    port = _free_port(options)
    options = msgspec.structs.replace(options, port=port)
    application, more = running.api.application(), _settings()
    http = HttpServer(application, address=options.host, port=port, **more)
    serving = asyncio.create_task(http.serve())
    await _listening(options, serving)
    async with contextlib.AsyncExitStack() as ends:
        if running.world is not None:
            lent = present(running.world, lambda listener: LentServer(listener, application, **more), running.tell)
            await ends.enter_async_context(lent)
        if folder is not None:
            folder.keep_server(
                Server(url=options.url, pid=os.getpid(), data_plane=running.data_plane, version=__version__)
            )
        _welcome(options, running, folder, why_not, say)
        await stop.wait()
        say("stopping")
    http.stop()  # type: ignore[no-untyped-call]  # granian's own
    with contextlib.suppress(asyncio.CancelledError, TimeoutError):
        await asyncio.wait_for(serving, 5)


def _settings() -> dict[str, Any]:
    """How HTTP is served, wherever it is."""
    return {
        "interface": Interfaces.ASGI,
        "http": HTTPModes.http1,  # telling 1 from 2 waits for a first byte without a limit; no official client speaks 2
        "backlog": CONNECTIONS,
        "backpressure": _connections(),  # a connection that is kept alive counts
        "log_enabled": False,
        "websockets": False,
        "http1_settings": HTTP1Settings(header_read_timeout=HEADER_SECONDS * 1000),
    }


def _connections() -> int:
    """How many connections to serve at once: each takes a file descriptor, and the data plane needs some, too."""
    try:
        import resource
    except ImportError:  # not a Unix
        return CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * CONNECTIONS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return min(CONNECTIONS, soft // 2)
    return CONNECTIONS


def _free_port(options: Options) -> int:
    """The port to listen on; port 0 asks for any free one. Raises Unavailable when it is taken."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((options.host, options.port))
        except OSError as error:
            raise Unavailable(f"cannot listen on {options.host}:{options.port}: {error.strerror}") from error
        port: int = probe.getsockname()[1]
        return port


async def _listening(options: Options, serving: asyncio.Task[None]) -> None:
    for _ in range(500):
        if serving.done():
            break
        try:
            _, writer = await asyncio.open_connection(options.host, options.port)
            writer.close()
            return
        except OSError:
            await asyncio.sleep(0.01)
    raise Unavailable(f"the server did not come to listen on {options.host}:{options.port}")


def _welcome(options: Options, running: Running, folder: Folder | None, why_not: str, say: Say) -> None:
    say(f"hideaway {__version__} serves Scaleway's API at {options.url}")
    if running.backend is not None:
        adopted = running.loop is not None and running.loop.health.adopted
        say("data plane: linux" + (" (the running world was adopted)" if adopted else ""))
        say("internet: the world reaches it through this machine") if options.internet else None
    else:
        say(f"data plane: none ({why_not}); resources are records, no packet flows")
    if folder is not None:
        named = shlex.quote(str(folder.path))
        say(f'state: {folder.path}\nuse it:  eval "$(hideaway env --state {named})"   then terraform, scw, SDKs')
    else:
        say(exports(options.owner, options.url))
        say("nothing is kept: with these variables terraform, scw and SDKs use it")
