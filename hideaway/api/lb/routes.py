"""Routes: what a frontend passes to another backend than its own, by SNI, host header or path."""

from __future__ import annotations

from typing import Any

from hideaway.api.call import Call
from hideaway.api.lb.frontends import backend_of
from hideaway.api.lb.views import lb_of, view_route, wanted
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Name, Text
from hideaway.base.errors import invalid
from hideaway.cloud.balancer_parts import (
    RouteMatch,
)
from hideaway.cloud.balancers import (
    Frontend,
    LbRoute,
)
from hideaway.cloud.balancing import reconfigure

WAYS = ("sni", "host_header", "path_begin")


class MatchBody(Body, frozen=True, kw_only=True):
    sni: Name | None = None
    host_header: Name | None = None
    path_begin: Text | None = None
    match_subdomains: bool | None = None


class UpdateRoute(Body, frozen=True, kw_only=True):
    backend_id: str
    match: MatchBody | None = None


class CreateRoute(UpdateRoute, frozen=True, kw_only=True):
    frontend_id: str


class ListRoutes(Listing, frozen=True, kw_only=True):
    frontend_id: str | None = None


def _match(body: MatchBody | None) -> RouteMatch | None:
    """What is matched: one way, and the answer has its key alone (recorded). Raises InvalidArguments for two."""
    if body is None:
        return None
    named = {way: value for way in WAYS if (value := getattr(body, way)) is not None}
    if len(named) > 1:
        raise invalid("match", f"only one of {', '.join(WAYS)} can be matched")
    return RouteMatch(match_subdomains=bool(body.match_subdomains), **named)


def create(call: Call, body: CreateRoute) -> dict[str, Any]:
    frontend = call.own(Frontend, wanted(body.frontend_id, "frontend_id"))
    lb = lb_of(call, frontend.lb_id)
    route = LbRoute(
        **call.common(frontend.project_id, LbRoute.resource),
        zone=frontend.zone,
        lb_id=lb.id,
        frontend_id=frontend.id,
        backend_id=backend_of(call, lb.id, body.backend_id).id,
        match=_match(body.match),
    )
    call.change.ledger.put(route)
    reconfigure(call.change, lb)
    return view_route(route)


def get(call: Call) -> dict[str, Any]:
    return view_route(call.own(LbRoute, param="route_id"))


def list_(call: Call, query: ListRoutes) -> dict[str, Any]:
    return listing("routes", call.visible(LbRoute), query, view_route)


def update(call: Call, body: UpdateRoute) -> dict[str, Any]:
    route = call.own(LbRoute, param="route_id")
    backend_id = backend_of(call, route.lb_id, body.backend_id).id
    changed = route.changed(call.change.now, backend_id=backend_id, match=_match(body.match))
    call.change.ledger.put(changed)
    reconfigure(call.change, lb_of(call, route.lb_id))
    return view_route(changed)


def delete(call: Call) -> None:
    route = call.own(LbRoute, param="route_id")
    call.change.ledger.remove(route)
    reconfigure(call.change, lb_of(call, route.lb_id))


ONE = "/routes/{route_id}"
ROUTES = [
    Route(method="POST", path="/routes", handler=create, body=CreateRoute, records=False),
    Route(method="GET", path="/routes", handler=list_, query=ListRoutes),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PUT", path=ONE, handler=update, body=UpdateRoute, records=False),
    Route(method="DELETE", path=ONE, handler=delete, status=204, records=False),
]
