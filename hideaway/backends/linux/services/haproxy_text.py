"""A balancer in HAProxy's own language (2.6): pure text, and the files that it names.

Whatever a user chose stands in strong quotes, where nothing is expanded; control characters never come here (compile
leaves them out), so a line stays a line. Proxies are called `f-<frontend>` and `b-<pool>`, servers by address and port.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

import msgspec

from hideaway.base.patterns import complaint
from hideaway.fabric.balancing import (
    Admission,
    Announce,
    Asked,
    Balance,
    Branch,
    Certificate,
    Check,
    Frontend,
    Part,
    Pool,
    Probe,
    Redirect,
    Request,
    Tls,
    Verdict,
)
from hideaway.fabric.services import Balancer

CONFIGURATION, STATS, PEERS, STATES = "haproxy.cfg", "stats.sock", "peers.sock", "servers.state"
TRUSTED = "trusted"
"""The folder of the certificates that servers' are held to."""
CONNECT_TIMEOUT, SERVER_TIMEOUT, CLIENT_TIMEOUT, TUNNEL_TIMEOUT = 5_000, 300_000, 300_000, 900_000
"""Milliseconds, where nothing was said: what the vendor's Terraform provider sends then (5s, 5m, 5m, 15m)."""
DESCRIPTORS = 65536
"""An upper bound for each worker: HAProxy makes room for as many as a process may have, which can be a billion."""
PATTERNS_A_LINE = 30  # HAProxy takes 64 words
SPARE_PORT = 80
HELLO_PATIENCE = 5  # seconds that a client may take to say where it wants to go

_INTERMEDIATE = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
LEVELS: dict[Tls, tuple[str, str]] = {
    Tls.MODERN: ("ssl-min-ver TLSv1.3 no-tls-tickets", ""),
    Tls.INTERMEDIATE: ("ssl-min-ver TLSv1.2 no-tls-tickets", _INTERMEDIATE),
    # OpenSSL 3 speaks TLS 1.0 and 1.1 at security level 0 only.
    Tls.OLD: ("ssl-min-ver TLSv1.0 no-tls-tickets", f"{_INTERMEDIATE}:ALL:!aNULL:!eNULL:!EXPORT:@SECLEVEL=0"),
}
"""What Mozilla's server-side TLS guidelines of the same names ask for: options and ciphers."""

BALANCES = {
    Balance.ROUND_ROBIN: "roundrobin",
    Balance.LEAST_CONNECTIONS: "leastconn",
    Balance.FIRST: "first",
}
HEADERS = {
    Announce.NOTHING: "",
    Announce.V1: "send-proxy",
    Announce.V2: "send-proxy-v2",
    Announce.V2_SSL: "send-proxy-v2-ssl",
    Announce.V2_SSL_CN: "send-proxy-v2-ssl-cn",
}
CRITERIA = {
    Part.PATH_BEGINS: "path_beg",
    Part.PATH_ENDS: "path_end",
    Part.PATH_MATCHES: "path_reg",
}
PLACEHOLDERS = {
    "{{scheme}}": "%[ssl_fc,iif(https,http)]",
    "{{host}}": "%[req.hdr(host)]",
    "{{path}}": "%[path]",
    "{{query}}": "%[query]",
}


class Rendered(msgspec.Struct, frozen=True):
    """digest: what `show info` calls a worker that runs this (its description). files: name -> content, the
    configuration last: what it names is there before it is."""

    digest: str
    files: dict[str, bytes]


@lru_cache(maxsize=1024)
def rendered(balancer: Balancer) -> Rendered:
    """All of a balancer's files."""
    lines = list(configuration(balancer))
    digest = hashlib.blake2s("\n".join(lines).encode()).hexdigest()
    text = "".join(f"{line}\n" for line in ("global", f" description {digest}", *lines))
    files = {certificate_file(c): c.chain.encode() for c in balancer.certificates}
    return Rendered(digest=digest, files={**files, CONFIGURATION: text.encode()})


def configuration(balancer: Balancer) -> Iterator[str]:
    """The configuration, from the second line of its section `global` on."""
    pools = {pool.id: pool for pool in balancer.pools}
    yield from _globals(balancer)
    for frontend in balancer.frontends:
        if frontend.pool in pools:
            yield from _frontend(frontend, pools, {c.id: c for c in balancer.certificates})
    for pool in balancer.pools:
        yield from _pool(pool)
        if pool.spare:
            yield from _spare(pool)
    if any(pool.spare for pool in balancer.pools):
        yield "resolvers machine"
        yield " parse-resolv-conf"


def certificate_file(certificate: Certificate) -> str:
    """Called by what is in it, so that a file that a worker reads is never replaced."""
    return f"cert-{hashlib.blake2s(certificate.chain.encode()).hexdigest()[:32]}.pem"


def server_name(address: str, port: int) -> str:
    """Of address and port: what is known of a server (`servers.state`) is known of that port only."""
    return f"{address}:{port}"


def quoted(text: str) -> str:
    """A word in strong quotes."""
    return "'" + text.replace("'", "'\\''") + "'"


def _globals(balancer: Balancer) -> Iterator[str]:
    options, ciphers = LEVELS[balancer.tls]
    yield " localpeer self"
    yield f" fd-hard-limit {DESCRIPTORS}"
    yield f" stats socket unix@{STATS} mode 600 level admin expose-fd listeners"
    yield f" server-state-file {STATES}"
    yield f" ssl-default-bind-options {options}"
    if ciphers:
        yield f" ssl-default-bind-ciphers {ciphers}"
    yield " tune.ssl.default-dh-param 2048"
    # Workers that follow each other tell each other whom they stuck to which server.
    yield "peers others"
    yield f" bind unix@{PEERS}"
    yield " server self"
    yield "defaults"
    yield " load-server-state-from-file global"
    # A client that is about to send its next request is not cut off by a change: it is told with the next response.
    yield " option idle-close-on-response"
    yield f" timeout connect {CONNECT_TIMEOUT}"
    yield f" timeout server {SERVER_TIMEOUT}"
    yield f" timeout client {CLIENT_TIMEOUT}"


def _frontend(frontend: Frontend, pools: dict[str, Pool], certificates: dict[str, Certificate]) -> Iterator[str]:
    http = pools[frontend.pool].http
    shown = [certificate_file(certificates[id_]) for id_ in frontend.certificates if id_ in certificates]
    tls = [*(f"crt {file}" for file in shown), *(["alpn h2,http/1.1"] if http else [])] if shown else []
    yield f"frontend f-{frontend.id}"
    yield f" mode {_mode(http)}"
    # Each family by itself: servers are told of a client at 198.18.9.9, not at ::ffff:198.18.9.9.
    for address in (f"0.0.0.0:{frontend.port}", f":::{frontend.port} v6only"):
        yield " ".join([f" bind {address}", *(["ssl", *tls] if tls else [])])
    if frontend.client_timeout:
        yield f" timeout client {frontend.client_timeout}"
    if frontend.rate:
        yield f" rate-limit sessions {frontend.rate}"
    if frontend.logged:
        yield " log stdout format raw local0 info"
        yield f" option {'httplog' if http else 'tcplog'}"
    if http:
        yield " option forwardfor"
        yield " http-request set-header X-Forwarded-Proto https if { ssl_fc }"
        yield " http-request set-header X-Forwarded-Proto http unless { ssl_fc }"
    for number, admission in enumerate(frontend.admissions):
        yield from _admission(f"a{number}", admission, http)
    branches = [branch for branch in frontend.branches if branch.pool in pools]
    if not http and not tls and branches:
        yield from _await_hello()
    for number, branch in enumerate(branches):
        yield from _branch(f"b{number}", branch, terminated=bool(tls))
        yield from _uses(pools[branch.pool], f"b{number}")
    yield from _uses(pools[frontend.pool])


def _mode(http: bool) -> str:
    return "http" if http else "tcp"


def _await_hello() -> Iterator[str]:
    """Wait for TLS's first message, which has the name; what begins otherwise is no TLS and has none."""
    yield f" tcp-request inspect-delay {HELLO_PATIENCE}s"
    yield " tcp-request content accept if { req.ssl_hello_type 1 }"
    yield " tcp-request content accept if { req.len gt 0 } !{ req.payload(0,1),hex -m str 16 }"


def _uses(pool: Pool, condition: str = "") -> Iterator[str]:
    """Pass to a pool, or to who stands in for it while none of its servers is well."""
    if pool.spare:
        yield f" use_backend s-{pool.id} if {condition} {{ nbsrv(b-{pool.id}) lt 1 }}".replace("  ", " ")
    yield f" use_backend b-{pool.id} if {condition}" if condition else f" default_backend b-{pool.id}"


def _admission(name: str, admission: Admission, http: bool) -> Iterator[str]:
    conditions = []
    if admission.sources is not None:
        conditions.append(f"{name}-src")
        yield from _acl(f"{name}-src", "src", admission.sources)
    if admission.request is not None:
        conditions.append(f"{name}-req")
        yield from _request(f"{name}-req", admission.request)
    when = f" {'unless' if admission.inverted else 'if'} {' '.join(conditions)}" if conditions else ""
    if admission.redirect is not None:
        yield f" http-request redirect {_redirect(admission.redirect)}{when}"
    elif http:
        yield f" http-request {'allow' if admission.verdict == Verdict.ACCEPT else 'deny'}{when}"
    else:
        yield f" tcp-request connection {'accept' if admission.verdict == Verdict.ACCEPT else 'reject'}{when}"


def _request(name: str, request: Request) -> Iterator[str]:
    """A pattern that PCRE2 refuses matches nothing: HAProxy would refuse all of the configuration for it."""
    criterion = CRITERIA.get(request.part) or f"req.hdr({request.header}) -m str"
    values = [v for v in request.values if request.part != Part.PATH_MATCHES or not complaint(v)]
    yield from _acl(name, f"{criterion} --", map(quoted, values)) if values else [f" acl {name} always_false"]


def _acl(name: str, criterion: str, patterns: Iterable[str]) -> Iterator[str]:
    """A condition that holds where one of the patterns does."""
    words = list(patterns)
    for start in range(0, len(words), PATTERNS_A_LINE):
        yield f" acl {name} {criterion} {' '.join(words[start : start + PATTERNS_A_LINE])}"


def _redirect(redirect: Redirect) -> str:
    if redirect.scheme:
        return f"scheme {quoted(redirect.scheme)} code {redirect.code}"
    parts = re.split("(" + "|".join(map(re.escape, PLACEHOLDERS)) + ")", redirect.location)
    location = "".join(PLACEHOLDERS.get(part) or part.replace("%", "%%") for part in parts)
    return f"location {quoted(location)} code {redirect.code}"


def _branch(name: str, branch: Branch, *, terminated: bool) -> Iterator[str]:
    if branch.asked == Asked.PATH:
        yield f" acl {name} path_beg -- {quoted(branch.value)}"
        return
    of_tls = "ssl_fc_sni" if terminated else "req.ssl_sni"
    asked = of_tls if branch.asked == Asked.SERVER_NAME else "req.hdr(host),host_only"
    yield f" acl {name} {asked} -m str -i -- {quoted(branch.value)}"
    if branch.subdomains:
        yield f" acl {name} {asked} -m end -i -- {quoted('.' + branch.value)}"


def _pool(pool: Pool) -> Iterator[str]:
    yield f"backend b-{pool.id}"
    yield f" mode {_mode(pool.http)}"
    yield f" balance {BALANCES[pool.balance]}"
    if pool.cookie and pool.http:
        yield f" cookie {quoted(pool.cookie)} insert indirect nocache"
    elif pool.sticky:
        yield " stick-table type ipv6 size 100k expire 30m peers others"  # holds IPv4, too
        yield " stick on src"
    yield from _timeouts(pool)
    if pool.retries is not None:
        yield f" retries {pool.retries}"
    if pool.redispatch:
        yield f" option redispatch {pool.redispatch}"
    yield from _check(pool.check)
    if pool.http and pool.host_name:
        yield f" http-request set-header Host {quoted(pool.host_name.replace('%', '%%'))}"
    yield " ".join((" default-server", *_checked(pool.check), *_served(pool)))
    for address in pool.servers:
        name = server_name(address, pool.port)
        cookie = f" cookie {_cookie(pool, name)}" if pool.cookie and pool.http else ""
        yield f" server {name} {name}{cookie}"


def _cookie(pool: Pool, name: str) -> str:
    """What a client's cookie says of its server: the same after each change, and no address to read in it."""
    return hashlib.blake2s(f"{pool.id}/{name}".encode()).hexdigest()[:16]


def _timeouts(pool: Pool) -> Iterator[str]:
    if pool.connect_timeout:
        yield f" timeout connect {pool.connect_timeout}"
    if pool.server_timeout:
        yield f" timeout server {pool.server_timeout}"
    # It would outrank the others for all TCP, not for WebSockets alone.
    if pool.http or pool.tunnel_timeout:
        yield f" timeout tunnel {pool.tunnel_timeout or TUNNEL_TIMEOUT}"
    if pool.queue_timeout:
        yield f" timeout queue {pool.queue_timeout}"
    if pool.check.timeout:
        yield f" timeout check {pool.check.timeout}"


def _check(check: Check) -> Iterator[str]:
    """What a check says and expects; a check that only connects needs no line."""
    user = f" user {quoted(check.user)}" if check.user else ""
    match check.probe:
        case Probe.HTTP | Probe.HTTPS:
            host = f" ver HTTP/1.1 hdr Host {quoted(check.host_name.replace('%', '%%'))}" if check.host_name else ""
            yield " option httpchk"
            yield f" http-check send meth {quoted(check.method)} uri {quoted(check.path)}{host}"
            yield f" http-check expect status {check.status}"
        case Probe.MYSQL:
            yield f" option mysql-check{user}"
        case Probe.POSTGRESQL:
            yield f" option pgsql-check{user}"
        case Probe.REDIS:
            yield " option redis-check"
        case Probe.LDAP:
            yield " option ldap-check"


def _checked(check: Check) -> Iterator[str]:
    """A check's part in what is said of each server. With a port of its own it takes nothing over from traffic."""
    yield f"check port {check.port}"
    if check.delay:
        yield f"inter {check.delay}"
    if check.transient_delay:
        yield f"fastinter {check.transient_delay}"
    if check.failures:
        yield f"fall {check.failures}"
    if check.announce:
        yield "check-send-proxy"
    if check.probe == Probe.HTTPS:
        yield "check-ssl"
        if check.server_name:
            yield f"check-sni {quoted(check.server_name)}"
    else:
        yield "no-check-ssl"


def _served(pool: Pool) -> Iterator[str]:
    if pool.tls:
        yield "ssl"
        if pool.host_name:
            yield f"sni str({quoted(pool.host_name)})"
    if pool.tls and pool.verify:
        yield f"verify required ca-file {TRUSTED}"
        if pool.host_name:
            yield f"verifyhost {quoted(pool.host_name)}"
    elif pool.tls or pool.check.probe == Probe.HTTPS:
        yield "verify none"
    if HEADERS[pool.announce]:
        yield HEADERS[pool.announce]
    if pool.max_connections:
        yield f"maxconn {pool.max_connections}"
    if pool.cut_when_down:
        yield "on-marked-down shutdown-sessions"


def _spare(pool: Pool) -> Iterator[str]:
    """Who stands in for a pool; a name is looked up as this machine does, now and then, and waited for by nobody."""
    yield f"backend s-{pool.id}"
    yield f" mode {_mode(pool.http)}"
    yield from _timeouts(msgspec.structs.replace(pool, check=Check(port=SPARE_PORT)))
    if pool.http:
        yield f" http-request set-header Host {quoted(pool.spare)}"
    yield f" server spare {pool.spare}:{SPARE_PORT} resolvers machine init-addr none"
