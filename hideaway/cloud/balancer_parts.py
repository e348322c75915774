"""What Load Balancers' documents are made of: lb/v1's enumerations, health checks, matches and actions."""

from __future__ import annotations

from enum import StrEnum

import msgspec
from msgspec import UNSET, UnsetType


class Protocol(StrEnum):
    TCP = "tcp"
    HTTP = "http"


class Algorithm(StrEnum):
    ROUNDROBIN = "roundrobin"
    LEASTCONN = "leastconn"
    FIRST = "first"


class Sticky(StrEnum):
    NONE = "none"
    COOKIE = "cookie"
    TABLE = "table"


class MarkedDown(StrEnum):
    NONE = "on_marked_down_action_none"
    SHUTDOWN_SESSIONS = "shutdown_sessions"


class ProxyProtocol(StrEnum):
    UNKNOWN = "proxy_protocol_unknown"
    NONE = "proxy_protocol_none"
    V1 = "proxy_protocol_v1"
    V2 = "proxy_protocol_v2"
    V2_SSL = "proxy_protocol_v2_ssl"
    V2_SSL_CN = "proxy_protocol_v2_ssl_cn"


class SslLevel(StrEnum):
    UNKNOWN = "ssl_compatibility_level_unknown"
    INTERMEDIATE = "ssl_compatibility_level_intermediate"
    MODERN = "ssl_compatibility_level_modern"
    OLD = "ssl_compatibility_level_old"


class AclActionType(StrEnum):
    ALLOW = "allow"
    DENY = "deny"
    REDIRECT = "redirect"


class RedirectType(StrEnum):
    LOCATION = "location"
    SCHEME = "scheme"


class HttpFilter(StrEnum):
    NONE = "acl_http_filter_none"
    PATH_BEGIN = "path_begin"
    PATH_END = "path_end"
    REGEX = "regex"
    HTTP_HEADER_MATCH = "http_header_match"


class Empty(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration that says nothing but which kind it is."""


class UserConfig(msgspec.Struct, frozen=True, kw_only=True):
    user: str = ""


class HttpConfig(msgspec.Struct, frozen=True, kw_only=True):
    uri: str = ""
    method: str = ""
    code: int | None = None
    host_header: str = ""


class HttpsConfig(HttpConfig, frozen=True, kw_only=True):
    sni: str = ""


class HealthCheck(msgspec.Struct, frozen=True, kw_only=True):
    """How a backend's servers are checked: exactly one of the configurations is there (recorded: no other key is)."""

    port: int
    check_max_retries: int = 0
    check_send_proxy: bool = False
    check_delay: int | None = None  # milliseconds
    check_timeout: int | None = None  # milliseconds
    transient_check_delay: str | None = None  # seconds: 0.500s
    tcp_config: Empty | UnsetType = UNSET
    mysql_config: UserConfig | UnsetType = UNSET
    pgsql_config: UserConfig | UnsetType = UNSET
    ldap_config: Empty | UnsetType = UNSET
    redis_config: Empty | UnsetType = UNSET
    http_config: HttpConfig | UnsetType = UNSET
    https_config: HttpsConfig | UnsetType = UNSET


CHECK_CONFIGS = tuple(f for f in HealthCheck.__struct_fields__ if f.endswith("_config"))


class RouteMatch(msgspec.Struct, frozen=True, kw_only=True):
    """One of the three, and whether subdomains match, too."""

    match_subdomains: bool = False
    sni: str | UnsetType = UNSET
    host_header: str | UnsetType = UNSET
    path_begin: str | UnsetType = UNSET


class Redirect(msgspec.Struct, frozen=True, kw_only=True):
    type: RedirectType
    target: str
    code: int | None = None


class AclAction(msgspec.Struct, frozen=True, kw_only=True):
    type: AclActionType
    redirect: Redirect | None = None


class AclMatch(msgspec.Struct, frozen=True, kw_only=True):
    ip_subnet: list[str] = []
    ips_edge_services: bool = False
    http_filter: HttpFilter = HttpFilter.NONE
    http_filter_value: list[str] = []
    http_filter_option: str | None = None
    invert: bool = False


class StaticConfig(msgspec.Struct, frozen=True, kw_only=True):
    ip_address: list[str] = []


class Email(msgspec.Struct, frozen=True, kw_only=True):
    email: str


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    uri: str
