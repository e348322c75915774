"""Frontends: the ports that a Load Balancer listens on."""

from __future__ import annotations

from typing import Any

from hideaway.api.call import Call
from hideaway.api.lb.shapes import Count, Duration, Ids, Port, milliseconds
from hideaway.api.lb.views import lb_of, view_frontend, view_lb, wanted, without_instances
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Name
from hideaway.base.errors import NotFound
from hideaway.cloud.balancers import (
    Backend,
    Certificate,
    Frontend,
    Lb,
)
from hideaway.cloud.balancing import keep_frontend, reconfigure, remove_frontend


class FrontendBody(Body, frozen=True, kw_only=True):
    name: Name | None = None
    inbound_port: Port
    backend_id: str
    timeout_client: Duration | None = None
    certificate_id: str | None = None
    certificate_ids: Ids | None = None
    enable_http3: bool | None = None
    connection_rate_limit: Count | None = None
    enable_access_logs: bool | None = None


class ListFrontends(Listing, frozen=True, kw_only=True):
    name: str | None = None


def backend_of(call: Call, lb_id: str, id_: str) -> Backend:
    """The backend of this Load Balancer that a body names. Raises NotFound."""
    backend = call.own(Backend, wanted(id_, "backend_id"))
    if backend.lb_id != lb_id:
        raise NotFound(backend.resource, backend.id)
    return backend


def _certificates(call: Call, lb: Lb, body: FrontendBody) -> list[str] | None:
    """The certificates of this Load Balancer that a body names, None where it names none. Raises NotFound."""
    if body.certificate_ids is None and not body.certificate_id:
        return None
    named = [*(body.certificate_ids or []), *([body.certificate_id] if body.certificate_id else [])]
    found = [call.own(Certificate, wanted(id_, "certificate_ids")) for id_ in named]
    for certificate in found:
        if certificate.lb_id != lb.id:
            raise NotFound(certificate.resource, certificate.id)
    return list(dict.fromkeys(c.id for c in found))


def _fields(call: Call, lb: Lb, body: FrontendBody) -> dict[str, Any]:
    """A rate limit of 0 is none (recorded: answered as null)."""
    return {
        "inbound_port": body.inbound_port,
        "backend_id": backend_of(call, lb.id, body.backend_id).id,
        "timeout_client": milliseconds(body.timeout_client, "timeout_client"),
        "enable_http3": bool(body.enable_http3),
        "connection_rate_limit": body.connection_rate_limit or None,
        "enable_access_logs": bool(body.enable_access_logs),
    }


def _keep(call: Call, lb: Lb, frontend: Frontend) -> dict[str, Any]:
    keep_frontend(call.change, frontend)
    reconfigure(call.change, lb)
    whole = view_lb(call, lb)
    return view_frontend(call, frontend, whole, without_instances(whole))


def create(call: Call, body: FrontendBody) -> dict[str, Any]:
    lb = lb_of(call)
    frontend = Frontend(
        **call.common(lb.project_id, Frontend.resource),
        zone=lb.zone,
        lb_id=lb.id,
        name=body.name or f"frontend-{call.change.ids.word()}",
        certificate_ids=_certificates(call, lb, body) or [],
        **_fields(call, lb, body),
    )
    return _keep(call, lb, frontend)


def get(call: Call) -> dict[str, Any]:
    frontend = call.own(Frontend, param="frontend_id")
    bare = without_instances(view_lb(call, lb_of(call, frontend.lb_id)))
    return view_frontend(call, frontend, bare, bare)


def list_(call: Call, query: ListFrontends) -> dict[str, Any]:
    lb = lb_of(call)
    whole = view_lb(call, lb)
    frontends = call.change.ledger.find(Frontend, ref=lb.id)
    return listing("frontends", frontends, query, lambda f: view_frontend(call, f, whole, whole))


def update(call: Call, body: FrontendBody) -> dict[str, Any]:
    """All is replaced, but certificates that are left out stay."""
    frontend = call.own(Frontend, param="frontend_id")
    lb = lb_of(call, frontend.lb_id)
    certificates = _certificates(call, lb, body)
    changed = frontend.changed(
        call.change.now,
        name=body.name or frontend.name,
        certificate_ids=frontend.certificate_ids if certificates is None else certificates,
        **_fields(call, lb, body),
    )
    return _keep(call, lb, changed)


def delete(call: Call) -> None:
    frontend = call.own(Frontend, param="frontend_id")
    remove_frontend(call.change, frontend)
    reconfigure(call.change, lb_of(call, frontend.lb_id))


OF_LB = "/lbs/{lb_id}/frontends"
ONE = "/frontends/{frontend_id}"
ROUTES = [
    Route(method="POST", path=OF_LB, handler=create, body=FrontendBody, records=False),
    Route(method="GET", path=OF_LB, handler=list_, query=ListFrontends),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PUT", path=ONE, handler=update, body=FrontendBody, records=False),
    Route(method="DELETE", path=ONE, handler=delete, status=204, records=False),
]
