"""What is sent is bounded in size, depth and time, and what is not whole is refused, before any handler sees it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hideaway.api import reading
from hideaway.api.call import Settings
from tests.api_in_process import Cloud

VPCS = "/vpc/v2/regions/fr-par/vpcs"
Receive = Callable[[], Awaitable[dict[str, Any]]]


def answered(cloud: Cloud, receive: Receive, *, key: str = "", path: str = VPCS) -> tuple[int, Any]:
    """The status and document that a POST gets whose body comes from `receive`."""
    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    scope = {
        "type": "http", "method": "POST", "scheme": "http", "path": path, "raw_path": path.encode(), "root_path": "",
        "query_string": b"", "headers": [(b"x-auth-token", (key or cloud.owner.secret_key).encode())],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip

    async def run() -> None:
        await cloud.application(scope, receive, send)  # type: ignore[arg-type]

    cloud.loop.run_until_complete(run())
    return said[0]["status"], json.loads(said[1]["body"])


def parts(*messages: dict[str, Any]) -> Receive:
    left = list(messages)

    async def receive() -> dict[str, Any]:
        if not left:
            await asyncio.sleep(3600)
        return left.pop(0)

    return receive


def part(body: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


GONE = {"type": "http.disconnect"}


def test_a_body_that_does_not_come_in_time_is_refused_and_changes_nothing() -> None:
    cloud = Cloud(settings=Settings(body_seconds=0.05))
    before = cloud.dump()
    status, document = answered(cloud, parts(part(b'{"name": "x"')))
    assert (status, document["type"]) == (408, "request_timeout")
    for key, path in (("nobody", VPCS), ("", "/no/such/path")):  # refused anyway, and not waited for for ever
        assert answered(cloud, parts(part(b"x")), key=key, path=path)[0] in (401, 404)
    assert cloud.dump() == before
    cloud.close()


def test_a_client_that_goes_away_half_way_changes_nothing(cloud: Cloud) -> None:
    before = cloud.dump()
    assert answered(cloud, parts(part(b'{"name": "x"}'), GONE))[0] == 400
    assert cloud.dump() == before


def test_a_body_in_parts_is_one(cloud: Cloud) -> None:
    status, document = answered(cloud, parts(part(b'{"na'), part(b""), part(b'me": "in parts"}', more=False)))
    assert (status, document["name"]) == (200, "in parts")


def test_a_body_without_end_is_not_read_for_ever_nor_kept(cloud: Cloud) -> None:
    size = 0

    async def receive() -> dict[str, Any]:
        nonlocal size
        size += 1 << 20
        return part(b"x" * (1 << 20))

    status, document = answered(cloud, receive)
    assert (status, document["details"][0]["argument_name"]) == (400, "body")
    assert size < reading.MAX_DRAINED + (2 << 20)


@pytest.mark.parametrize("text", ["a\\u0000b", "\\\\\\u0000", "\\u0000"])
def test_no_text_has_a_nul(cloud: Cloud, text: str) -> None:
    assert cloud.ask("POST", VPCS, raw=f'{{"name": "{text}"}}'.encode()).wrong == ["body"]
    assert cloud.ask("POST", VPCS, raw=f'{{"name": "x", "tags": ["{text}"]}}'.encode()).wrong == ["body"]


def test_what_only_looks_like_a_nul_is_taken(cloud: Cloud) -> None:
    assert cloud.ask("POST", VPCS, raw=b'{"name": "\\\\u0000"}').body["name"] == "\\u0000"


def test_no_query_has_a_nul(cloud: Cloud) -> None:
    assert cloud.ask("GET", f"{VPCS}?name=a%00b").wrong == ["name"]
    assert cloud.ask("GET", f"{VPCS}?tags=a%00b").wrong == ["tags"]


def test_a_slash_that_is_encoded_ends_no_segment(cloud: Cloud) -> None:
    assert cloud.ask("GET", "/vpc/v2/regions/fr-par%2fvpcs").status == 404
    assert cloud.ask("GET", "/vpc/v2/regions/fr-par/vpcs/..%2F..%2Fvpcs").wrong == ["vpc_id"]
    server = cloud.post(
        "/instance/v1/zones/fr-par-1/servers", name="s", commercial_type="DEV1-S", image="debian_bookworm"
    )["server"]
    data = f"/instance/v1/zones/fr-par-1/servers/{server['id']}/user_data"
    assert cloud.ask("PATCH", f"{data}/a%2Fb%20c", raw=b"text").status == 204
    assert cloud.get(data)["user_data"] == ["a/b c"]
    assert cloud.ask("GET", f"{data}/a%2fb%20c").raw == b"text"
