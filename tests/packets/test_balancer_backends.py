"""Every setting of a backend, by what it does to packets."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from hideaway.fabric.model import PROBE_V6
from tests.cloud_under_test import cloud
from tests.packets.balanced import (
    CLOSED_PORT,
    HOST,
    HTTP_PORT,
    NAMES,
    RAW_PORT,
    TLS_PORT,
    Site,
    certificate,
    echoes,
    get,
    lasts,
    trusting,
    web,
)
from tests.packets.tenant import PROBE

pytestmark = [pytest.mark.packets, pytest.mark.slow]
TRUSTED = certificate(HOST)
UPGRADE = f"GET /upgrade HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: talk\r\nConnection: Upgrade\r\n\r\n".encode()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, packets: None) -> Iterator[Site]:
    """The machine that the cloud runs on trusts one certificate, TRUSTED."""
    folder = tmp_path_factory.mktemp("cloud")
    trusted = folder / "trusted.pem"
    trusted.write_text(TRUSTED.partition("-----BEGIN PRIVATE")[0])
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SSL_CERT_FILE", str(trusted))
        with cloud(folder, "--data-plane", "linux", "--linger", "0") as running:
            made = Site(running)
            yield made
            made.close()


# How servers take turns


@pytest.mark.parametrize("protocol", ["tcp", "http"])
def test_round_robin_shares_evenly(site: Site, protocol: str) -> None:
    port = site.port(protocol, forward_port_algorithm="roundrobin")
    met = site.spread(port) if protocol == "tcp" else [site.get(port).name for _ in range(6)]
    assert sorted(map(str, met)) == sorted([*NAMES, *NAMES])


def test_least_connections_takes_who_has_the_fewest(site: Site) -> None:
    """Two servers hold a connection each, so all others, one after the other, go to the third."""
    port = site.port("tcp", forward_port_algorithm="leastconn")

    def one_by_one() -> set[str | None]:
        found = set()
        for _ in range(4):
            found.add(site.ask(port))
            time.sleep(0.1)  # HAProxy, too, must have seen it end before the next begins
        return found

    with site.held(port), site.held(port):
        assert site.tenant.soon(lambda: len(one_by_one()) == 1, 30)


def test_first_takes_the_first_that_has_room(site: Site) -> None:
    port = site.port("tcp", forward_port_algorithm="first", max_connections=1)
    with site.held(port), site.held(port):
        assert site.ask(port) == "c"
    assert site.tenant.soon(lambda: site.ask(port) == "a")


# How clients stay with a server


def test_a_cookie_keeps_a_client_on_its_server(site: Site) -> None:
    port = site.port("http", sticky_sessions="cookie", sticky_sessions_cookie_name="stay")
    first = site.get(port)
    cookie = first.headers["set-cookie"].partition(";")[0]
    assert cookie.startswith("stay=")
    assert site.servers[first.name] not in cookie
    assert {site.get(port, headers={"Cookie": cookie}).name for _ in range(4)} == {first.name}
    assert len({site.get(port).name for _ in range(6)}) == 3


def test_a_table_keeps_a_client_on_its_server_also_over_changes(site: Site) -> None:
    backend = site.backend("tcp", sticky_sessions="table")
    _, port = site.frontend(backend)
    first = site.ask(port)
    for _ in range(3):
        site.port("tcp")  # a change of something else
        assert set(site.spread(port, 3)) == {first}


def test_without_stickiness_nobody_stays(site: Site) -> None:
    assert len(set(site.spread(site.port("tcp", sticky_sessions="none"), 3))) == 3


# Who servers see


@pytest.mark.parametrize(("protocol", "version"), [("v1", 1), ("v2", 2), ("v2_ssl", 2), ("v2_ssl_cn", 2)])
def test_the_proxy_protocol_tells_servers_who_the_client_is(site: Site, protocol: str, version: int) -> None:
    port = site.port("tcp", "a", forward_port=RAW_PORT, proxy_protocol=f"proxy_protocol_{protocol}")
    header, source = announced(site, port)
    if version == 1:
        assert header.partition(b"\r\n")[0] == f"PROXY TCP4 {PROBE} {site.public} {source} {port}".encode()
        return
    assert header[:14] == b"\r\n\r\n\0\r\nQUIT\n\x21\x11", header
    addresses = socket.inet_aton(PROBE), socket.inet_aton(site.public)
    assert header[16:28] == struct.pack("!4s4sHH", *addresses, source, port)
    assert (b"\x20" in header[28:29]) == ("ssl" in protocol), "the TLV of TLS"


def test_the_old_word_for_version_2_counts_where_the_new_one_is_not_said(site: Site) -> None:
    port = site.port("tcp", "a", forward_port=RAW_PORT, send_proxy_v2=True)
    assert announced(site, port)[0].startswith(b"\r\n\r\n\0\r\nQUIT\n")
    port = site.port("tcp", "a", forward_port=RAW_PORT, send_proxy_v2=True, proxy_protocol="proxy_protocol_none")
    assert announced(site, port)[0] == b"hello"


def announced(site: Site, port: int) -> tuple[bytes, int]:
    """What a server reads first, and the client's port."""
    with site.client.connect(site.public, port) as connection:
        connection.sendall(b"hello")
        return connection.recv(4096), connection.getsockname()[1]


# Time


def test_the_servers_timeout(site: Site) -> None:
    port = site.port("tcp", "a", timeout_server=400)
    with site.held(port) as connection:
        assert 0.2 < lasts(connection, 20) < 15
    with site.held(site.port("tcp", "a")) as connection:
        assert lasts(connection, 1.5) > 1.4, "five minutes otherwise"


def test_a_web_server_that_is_late_is_given_up(site: Site) -> None:
    with site.places["a"].serve(CLOSED_PORT - 1, lambda connection, _: connection.recv(4096) and time.sleep(30)):
        port = site.port("http", "a", forward_port=CLOSED_PORT - 1, timeout_server=300)
        assert site.get(port).status == 504


def test_the_connections_timeout_and_retries(site: Site) -> None:
    """A server that does not answer a SYN: half a second and no retry, so the client hears of it at once."""
    site.tenant.inside("a", "nft", f"add table t; add chain t i {{ type filter hook input priority 0; }};"
                       f"add rule t i tcp dport {CLOSED_PORT} drop")  # fmt: skip
    port = site.port("http", "a", forward_port=CLOSED_PORT, timeout_connect=500, max_retries=0)
    began = time.monotonic()
    assert site.get(port).status == 503
    once = time.monotonic() - began
    port = site.port("http", "a", forward_port=CLOSED_PORT, timeout_connect=500, max_retries=3)
    began = time.monotonic()
    assert site.get(port).status == 503
    assert time.monotonic() - began > once + 1, "three more attempts"


def test_a_tunnels_timeout_outranks_the_others(site: Site) -> None:
    port = site.port("http", "a", timeout_server=300, timeout_tunnel=3000)
    with site.client.connect(site.public, port) as connection:
        connection.sendall(UPGRADE)
        assert b" 101 " in connection.recv(4096)
        assert 2 < lasts(connection, 20) < 18


def test_the_queue_before_servers_that_are_full(site: Site) -> None:
    """One connection a server: the next waits for its turn as long as it may, then it is refused."""
    port = site.port("http", "a", max_connections=1, timeout_queue="0.5s")
    with site.client.connect(site.public, port) as busy:
        busy.sendall(UPGRADE)
        assert b" 101 " in busy.recv(4096)
        assert site.get(port).status == 503
    port = site.port("http", "a", max_connections=1, timeout_queue="20s")
    with site.client.connect(site.public, port) as busy:
        busy.sendall(UPGRADE)
        assert b" 101 " in busy.recv(4096)
        threading.Timer(0.7, busy.shutdown, [socket.SHUT_RDWR]).start()
        assert site.get(port).status == 200, "its turn came"


# Servers that fail


def test_another_server_is_tried_where_that_is_wished(site: Site) -> None:
    """`a` passes its health check, on another port, and refuses connections."""
    fields: dict[str, Any] = {"forward_port": CLOSED_PORT - 2, "max_retries": 2, "timeout_connect": 300}
    with site.places["b"].serve(CLOSED_PORT - 2, web("b")):
        port = site.port("http", "a", "b", **fields, redispatch_attempt_count=1)
        assert [site.get(port).status for _ in range(4)] == [200] * 4
        port = site.port("http", "a", "b", **fields | {"max_retries": 0}, redispatch_attempt_count=0)
        assert sorted(site.get(port).status for _ in range(4)) == [200, 200, 503, 503]


@pytest.mark.parametrize(("action", "survives"), [("on_marked_down_action_none", True), ("shutdown_sessions", False)])
def test_connections_to_a_server_that_falls_ill(site: Site, action: str, survives: bool) -> None:
    health = CLOSED_PORT - 3
    with contextlib.ExitStack() as well:
        well.enter_context(site.places["a"].serve(health, lambda _connection, _peer: None))
        backend = site.backend("tcp", "a", check={"port": health}, on_marked_down_action=action)
        _, port = site.frontend(backend)
        site.checked(backend, a=("running", "passed"))
        with site.held(port) as connection:
            well.close()
            site.checked(backend, a=("stopped", "failed"))
            assert echoes(connection) == survives
    assert site.ask(port) is None, "no server is left"


def test_a_failover_host_serves_when_no_server_is_well(site: Site) -> None:
    """The probe host answers on port 80, as a bucket's website would."""
    backend = site.backend("http", "a", check={"port": CLOSED_PORT}, failover_host=PROBE)
    _, port = site.frontend(backend)
    site.checked(backend, a=("stopped", "failed"))
    with site.client.connect(site.public, port) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert site.public.encode() in connection.makefile("rb").read(), "it saw the Load Balancer's public address"
    site.call("PUT", f"/backends/{backend}/healthcheck", port=HTTP_PORT, check_delay=200)
    site.checked(backend, a=("running", "passed"))
    assert site.get(port).name == "a"


# TLS to servers


def test_servers_are_spoken_to_in_tls_unverified(site: Site) -> None:
    port = site.port("http", "a", forward_port=TLS_PORT, ssl_bridging=True, ignore_ssl_server_verify=True, host=HOST)
    said = site.get(port, headers={"Host": "other.example.org"})
    assert (said.status, said.saw["sni"], said.saw["headers"]["host"]) == (200, HOST, HOST)


def test_a_servers_certificate_must_be_trusted_where_it_is_verified(site: Site) -> None:
    fields: dict[str, Any] = {"ssl_bridging": True, "ignore_ssl_server_verify": False, "max_retries": 0}
    assert site.get(site.port("http", "a", forward_port=TLS_PORT, **fields)).status == 503
    with site.places["a"].serve(CLOSED_PORT - 4, web("a", TRUSTED)):
        assert site.get(site.port("http", "a", forward_port=CLOSED_PORT - 4, host=HOST, **fields)).status == 200
        other = site.port("http", "a", forward_port=CLOSED_PORT - 4, host="b.example.org", **fields)
        assert site.get(other).status == 503, "it is trusted, and is not who was asked for"


def test_tls_passes_through_tcp(site: Site) -> None:
    port = site.port("tcp", "a", forward_port=TLS_PORT)
    assert site.get(port, tls=trusting()).saw["sni"] == HOST


# Servers come and go


def test_servers_are_added_removed_and_set(site: Site) -> None:
    backend = site.backend("tcp", "a")
    _, port = site.frontend(backend)
    path, b = f"/backends/{backend}/servers", site.servers["b"]
    assert set(site.spread(port)) == {"a"}
    site.call("POST", path, server_ip=[b])
    assert set(site.spread(port)) == {"a", "b"}
    site.tenant.http.request("DELETE", f"/lb/v1/zones/fr-par-1{path}", json={"server_ip": [site.servers["a"]]})
    site.tenant.settled()
    assert set(site.spread(port)) == {"b"}
    site.call("PUT", path, server_ip=[site.servers["c"]])
    assert set(site.spread(port)) == {"c"}


def test_servers_by_ipv6(site: Site) -> None:
    with site.client.serve(CLOSED_PORT - 5, web("six"), v6=True):
        port = site.port("http", PROBE_V6, forward_port=CLOSED_PORT - 5, check={"port": CLOSED_PORT - 5})
        said = site.get(port)
    assert (said.name, said.saw["peer"]) == ("six", site.public_v6)


def test_a_connection_of_http_is_kept_for_requests_one_after_the_other(site: Site) -> None:
    port = site.port("http")
    with site.client.connect(site.public, port) as connection:
        assert {get(connection).name for _ in range(6)} == set(NAMES)
