"""Quotas, as far as hideaway has any, and the log of what was changed in IAM."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from hideaway.api.access import require
from hideaway.api.call import Call, answer
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Listing, Query
from hideaway.base.errors import NotFound
from hideaway.cloud.identity import Log
from hideaway.cloud.quotas import QUOTAS, Quota


class ListQuotas(Listing, frozen=True, kw_only=True):
    order_by: Literal["name_asc", "name_desc"] | None = None
    quotum_names: list[str] | None = None


class GetQuotum(Query, frozen=True, kw_only=True):
    organization_id: str | None = None


class ListLogs(Listing, frozen=True, kw_only=True):
    order_by: Literal["created_at_asc", "created_at_desc"] | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    action: Literal["unknown_action", "created", "updated", "deleted"] | None = None
    resource_type: str | None = None
    search: str | None = None


def _view(quotum: Quota) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(quotum)
    return shown | {"limits": quotum.limits}


def list_(call: Call, query: ListQuotas) -> dict[str, Any]:
    require(call.principal, call.area, "quota", write=False, project_id=None)
    special = {
        "quotum_names": lambda q, names: q.name in names,
        "organization_id": lambda *_: True,
        "project_id": lambda *_: True,
    }
    return listing("quota", QUOTAS, query, _view, special=special, default_order="name_asc")


def get(call: Call, query: GetQuotum) -> dict[str, Any]:
    require(call.principal, call.area, "quota", write=False, project_id=None)
    for quotum in QUOTAS:
        if quotum.name == call.params["quotum_name"]:
            return _view(quotum)
    raise NotFound("quota", call.params["quotum_name"])


def _log(log: Log) -> dict[str, Any]:
    shown = answer(log)
    del shown["project_id"], shown["updated_at"]
    return shown


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def list_logs(call: Call, query: ListLogs) -> dict[str, Any]:
    special = {
        "created_after": lambda log, wanted: log.created_at >= _aware(wanted),
        "created_before": lambda log, wanted: log.created_at <= _aware(wanted),
        "search": lambda log, wanted: wanted in (log.resource_id, log.bearer_id, log.ip),
    }
    return listing("logs", call.visible(Log), query, _log, special=special, default_order="created_at_desc")


def get_log(call: Call) -> dict[str, Any]:
    return _log(call.own(Log, param="log_id"))


ROUTES = [
    Route(method="GET", path="/quota", handler=list_, query=ListQuotas),
    Route(method="GET", path="/quota/{quotum_name}", handler=get, query=GetQuotum),
    Route(method="GET", path="/logs", handler=list_logs, query=ListLogs),
    Route(method="GET", path="/logs/{log_id}", handler=get_log),
]
