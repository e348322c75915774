"""How the servers behind a Load Balancer do. Nothing balances yet, so each is `stopped` and unchecked (recorded so for
servers that have not been checked)."""

from __future__ import annotations

from typing import Any

from hideaway.api.call import Call
from hideaway.api.lb.views import lb_of
from hideaway.api.listing import page_of
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Listing
from hideaway.cloud.balancers import (
    Backend,
    LbInstance,
)


class Stats(Listing, frozen=True, kw_only=True):
    backend_id: str | None = None


def _rows(call: Call, query: Stats) -> list[dict[str, Any]]:
    lb, ledger = lb_of(call), call.change.ledger
    return [
        {
            "instance_id": instance.id,
            "backend_id": backend.id,
            "ip": ip,
            "server_state": "stopped",
            "server_state_changed_at": backend.updated_at,
            "last_health_check_status": "unknown",
        }
        for instance in ledger.find(LbInstance, ref=lb.id)
        for backend in ledger.find(Backend, ref=lb.id)
        if query.backend_id in (None, backend.id)
        for ip in backend.pool
    ]


def get(call: Call, query: Stats) -> dict[str, Any]:
    return {"backend_servers_stats": _rows(call, query)}


def list_(call: Call, query: Stats) -> dict[str, Any]:
    rows = _rows(call, query)
    return {"total_count": len(rows), "backend_servers_stats": page_of(rows, query)}


ROUTES = [
    Route(method="GET", path="/lbs/{lb_id}/stats", handler=get, query=Stats),
    Route(method="GET", path="/lbs/{lb_id}/backend-stats", handler=list_, query=Stats),
]
