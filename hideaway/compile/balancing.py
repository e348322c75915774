"""A Load Balancer's frontends, backends, ACLs and routes in networking's words.

Nothing here comes with control characters: no request can hold them, and no program's configuration shall.
"""

from __future__ import annotations

import re

from msgspec import UNSET

from hideaway.cloud.balancer_parts import (
    AclActionType,
    AclMatch,
    Algorithm,
    HealthCheck,
    HttpConfig,
    HttpFilter,
    MarkedDown,
    Protocol,
    ProxyProtocol,
    Redirect,
    RedirectType,
    Sticky,
)
from hideaway.cloud.balancers import Backend, Certificate, Frontend, LbAcl, LbRoute
from hideaway.cloud.memory import MemoryLedger
from hideaway.compile.common import DEFAULT_V4, by_age, interface, is_v6, network
from hideaway.fabric import balancing as fabric

EVERYONE = [DEFAULT_V4]
"""What an ACL says that names no range (recorded): it is meant for clients of both families."""
ALGORITHMS = {
    Algorithm.ROUNDROBIN: fabric.Balance.ROUND_ROBIN,
    Algorithm.LEASTCONN: fabric.Balance.LEAST_CONNECTIONS,
    Algorithm.FIRST: fabric.Balance.FIRST,
}
ANNOUNCEMENTS = {
    ProxyProtocol.V1: fabric.Announce.V1,
    ProxyProtocol.V2: fabric.Announce.V2,
    ProxyProtocol.V2_SSL: fabric.Announce.V2_SSL,
    ProxyProtocol.V2_SSL_CN: fabric.Announce.V2_SSL_CN,
}
PROBES = {
    "tcp_config": fabric.Probe.CONNECT,
    "http_config": fabric.Probe.HTTP,
    "https_config": fabric.Probe.HTTPS,
    "mysql_config": fabric.Probe.MYSQL,
    "pgsql_config": fabric.Probe.POSTGRESQL,
    "redis_config": fabric.Probe.REDIS,
    "ldap_config": fabric.Probe.LDAP,
}
PARTS = {
    HttpFilter.PATH_BEGIN: fabric.Part.PATH_BEGINS,
    HttpFilter.PATH_END: fabric.Part.PATH_ENDS,
    HttpFilter.REGEX: fabric.Part.PATH_MATCHES,
    HttpFilter.HTTP_HEADER_MATCH: fabric.Part.HEADER_IS,
}
VERDICTS = {AclActionType.ALLOW: fabric.Verdict.ACCEPT, AclActionType.DENY: fabric.Verdict.REFUSE}
TOKEN = re.compile(r"[0-9A-Za-z_.-]+")  # what of RFC 9110's tokens is used
HOST = re.compile(r"(?=.{1,253}$)([0-9A-Za-z_-]{1,63}\.)*[0-9A-Za-z_-]{1,63}")
SCHEME = re.compile(r"[A-Za-z][0-9A-Za-z+.-]*")
LONGEST = 2**31 - 1  # milliseconds
CHECK_USER = "postgres"  # PostgreSQL's protocol begins with a user; the vendor's check needs none (assumed)


def pool(backend: Backend) -> fabric.Pool:
    """A backend's servers, and how they are spoken to."""
    announce = ANNOUNCEMENTS.get(backend.proxy_protocol, fabric.Announce.NOTHING)
    if backend.proxy_protocol == ProxyProtocol.UNKNOWN and backend.send_proxy_v2:
        announce = fabric.Announce.V2
    return fabric.Pool(
        id=backend.id,
        port=backend.forward_port,
        servers=tuple(backend.pool),
        http=backend.forward_protocol == Protocol.HTTP,
        balance=ALGORITHMS[backend.forward_port_algorithm],
        cookie=_token(backend.sticky_sessions_cookie_name) if backend.sticky_sessions == Sticky.COOKIE else "",
        sticky=backend.sticky_sessions == Sticky.TABLE,
        check=check(backend.health_check),
        announce=announce,
        tls=backend.ssl_bridging,
        verify=not backend.ignore_ssl_server_verify,
        host_name=_token(backend.host),
        spare=_host(backend.failover_host or ""),
        cut_when_down=backend.on_marked_down_action == MarkedDown.SHUTDOWN_SESSIONS,
        retries=backend.max_retries,
        redispatch=backend.redispatch_attempt_count or 0,
        max_connections=backend.max_connections or None,
        connect_timeout=backend.timeout_connect or None,
        server_timeout=backend.timeout_server or None,
        tunnel_timeout=backend.timeout_tunnel or None,
        queue_timeout=_milliseconds(backend.timeout_queue),
    )


def check(asked: HealthCheck) -> fabric.Check:
    """A health check; what it leaves out of HTTP is GET / and 200 (the Terraform provider's defaults)."""
    name = next((n for n in PROBES if getattr(asked, n) is not UNSET), "tcp_config")
    config, http, probe = getattr(asked, name), HttpConfig(), PROBES[name]
    http = config if isinstance(config, HttpConfig) else http
    user = _plain(getattr(config, "user", ""))
    return fabric.Check(
        probe=probe,
        port=asked.port,
        failures=asked.check_max_retries or None,
        delay=asked.check_delay or None,
        transient_delay=_milliseconds(asked.transient_check_delay),
        timeout=asked.check_timeout or None,
        announce=asked.check_send_proxy,
        method=_token(http.method) or "GET",
        path=_path(http.uri) or "/",
        host_name=_plain(http.host_header),
        server_name=_plain(getattr(config, "sni", "")),
        status=http.code or 200,
        user=user or (CHECK_USER if probe == fabric.Probe.POSTGRESQL else ""),
    )


def frontend(ledger: MemoryLedger, asked: Frontend) -> fabric.Frontend | None:
    """A frontend with its ACLs and routes; None where its backend is gone."""
    backend = ledger.get(Backend, asked.backend_id)
    if backend is None:
        return None
    http = backend.forward_protocol == Protocol.HTTP
    acls = sorted(ledger.find(LbAcl, ref=asked.id), key=lambda a: (a.index, a.created_at, a.id))
    return fabric.Frontend(
        id=asked.id,
        port=asked.inbound_port,
        pool=backend.id,
        client_timeout=asked.timeout_client or None,
        certificates=tuple(id_ for id_ in asked.certificate_ids if ledger.get(Certificate, id_)),
        rate=asked.connection_rate_limit or None,
        logged=asked.enable_access_logs,
        admissions=tuple(a for acl in acls if (a := admission(acl, http))),
        branches=branches(ledger, asked, backend),
    )


def admission(acl: LbAcl, http: bool) -> fabric.Admission | None:
    """An ACL; None where it can match nobody, or speaks of requests where there are none."""
    match, asked = acl.match or AclMatch(ip_subnet=EVERYONE), acl.action.redirect
    redirect = _redirect(asked) if asked else None
    if not http and (match.http_filter != HttpFilter.NONE or asked is not None):
        return None
    if redirect is not None and not (redirect.scheme or redirect.location):
        return None
    sources, request = _sources(match), _request(match)
    never = sources == () or (request is not None and not request.values)
    always = sources is None and request is None
    if always if match.invert else never:
        return None
    return fabric.Admission(
        id=acl.id,
        verdict=fabric.Verdict.REDIRECT if redirect else VERDICTS.get(acl.action.type, fabric.Verdict.REFUSE),
        sources=None if never else sources,
        request=None if never else request,
        inverted=match.invert and not never,
        redirect=redirect,
    )


def _sources(match: AclMatch) -> tuple[str, ...] | None:
    """Whom an ACL is meant for; None: everybody. Nobody comes from Edge Services: there are none here."""
    if match.ips_edge_services:
        return ()
    if match.ip_subnet == EVERYONE:
        return None
    return tuple(sorted({n for r in match.ip_subnet if (n := network(r))}, key=lambda n: (is_v6(n), n)))


def _request(match: AclMatch) -> fabric.Request | None:
    """What an ACL compares; without values where no request can be so."""
    if match.http_filter == HttpFilter.NONE:
        return None
    header = match.http_filter_option or ""
    part = PARTS[match.http_filter]
    possible = part != fabric.Part.HEADER_IS or _token(header)
    values = tuple(dict.fromkeys(filter(_plain, match.http_filter_value))) if possible else ()
    return fabric.Request(part=part, values=values, header=header if part == fabric.Part.HEADER_IS else "")


def _redirect(asked: Redirect) -> fabric.Redirect:
    code = asked.code or 302
    if asked.type == RedirectType.SCHEME:
        return fabric.Redirect(scheme=asked.target if SCHEME.fullmatch(asked.target) else "", code=code)
    return fabric.Redirect(location=_plain(asked.target), code=code)


def branches(ledger: MemoryLedger, asked: Frontend, backend: Backend) -> tuple[fabric.Branch, ...]:
    """A frontend's routes, the most particular first: whole names, subdomains, then paths; longer before shorter."""
    found = []
    for route in by_age(ledger.find(LbRoute, ref=asked.id)):
        if unusable(ledger, route, asked, backend) is None and (named := wish(route)):
            kind, value = named
            subdomains = route.match is not None and route.match.match_subdomains and kind != fabric.Asked.PATH
            found.append(
                fabric.Branch(id=route.id, asked=kind, value=value, subdomains=subdomains, pool=route.backend_id)
            )
    return tuple(sorted(found, key=lambda b: (b.asked == fabric.Asked.PATH, b.subdomains, -len(b.value))))


def wish(route: LbRoute) -> tuple[fabric.Asked, str] | None:
    """What a client must ask for to be sent by a route."""
    if route.match is None:
        return None
    named = (
        (fabric.Asked.SERVER_NAME, route.match.sni),
        (fabric.Asked.HOST, route.match.host_header),
        (fabric.Asked.PATH, route.match.path_begin),
    )
    return next(((kind, text) for kind, value in named if value is not UNSET and (text := _plain(value))), None)


def unusable(ledger: MemoryLedger, route: LbRoute, asked: Frontend, backend: Backend) -> str | None:
    """In plain words, why a route leads nobody; None where it can."""
    target, named = ledger.get(Backend, route.backend_id), wish(route)
    if target is None:
        return "its backend is gone"
    if named is None:
        return "it matches nothing"
    if target.forward_protocol != backend.forward_protocol:
        return f"its backend speaks {target.forward_protocol}, its frontend {backend.forward_protocol}"
    http, terminates = backend.forward_protocol == Protocol.HTTP, bool(asked.certificate_ids)
    if named[0] == fabric.Asked.SERVER_NAME:
        return (
            "its frontend has no certificate, so no HTTP comes with a server name" if http and not terminates else None
        )
    return None if http else "its frontend passes connections, and sees no requests"


def _plain(text: str) -> str:
    """A text that can be part of a request: "" for one with control characters."""
    return text if text.isprintable() else ""


def _milliseconds(seconds: str | None) -> int | None:
    """`0.500s` is 500; None and 0 are None."""
    return min(round(float(seconds.removesuffix("s")) * 1000), LONGEST) or None if seconds else None


def _path(text: str) -> str:
    """A text that can stand in a request's first line; "" for another."""
    return text if text.isprintable() and " " not in text else ""


def _token(text: str) -> str:
    """A text that can be a header's, a cookie's or a method's name; "" for another."""
    return text if TOKEN.fullmatch(text) else ""


def _host(text: str) -> str:
    """A host name or an address; "" for another text."""
    return text if HOST.fullmatch(text) or (is_v6(text) and "/" not in text and interface(text)) else ""
