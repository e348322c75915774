"""The handful of ways in which a request can be refused. `api.documents_of_errors` makes the vendor's JSON of them."""

from __future__ import annotations

import msgspec


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong with a request's arguments.

    reason is one of the vendor's: required, format, constraint, unknown.
    """

    argument_name: str
    reason: str
    help_message: str = ""


class HideawayError(Exception):
    """What a user can be told. Its text says what is wrong, where, and what to do."""


class InvalidArguments(HideawayError):
    """400: the arguments are wrong; all faults that were found, at once."""

    def __init__(self, *faults: Fault):
        self.faults = faults
        super().__init__("; ".join(f"{f.argument_name}: {f.help_message or f.reason}" for f in faults))


def invalid(argument: str, help_message: str = "", reason: str = "constraint") -> InvalidArguments:
    """One wrong argument."""
    return InvalidArguments(Fault(argument, reason, help_message))


class Unauthenticated(HideawayError):
    """401: no key, or one that does not live. reason is the vendor's: not_found, expired, ..."""

    def __init__(self, reason: str = "not_found"):
        self.reason = reason
        super().__init__(f"authentication is denied: {reason}")


class PermissionDenied(HideawayError):
    """403: the key lives but its policies do not allow this. action: read, write, create, delete; resource: a type."""

    def __init__(self, action: str, resource: str):
        self.action, self.resource = action, resource
        super().__init__(f"insufficient permissions to {action} {resource}")


class NotFound(HideawayError):
    """404: there is no such resource, or none that the caller may know of. resource is the vendor's type name."""

    def __init__(self, resource: str, resource_id: str = ""):
        self.resource, self.resource_id = resource, resource_id
        super().__init__(f"{resource} {resource_id} is not found")


class Conflict(HideawayError):
    """409: what is asked for stands already."""

    def __init__(self, resource: str, resource_id: str = "", message: str = "resource already exists"):
        self.resource, self.resource_id, self.message = resource, resource_id, message
        super().__init__(f"{resource} {resource_id}: {message}")


class TransientState(HideawayError):
    """409: the resource is on its way from one state to another and cannot be changed now."""

    def __init__(self, resource: str, resource_id: str, current_state: str):
        self.resource, self.resource_id, self.current_state = resource, resource_id, current_state
        super().__init__(f"{resource} {resource_id} is in a transient state: {current_state}")


class PreconditionFailed(HideawayError):
    """412: the request is well-formed but the world is not so that it can be done.

    precondition is the vendor's word, e.g. resource_still_in_use; help_message says what stands in the way.
    """

    def __init__(self, precondition: str, help_message: str, resource: str = "", resource_id: str = ""):
        self.precondition, self.help_message = precondition, help_message
        self.resource, self.resource_id = resource, resource_id
        super().__init__(help_message)


class QuotasExceeded(HideawayError):
    """403: one more would be more than the organization may have."""

    def __init__(self, resource: str, quota: int, current: int):
        self.resource, self.quota, self.current = resource, quota, current
        super().__init__(f"quota exceeded for {resource}: {current} of {quota}")


class PlainError(HideawayError):
    """Any other refusal: a product that has its own way of saying no (lb/v1's bare messages)."""

    def __init__(self, status: int, message: str, type_: str = ""):
        self.status, self.message, self.type = status, message, type_
        super().__init__(message)


class Unavailable(HideawayError):
    """This machine cannot do what is asked; the text names what is missing and how to get it. For the command line."""
