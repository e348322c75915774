"""What a balancer is made of: frontends that take connections in, pools of servers that they are passed to.

Durations are milliseconds everywhere; None is "not said", which leaves it to whoever carries it out. Frozen values.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Tls(StrEnum):
    """Which clients' TLS is taken: 1.3 only, from 1.2 on, or anything from 1.0 on."""

    MODERN = "modern"
    INTERMEDIATE = "intermediate"
    OLD = "old"


class Balance(StrEnum):
    """Which server of a pool takes the next connection (HTTP: request)."""

    ROUND_ROBIN = "round-robin"
    LEAST_CONNECTIONS = "least-connections"
    FIRST = "first"  # the first that has room


class Announce(StrEnum):
    """The PROXY protocol's header, by which a server learns who the client is."""

    NOTHING = "nothing"
    V1 = "v1"
    V2 = "v2"
    V2_SSL = "v2-ssl"
    V2_SSL_CN = "v2-ssl-cn"


class Probe(StrEnum):
    """How a server is asked whether it is well."""

    CONNECT = "connect"
    HTTP = "http"
    HTTPS = "https"
    MYSQL = "mysql"
    POSTGRESQL = "postgresql"
    REDIS = "redis"
    LDAP = "ldap"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """The health check of a pool's servers, on a port of its own.

    failures in a row take a server out. transient_delay: while it is coming or going. method, path, host_name and
    status are for HTTP and HTTPS, server_name (SNI) for HTTPS, user for MySQL and PostgreSQL.
    """

    probe: Probe = Probe.CONNECT
    port: int
    failures: int | None = None
    delay: int | None = None
    transient_delay: int | None = None
    timeout: int | None = None
    announce: bool = False
    method: str = "GET"
    path: str = "/"
    host_name: str = ""
    server_name: str = ""
    status: int = 200
    user: str = ""


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """Servers (addresses without prefix length, on one port) that take a frontend's connections in turn.

    http: requests are passed, else connections. cookie: the name of the cookie that keeps a client on its server;
    sticky: its address does. tls: servers are spoken to in TLS; verify: and must show a certificate that the machine
    trusts. host_name: what servers are told that they are called (Host, SNI). spare: a host that serves when no server
    is well. cut_when_down: connections to a server that is taken out are ended. redispatch: from which attempt on
    another server is tried, 0 never.
    """

    id: str
    port: int
    servers: tuple[str, ...] = ()
    http: bool = False
    balance: Balance = Balance.ROUND_ROBIN
    cookie: str = ""
    sticky: bool = False
    check: Check
    announce: Announce = Announce.NOTHING
    tls: bool = False
    verify: bool = True
    host_name: str = ""
    spare: str = ""
    cut_when_down: bool = False
    retries: int | None = None
    redispatch: int = 0
    max_connections: int | None = None  # a server
    connect_timeout: int | None = None
    server_timeout: int | None = None
    tunnel_timeout: int | None = None
    queue_timeout: int | None = None


class Verdict(StrEnum):
    ACCEPT = "accept"
    REFUSE = "refuse"
    REDIRECT = "redirect"


class Part(StrEnum):
    """What of a request is compared."""

    PATH_BEGINS = "path-begins"
    PATH_ENDS = "path-ends"
    PATH_MATCHES = "path-matches"  # a Perl-compatible regular expression
    HEADER_IS = "header-is"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request of which a part is one of these values. header: the name, for HEADER_IS."""

    part: Part
    values: tuple[str, ...]
    header: str = ""


class Redirect(msgspec.Struct, frozen=True, kw_only=True):
    """Where a client is sent: the same address under another scheme, or a location.

    A location may hold {{scheme}}, {{host}}, {{path}} and {{query}}, which stand for the request's.
    """

    scheme: str = ""
    location: str = ""
    code: int = 302


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of some of a frontend's clients; the first that matches decides, and who meets none comes in.

    sources: CIDRs, at least one, None for everybody; request and redirect: of HTTP frontends only. It matches where
    both sources and request do; inverted: where not both do.
    """

    id: str
    verdict: Verdict
    sources: tuple[str, ...] | None = None
    request: Request | None = None
    inverted: bool = False
    redirect: Redirect | None = None


class Asked(StrEnum):
    """What of a client's wish tells where it goes."""

    SERVER_NAME = "server-name"  # TLS's SNI
    HOST = "host"  # HTTP's Host
    PATH = "path"  # how the request's path begins


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """Clients that ask for this go to another pool. subdomains: also those that ask for a name below it."""

    id: str
    asked: Asked
    value: str
    subdomains: bool = False
    pool: str


class Frontend(msgspec.Struct, frozen=True, kw_only=True):
    """A port of a balancer, and the pool that its clients go to where no branch says otherwise.

    certificates: ids of those that it shows, the default one first; with any it speaks TLS. rate: new connections a
    second. logged: each connection (request) is written down.
    """

    id: str
    port: int
    pool: str
    client_timeout: int | None = None
    certificates: tuple[str, ...] = ()
    rate: int | None = None
    logged: bool = False
    admissions: tuple[Admission, ...] = ()
    branches: tuple[Branch, ...] = ()


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """PEM: the certificate, those above it, its key."""

    id: str
    chain: str


class Wellness(msgspec.Struct, frozen=True, kw_only=True):
    """How one server of a pool fares, as the balancer sees it.

    state: stopped, starting, running or stopping; check: what its last health check said: unknown, neutral, failed,
    passed or condpass. since: seconds that it has been in that state.
    """

    pool: str
    address: str
    state: str
    check: str
    since: int
