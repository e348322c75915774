"""Moving block volumes of instance/v1 (b_ssd) to block/v1. The vendor makes no b_ssd any more, so none is here to move.

Local volumes and their snapshots stay local: a plan for one is refused, and there is nothing that a key could be of.
"""

from __future__ import annotations

from typing import NoReturn

from hideaway.api.access import require
from hideaway.api.call import Call
from hideaway.api.instance.shared import here
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Text
from hideaway.base.errors import NotFound, PreconditionFailed, invalid
from hideaway.cloud.volumes import Snapshot, Volume


class PlanMigration(Body, frozen=True, kw_only=True):
    volume_id: str | None = None
    snapshot_id: str | None = None


class ApplyMigration(PlanMigration, frozen=True, kw_only=True):
    validation_key: Text


class CheckQuotas(Body, frozen=True, kw_only=True):
    organization: str | None = None


def migrate(call: Call, body: PlanMigration | ApplyMigration) -> NoReturn:
    """Plan or apply. Raises InvalidArguments unless one thing is named, NotFound, and PreconditionFailed otherwise."""
    if bool(body.volume_id) == bool(body.snapshot_id):
        raise invalid("resource", "one of volume_id and snapshot_id is required", "required")
    local: Volume | Snapshot
    if body.volume_id:
        local = here(call, Volume, body.volume_id, "volume_id")
    else:
        local = here(call, Snapshot, body.snapshot_id or "", "snapshot_id")
    require(call.principal, call.area, local.resource, write=True, project_id=local.project_id)
    raise PreconditionFailed(
        "resource_not_usable", f"{local.volume_type} is not moved to Block Storage", local.resource, local.id
    )


def check_quotas(call: Call, body: CheckQuotas) -> None:
    """What is to be moved, nothing, fits into every quota."""
    if body.organization and body.organization.lower() != call.principal.organization_id:
        raise NotFound("organization", body.organization)
    call.project(None, Volume.resource)


BASE = "/zones/{zone}/block-migration"
ROUTES = [
    Route(method="POST", path=BASE + "/plan", handler=migrate, body=PlanMigration),
    Route(method="POST", path=BASE + "/apply", handler=migrate, body=ApplyMigration, status=204),
    Route(method="POST", path=BASE + "/check-organization-quotas", handler=check_quotas, body=CheckQuotas, status=204),
]
