"""What happens to every request, in order. The pipeline knows no product; products are tables of Routes.

1. find the route (else 404)      4. decode the body and the query  7. run the handler in one transaction
2. authenticate the key           5. end the transitions due        8. wait (2 s at most) for a transition to end
3. check region, zone, ids        6. (the handler) authorize        9. answer
Any refusal, at any step, becomes the vendor's document (`documents_of_errors`) and changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from hideaway.api.access import NOBODY, Origin, Principal, authenticate
from hideaway.api.call import Call, Settings
from hideaway.api.documents_of_errors import document_of, unserved
from hideaway.api.reading import Sent, arguments, parameters, path_of
from hideaway.api.routing import Table
from hideaway.api.shapes import Body, Query
from hideaway.base.clock import Clock
from hideaway.base.errors import HideawayError
from hideaway.base.ids import Ids
from hideaway.cloud.change import Change, Pace, settle_due
from hideaway.cloud.documents import Ledger
from hideaway.store import Store

log = logging.getLogger(__name__)
WAIT_SECONDS = 2.0
_ENCODER = msgspec.json.Encoder()


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One route of a product.

    path is below the product's prefix, with {parameters}: `{region}` and `{zone}` are checked, those that end in `_id`
    must be UUIDs (raw_ids: need not). body: its type, or bytes to take it as it is. open: needs no key.
    records: True when the data plane has nothing to carry out.
    """

    method: str
    path: str
    handler: Callable[..., Any]
    body: type[Body] | type[bytes] | None = None
    query: type[Query] | None = None
    status: int = 200
    raw_ids: bool = False
    open: bool = False
    records: bool = True


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """A product: where it is mounted, and its area in permission sets (`<area>FullAccess`)."""

    prefix: str
    area: str
    routes: Sequence[Route]


class Raw(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is not JSON."""

    content: bytes
    media_type: str = "text/plain"


class Later(msgspec.Struct, frozen=True):
    """An answer that takes a while, and nothing of the store: work makes it, in a thread, after the transaction."""

    work: Callable[[], Any]


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is a file, to be kept under a name."""

    path: Path
    name: str


class Asked(msgspec.Struct, kw_only=True):
    """One request on its way. principal: who asks, as the store knew at `revision`."""

    product: Product
    route: Route
    request: Request
    sent: Sent
    path: str
    params: dict[str, str] = {}
    arguments: list[Any] = []
    principal: Principal = NOBODY
    revision: int = -1


class Api:
    """The API over one store. One transaction a request, one request at a time."""

    def __init__(
        self, store: Store, clock: Clock, ids: Ids, pace: Pace, settings: Settings, products: Sequence[Product]
    ):
        self.store, self.clock, self.ids, self.pace, self.settings = store, clock, ids, pace, settings
        self.products = products
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed: set[asyncio.Event] = set()
        store.listen(self._notify)

    def application(self) -> Starlette:
        """The ASGI application."""
        table: Table[tuple[Product, Route]] = Table()
        for product in self.products:
            for route in product.routes:
                table.add(route.method, product.prefix + route.path, (product, route))

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive)
            path = path_of(scope)
            found, sent = table.find(request.method, path), Sent(receive, self.settings.body_seconds)
            if found is None:
                response = _not_served(request)
            else:
                (product, route), raw = found
                asked = Asked(product=product, route=route, request=request, sent=sent, path=path)
                response = await self._respond(asked, raw)
            await sent.drain()
            await response(scope, receive, send)

        application = Starlette(exception_handlers={500: _failed})
        application.router.default = serve  # its own routing would try one pattern after the other
        return application

    async def _respond(self, asked: Asked, raw: dict[str, str]) -> Response:
        request = asked.request
        try:
            self._admit(asked)
            asked.params = parameters(asked.route, raw, encoded=asked.path != request.scope["path"])
            asked.arguments = await arguments(asked.route, request, asked.sent)
            return await self._run(asked)
        except HideawayError as error:
            status, document = document_of(error)
            return _json(status, document)

    async def _run(self, asked: Asked) -> Response:
        deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
        while True:
            event = self._watch() if asked.route.method == "GET" and self.settings.data_plane else None
            try:
                call, result = self._transact(asked)
                if isinstance(result, Later):
                    result = await asyncio.to_thread(result.work)
                left = deadline - asyncio.get_running_loop().time()
                if event is None or not call.waiting or left <= 0:
                    return _answer(call.status or asked.route.status, result, call.headers)
                await asyncio.wait_for(event.wait(), left)
            except TimeoutError:
                return _answer(call.status or asked.route.status, result, call.headers)
            finally:
                self._changed.discard(event)

    def _admit(self, asked: Asked) -> None:
        """Refuse who has no live key before anything that was sent is looked at. `_transact` sees to it again."""
        if not asked.route.open:
            with self.store.transaction() as ledger:
                self._authenticate(ledger, asked)

    def _authenticate(self, ledger: Ledger, asked: Asked) -> None:
        """Settle who asks; again only when anything was written since."""
        if asked.revision == self.store.revision:
            return
        request = asked.request
        origin = Origin(
            ip=request.client.host if request.client else "", user_agent=request.headers.get("user-agent", "")
        )
        asked.principal = authenticate(ledger, request.headers.get("x-auth-token"), self.clock.now(), origin)
        asked.revision = self.store.revision

    def _transact(self, asked: Asked) -> tuple[Call, Any]:
        now, route, params = self.clock.now(), asked.route, asked.params
        carried = not self.settings.data_plane
        if self.store.earliest(carried=carried) <= now.timestamp():
            with self.store.transaction() as ledger:
                settle_due(ledger, now, carried=carried)
        with self.store.transaction() as ledger:
            if not route.open:
                self._authenticate(ledger, asked)
            call = Call(
                change=Change(ledger, now, self.ids, self.pace),
                principal=asked.principal,
                settings=self.settings,
                area=asked.product.area,
                write=route.method not in ("GET", "HEAD"),
                params=params,
                place=params.get("zone") or params.get("region") or "",
                server=f"{asked.request.scope['scheme']}://{asked.request.headers.get('host', '')}",
            )
            return call, route.handler(call, *asked.arguments)

    def _watch(self) -> asyncio.Event:
        self._loop = asyncio.get_running_loop()
        event = asyncio.Event()
        self._changed.add(event)
        return event

    def _notify(self, revision: int) -> None:
        if self._loop is not None and self._changed:
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for event in tuple(self._changed):
            event.set()


def _answer(status: int, result: Any, headers: dict[str, str]) -> Response:
    if isinstance(result, Raw):
        return Response(result.content, status, headers, result.media_type)
    if isinstance(result, Stored):
        return FileResponse(result.path, status, headers, "application/octet-stream", filename=result.name)
    if result is None:
        return Response(b"", HTTPStatus.NO_CONTENT if status == HTTPStatus.OK else status, headers)
    return _json(status, result, headers)


def _json(status: int, document: Any, headers: dict[str, str] | None = None) -> Response:
    return Response(_ENCODER.encode(document), status, headers, "application/json")


async def _failed(request: Request, error: Exception) -> Response:
    """A fault of hideaway's own, which no request should be able to bring about: its traceback goes to the log."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _json(500, {"message": f"hideaway failed: {type(error).__name__}; its log has more", "type": "internal"})


def _not_served(request: Request) -> Response:
    status, document = unserved(request.method, request.url.path)
    return _json(status, document)


__all__ = ["Api", "Later", "Product", "Raw", "Route", "Stored"]
