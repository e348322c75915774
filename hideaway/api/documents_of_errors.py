"""The one map from what can be refused to the vendor's JSON documents. Source: the recordings' 4xx answers."""

from __future__ import annotations

from typing import Any

from hideaway.base.errors import (
    Conflict,
    HideawayError,
    InvalidArguments,
    NotFound,
    PermissionDenied,
    PlainError,
    PreconditionFailed,
    QuotasExceeded,
    TransientState,
    Unauthenticated,
)

Answer = tuple[int, dict[str, Any]]


def document_of(error: HideawayError) -> Answer:
    """The status and the document for a refusal."""
    match error:
        case InvalidArguments():
            details = [
                {"argument_name": f.argument_name, "reason": f.reason, "help_message": f.help_message}
                for f in error.faults
            ]
            return 400, {"type": "invalid_arguments", "message": "invalid argument(s)", "details": details}
        case Unauthenticated():
            return 401, {
                "message": "authentication is denied",
                "method": "api_key",
                "reason": error.reason,
                "type": "denied_authentication",
            }
        case PermissionDenied():
            details = [{"action": error.action, "resource": error.resource}]
            return 403, {"message": "insufficient permissions", "type": "permissions_denied", "details": details}
        case QuotasExceeded():
            over = [{"resource": error.resource, "quota": error.quota, "current": error.current}]
            return 403, {"message": "quota(s) exceeded for this resource", "type": "quotas_exceeded", "details": over}
        case NotFound():
            return 404, {
                "message": "resource is not found",
                "resource": error.resource,
                "resource_id": error.resource_id,
                "type": "not_found",
            }
        case TransientState():
            return 409, {
                "current_state": error.current_state,
                "message": "resource is in a transient state",
                "resource": error.resource,
                "resource_id": error.resource_id,
                "type": "transient_state",
            }
        case Conflict():
            return 409, {
                "message": error.message,
                "resource": error.resource,
                "resource_id": error.resource_id,
                "type": "conflict",
            }
        case PreconditionFailed():
            return 412, {
                "message": "precondition failed",
                "precondition": error.precondition,
                "help_message": error.help_message,
                "resource": error.resource,
                "resource_id": error.resource_id,
                "type": "precondition_failed",
            }
        case PlainError():
            return error.status, {"message": error.message} | ({"type": error.type} if error.type else {})
    return 400, {"message": str(error), "type": "invalid_request_error"}


def unserved(method: str, path: str) -> Answer:
    """404 for a route that hideaway does not have."""
    message = f"hideaway does not serve {method} {path}"
    return 404, {"message": message, "resource": "route", "resource_id": path, "type": "not_found"}
