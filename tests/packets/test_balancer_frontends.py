"""Every setting of a frontend, its certificates, ACLs and routes, by what clients meet."""

from __future__ import annotations

import contextlib
import hashlib
import ssl
import time
from collections.abc import Iterator
from typing import Any

import pytest

from hideaway.fabric.model import PROBE_V4
from tests.cloud_under_test import cloud
from tests.packets.balanced import HOST, TLS_PORT, Said, Site, certificate, get, lasts, trusting, web

pytestmark = [pytest.mark.packets, pytest.mark.slow]
FIRST, SECOND = certificate(HOST, "*.a.example.org"), certificate("b.example.org")
DENY, ALLOW = {"type": "deny"}, {"type": "allow"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, packets: None) -> Iterator[Site]:
    with cloud(tmp_path_factory.mktemp("cloud"), "--data-plane", "linux", "--linger", "0") as running:
        made = Site(running)
        yield made
        made.close()


@pytest.fixture(scope="module")
def first(site: Site) -> str:
    return site.import_certificate(FIRST)


@pytest.fixture(scope="module")
def second(site: Site) -> str:
    return site.import_certificate(SECOND)


# Certificates


def test_a_frontend_with_a_certificate_speaks_tls(site: Site, first: str) -> None:
    _, port = site.frontend(site.backend("http"), certificate_ids=[first])
    said = site.get(port, tls=trusting(FIRST))
    assert (said.status, said.saw["headers"]["x-forwarded-proto"]) == (200, "https")
    with site.client.connect(site.public, port) as plain, contextlib.suppress(OSError, ValueError):
        assert get(plain).status == 400


def test_tls_may_end_there_for_tcp_too(site: Site, first: str) -> None:
    _, port = site.frontend(site.backend("tcp", "b"), certificate_ids=[first])
    with trusting(FIRST).wrap_socket(site.client.connect(site.public, port), server_hostname=HOST) as connection:
        assert connection.recv(64) == b"b\n"


def test_the_name_that_is_asked_for_chooses_among_certificates(site: Site, first: str, second: str) -> None:
    frontend, port = site.frontend(site.backend("http"), certificate_ids=[first, second])
    assert site.get(port, tls=trusting(FIRST)).status == 200
    assert site.get(port, tls=trusting(FIRST), sni="deep.a.example.org").status == 200
    assert site.get(port, tls=trusting(SECOND), sni="b.example.org").status == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        site.get(port, tls=trusting(SECOND), sni="c.example.org")
    body = site.call("GET", f"/frontends/{frontend}")
    fields = {"name": body["name"], "inbound_port": port, "backend_id": body["backend"]["id"]}
    site.call("PUT", f"/frontends/{frontend}", **fields, certificate_ids=[second])
    assert site.get(port, tls=trusting(SECOND), sni="b.example.org").status == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        site.get(port, tls=trusting(FIRST))


def test_a_lets_encrypt_certificate_is_one_of_our_own(site: Site) -> None:
    made = site.call("POST", f"/lbs/{site.id}/certificates", name="le", letsencrypt={"common_name": HOST})
    certified = site.call("GET", f"/certificates/{made['id']}")
    _, port = site.frontend(site.backend("http"), certificate_ids=[made["id"]])
    with trusting().wrap_socket(site.client.connect(site.public, port), server_hostname=HOST) as connection:
        shown = connection.getpeercert(binary_form=True)
        assert shown is not None
        assert hashlib.sha1(shown).hexdigest() == certified["fingerprint"]
        assert get(connection).status == 200


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(
    ("level", "spoken"), [("modern", {"1.3"}), ("intermediate", {"1.2", "1.3"}), ("old", {"1.1", "1.2", "1.3"})]
)
def test_the_compatibility_level_says_which_tls_is_spoken(site: Site, first: str, level: str, spoken: set[str]) -> None:
    _, port = site.frontend(site.backend("http"), certificate_ids=[first])
    site.call("PUT", f"/lbs/{site.id}", name="lb", ssl_compatibility_level=f"ssl_compatibility_level_{level}")
    versions = {"1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
    met = set()
    for name, version in versions.items():
        context = trusting(FIRST)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        with contextlib.suppress(ssl.SSLError, OSError):
            if site.get(port, tls=context).status == 200:
                met.add(name)
    assert met == spoken


def test_http_2_is_spoken_to_who_asks_for_it(site: Site, first: str) -> None:
    _, port = site.frontend(site.backend("http"), certificate_ids=[first])
    context = trusting(FIRST)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with context.wrap_socket(site.client.connect(site.public, port), server_hostname=HOST) as connection:
        assert connection.selected_alpn_protocol() == "h2"


# Time, numbers, logs


def test_the_clients_timeout(site: Site) -> None:
    _, port = site.frontend(site.backend("tcp", "a"), timeout_client=400)
    with site.held(port) as connection:
        assert 0.2 < lasts(connection, 20) < 15


def test_the_rate_of_new_connections(site: Site) -> None:
    """Two a second: ten take some seconds, where they took none otherwise."""
    backend = site.backend("tcp")
    _, limited = site.frontend(backend, connection_rate_limit=2)
    _, free = site.frontend(backend)
    took = []
    for port in (free, limited):
        began = time.monotonic()
        assert None not in [site.ask(port, patience=20) for _ in range(8)]
        took.append(time.monotonic() - began)
    assert took[1] > 2 > took[0] or took[1] > took[0] + 2, took


def test_access_logs_say_who_came(site: Site) -> None:
    backend = site.backend("http")
    _, logged = site.frontend(backend, enable_access_logs=True)
    _, silent = site.frontend(backend)
    site.get(logged, "/written-down")
    site.get(silent, "/not-written-down")
    (log,) = site.cloud.state.glob("world/services/*/balancer/log")
    assert site.tenant.soon(lambda: "/written-down" in log.read_text())
    (line,) = [line for line in log.read_text().splitlines() if "written-down" in line]
    assert line.startswith(f"{PROBE_V4}:")


# ACLs


def statuses(site: Site, port: int, *paths: str, **more: Any) -> list[int]:
    return [site.get(port, path, **more).status for path in paths]


PN = "172.16.0.0/22"


@pytest.mark.parametrize("protocol", ["tcp", "http"])
@pytest.mark.parametrize(
    ("match", "action", "internet", "inside"),
    [
        ({"ip_subnet": [PROBE_V4]}, DENY, False, True),
        ({"ip_subnet": ["198.18.0.0/16", "10.0.0.0/8"]}, DENY, False, True),
        ({"ip_subnet": [PN], "invert": True}, DENY, False, True),
        ({"ip_subnet": [PN]}, ALLOW, True, True),
        ({"ip_subnet": ["0.0.0.0/0"]}, DENY, False, False),
        ({}, DENY, False, False),
        (None, DENY, False, False),
        ({"ips_edge_services": True}, DENY, True, True),
        ({"ips_edge_services": True, "invert": True}, DENY, False, False),
    ],
)
def test_acls_by_address(
    site: Site, protocol: str, match: dict[str, Any] | None, action: dict[str, str], internet: bool, inside: bool
) -> None:
    frontend, port = site.frontend(site.backend(protocol))
    site.acls(frontend, {"action": action, "match": match})
    assert comes_in(site, port, protocol) == internet
    assert comes_in(site, port, protocol, address=site.inside, host="a") == inside


def comes_in(site: Site, port: int, protocol: str, **more: Any) -> bool:
    if protocol == "tcp":
        return site.ask(port, **more) is not None
    return site.get(port, **more).status == 200


def test_acls_are_for_both_families(site: Site) -> None:
    frontend, port = site.frontend(site.backend("http"))
    site.acls(frontend, {"action": DENY, "match": {"ip_subnet": ["2001:2::/48"]}})
    assert statuses(site, port, "/") == [200]
    assert statuses(site, port, "/", address=site.public_v6) == [403]
    site.acls(frontend, {"action": DENY})
    assert statuses(site, port, "/", address=site.public_v6) == [403]


def test_the_first_acl_that_matches_decides(site: Site) -> None:
    frontend, port = site.frontend(site.backend("http"))
    mine = {"ip_subnet": [f"{PROBE_V4}/32"]}
    site.acls(frontend, {"action": ALLOW, "match": mine}, {"action": DENY})
    assert (statuses(site, port, "/"), statuses(site, port, "/", address=site.inside, host="a")) == ([200], [403])
    site.acls(frontend, {"action": DENY, "index": 5}, {"action": ALLOW, "match": mine, "index": 2})
    assert statuses(site, port, "/") == [200]
    site.acls(frontend)
    assert statuses(site, port, "/", address=site.inside, host="a") == [200]


def test_long_lists_of_addresses(site: Site) -> None:
    frontend, port = site.frontend(site.backend("tcp"))
    many = [f"10.{n // 256}.{n % 256}.0/24" for n in range(900)]
    site.acls(frontend, {"action": ALLOW, "match": {"ip_subnet": [*many, PROBE_V4]}}, {"action": DENY})
    assert site.ask(port) is not None
    assert site.ask(port, address=site.inside, host="a") is None


@pytest.mark.parametrize(
    ("filter_", "values", "denied", "allowed"),
    [
        ("path_begin", ["/admin", "/it's 'x'"], ["/admin", "/admin/x?y"], ["/", "/x/admin", "/?q=/admin"]),
        ("path_end", [".php", "-f"], ["/x.php", "/x.php?a=b", "/-f"], ["/x.php/", "/php"]),
        ("regex", [r"^/v[0-9]+/(a|b)$", r"\.bak"], ["/v12/a", "/x.bak"], ["/v/a", "/v1/c"]),
    ],
)
def test_acls_by_path(site: Site, filter_: str, values: list[str], denied: list[str], allowed: list[str]) -> None:
    frontend, port = site.frontend(site.backend("http"))
    match = {"http_filter": filter_, "http_filter_value": values}
    site.acls(frontend, {"action": DENY, "match": match})
    assert statuses(site, port, *denied, *allowed) == [403] * len(denied) + [200] * len(allowed)
    site.acls(frontend, {"action": DENY, "match": {**match, "invert": True}})
    assert statuses(site, port, *denied, *allowed) == [200] * len(denied) + [403] * len(allowed)
    site.acls(frontend, {"action": DENY, "match": {**match, "ip_subnet": [PN]}})
    assert statuses(site, port, *denied, *allowed) == [200] * (len(denied) + len(allowed)), "both must match"
    assert statuses(site, port, *denied, address=site.inside, host="a") == [403] * len(denied)


def test_acls_by_header(site: Site) -> None:
    frontend, port = site.frontend(site.backend("http"))
    match = {
        "http_filter": "http_header_match",
        "http_filter_option": "X-Team",
        "http_filter_value": ["red", "blue 'n"],
    }
    site.acls(frontend, {"action": DENY, "match": match})
    said = [site.get(port, headers={"X-Team": team}).status for team in ("red", "blue 'n", "green", "redder")]
    assert [*said, site.get(port).status] == [403, 403, 200, 200, 200]


def test_filters_of_requests_do_nothing_where_connections_pass(site: Site) -> None:
    frontend, port = site.frontend(site.backend("tcp"))
    match = {"http_filter": "path_begin", "http_filter_value": ["/"]}
    site.acls(frontend, {"action": DENY, "match": match}, {"action": DENY, "match": {**match, "invert": True}})
    assert site.ask(port) is not None


@pytest.mark.parametrize("code", [None, 301, 302, 303, 307, 308])
def test_redirects_to_another_scheme(site: Site, code: int | None) -> None:
    said = redirected(site, {"type": "scheme", "target": "https", "code": code}, "/a?b=c")
    assert (said.status, said.headers["location"]) == (code or 302, f"https://{HOST}/a?b=c")


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("https://www.example.org/100%25 'new'", "https://www.example.org/100%25 'new'"),
        ("https://{{host}}{{path}}?was={{scheme}}&{{query}}", f"https://{HOST}/a?was=http&b=c"),
        ("/moved", "/moved"),
    ],
)
def test_redirects_to_a_location(site: Site, target: str, location: str) -> None:
    said = redirected(site, {"type": "location", "target": target, "code": 308}, "/a?b=c")
    assert (said.status, said.headers["location"]) == (308, location)


def redirected(site: Site, redirect: dict[str, Any], path: str) -> Said:
    frontend, port = site.frontend(site.backend("http"))
    match = {"http_filter": "path_begin", "http_filter_value": ["/a"]}
    site.acls(frontend, {"action": {"type": "redirect", "redirect": redirect}, "match": match})
    assert site.get(port, "/other").status == 200
    return site.get(port, path)


# Routes


def route(site: Site, frontend: str, backend: str, **match: Any) -> str:
    return str(site.call("POST", "/routes", frontend_id=frontend, backend_id=backend, match=match)["id"])


def test_routes_by_host_and_by_path(site: Site) -> None:
    """Whole names before subdomains before paths, longer ones first; what matches none goes to the frontend's own."""
    own, b, c = (site.backend("http", name) for name in ("a", "b", "c"))
    frontend, port = site.frontend(own)
    route(site, frontend, c, path_begin="/api")
    route(site, frontend, b, host_header="example.org", match_subdomains=True)
    route(site, frontend, c, host_header="c.example.org")
    route(site, frontend, own, path_begin="/api/own")

    def met(host: str, path: str = "/") -> str:
        return site.get(port, path, headers={"Host": host}).name

    assert [met("x.org"), met("x.org", "/api/x"), met("x.org", "/api/own"), met("x.org", "/x/api")] == [
        "a",
        "c",
        "a",
        "a",
    ]
    assert [met("example.org"), met("deep.b.Example.org:8080"), met("notexample.org")] == ["b", "b", "a"]
    assert [met("c.example.org"), met("c.example.org", "/api"), met("x.c.example.org")] == ["c", "c", "b"]


def test_a_route_is_changed_and_removed(site: Site) -> None:
    own, b = site.backend("http", "a"), site.backend("http", "b")
    frontend, port = site.frontend(own)
    made = route(site, frontend, b, path_begin="/x")
    assert site.get(port, "/x").name == "b"
    site.call("PUT", f"/routes/{made}", backend_id=b, match={"path_begin": "/y"})
    assert [site.get(port, p).name for p in ("/x", "/y")] == ["a", "b"]
    site.call("DELETE", f"/routes/{made}")
    assert site.get(port, "/y").name == "a"


def test_routes_by_sni_let_tls_pass(site: Site) -> None:
    """TLS is not ended there: the name is read from its first message, and the server shows its own certificate."""
    port_of_tls = TLS_PORT + 50
    chains = {"b": certificate("b.example.org"), "c": certificate("c.example.org", "x.c.example.org")}
    with (
        site.places["b"].serve(port_of_tls, web("b", chains["b"])),
        site.places["c"].serve(port_of_tls, web("c", chains["c"])),
    ):
        own, b, c = (site.backend("tcp", n, forward_port=port_of_tls) for n in ("a", "b", "c"))
        frontend, port = site.frontend(own)
        route(site, frontend, b, sni="b.example.org")
        route(site, frontend, c, sni="c.example.org", match_subdomains=True)
        for name, sni in (("b", "b.example.org"), ("c", "c.example.org"), ("c", "x.c.example.org")):
            assert site.get(port, tls=trusting(chains[name]), sni=sni).name == name
        with pytest.raises(OSError):
            site.get(port, tls=trusting(), sni="other.example.org")
        began = time.monotonic()
        with site.client.connect(site.public, port) as plain, contextlib.suppress(OSError):
            plain.sendall(b"no TLS")
            plain.settimeout(20)
            plain.recv(1)
        assert time.monotonic() - began < 4, "it does not wait for TLS"


def test_routes_by_sni_where_tls_ends(site: Site, first: str, second: str) -> None:
    own, b = site.backend("http", "a"), site.backend("http", "b")
    frontend, port = site.frontend(own, certificate_ids=[first, second])
    route(site, frontend, b, sni="b.example.org")
    assert site.get(port, tls=trusting(FIRST)).name == "a"
    assert site.get(port, tls=trusting(SECOND), sni="b.example.org").name == "b"


def test_a_server_that_speaks_first_is_heard_without_routes(site: Site) -> None:
    """Only routes by SNI make a frontend wait for the client's first word."""
    port = site.port("tcp", "a")
    with site.client.connect(site.public, port) as silent:
        silent.settimeout(4)
        assert silent.recv(64) == b"a\n"


def test_several_frontends_share_a_backend_and_one_changes_its_port(site: Site) -> None:
    backend = site.backend("http", "a")
    ports = dict(site.frontend(backend) for _ in range(3))
    assert [site.get(port).name for port in ports.values()] == ["a"] * 3
    moved, old = next(iter(ports.items()))
    site.call("PUT", f"/frontends/{moved}", name="moved", inbound_port=4000, backend_id=site.backend("http", "b"))
    assert site.get(4000).name == "b"
    with pytest.raises(OSError):
        site.get(old)
    site.call("DELETE", f"/frontends/{moved}")
    with pytest.raises(OSError):
        site.get(4000)
