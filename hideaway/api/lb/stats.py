"""How the servers behind a Load Balancer do, as what balances there says; the vendor's words are HAProxy's, too.

A server that nothing balances to (no data plane, an LB on its way) is `stopped` and unchecked, as it was recorded of
servers that had not been checked.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.lb.views import lb_of
from hideaway.api.listing import page_of
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Listing
from hideaway.cloud.balancers import (
    Backend,
    Lb,
    LbInstance,
)
from hideaway.compile.balancers import SERVICE
from hideaway.fabric.balancing import Wellness


class Stats(Listing, frozen=True, kw_only=True):
    backend_id: str | None = None


def _seen(call: Call, lb: Lb) -> dict[tuple[str, str], Wellness]:
    """(backend's id, address) -> how that server fares now."""
    observed = call.settings.observed(lb.id, SERVICE)
    servers: list[Wellness] = msgspec.convert(observed.facts.get("servers", []), list[Wellness]) if observed else []
    return {(each.pool, each.address): each for each in servers}


def _rows(call: Call, query: Stats) -> list[dict[str, Any]]:
    lb, ledger = lb_of(call), call.change.ledger
    seen = _seen(call, lb)
    return [
        {"instance_id": instance.id, "backend_id": backend.id, "ip": ip}
        | _row(call, backend, seen.get((backend.id, ip)))
        for instance in ledger.find(LbInstance, ref=lb.id)
        for backend in ledger.find(Backend, ref=lb.id)
        if query.backend_id in (None, backend.id)
        for ip in backend.pool
    ]


def _row(call: Call, backend: Backend, seen: Wellness | None) -> dict[str, Any]:
    if seen is None:
        return {
            "server_state": "stopped",
            "server_state_changed_at": backend.updated_at,
            "last_health_check_status": "unknown",
        }
    changed = (call.change.now - timedelta(seconds=seen.since)).replace(microsecond=0)  # whole seconds (recorded)
    return {
        "server_state": seen.state,
        "server_state_changed_at": changed,
        "last_health_check_status": seen.check,
    }


def get(call: Call, query: Stats) -> dict[str, Any]:
    return {"backend_servers_stats": _rows(call, query)}


def list_(call: Call, query: Stats) -> dict[str, Any]:
    rows = _rows(call, query)
    return {"total_count": len(rows), "backend_servers_stats": page_of(rows, query)}


ROUTES = [
    Route(method="GET", path="/lbs/{lb_id}/stats", handler=get, query=Stats),
    Route(method="GET", path="/lbs/{lb_id}/backend-stats", handler=list_, query=Stats),
]
