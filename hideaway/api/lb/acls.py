"""ACLs: whom a frontend lets in, keeps out or sends elsewhere."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.lb.shapes import Addresses, Count, Texts, ranges
from hideaway.api.lb.views import lb_of, view_acl, view_frontend, view_lb, without_instances
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Name, Text
from hideaway.base.errors import invalid
from hideaway.cloud.balancer_parts import (
    AclAction,
    AclActionType,
    AclMatch,
    HttpFilter,
    Redirect,
    RedirectType,
)
from hideaway.cloud.balancers import (
    Frontend,
    LbAcl,
)
from hideaway.cloud.balancing import reconfigure

EVERYONE = "0.0.0.0/0"
REDIRECT_CODES = (301, 302, 303, 307, 308)
MAX_ACLS = 1000


class RedirectBody(Body, frozen=True, kw_only=True):
    type: RedirectType
    target: Text
    code: int | None = None


class ActionBody(Body, frozen=True, kw_only=True):
    type: AclActionType
    redirect: RedirectBody | None = None


class MatchBody(Body, frozen=True, kw_only=True):
    ip_subnet: Addresses | None = None
    ips_edge_services: bool | None = None
    http_filter: HttpFilter | None = None
    http_filter_value: Texts | None = None
    http_filter_option: Name | None = None
    invert: bool | None = None


class AclBody(Body, frozen=True, kw_only=True):
    name: Name | None = None
    action: ActionBody
    match: MatchBody | None = None
    index: Count
    description: Text | None = None


class SetAcls(Body, frozen=True, kw_only=True):
    acls: Annotated[list[AclBody], msgspec.Meta(max_length=MAX_ACLS)] | None = None


class ListAcls(Listing, frozen=True, kw_only=True):
    name: str | None = None


def _action(body: ActionBody) -> AclAction:
    """Raises InvalidArguments for a redirect without a target, and for a code that is none of redirects."""
    if (body.type == AclActionType.REDIRECT) != (body.redirect is not None):
        raise invalid("action.redirect", "a redirect is given with the action redirect, and only then")
    if body.redirect is None:
        return AclAction(type=body.type)
    code = body.redirect.code or 302
    if code not in REDIRECT_CODES:
        raise invalid("action.redirect.code", f"the code must be one of {', '.join(map(str, REDIRECT_CODES))}")
    return AclAction(type=body.type, redirect=Redirect(type=body.redirect.type, target=body.redirect.target, code=code))


def _match(body: MatchBody | None) -> AclMatch | None:
    """Without ranges everyone is meant (recorded). Raises InvalidArguments for an HTTP filter that is incomplete."""
    if body is None:
        return None
    kind = body.http_filter or HttpFilter.NONE
    if kind != HttpFilter.NONE and not body.http_filter_value:
        raise invalid("match.http_filter_value", f"{kind} needs values to filter for", "required")
    if kind == HttpFilter.HTTP_HEADER_MATCH and not body.http_filter_option:
        raise invalid("match.http_filter_option", f"{kind} needs the header's name", "required")
    return AclMatch(
        ip_subnet=ranges(body.ip_subnet, "match.ip_subnet") or [EVERYONE],
        ips_edge_services=bool(body.ips_edge_services),
        http_filter=kind,
        http_filter_value=body.http_filter_value or [],
        http_filter_option=body.http_filter_option,
        invert=bool(body.invert),
    )


def _fields(body: AclBody) -> dict[str, Any]:
    return {
        "index": body.index,
        "description": body.description or "",
        "action": _action(body.action),
        "match": _match(body.match),
    }


def _make(call: Call, frontend: Frontend, body: AclBody) -> LbAcl:
    acl = LbAcl(
        **call.common(frontend.project_id, LbAcl.resource),
        zone=frontend.zone,
        lb_id=frontend.lb_id,
        frontend_id=frontend.id,
        name=body.name or f"acl-{call.change.ids.word()}",
        **_fields(body),
    )
    call.change.ledger.put(acl)
    return acl


def _frontend(call: Call, frontend: Frontend, *, instances: bool = False) -> dict[str, Any]:
    """The frontend that an ACL carries: its LB has instances only where the ACL was updated (recorded)."""
    lb = view_lb(call, lb_of(call, frontend.lb_id))
    bare = without_instances(lb)
    return view_frontend(call, frontend, lb if instances else bare, bare)


def _of(call: Call, acl: LbAcl) -> Frontend:
    return call.own(Frontend, acl.frontend_id)


def create(call: Call, body: AclBody) -> dict[str, Any]:
    frontend = call.own(Frontend, param="frontend_id")
    lb = lb_of(call, frontend.lb_id)
    acl = _make(call, frontend, body)
    reconfigure(call.change, lb)
    return view_acl(acl, _frontend(call, frontend))


def get(call: Call) -> dict[str, Any]:
    acl = call.own(LbAcl, param="acl_id")
    return view_acl(acl, _frontend(call, _of(call, acl)))


def _list(call: Call, frontend: Frontend, query: ListAcls) -> dict[str, Any]:
    shown, acls = _frontend(call, frontend), call.change.ledger.find(LbAcl, ref=frontend.id)
    return listing("acls", acls, query, lambda acl: view_acl(acl, shown))


def list_(call: Call, query: ListAcls) -> dict[str, Any]:
    return _list(call, call.own(Frontend, param="frontend_id"), query)


def replace(call: Call, body: SetAcls) -> dict[str, Any]:
    """All ACLs of a frontend make way for these."""
    frontend = call.own(Frontend, param="frontend_id")
    for old in call.change.ledger.find(LbAcl, ref=frontend.id):
        call.change.ledger.remove(old)
    for acl in body.acls or []:
        _make(call, frontend, acl)
    reconfigure(call.change, lb_of(call, frontend.lb_id))
    return _list(call, frontend, ListAcls(page_size=MAX_ACLS))


def update(call: Call, body: AclBody) -> dict[str, Any]:
    acl = call.own(LbAcl, param="acl_id")
    changed = acl.changed(call.change.now, name=body.name or acl.name, **_fields(body))
    call.change.ledger.put(changed)
    reconfigure(call.change, lb_of(call, acl.lb_id))
    return view_acl(changed, _frontend(call, _of(call, acl), instances=True))


def delete(call: Call) -> None:
    acl = call.own(LbAcl, param="acl_id")
    call.change.ledger.remove(acl)
    reconfigure(call.change, lb_of(call, acl.lb_id))


OF_FRONTEND = "/frontends/{frontend_id}/acls"
ONE = "/acls/{acl_id}"
ROUTES = [
    Route(method="POST", path=OF_FRONTEND, handler=create, body=AclBody, records=False),
    Route(method="GET", path=OF_FRONTEND, handler=list_, query=ListAcls),
    Route(method="PUT", path=OF_FRONTEND, handler=replace, body=SetAcls, records=False),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PUT", path=ONE, handler=update, body=AclBody, records=False),
    Route(method="DELETE", path=ONE, handler=delete, status=204, records=False),
]
