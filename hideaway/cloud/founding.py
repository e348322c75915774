"""The first things of a cloud: an organization's default project, its owner and its key, and what each project has."""

from __future__ import annotations

from typing import Any

import msgspec

from hideaway.cloud.change import Change
from hideaway.cloud.identity import ApiKey, Log, Project, User, digest
from hideaway.cloud.network import Vpc
from hideaway.cloud.places import REGIONS


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What a client needs. The organization's default project has the organization's id unless one was chosen."""

    access_key: str
    secret_key: str
    organization_id: str
    project_id: str
    user_id: str


def found(change: Change, credentials: Credentials) -> None:
    """Make the organization of these credentials, where it does not stand yet. Changes nothing else.

    A key that was deleted stays dead, also when a server starts again with it.
    """
    c = credentials
    if change.ledger.get(Project, c.project_id) is None:
        found_project(change, c.organization_id, c.project_id, "default", "")
    common: dict[str, Any] = {
        "organization_id": c.organization_id,
        "created_at": change.now,
        "updated_at": change.now,
    }
    if change.ledger.get(User, c.user_id) is None:
        change.ledger.put(
            User(id=c.user_id, project_id="", email="owner@hideaway.invalid", username="owner", type="owner", **common)
        )
    old = change.ledger.get(ApiKey, c.access_key)
    deleted = any(log.action == "deleted" for log in change.ledger.find(Log, ref=c.access_key))
    if (old is None and not deleted) or (old is not None and old.secret_digest != digest(c.secret_key)):
        change.ledger.put(
            ApiKey(
                id=c.access_key,
                project_id="",
                secret_digest=digest(c.secret_key),
                user_id=c.user_id,
                default_project_id=c.project_id,
                **common,
            )
        )


def found_project(change: Change, organization_id: str, id_: str, name: str, description: str) -> Project:
    """Make a project, with its default VPC in every region (the vendor's projects have one each)."""
    common: dict[str, Any] = {
        "organization_id": organization_id,
        "project_id": id_,
        "created_at": change.now,
        "updated_at": change.now,
    }
    project = Project(id=id_, name=name, description=description, **common)
    change.ledger.put(project)
    for region in REGIONS:
        id_ = change.ids.uuid()
        change.ledger.put(Vpc(id=id_, name="default", region=region, is_default=True, tags=["default"], **common))
    return project
