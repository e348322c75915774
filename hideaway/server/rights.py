"""Who may use hideaway's own routes."""

from __future__ import annotations

from hideaway.api.call import Call
from hideaway.base.errors import PermissionDenied


def owner_only(call: Call, resource: str) -> None:
    """Raises PermissionDenied for who is not an organization's owner."""
    if not call.principal.owner:
        raise PermissionDenied("write", resource)
