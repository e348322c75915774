"""Whatever the API lets in, HAProxy takes: else a Load Balancer would stay with its last configuration."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from hideaway.backends.linux.services.haproxy_text import CONFIGURATION, TRUSTED, rendered
from hideaway.cloud import balancer_parts as parts
from hideaway.cloud.balancers import Backend, Certificate, Frontend, Lb, LbAcl, LbRoute
from hideaway.compile.balancers import balancer
from tests.certificates import chain
from tests.unit.compile.factory import Cloud

HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/sbin")
BIG = 2**31 - 1
CHAINS = [chain("a.example.org"), chain("b.example.org", "*.b.example.org")]

texts = st.text(max_size=12) | st.sampled_from(
    ["'", "''\\", "}", "-f", "--", "%[src]", "{{host}}%", "a b", "#", "\n", "é"]
)
patterns = st.sampled_from(
    ["(", "[a", "a{70000}", "((a{1000}){1000}){10}", "*", "(?<=a+)b", "^/(?i)x$", r"\p{L}+", r"\ "]
)
filled = (texts | patterns).filter(bool)
names = st.sampled_from(["a.example.org", "198.18.9.9", "2001:db8::1"]) | texts
numbers = st.none() | st.integers(0, 3) | st.integers(0, BIG) | st.just(BIG)
addresses = st.ip_addresses().map(str)
networks = st.ip_addresses(v=4).map(str) | st.sampled_from(["0.0.0.0/0", "::/0", "10.0.0.0/8", "2001:db8::/32"])
durations = st.none() | st.sampled_from(["0s", "0.500s", "0.001s", "2147483.647s", "9999999999s"])


def one_of(type_: type) -> st.SearchStrategy[Any]:
    return st.sampled_from(list(type_))


@st.composite
def checks(draw: st.DrawFn) -> parts.HealthCheck:
    http = {
        "uri": draw(texts),
        "method": draw(texts),
        "code": draw(st.none() | st.integers(0, 999)),
        "host_header": draw(texts),
    }
    config = draw(
        st.sampled_from(
            [
                {"tcp_config": parts.Empty()},
                {"ldap_config": parts.Empty()},
                {"redis_config": parts.Empty()},
                {"mysql_config": parts.UserConfig(user=draw(texts))},
                {"pgsql_config": parts.UserConfig(user=draw(texts))},
                {"http_config": parts.HttpConfig(**http)},
                {"https_config": parts.HttpsConfig(**http, sni=draw(texts))},
            ]
        )
    )
    return parts.HealthCheck(
        port=draw(st.integers(1, 65535)),
        check_max_retries=draw(st.integers(0, BIG)),
        check_send_proxy=draw(st.booleans()),
        check_delay=draw(numbers),
        check_timeout=draw(numbers),
        transient_check_delay=draw(durations),
        **config,
    )


@st.composite
def backends(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "name": "backend",
        "forward_protocol": draw(st.sampled_from([parts.Protocol.HTTP, parts.Protocol.HTTP, parts.Protocol.TCP])),
        "forward_port": draw(st.integers(1, 65535)),
        "forward_port_algorithm": draw(one_of(parts.Algorithm)),
        "sticky_sessions": draw(one_of(parts.Sticky)),
        "sticky_sessions_cookie_name": draw(texts),
        "health_check": draw(checks()),
        "pool": draw(st.lists(addresses, max_size=3, unique=True)),
        "send_proxy_v2": draw(st.booleans()),
        "on_marked_down_action": draw(one_of(parts.MarkedDown)),
        "proxy_protocol": draw(one_of(parts.ProxyProtocol)),
        "failover_host": draw(st.none() | names),
        "ssl_bridging": draw(st.booleans()),
        "ignore_ssl_server_verify": draw(st.none() | st.booleans()),
        "timeout_queue": draw(durations),
        "host": draw(texts),
    } | {
        field: draw(numbers)
        for field in (
            "timeout_server", "timeout_connect", "timeout_tunnel",
            "redispatch_attempt_count", "max_retries", "max_connections",
        )
    }  # fmt: skip


@st.composite
def acls(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(one_of(parts.RedirectType))
    redirect = parts.Redirect(type=kind, target=draw(filled), code=draw(st.sampled_from([301, 302, 303, 307, 308])))
    match = parts.AclMatch(
        ip_subnet=draw(st.lists(networks, max_size=3)),
        ips_edge_services=draw(st.sampled_from([False, False, False, False, True])),
        http_filter=draw(one_of(parts.HttpFilter)),
        http_filter_value=draw(st.lists(filled, min_size=1, max_size=3)),
        http_filter_option=draw(st.sampled_from(["X-Own", "X-Own", None]) | texts),
        invert=draw(st.booleans()),
    )
    action = draw(one_of(parts.AclActionType))
    return {
        "name": "acl",
        "index": draw(st.integers(0, 5)),
        "action": parts.AclAction(type=action, redirect=redirect if action == parts.AclActionType.REDIRECT else None),
        "match": draw(st.none() | st.just(match)),
    }


@st.composite
def matches(draw: st.DrawFn) -> parts.RouteMatch | None:
    way = draw(st.sampled_from(["sni", "host_header", "path_begin", ""]))
    return parts.RouteMatch(match_subdomains=draw(st.booleans()), **({way: draw(texts)} if way else {}))


@st.composite
def clouds(draw: st.DrawFn) -> tuple[Cloud, Lb]:
    cloud = Cloud()
    lb = cloud.put(Lb, zone="fr-par-1", name="lb", type="lb-s", ssl_compatibility_level=draw(one_of(parts.SslLevel)))
    of_lb = {"zone": lb.zone, "lb_id": lb.id}
    now = lb.created_at
    certified = [
        cloud.put(Certificate, **of_lb, name="c", type="custom", not_valid_before=now, not_valid_after=now, chain=c)
        for c in CHAINS
    ]
    made = [cloud.put(Backend, **of_lb, **fields) for fields in draw(st.lists(backends(), min_size=1, max_size=4))]
    for port in range(draw(st.sampled_from([0, 1, 2, 3, 4, 4, 4]))):
        frontend = cloud.put(
            Frontend,
            **of_lb,
            name="frontend",
            inbound_port=port + 20000,
            backend_id=draw(st.sampled_from(made)).id,
            certificate_ids=[c.id for c in draw(st.sampled_from([[], certified, certified[1:]]))],
            timeout_client=draw(numbers),
            connection_rate_limit=draw(numbers),
            enable_access_logs=draw(st.booleans()),
            enable_http3=draw(st.booleans()),
        )
        for fields in draw(st.lists(acls(), min_size=draw(st.integers(0, 3)), max_size=4)):
            cloud.put(LbAcl, **of_lb, frontend_id=frontend.id, **fields)
        for match in draw(st.lists(matches(), min_size=draw(st.integers(0, 2)), max_size=3)):
            target = draw(st.sampled_from(made)).id
            cloud.put(LbRoute, **of_lb, frontend_id=frontend.id, backend_id=target, match=match)
    return cloud, lb


@pytest.mark.slow
@pytest.mark.skipif(HAPROXY is None, reason="there is no haproxy on this machine")
@given(clouds())
def test_haproxy_takes_every_configuration(made: tuple[Cloud, Lb]) -> None:
    cloud, lb = made
    files = rendered(balancer(cloud.ledger, lb)).files
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        (Path(folder) / TRUSTED).mkdir()
        done = subprocess.run(
            [str(HAPROXY), "-c", "-f", CONFIGURATION],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    note(files[CONFIGURATION].decode())
    assert done.returncode == 0, done.stderr


def test_what_is_rendered_says_what_it_is_of() -> None:
    """Two configurations never share a digest, and one always has the same."""
    cloud = Cloud()
    lb = cloud.put(Lb, zone="fr-par-1", name="lb", type="lb-s")
    one = balancer(cloud.ledger, lb)
    two = msgspec.structs.replace(one, tls="old")
    assert rendered(one) == rendered(msgspec.structs.replace(one))
    assert rendered(one).digest != rendered(two).digest
