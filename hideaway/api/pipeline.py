"""What happens to every request, in order. The pipeline knows no product; products are tables of Routes.

1. find the route (else 404)      4. decode the body and the query  7. run the handler in one transaction
2. authenticate the key           5. end the transitions due        8. wait (2 s at most) for a transition to end
3. check region, zone, ids        6. (the handler) authorize        9. answer
Any refusal, at any step, becomes the vendor's document (`documents_of_errors`) and changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Protocol

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hideaway.api.access import NOBODY, Origin, Principal, authenticate
from hideaway.api.call import Call, Settings
from hideaway.api.documents_of_errors import document_of, unserved
from hideaway.api.routing import Table
from hideaway.api.shapes import Body, Query
from hideaway.base.clock import Clock
from hideaway.base.errors import Fault, HideawayError, InvalidArguments, NotFound, invalid
from hideaway.base.ids import Ids, is_uuid
from hideaway.cloud.change import Change, Pace, settle_due
from hideaway.cloud.documents import Ledger
from hideaway.cloud.places import REGIONS, ZONES
from hideaway.store import Store

log = logging.getLogger(__name__)
MAX_BODY = 2 * 1024 * 1024  # bytes
WAIT_SECONDS = 2.0
_ENCODER = msgspec.json.Encoder()
_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)


class Handler(Protocol):
    """Takes the call, then the body and the query where the route has them; returns what is answered, or None."""

    def __call__(self, call: Call, /, *args: Any) -> Any: ...


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


class Asked(msgspec.Struct, kw_only=True):
    """One request on its way. principal: who asks, as the store knew at `revision`."""

    product: Product
    route: Route
    request: Request
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
            found = table.find(request.method, scope["path"])
            response = _not_served(request) if found is None else await self._respond(*found, request)
            await response(scope, receive, send)

        application = Starlette(exception_handlers={500: _failed})
        application.router.default = serve  # its own routing would try one pattern after the other
        return application

    async def _respond(self, at: tuple[Product, Route], raw: dict[str, str], request: Request) -> Response:
        asked = Asked(product=at[0], route=at[1], request=request)
        try:
            self._admit(asked)
            asked.params = _parameters(asked.route, raw)
            asked.arguments = await _arguments(asked.route, request)
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
        with self.store.transaction() as ledger:
            settle_due(ledger, now, carried=not self.settings.data_plane)
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


def _parameters(route: Route, raw: dict[str, Any]) -> dict[str, str]:
    params = {name: str(value) for name, value in raw.items()}
    if "region" in params and params["region"] not in REGIONS:
        raise invalid("region", f"{params['region']!r} is not a region; there are {', '.join(REGIONS)}")
    if "zone" in params and params["zone"] not in ZONES:
        raise invalid("zone", f"{params['zone']!r} is not a zone; there are {', '.join(ZONES)}")
    if not route.raw_ids:
        wrong = [name for name, value in params.items() if name.endswith("_id") and not is_uuid(value)]
        if wrong:
            raise InvalidArguments(*(Fault(n, "format", "value must be a valid UUID") for n in wrong))
    return params


async def _arguments(route: Route, request: Request) -> list[Any]:
    arguments: list[Any] = []
    if route.body is bytes:
        arguments.append(await _read(request))
    elif route.body is not None:
        raw = await _read(request)
        try:
            arguments.append(msgspec.json.decode(raw if raw.strip() not in (b"", b"null") else b"{}", type=route.body))
        except msgspec.ValidationError as error:
            raise _fault(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise invalid("body", f"the body is not JSON: {error}", "format") from None
        except RecursionError:
            raise invalid("body", "the body is nested too deep", "format") from None
    else:
        await _read(request)  # left unread, a body that nobody asked for would break the connection
    if route.query is not None:
        arguments.append(_query(route.query, request))
    return arguments


async def _read(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size <= MAX_BODY:
            parts.append(part)
    if size > MAX_BODY:
        raise invalid("body", f"the body is larger than {MAX_BODY} bytes")
    return b"".join(parts)


def _query(type_: type[Query], request: Request) -> Query:
    wanted = {f.encode_name: f for f in msgspec.structs.fields(type_)}
    values: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        field = wanted.get(name)
        if field is None or (value == "" and "list" not in str(field.type)):
            continue
        if "list" in str(field.type):
            values.setdefault(name, []).extend(value.split(",") if name in ("tags",) else [value])
        else:
            values[name] = value
    try:
        return msgspec.convert(values, type_, strict=False)
    except msgspec.ValidationError as error:
        raise _fault(str(error)) from None


def _fault(message: str) -> InvalidArguments:
    """msgspec's complaint (`Expected `str`, got `int` - at `$.tags[0]``) as a fault that names the argument."""
    match = _AT.match(message)
    path = (match["path"] or "") if match else ""
    missing = re.search(r"missing required field `([^`]+)`", message)
    name = re.sub(r"\[(\d+|\.\.\.)?\]", "", path.removeprefix("$").removeprefix("."))
    if missing:
        name = f"{name}.{missing[1]}" if name else missing[1]
    what = match["what"] if match else message
    return invalid(name or "body", what.replace("`", ""), "required" if missing else "format")


def _answer(status: int, result: Any, headers: dict[str, str]) -> Response:
    if isinstance(result, Raw):
        return Response(result.content, status, headers, result.media_type)
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


__all__ = ["Api", "NotFound", "Product", "Raw", "Route"]
