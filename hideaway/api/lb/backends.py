"""Backends: the servers that a Load Balancer forwards to, and how it checks them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.lb.shapes import Addresses, Count, Duration, Port, addresses, milliseconds, seconds
from hideaway.api.lb.views import lb_of, view_backend, view_lb
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Name, Text
from hideaway.base.errors import invalid
from hideaway.cloud.balancer_parts import (
    CHECK_CONFIGS,
    Algorithm,
    Empty,
    HealthCheck,
    HttpConfig,
    HttpsConfig,
    MarkedDown,
    Protocol,
    ProxyProtocol,
    Sticky,
    UserConfig,
)
from hideaway.cloud.balancers import (
    Backend,
)
from hideaway.cloud.balancing import reconfigure, remove_unused


class UserBody(Body, frozen=True, kw_only=True):
    user: Name | None = None


class HttpBody(Body, frozen=True, kw_only=True):
    uri: Text | None = None
    method: Name | None = None
    code: Annotated[int, msgspec.Meta(ge=0, le=999)] | None = None
    host_header: Name | None = None


class HttpsBody(HttpBody, frozen=True, kw_only=True):
    sni: Name | None = None


class CheckBody(Body, frozen=True, kw_only=True):
    port: Port
    check_max_retries: Count | None = None
    check_send_proxy: bool | None = None
    check_delay: Duration | None = None
    check_timeout: Duration | None = None
    transient_check_delay: Duration | None = None
    tcp_config: Empty | None = None
    mysql_config: UserBody | None = None
    pgsql_config: UserBody | None = None
    ldap_config: Empty | None = None
    redis_config: Empty | None = None
    http_config: HttpBody | None = None
    https_config: HttpsBody | None = None


class UpdateBackend(Body, frozen=True, kw_only=True):
    name: Name | None = None
    forward_protocol: Protocol
    forward_port: Port
    forward_port_algorithm: Algorithm | None = None
    sticky_sessions: Sticky | None = None
    sticky_sessions_cookie_name: Name | None = None
    send_proxy_v2: bool | None = None
    timeout_server: Duration | None = None
    timeout_connect: Duration | None = None
    timeout_tunnel: Duration | None = None
    on_marked_down_action: MarkedDown | None = None
    proxy_protocol: ProxyProtocol | None = None
    failover_host: Name | None = None
    ssl_bridging: bool | None = None
    ignore_ssl_server_verify: bool | None = None
    redispatch_attempt_count: Count | None = None
    max_retries: Count | None = None
    max_connections: Count | None = None
    timeout_queue: Duration | None = None
    host: Name | None = None


class CreateBackend(UpdateBackend, frozen=True, kw_only=True):
    health_check: CheckBody
    server_ip: Addresses | None = None


class Servers(Body, frozen=True, kw_only=True):
    server_ip: Addresses | None = None


class ListBackends(Listing, frozen=True, kw_only=True):
    name: str | None = None


_CONFIG_TYPES = {
    "tcp_config": Empty,
    "mysql_config": UserConfig,
    "pgsql_config": UserConfig,
    "ldap_config": Empty,
    "redis_config": Empty,
    "http_config": HttpConfig,
    "https_config": HttpsConfig,
}


def health_check(body: CheckBody, where: str = "") -> HealthCheck:
    """The health check that a body asks for: by TCP unless another way is named (recorded). Raises InvalidArguments."""
    named = [name for name in CHECK_CONFIGS if getattr(body, name) is not None] or ["tcp_config"]
    if len(named) > 1:
        raise invalid(where + named[1], f"only one way to check can be given, and {named[0]} is there, too")
    config = getattr(body, named[0]) or Empty()
    given = {f: v for f in config.__struct_fields__ if (v := getattr(config, f)) is not None}
    return HealthCheck(
        port=body.port,
        check_max_retries=body.check_max_retries or 0,
        check_send_proxy=bool(body.check_send_proxy),
        check_delay=milliseconds(body.check_delay, where + "check_delay"),
        check_timeout=milliseconds(body.check_timeout, where + "check_timeout"),
        transient_check_delay=seconds(body.transient_check_delay, where + "transient_check_delay"),
        **{named[0]: _CONFIG_TYPES[named[0]](**given)},
    )


def _fields(body: UpdateBackend) -> dict[str, Any]:
    """All that a body can set of a backend; what it leaves out has the vendor's defaults. Raises InvalidArguments."""
    sticky = body.sticky_sessions or Sticky.NONE
    if sticky == Sticky.COOKIE and not body.sticky_sessions_cookie_name:
        raise invalid("sticky_sessions_cookie_name", "sticky sessions by cookie need the cookie's name", "required")
    return {
        "forward_protocol": body.forward_protocol,
        "forward_port": body.forward_port,
        "forward_port_algorithm": body.forward_port_algorithm or Algorithm.ROUNDROBIN,
        "sticky_sessions": sticky,
        "sticky_sessions_cookie_name": body.sticky_sessions_cookie_name or "",
        "send_proxy_v2": bool(body.send_proxy_v2),
        "timeout_server": milliseconds(body.timeout_server, "timeout_server"),
        "timeout_connect": milliseconds(body.timeout_connect, "timeout_connect"),
        "timeout_tunnel": milliseconds(body.timeout_tunnel, "timeout_tunnel"),
        "on_marked_down_action": body.on_marked_down_action or MarkedDown.NONE,
        "proxy_protocol": body.proxy_protocol or ProxyProtocol.UNKNOWN,
        "failover_host": body.failover_host or None,
        "ssl_bridging": bool(body.ssl_bridging),
        "ignore_ssl_server_verify": body.ignore_ssl_server_verify,
        "redispatch_attempt_count": body.redispatch_attempt_count,
        "max_retries": body.max_retries,
        "max_connections": body.max_connections,
        "timeout_queue": seconds(body.timeout_queue, "timeout_queue"),
        "host": body.host or "",
    }


def create(call: Call, body: CreateBackend) -> dict[str, Any]:
    lb = lb_of(call)
    backend = Backend(
        **call.common(lb.project_id, Backend.resource),
        zone=lb.zone,
        lb_id=lb.id,
        name=body.name or f"backend-{call.change.ids.word()}",
        health_check=health_check(body.health_check, "health_check."),
        pool=addresses(body.server_ip, "server_ip"),
        **_fields(body),
    )
    return _keep(call, backend)


def _keep(call: Call, backend: Backend) -> dict[str, Any]:
    call.change.ledger.put(backend)
    lb = lb_of(call, backend.lb_id)
    reconfigure(call.change, lb)
    return view_backend(backend, view_lb(call, lb))


def get(call: Call) -> dict[str, Any]:
    backend = call.own(Backend, param="backend_id")
    return view_backend(backend, view_lb(call, lb_of(call, backend.lb_id)))


def list_(call: Call, query: ListBackends) -> dict[str, Any]:
    lb = lb_of(call)
    whole = view_lb(call, lb)
    backends = call.change.ledger.find(Backend, ref=lb.id)
    return listing("backends", backends, query, lambda b: view_backend(b, whole))


def update(call: Call, body: UpdateBackend) -> dict[str, Any]:
    """All is replaced but the servers and the health check, which have routes of their own."""
    backend = call.own(Backend, param="backend_id")
    return _keep(call, backend.changed(call.change.now, name=body.name or backend.name, **_fields(body)))


def update_check(call: Call, body: CheckBody) -> dict[str, Any]:
    """Answers the health check alone (recorded)."""
    backend = call.own(Backend, param="backend_id").changed(call.change.now, health_check=health_check(body))
    shown: dict[str, Any] = _keep(call, backend)["health_check"]
    return shown


def delete(call: Call) -> None:
    backend = call.own(Backend, param="backend_id")
    remove_unused(call.change, backend)
    reconfigure(call.change, lb_of(call, backend.lb_id))


def _set_pool(call: Call, backend: Backend, pool: list[str]) -> dict[str, Any]:
    if len(pool) > 1000:
        raise invalid("server_ip", "a backend may have 1000 servers at most")
    return _keep(call, backend.changed(call.change.now, pool=pool))


def add_servers(call: Call, body: Servers) -> dict[str, Any]:
    backend = call.own(Backend, param="backend_id")
    return _set_pool(call, backend, list(dict.fromkeys([*backend.pool, *addresses(body.server_ip, "server_ip")])))


def remove_servers(call: Call, body: Servers) -> dict[str, Any]:
    backend, gone = call.own(Backend, param="backend_id"), addresses(body.server_ip, "server_ip")
    return _set_pool(call, backend, [ip for ip in backend.pool if ip not in gone])


def set_servers(call: Call, body: Servers) -> dict[str, Any]:
    return _set_pool(call, call.own(Backend, param="backend_id"), addresses(body.server_ip, "server_ip"))


OF_LB = "/lbs/{lb_id}/backends"
ONE = "/backends/{backend_id}"
ROUTES = [
    Route(method="POST", path=OF_LB, handler=create, body=CreateBackend, records=False),
    Route(method="GET", path=OF_LB, handler=list_, query=ListBackends),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PUT", path=ONE, handler=update, body=UpdateBackend, records=False),
    Route(method="DELETE", path=ONE, handler=delete, status=204, records=False),
    Route(method="POST", path=ONE + "/servers", handler=add_servers, body=Servers, records=False),
    Route(method="PUT", path=ONE + "/servers", handler=set_servers, body=Servers, records=False),
    Route(method="DELETE", path=ONE + "/servers", handler=remove_servers, body=Servers, records=False),
    Route(method="PUT", path=ONE + "/healthcheck", handler=update_check, body=CheckBody, records=False),
]
