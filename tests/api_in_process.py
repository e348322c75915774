"""The whole API in this process: its own store, a clock that a test moves, identifiers from a seed. No socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import msgspec

from hideaway.api.call import Settings
from hideaway.api.pipeline import Api
from hideaway.api.products import PRODUCTS
from hideaway.base.clock import ManualClock
from hideaway.base.ids import Ids
from hideaway.cloud.change import Change, Pace
from hideaway.cloud.founding import Credentials, found
from hideaway.store import Store

QueryOf = Mapping[str, Any] | Sequence[tuple[str, Any]]


class Answer(msgspec.Struct, frozen=True):
    """An answer: its status, its headers (names in lower case), its body decoded where it is JSON."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw) if self.raw else None

    @property
    def wrong(self) -> list[str]:
        """The arguments that a 400 names."""
        return [detail["argument_name"] for detail in self.body["details"]]


class Cloud:
    """A cloud with one organization, its owner's key in use unless another is given."""

    def __init__(self, seed: int = 1, *, pace: Pace = Pace.INSTANT, settings: Settings | None = None):
        self.store, self.clock, self.ids, self.pace = Store(None), ManualClock(), Ids(seed), pace
        self.loop = asyncio.new_event_loop()
        self.owner = self.organization()
        self.project = self.owner.project_id
        api = Api(self.store, self.clock, self.ids, pace, settings or Settings(), PRODUCTS)
        self.application = api.application()

    def organization(self) -> Credentials:
        """Found one more organization and return its owner's key."""
        organization = self.ids.uuid()
        owner = Credentials(
            access_key=self.ids.access_key(),
            secret_key=self.ids.uuid(),
            organization_id=organization,
            project_id=organization,
            user_id=self.ids.uuid(),
        )
        with self.store.transaction() as ledger:
            found(Change(ledger, self.clock.now(), self.ids, self.pace), owner)
        return owner

    def close(self) -> None:
        self.store.close()
        self.loop.close()

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: QueryOf = (),
        key: str | None = "",
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request. key: a secret key, None for none, "" for the owner's. raw: the body as bytes."""
        secret = self.owner.secret_key if key == "" else key
        content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        sent = {"content-type": "application/json"} | ({"x-auth-token": secret} if secret else {}) | dict(headers or {})
        split = urlsplit(path)
        search = "&".join(part for part in (split.query, urlencode(list(_pairs(query)))) if part)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(split.path),
            "raw_path": split.path.encode("utf-8", "surrogatepass"),
            "query_string": search.encode("ascii", "replace"),
            "root_path": "",
            "headers": [(n.encode(), v.encode("latin-1", "replace")) for n, v in sent.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        return self.loop.run_until_complete(self._run(scope, content))

    async def _run(self, scope: dict[str, Any], content: bytes) -> Answer:
        said: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Any) -> None:
            said.append(message)

        await self.application(scope, receive, send)
        raw = b"".join(message.get("body", b"") for message in said[1:])
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in said[0]["headers"]}
        return Answer(said[0]["status"], headers, raw)

    def get(self, path: str, **query: Any) -> Any:
        """What a GET that must succeed answers."""
        return self._good(self.ask("GET", path, query=query))

    def post(self, path: str, body: Any = None, **more: Any) -> Any:
        """What a POST that must succeed answers."""
        return self._good(self.ask("POST", path, body if body is not None else more))

    def patch(self, path: str, **body: Any) -> Any:
        """What a PATCH that must succeed answers."""
        return self._good(self.ask("PATCH", path, body))

    def put(self, path: str, **body: Any) -> Any:
        """What a PUT that must succeed answers."""
        return self._good(self.ask("PUT", path, body))

    def delete(self, path: str) -> None:
        """A DELETE that must succeed."""
        self._good(self.ask("DELETE", path))

    @staticmethod
    def _good(answer: Answer) -> Any:
        assert 200 <= answer.status < 300, f"{answer.status}: {answer.raw.decode()}"
        return answer.body

    def dump(self) -> list[tuple[Any, ...]]:
        """Everything that the store holds, to compare before and after."""
        _, ledger = self.store.snapshot()
        kept = [document for documents in ledger._kinds.values() for document in documents.values()]
        return sorted((d.kind, d.id, msgspec.json.encode(d)) for d in kept)


def _pairs(query: QueryOf) -> Any:
    for name, value in query.items() if isinstance(query, Mapping) else query:
        for one in value if isinstance(value, list | tuple) else (value,):
            yield name, str(one).lower() if isinstance(one, bool) else str(one)
