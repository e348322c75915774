"""Logs of instances: what their servers said, prepared to be downloaded."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hideaway.api.call import Call
from hideaway.api.listing import order
from hideaway.api.pipeline import Route
from hideaway.api.rdb.downloads import SECRET, address
from hideaway.api.rdb.live import facts_of
from hideaway.api.rdb.views import view_log
from hideaway.api.shapes import Body, Listing, Name
from hideaway.cloud.databases import Database, InstanceLog
from hideaway.cloud.databasing import begin_errand, settled

LIFE = timedelta(days=1)  # recorded


class PrepareLogs(Body, frozen=True, kw_only=True):
    start_date: datetime | None = None
    end_date: datetime | None = None


class PurgeLogs(Body, frozen=True, kw_only=True):
    log_name: Name | None = None


def prepare(call: Call, body: PrepareLogs) -> dict[str, Any]:
    """One log for the one node; its name is a number (recorded)."""
    instance = call.own(Database, param="instance_id")
    settled(instance)
    token = call.change.ids.token(SECRET)
    log = InstanceLog(
        **call.common(instance.project_id, InstanceLog.resource),
        region=call.region,
        instance_id=instance.id,
        node_name=str(10_000_000 + call.change.ids.below(90_000_000)),
        expires_at=call.change.now + LIFE,
        token=token,
        address=address(call, token) if call.settings.data_plane else None,
        since=body.start_date,
        until=body.end_date,
    )
    return {"instance_logs": [view_log(begin_errand(call.change, log, instance, "creating"))]}


def list_(call: Call, query: Listing) -> dict[str, Any]:
    instance = call.own(Database, param="instance_id")
    logs = order(call.change.ledger.find(InstanceLog, ref=instance.id), query.order_by)
    return {"instance_logs": [view_log(log) for log in logs]}


def get(call: Call) -> dict[str, Any]:
    return view_log(call.own(InstanceLog, param="instance_log_id"))


def purge(call: Call, body: PurgeLogs) -> None:
    database = call.own(Database, param="instance_id")
    settled(database)
    call.change.ledger.put(database.changed(call.change.now, logs_purged_at=call.change.now))


def details(call: Call) -> dict[str, Any]:
    """The files that its server writes; none where no server runs."""
    database = call.own(Database, param="instance_id")
    return {"details": [{"log_name": log.name, "size": log.size} for log in facts_of(call, database).logs]}


ONE = "/regions/{region}/instances/{instance_id}"
ROUTES = [
    Route(method="POST", path=ONE + "/prepare-logs", handler=prepare, body=PrepareLogs),
    Route(method="GET", path=ONE + "/logs", handler=list_, query=Listing),
    Route(method="GET", path="/regions/{region}/logs/{instance_log_id}", handler=get),
    Route(method="POST", path=ONE + "/purge-logs", handler=purge, body=PurgeLogs, status=204),
    Route(method="GET", path=ONE + "/logs-details", handler=details),
]
