"""Whatever is sent to a served cloud is answered at once with a vendor-shaped refusal, and nothing is half written.

Over real sockets: what `tests/properties/test_fuzz_api.py` cannot see, since it meets the API behind the HTTP server.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import socket
import sqlite3
import statistics
import struct
import time
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.cloud_under_test import Cloud, cloud
from tests.invariants import check_store
from tests.raw_http import SECONDS, Answered, address, chunked, head, parsed, send, with_body
from tests.walk import PLACES, steps

VPCS = "/vpc/v2/regions/fr-par/vpcs"
SERVERS = "/instance/v1/zones/fr-par-1/servers"
CLUSTERS = "/k8s/v1/regions/fr-par/clusters"
HUGE = 10_000_000
SLOWEST = 60.0
"""Seconds within which each slow client's connection has ended; the server waits 30 for a head and 20 for a body."""
JSON = "Content-Type: application/json"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with cloud(tmp_path_factory.mktemp("hardened"), "--data-plane", "none") as running:
        with running.http() as http:
            http.post(VPCS, json={"name": "kept"}).raise_for_status()
        yield running
        assert "Traceback" not in (running.state.parent / "state.log").read_text()
        check_store(running.state / "store.sqlite")


def dump(served: Cloud) -> list[tuple[Any, ...]]:
    """All that the store's file holds."""
    with sqlite3.connect(served.state / "store.sqlite") as db:
        return db.execute("SELECT kind, id, revision, body FROM documents ORDER BY kind, id").fetchall()


@pytest.fixture
def unchanged(served: Cloud) -> Iterator[Cloud]:
    """The cloud, which after the test holds exactly what it held before, and serves."""
    before = dump(served)
    yield served
    assert dump(served) == before
    assert send(served, head(served, "GET", VPCS)).status == 200


def refused(answer: Answered, *statuses: int) -> None:
    """Assert a refusal in the vendor's shape."""
    assert answer.status in (statuses or range(400, 500)), answer
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.raw)
    assert isinstance(answer.document["message"], str), answer
    assert answer.document["type"], answer


def bare(answer: Answered, *statuses: int) -> None:
    """Assert the refusal of what is no HTTP: the HTTP server's, without a document (docs/critique.md)."""
    assert answer.status in statuses, answer
    assert answer.headers["connection"] == "close"


# bodies

BIG = b'{"name": "' + b"x" * HUGE + b'"}'
BIG_PARTS = (b'{"name": "', *[b"x" * 65536] * (HUGE // 65536), b'"}')


@pytest.mark.parametrize("key", ["", None, "nobody"])
@pytest.mark.parametrize("path", [VPCS, "/no/such/route", f"{CLUSTERS}/not-a-uuid/pools"])
def test_ten_megabytes_are_refused(unchanged: Cloud, path: str, key: str | None) -> None:
    """Also for who has no key: the refusal is read by its sender, who is not cut off while sending."""
    refused(send(unchanged, with_body(unchanged, "POST", path, BIG, JSON, key=key)))


def test_ten_megabytes_in_chunks_are_refused(unchanged: Cloud) -> None:
    sent = head(unchanged, "POST", VPCS, JSON, "Transfer-Encoding: chunked") + chunked(*BIG_PARTS)
    refused(send(unchanged, sent), 400)


def test_ten_megabytes_of_user_data_are_refused(unchanged: Cloud) -> None:
    """A route that takes any bytes."""
    path = f"{SERVERS}/11111111-2222-4333-8444-555555555555/user_data/cloud-init"
    refused(send(unchanged, with_body(unchanged, "PATCH", path, BIG, "Content-Type: text/plain")), 400)


def test_a_length_that_lies_is_refused(unchanged: Cloud) -> None:
    body = b'{"name": "lied"}'
    short = head(unchanged, "POST", VPCS, JSON, "Content-Length: 9") + body
    refused(send(unchanged, short), 400)
    for length in ("-1", "99999999999999999999999", "x", "5\r\nContent-Length: 16"):
        bare(send(unchanged, head(unchanged, "POST", VPCS, f"Content-Length: {length}") + body), 400)
    for chunks in (b"zz\r\nhello\r\n0\r\n\r\n", b"-1\r\n{}\r\n0\r\n\r\n", b"fffffffffffffffff\r\n{}"):
        answer = send(unchanged, head(unchanged, "POST", VPCS, "Transfer-Encoding: chunked") + chunks)
        refused(answer, 400)


@pytest.mark.parametrize("nested", [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000])
@pytest.mark.parametrize("where", [b"%b", b'{"name": %b}', b'{"no_such_field": %b, "name": "deep"}', b'{"tags": [%b]}'])
def test_deep_nesting_is_refused(unchanged: Cloud, nested: bytes, where: bytes) -> None:
    refused(send(unchanged, with_body(unchanged, "POST", VPCS, where % nested, JSON)), 400)


@pytest.mark.parametrize(
    "number",
    ["9" * 100_000, "-" + "9" * 5000, "1e999", "-1e999", "1" + "0" * 400, "0." + "1" * 50_000, "NaN", "Infinity",
     "-Infinity", "0x10", "1_000", "+1", "01", "1.", ".5"],
    ids=lambda number: number[:12],
)  # fmt: skip
def test_numbers_that_are_none_are_refused(unchanged: Cloud, number: str) -> None:
    for field in ("size", "no_such_field"):
        body = f'{{"name": "v", "volume_type": "l_ssd", "{field}": {number}}}'.encode()
        answer = send(unchanged, with_body(unchanged, "POST", "/instance/v1/zones/fr-par-1/volumes", body, JSON))
        refused(answer, 400)


BAD_TEXTS = {
    "a lone surrogate, escaped": b"a\\ud800b",
    "a lone low surrogate, escaped": b"\\udfff",
    "a lone surrogate as UTF-8": b"a\xed\xa0\x80b",
    "bytes that are no UTF-8": b"a\xff\xfeb",
    "an overlong encoding": b"\xc0\xaf",
    "a cut encoding": b"\xe2\x82",
    "an escaped NUL": b"a\\u0000b",
    "a raw NUL": b"a\x00b",
    "a raw control character": b"a\x1fb",
    "an unknown escape": b"\\x41",
}


@pytest.mark.parametrize("text", BAD_TEXTS.values(), ids=BAD_TEXTS.keys())
def test_texts_that_are_none_are_refused(unchanged: Cloud, text: bytes) -> None:
    bodies = {
        VPCS: (b'{"name": "%b"}', b'{"tags": ["%b"]}', b'{"name": "x", "%b": 1}'),
        "/account/v3/projects": (b'{"name": "p", "description": "%b"}',),
        "/iam/v1alpha1/applications": (b'{"name": "%b", "tags": []}',),
        CLUSTERS: (b'{"name": "c", "labels": {"%b": "x"}, "admission_plugins": ["%b"]}',),
    }
    for path, templates in bodies.items():
        for template in templates:
            refused(send(unchanged, with_body(unchanged, "POST", path, template.replace(b"%b", text), JSON)), 400)


def text_fields(type_: type[msgspec.Struct], depth: int = 0) -> Iterator[Any]:
    """For each field of a body that may be a text or hold one, at any depth, the body with `TEXT` there alone."""
    hints = typing.get_type_hints(type_, include_extras=True)
    for field in msgspec.structs.fields(type_):
        for value in texts(hints[field.name], depth):
            yield {field.encode_name: value}


def texts(hint: Any, depth: int) -> Iterator[Any]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield from text_fields(hint, depth + 1) if depth < 3 else ()
    elif typing.get_origin(hint) is dict:
        yield from ({"k": value} for value in texts(typing.get_args(hint)[1], depth))
        yield {"TEXT": "v"}
    elif typing.get_origin(hint) is list:
        yield from ([value] for value in texts(typing.get_args(hint)[0], depth))
    elif typing.get_args(hint):
        for inner in typing.get_args(hint):
            yield from texts(inner, depth)
    elif hint is str:
        yield "TEXT"


def test_no_text_field_of_any_route_takes_what_is_no_text(unchanged: Cloud) -> None:
    ids = PLACES | {"region": "fr-par", "zone": "fr-par-1"}
    tried, bad = 0, itertools.cycle((b"a\\u0000", b"\\ud800", b"\xff"))
    with unchanged.http() as http:
        for step in steps():
            if not isinstance(step.route.body, type) or not issubclass(step.route.body, msgspec.Struct):
                continue
            path = step.path(ids | {n: "11111111-2222-4333-8444-555555555555" for n in step.parameters if n not in ids})
            for body in text_fields(step.route.body):
                content = json.dumps(body).encode().replace(b"TEXT", next(bad))
                answer = http.request(step.route.method, path, content=content)
                assert answer.status_code == 400, f"{step} answered {answer.status_code} to {content!r}"
                assert answer.json()["message"], f"{step}: {content!r}"
                tried += 1
    assert tried > 500


@pytest.mark.parametrize(
    "body",
    [b'{"name": "x"}'.decode().encode("utf-16"), b'\xef\xbb\xbf{"name": "x"}', gzip.compress(b'{"name": "x"}', mtime=0),
     b"name=x", b"<name>x</name>", b'{"name": "x"}{"name": "y"}', b'{"name": "x",}', b"{'name': 'x'}", b'"x"', b"[]",
     b"true", b"\x00", b"{", b'{"name"', b'{"name": "x"'],
    ids=lambda body: repr(body[:8]),
)  # fmt: skip
def test_what_is_no_json_object_is_refused(unchanged: Cloud, body: bytes) -> None:
    for content_type in ("application/json", "text/plain", "application/x-www-form-urlencoded", "nonsense", ""):
        refused(send(unchanged, with_body(unchanged, "POST", VPCS, body, f"Content-Type: {content_type}")), 400)


def test_of_two_equal_keys_the_last_counts(served: Cloud) -> None:
    """As in the vendor's Go; and what is wrong with any of them is wrong."""
    made = send(served, with_body(served, "POST", VPCS, b'{"name": "first", "name": "last"}', JSON))
    assert (made.status, made.document["name"]) == (200, "last")
    for body in (b'{"name": 1, "name": "x"}', b'{"name": "x", "name": {}}'):
        refused(send(served, with_body(served, "POST", VPCS, body, JSON)), 400)


# heads


@pytest.mark.parametrize(
    "method", ["FROB", "OPTIONS", "TRACE", "CONNECT", "PUT", "DELETE", "get", "PROPFIND", "M-" * 20]
)
def test_a_method_that_is_not_served_is_refused(unchanged: Cloud, method: str) -> None:
    refused(send(unchanged, head(unchanged, method, VPCS)), 404)


def test_head_is_get_without_the_document(unchanged: Cloud) -> None:
    for path, key in ((VPCS, ""), (VPCS, None), ("/no/such/route", ""), (f"{VPCS}?page=0", "")):
        got, headed = (send(unchanged, head(unchanged, m, path, key=key)) for m in ("GET", "HEAD"))
        assert (headed.status, headed.raw) == (got.status, b"")
        if got.status != 404:  # whose message names the method
            assert headed.headers["content-length"] == got.headers["content-length"]


@pytest.mark.parametrize(
    "path",
    ["/", "//", "/vpc", f"/{VPCS}", f"{VPCS}/", f"{VPCS}//", f"{VPCS}/../../../../../../etc/passwd",
     "/../../etc/passwd", f"{VPCS}/%2e%2e/private-networks", "/%2e%2e/%2e%2e/etc/passwd",
     "/vpc/v2/regions/fr-par%2Fvpcs", "/vpc/v2/regions/%66r-par%2fvpcs", f"{VPCS}/..%2f..%2fprivate-networks",
     f"{VPCS}/%00",
     f"{VPCS}/%zz", f"{VPCS}/%", f"{VPCS}/%ff%fe", f"{VPCS}/%ed%a0%80", f"{VPCS}/..;/vpcs", f"{VPCS}\\..\\vpcs",
     "/vpc/v2/regions/FR-PAR/vpcs", "/vpc/v2/regions/fr-par%00/vpcs", "/vpc/v2/regions//vpcs",
     "/VPC/v2/regions/fr-par/vpcs",
     f"{VPCS};a=b", "*",
     f"{VPCS}/" + "a" * 60_000, "/" + "a/" * 25_000, f"{VPCS}/" + "%41" * 15_000],
    ids=lambda path: path[:40],
)  # fmt: skip
def test_a_path_that_leads_nowhere_is_refused(unchanged: Cloud, path: str) -> None:
    refused(send(unchanged, head(unchanged, "GET", path)), 400, 404)
    refused(send(unchanged, head(unchanged, "DELETE", path)), 400, 404)


@pytest.mark.parametrize(
    "query",
    ["page=0", "page=-1", "page=99999999999999999999", "page=x", "page=1.5", "page=NaN", "page=%00",
     "page=%d9%a1", "page_size=0", "page_size=-5", "page_size=99999999999", "order_by=x", "order_by=__class___asc",
     "order_by=created_at_asc%00", "is_default=perhaps", "name=%00", "tags=a%00b"],
)  # fmt: skip
def test_a_query_that_cannot_be_is_refused(unchanged: Cloud, query: str) -> None:
    answer = send(unchanged, head(unchanged, "GET", f"{VPCS}?{query}"))
    refused(answer, 400)
    assert answer.document["details"][0]["argument_name"] == query.partition("=")[0]


@pytest.mark.parametrize(
    ("query", "found"),
    [("page=2147483647", 0), ("page_size=2147483647", 2), ("page=2147483647&page_size=2147483647", 0), ("", 2),
     ("page=1&page=2", 0), ("page=2&page=1", 2), ("name=no&name=default", 1), ("no_such=%00", 2), ("page", 2),
     ("&&=&", 2), ("page=&page_size=", 2), ("name=%ff", 0), ("name=%ed%a0%80", 0), ("name=" + "x" * 60_000, 0),
     ("&".join(f"a{n}=1" for n in range(5000)), 2), ("tags=" + "&tags=".join("abcd"), 0), ("name=%e2%82%ac", 0),
     ("page_size=1", 1)],
    ids=lambda value: str(value)[:24],
)  # fmt: skip
def test_an_odd_query_is_read_as_far_as_it_goes(
    tmp_path_factory: Any, unchanged: Cloud, query: str, found: int
) -> None:
    """Of a key that is there twice the last counts, where it is no list; what is unknown or empty says nothing."""
    answer = send(unchanged, head(unchanged, "GET", f"{VPCS}?project_id={unchanged.owner['project_id']}&{query}"))
    assert answer.status == 200
    listed = [v for v in answer.document["vpcs"] if v["name"] in ("default", "kept")]
    assert len(listed) == found


def test_long_headers_are_taken_and_longer_ones_refused(unchanged: Cloud) -> None:
    assert send(unchanged, head(unchanged, "GET", VPCS, "X-Long: " + "a" * 300_000)).status == 200
    assert send(unchanged, head(unchanged, "GET", VPCS, *(f"X-{n}: a" for n in range(80)))).status == 200
    refused(send(unchanged, head(unchanged, "GET", VPCS, key="k" * 100_000)), 401)
    refused(send(unchanged, head(unchanged, "GET", VPCS, key="k\t" * 10)), 401)
    bare(send(unchanged, head(unchanged, "GET", VPCS, "X-Long: " + "a" * 2_000_000)), 431)
    bare(send(unchanged, head(unchanged, "GET", VPCS, *(f"X-{n}: a" for n in range(500)))), 431)
    bare(send(unchanged, head(unchanged, "GET", f"{VPCS}/" + "a" * 2_000_000)), 414, 431)


@pytest.mark.parametrize(
    "sent",
    [b"hello\r\n\r\n", b"GET /\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500,
     b"GET /vpc\xff HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nA B: c\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x00" * 1000,
     b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET  /  HTTP/1.1\r\n\r\n", b"A" * 1_000_000],
    ids=lambda sent: repr(sent[:16]),
)  # fmt: skip
def test_what_is_no_http_ends_at_once(unchanged: Cloud, sent: bytes) -> None:
    answer = send(unchanged, sent)
    assert answer.status in (0, 400, 414, 431, 505), answer


def test_a_refusal_leaves_the_connection_open_for_the_next_request(unchanged: Cloud) -> None:
    """Also where nobody read the body: what was sent of it is no part of the request that follows."""
    with unchanged.http() as http:
        for method, path, key in (
            ("POST", "/no/such/route", ""),
            ("POST", VPCS, "nobody"),
            ("DELETE", f"{VPCS}/not-a-uuid", ""),
        ):
            headers = {"X-Auth-Token": key} if key else {}
            answer = http.request(method, path, content=b"GET / HTTP/1.1\r\n\r\n" * 5000, headers=headers)
            assert answer.status_code in (400, 401, 404)
            stream = answer.extensions["network_stream"]
            again = http.get(VPCS)
            assert again.status_code == 200
            assert again.extensions["network_stream"] is stream, "the connection was closed"


@pytest.mark.slow
def test_a_hostile_request_costs_little_more_than_a_harmless_one(unchanged: Cloud) -> None:
    """By ratio, in one process and at one time, so that a busy machine slows both."""
    harmless = json.dumps({"name": "x", "no_such_field": "y" * 1_000_000}).encode()
    hostile = {
        "nested": b'{"no_such_field": ' + b"[" * 1_000_000,
        "numbers": b'{"size": ' + b"9" * 1_000_000 + b"}",
        "escapes": b'{"name": "' + b"\\\\u0000" * 160_000 + b'"}',
        "keys": b"{" + b",".join(b'"k%d": 1' % n for n in range(80_000)) + b', "name": 1}',
        "tags": b'{"tags": [' + b",".join([b'"t"'] * 250_000) + b"]}",
        "surrogates": b'{"name": "' + b"\\ud83d\\ude00" * 80_000 + b'"}',
    }
    before = statistics.median(_refused_in(unchanged, harmless) for _ in range(5))
    for name, body in hostile.items():
        took = min(_refused_in(unchanged, body) for _ in range(3))
        assert took < max(before * 30, 1.0), f"{name} took {took:.3f} s, a harmless body {before:.3f} s"


def _refused_in(served: Cloud, body: bytes) -> float:
    """Seconds until a body is refused by a route that reads it, for what is not there: so a good one is, too."""
    answer = send(served, with_body(served, "PATCH", f"{VPCS}/11111111-2222-4333-8444-555555555555", body, JSON))
    refused(answer, 400, 404)
    return answer.seconds


@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_vanishes_half_way_changes_nothing(unchanged: Cloud, reset: bool) -> None:
    whole = with_body(unchanged, "POST", VPCS, b'{"name": "' + b"x" * 200 + b'"}', JSON)
    parts = head(unchanged, "POST", VPCS, "Transfer-Encoding: chunked") + b'9\r\n{"name": \r\n'
    for sent in (whole[:40], whole[:-100], whole[:-1], parts, parts + b"5", b"G"):
        with socket.create_connection(address(unchanged), timeout=SECONDS) as connection:
            connection.sendall(sent)
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


# time


async def trickle(served: Cloud, sent: bytes, rest: bytes) -> tuple[float, Answered]:
    """Send something, and then the rest a byte a second, until an answer comes or the connection is closed."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection(*address(served))
    writer.write(sent)
    answer = asyncio.create_task(reader.read())
    for byte in rest:
        done, _ = await asyncio.wait({answer}, timeout=1)
        if done:
            break
        writer.write(bytes([byte]))
    came = await asyncio.wait_for(answer, SLOWEST)
    writer.close()
    return time.monotonic() - began, parsed(came)


async def asking(served: Cloud, until: asyncio.Event) -> list[float]:
    """How long ordinary requests take meanwhile: writes and reads, each on a connection of its own."""
    took = []
    async with httpx.AsyncClient(base_url=served.url, headers=served.headers, timeout=SECONDS) as http:
        while not until.is_set():
            began = time.monotonic()
            made = await http.post(VPCS, json={"name": "meanwhile"}, headers={"Connection": "close"})
            assert (await http.delete(f"{VPCS}/{made.json()['id']}")).status_code == 204
            took.append(time.monotonic() - began)
            await asyncio.sleep(0.2)
    return took


@pytest.mark.slow
def test_slow_clients_end_in_bounded_time_and_keep_nobody_waiting(unchanged: Cloud) -> None:
    """Together: 200 idle connections that were served before, 100 that say nothing, 100 heads and 100 bodies that come
    a byte a second, and 100 bodies that stop half-way."""
    idle = head(unchanged, "GET", VPCS, close=False)
    body = head(unchanged, "POST", VPCS, JSON, "Content-Length: 200", close=False) + b'{"name": "'
    parts = head(unchanged, "POST", VPCS, "Transfer-Encoding: chunked", close=False) + b'9\r\n{"name": \r\n'

    async def run() -> tuple[list[Any], list[float], list[float]]:
        async def alone() -> list[float]:
            until = asyncio.Event()
            asyncio.get_running_loop().call_later(2, until.set)
            return await asking(unchanged, until)

        before, until = await alone(), asyncio.Event()
        meanwhile = asyncio.create_task(asking(unchanged, until))
        slow = [
            *(trickle(unchanged, idle, b"") for _ in range(200)),
            *(trickle(unchanged, b"", b"") for _ in range(100)),
            *(trickle(unchanged, b"GET ", VPCS.encode() * 2) for _ in range(100)),
            *(trickle(unchanged, body, b"x" * 100) for _ in range(100)),
            *(trickle(unchanged, (body, parts)[n % 2], b"") for n in range(100)),
        ]
        ended = await asyncio.gather(*slow)
        until.set()
        return ended, before, await meanwhile

    ended, before, meanwhile = asyncio.run(run())
    assert max(seconds for seconds, _ in ended) < SLOWEST
    said = [answer for _, answer in ended]
    assert [a.status for a in said[:200]] == [200] * 200
    assert {a.status for a in said[200:400]} <= {0, 408}
    for answer in said[400:]:
        refused(answer, 408)
    assert len(meanwhile) > 20
    assert statistics.median(meanwhile) < max(statistics.median(before) * 10, 0.5)
    assert max(meanwhile) < SECONDS


@pytest.mark.slow
def test_connections_that_end_leave_nothing_open(unchanged: Cloud) -> None:
    assert unchanged.process is not None
    open_files = Path(f"/proc/{unchanged.process.pid}/fd")
    if not open_files.exists():
        pytest.skip("/proc is not here")
    send(unchanged, head(unchanged, "GET", VPCS))
    before = len(list(open_files.iterdir()))
    for _ in range(5):
        connections = [socket.create_connection(address(unchanged), timeout=SECONDS) for _ in range(200)]
        for connection in connections:
            connection.sendall(head(unchanged, "POST", VPCS, "Content-Length: 50", close=False))
        for connection in connections:
            connection.close()
    deadline = time.monotonic() + SECONDS
    while len(list(open_files.iterdir())) > before + 5 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(list(open_files.iterdir())) <= before + 5
