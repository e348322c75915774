"""What a client sends, made into typed arguments: bounded in size, in depth and in time. It decides nothing else.

Source of the rules that are not HTTP's own: assumed. The vendor keeps texts in PostgreSQL, which holds no NUL.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol
from urllib.parse import unquote

import msgspec
from starlette.requests import Request
from starlette.types import Receive

from hideaway.api.shapes import Body, Query
from hideaway.base.errors import Fault, HideawayError, InvalidArguments, PlainError, invalid
from hideaway.base.ids import is_uuid
from hideaway.cloud.places import REGIONS, ZONES

MAX_BODY = 2 * 1024 * 1024  # bytes
MAX_DRAINED = 32 * 1024 * 1024  # bytes of a body that is refused, read so that its sender comes to read the answer
_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Expects(Protocol):
    """What a route says of its arguments (see `pipeline.Route`)."""

    @property
    def body(self) -> type[Body] | type[bytes] | None: ...
    @property
    def query(self) -> type[Query] | None: ...
    @property
    def raw_ids(self) -> bool: ...


def path_of(scope: Mapping[str, Any]) -> str:
    """The path that was asked for. What is encoded within a segment stays in it: `%2F` ends none, so a path
    with one comes with it as sent; the parameters are decoded later (`parameters`)."""
    raw: bytes = scope.get("raw_path") or b""
    return raw.decode("ascii", "replace") if b"%2f" in raw.lower() else str(scope["path"])


def parameters(route: Expects, raw: Mapping[str, Any], *, encoded: bool) -> dict[str, str]:
    """The path's parameters, checked; encoded: they are as they were sent. Raises InvalidArguments with all faults."""
    params = {name: unquote(str(value)) if encoded else str(value) for name, value in raw.items()}
    if "region" in params and params["region"] not in REGIONS:
        raise invalid("region", f"{params['region']!r} is not a region; there are {', '.join(REGIONS)}")
    if "zone" in params and params["zone"] not in ZONES:
        raise invalid("zone", f"{params['zone']!r} is not a zone; there are {', '.join(ZONES)}")
    if not route.raw_ids:
        wrong = [name for name, value in params.items() if name.endswith("_id") and not is_uuid(value)]
        if wrong:
            raise InvalidArguments(*(Fault(n, "format", "value must be a valid UUID") for n in wrong))
    for name, value in params.items():
        _no_nul(name, value)
    return params


class Sent:
    """A request's body on its way. seconds: how long all of it may take to come."""

    def __init__(self, receive: Receive, seconds: float):
        self._receive, self._seconds = receive, seconds
        self._ended = False

    async def read(self) -> bytes:
        """The whole body. Raises InvalidArguments for a long one, PlainError for a slow one or one that ends early."""
        parts, size = [], 0
        try:
            async with asyncio.timeout(self._seconds):
                while not self._ended and size <= MAX_DRAINED:
                    parts.append(await self._part())
                    size += len(parts[-1])
                    if size > MAX_BODY:
                        parts.clear()
        except TimeoutError:
            self._ended = True
            said = f"the body did not come within {self._seconds:g} seconds"
            raise PlainError(408, said, "request_timeout") from None
        if size > MAX_BODY:
            self._ended = True
            raise invalid("body", f"the body is larger than {MAX_BODY} bytes")
        return b"".join(parts)

    async def drain(self) -> None:
        """Read what is left of a body that is refused unseen, up to a bound: who still sends reads no answer."""
        if not self._ended:
            try:
                await self.read()
            except HideawayError:
                pass

    async def _part(self) -> bytes:
        message = await self._receive()
        if message["type"] != "http.request":  # the client went away, or sent what is no chunk
            self._ended = True
            raise PlainError(400, "the body ended before it was whole", "invalid_request_error")
        self._ended = not message.get("more_body", False)
        body: bytes = message.get("body", b"")
        return body


async def arguments(route: Expects, request: Request, sent: Sent) -> list[Any]:
    """The body and the query, as far as the route has them. Raises InvalidArguments, and as `Sent.read` does."""
    found: list[Any] = []
    raw = await sent.read()  # left unread, a body that nobody asked for would break the connection
    if route.body is bytes:
        found.append(raw)
    elif route.body is not None:
        found.append(_decoded(route.body, raw))
    if route.query is not None:
        found.append(_query(route.query, request))
    return found


def _decoded(type_: type[Body] | type[bytes], raw: bytes) -> Any:
    try:
        raw.decode()  # what no field takes is skipped unread, and is UTF-8 all the same
        body = msgspec.json.decode(raw if raw.strip() not in (b"", b"null") else b"{}", type=type_)
    except msgspec.ValidationError as error:
        raise _fault(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid("body", f"the body is not JSON: {error}", "format") from None
    except RecursionError:
        raise invalid("body", "the body is nested too deep", "format") from None
    if _NUL.search(raw):
        raise invalid("body", "a text must not have NUL characters", "format")
    return body


@cache
def _fields(type_: type[Query]) -> dict[str, bool]:
    """The fields of a query by name, and whether each collects repeated keys. Asked at each request, made once."""
    return {f.encode_name: "list" in str(f.type) for f in msgspec.structs.fields(type_)}


def _query(type_: type[Query], request: Request) -> Query:
    wanted = _fields(type_)
    values: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        repeated = wanted.get(name)
        if repeated is None or (value == "" and not repeated):
            continue
        _no_nul(name, value)
        if repeated:
            values.setdefault(name, []).extend(value.split(",") if name in ("tags",) else [value])
        else:
            values[name] = value
    try:
        return msgspec.convert(values, type_, strict=False)
    except msgspec.ValidationError as error:
        raise _fault(str(error)) from None


def _no_nul(name: str, value: str) -> None:
    if "\x00" in value:
        raise invalid(name, "a text must not have NUL characters", "format")


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
