"""What IAM's resources have in common: they belong to an organization and to no project, and changes are logged."""

from __future__ import annotations

from typing import Any, TypeVar

from hideaway.api.access import require
from hideaway.api.call import Call
from hideaway.base.errors import NotFound
from hideaway.cloud.documents import Document
from hideaway.cloud.identity import ApiKey, Log

D = TypeVar("D", bound=Document)

MANAGED = {"editable": True, "deletable": True, "managed": False}
"""What every recorded resource that a user made says of itself."""


def common(call: Call, organization_id: str | None, resource: str) -> dict[str, Any]:
    """The fields of a new document of the caller's organization. Raises NotFound for another, PermissionDenied."""
    own = call.principal.organization_id
    if organization_id and organization_id.lower() != own:
        raise NotFound("organization", organization_id)
    require(call.principal, call.area, resource, write=True, project_id=None)
    now = call.change.now
    return {
        "id": call.change.ids.uuid(),
        "organization_id": own,
        "project_id": "",
        "created_at": now,
        "updated_at": now,
    }


def keep(call: Call, document: D, action: str) -> D:
    """Keep (action created or updated) or forget (deleted) a document, and log that."""
    if action == "deleted":
        call.change.ledger.remove(document)
    else:
        call.change.ledger.put(document)
    log(call, document, action)
    return document


def log(call: Call, document: Document, action: str) -> None:
    """Log a change to one of the caller's organization's users, applications, groups, policies or API keys."""
    now = call.change.now
    call.change.ledger.put(
        Log(
            id=call.change.ids.uuid(),
            organization_id=document.organization_id,
            project_id="",
            created_at=now,
            updated_at=now,
            ip=call.principal.origin.ip,
            user_agent=call.principal.origin.user_agent,
            action=action,
            bearer_id=call.principal.bearer_id,
            resource_type=type(document).resource,
            resource_id=document.id,
        )
    )


def keys_of(call: Call, bearer_id: str) -> list[ApiKey]:
    """The API keys of a user or application."""
    return call.change.ledger.find(ApiKey, ref=bearer_id)


def one_tag(document: Any, tag: str) -> bool:
    """IAM's lists are filtered by `tag`, one."""
    return tag in document.tags
