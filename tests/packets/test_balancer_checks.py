"""Every setting of a backend's health check, by what servers hear and what the API says of them."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cloud_under_test import cloud
from tests.packets.balanced import HOST, HTTP_PORT, LB, TLS_PORT, Handler, Site, certificate, served, web

pytestmark = [pytest.mark.packets, pytest.mark.slow]
WELL, ILL = ("running", "passed"), ("stopped", "failed")
PORT = 9100


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, packets: None) -> Iterator[Site]:
    with cloud(tmp_path_factory.mktemp("cloud"), "--data-plane", "linux", "--linger", "0") as running:
        made = Site(running)
        yield made
        made.close()


class Heard:
    """A server that is checked: what it heard of each check, and when. reply: what it says, after that or first."""

    def __init__(self, reply: bytes = b"", *, first: bool = False):
        self.reply, self.first = reply, first
        self.words: list[bytes] = []
        self.times: list[float] = []

    def handle(self, connection: socket.socket, _peer: str) -> None:
        self.times.append(time.monotonic())
        if self.first:
            connection.sendall(self.reply)
        self.words.append(connection.recv(4096))
        if not self.first:
            connection.sendall(self.reply)
        connection.recv(4096)

    def heard(self, site: Site, times: int = 1) -> list[bytes]:
        """What it has heard, once that was so many times."""
        assert site.tenant.soon(lambda: len(self.words) >= times, 20), self.words
        return self.words


def checking(site: Site, handle: Handler, **check: Any) -> contextlib.AbstractContextManager[str]:
    """A backend whose only server, `a`, is checked on PORT, where this handler answers."""

    @contextlib.contextmanager
    def made() -> Iterator[str]:
        with site.places["a"].serve(PORT, handle):
            backend = site.backend("tcp", "a", check={"port": PORT, **check})
            try:
                yield backend
            finally:
                site.call("DELETE", f"/backends/{backend}")

    return made()


def postgresql(user: bytes, answer: bytes) -> Handler:
    """Speaks PostgreSQL's start: the client names its user, and is asked for a password or refused."""

    def handle(connection: socket.socket, _peer: str) -> None:
        said = connection.recv(4096)
        connection.sendall(answer if b"user\0" + user + b"\0" in said else b"E\0\0\0\x04")

    return handle


def mysql(greeting: bytes, user: bytes) -> Handler:
    """Speaks MySQL's start: it greets, the client names its user and gets an OK, or its error."""

    def handle(connection: socket.socket, _peer: str) -> None:
        connection.sendall(struct.pack("<I", len(greeting)) + greeting)
        said = connection.recv(4096)
        known = user in said
        connection.sendall(b"\x07\0\0\x02\0\0\0\x02\0\0\0" if known else b"\x09\0\0\x02\xff\x15\x04#28000")
        connection.recv(4096)

    return handle


GREETING = b"\x0a8.0.0\0" + b"\x01\0\0\0" + b"salt8888\0" + b"\xff\xf7\x21\x02\0" + b"\0" * 13 + b"salt12345678\0"
PASSWORD = b"R" + struct.pack("!II", 8, 3)
BOUND = bytes.fromhex("300c02010161070a010004000400")
REFUSED = bytes.fromhex("300c02010161070a013104000400")  # invalidCredentials


@pytest.mark.parametrize(
    ("config", "well", "ill"),
    [
        ({"redis_config": {}}, Heard(b"+PONG\r\n").handle, Heard(b"-NOAUTH\r\n").handle),
        ({"ldap_config": {}}, Heard(BOUND).handle, Heard(REFUSED).handle),
        ({"pgsql_config": {"user": "bob"}}, postgresql(b"bob", PASSWORD), postgresql(b"eve", PASSWORD)),
        ({"pgsql_config": {}}, postgresql(b"postgres", PASSWORD), Heard(b"nonsense").handle),
        ({"mysql_config": {"user": "bob"}}, mysql(GREETING, b"bob"), mysql(GREETING, b"eve")),
        ({"mysql_config": {}}, mysql(GREETING, b""), Heard(b"\x05\0\0\0\xffbad!", first=True).handle),
        ({"http_config": {"uri": "/status/200"}}, web("a"), Heard(b"HTTP/1.0 503 no\r\n\r\n").handle),
        ({"https_config": {"sni": HOST}}, web("a", certificate(HOST)), web("a")),
    ],
    ids=["redis", "ldap", "pgsql user", "pgsql", "mysql user", "mysql", "http", "https"],
)
def test_each_kind_of_check_tells_who_is_well(site: Site, config: dict[str, Any], well: Handler, ill: Handler) -> None:
    with checking(site, well, **config) as backend:
        site.checked(backend, a=WELL)
    with checking(site, ill, **config) as backend:
        site.checked(backend, a=ILL)


def test_a_tcp_check_is_a_connection(site: Site) -> None:
    with checking(site, lambda _connection, _peer: None, tcp_config={}) as backend:
        site.checked(backend, a=WELL)
    site.checked(site.backend("tcp", "a", check={"port": PORT + 3}), a=ILL)


def test_what_an_http_check_asks_and_expects(site: Site) -> None:
    heard = Heard(b"HTTP/1.1 204 well\r\nContent-Length: 0\r\n\r\n")
    config = {"uri": "/health?deep='1'%20", "method": "POST", "code": 204, "host_header": "own.example.org"}
    with checking(site, heard.handle, http_config=config) as backend:
        site.checked(backend, a=WELL)
        lines = heard.words[0].decode().split("\r\n")
        assert lines[0] == "POST /health?deep='1'%20 HTTP/1.1"
        assert "own.example.org" in {line.partition(":")[2].strip() for line in lines if line.lower()[:5] == "host:"}
        site.call("PUT", f"/backends/{backend}/healthcheck", port=PORT, check_delay=200, http_config={"uri": "/"})
        site.checked(backend, a=ILL)
        assert heard.words[-1].startswith(b"GET / HTTP/1.0\r\n")


def test_what_an_https_check_is_called_by(site: Site) -> None:
    names: list[str] = []
    context = served(certificate(HOST))

    def handle(connection: socket.socket, _peer: str) -> None:
        wrapped = context.wrap_socket(connection, server_side=True)
        names.append(getattr(wrapped, "asked_for", ""))
        wrapped.recv(4096)
        wrapped.sendall(b"HTTP/1.0 200 ok\r\n\r\n")

    with checking(site, handle, https_config={"sni": "check.example.org", "uri": "/x"}) as backend:
        site.checked(backend, a=WELL)
    assert set(names) == {"check.example.org"}


def test_a_check_of_plain_http_is_plain_where_servers_speak_tls(site: Site) -> None:
    with site.places["a"].serve(PORT + 4, web("a")):
        fields: dict[str, Any] = {"ssl_bridging": True, "ignore_ssl_server_verify": True, "forward_port": TLS_PORT}
        backend = site.backend("http", "a", check={"port": PORT + 4, "http_config": {"uri": "/"}}, **fields)
        site.checked(backend, a=WELL)
        _, port = site.frontend(backend)
        assert site.get(port).name == "a"


@pytest.mark.parametrize("announced", [True, False])
def test_a_check_announces_itself_as_asked(site: Site, announced: bool) -> None:
    heard = Heard(b"+PONG\r\n")
    with checking(site, heard.handle, check_send_proxy=announced, redis_config={}) as backend:
        site.checked(backend, a=WELL)
    assert heard.words[0].startswith(b"PROXY " if announced else b"*1"), heard.words


def test_how_often_and_how_many_times(site: Site) -> None:
    """Every second while nothing changes, every 100 ms while it does; three failures in a row take it out."""
    heard, falls = Heard(b"+PONG\r\n"), threading.Event()

    def handle(connection: socket.socket, peer: str) -> None:
        if falls.is_set():
            heard.times.append(time.monotonic())
            return
        heard.handle(connection, peer)

    check = {"check_delay": 1000, "transient_check_delay": "0.1s", "check_max_retries": 3, "redis_config": {}}
    with checking(site, handle, **check) as backend:
        site.checked(backend, a=WELL)
        heard.heard(site, 6)  # it was on its way up at first
        between = sorted(b - a for a, b in zip(heard.times, heard.times[1:], strict=False))
        assert between[-1] > 0.7, between
        count = len(heard.times)
        falls.set()
        site.checked(backend, a=ILL)
        failed = heard.times[count:]
        assert len(failed) >= 3
        assert failed[2] - failed[0] < 0.8, "at the transient delay"


def test_how_long_a_check_may_take(site: Site) -> None:
    def slow(connection: socket.socket, _peer: str) -> None:
        connection.recv(4096)
        time.sleep(0.6)
        connection.sendall(b"+PONG\r\n")

    with checking(site, slow, check_timeout=200, check_delay=300, redis_config={}) as backend:
        site.checked(backend, a=ILL)
    with checking(site, slow, check_timeout=5000, check_delay=300, redis_config={}) as backend:
        site.checked(backend, a=WELL)


def test_who_is_ill_gets_nothing_and_who_is_well_again_does(site: Site) -> None:
    health = PORT + 1
    backend = site.backend("http", "a", "b", check={"port": health})
    _, port = site.frontend(backend)
    with site.places["b"].serve(health, lambda _connection, _peer: None):
        site.checked(backend, a=ILL, b=WELL)
        assert {site.get(port).name for _ in range(6)} == {"b"}
        before = {r["ip"]: r["server_state_changed_at"] for r in rows(site, backend)}
        with site.places["a"].serve(health, lambda _connection, _peer: None):
            site.checked(backend, a=WELL, b=WELL)
            assert {site.get(port).name for _ in range(6)} == {"a", "b"}
            assert rows(site, backend)[0]["server_state_changed_at"] >= before[site.servers["a"]]


def test_what_is_known_of_servers_survives_a_change(site: Site) -> None:
    """A check that comes only once an hour found `a` ill; a change of something else does not make it well."""
    backend = site.backend("http", "a", "b", check={"port": HTTP_PORT, "check_delay": 200})
    site.checked(backend, a=WELL, b=WELL)
    site.call("PUT", f"/backends/{backend}/healthcheck", port=PORT + 2, check_delay=200, check_max_retries=1)
    site.checked(backend, a=ILL, b=ILL)
    rarely = {"port": PORT + 2, "check_delay": 3_600_000, "check_max_retries": 1}
    site.call("PUT", f"/backends/{backend}/healthcheck", **rarely)
    for _ in range(3):
        site.backend("tcp")
        assert {state for state, _ in site.stats(backend).values()} == {"stopped"}


def rows(site: Site, backend: str) -> Any:
    said = site.tenant.call("GET", f"{LB}/lbs/{site.id}/backend-stats?backend_id={backend}")
    return said["backend_servers_stats"]
