"""An organization: its name, and what it has set for the logins of its users. Kept as records: nobody logs in here."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from hideaway.api.access import require
from hideaway.api.call import Call
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, UInt32, given
from hideaway.base.errors import NotFound
from hideaway.cloud.identity import OrganizationSettings, Project

Duration = Annotated[str, msgspec.Meta(max_length=20, pattern=r"^\d{1,12}(\.\d{1,9})?s$")]
LOGIN = ("login_password_enabled", "login_magic_code_enabled", "login_oauth2_enabled", "login_saml_enabled")
SECURITY = (
    "enforce_password_renewal", "grace_period_duration", "login_attempts_before_locked",
    "max_login_session_duration", "max_api_key_expiration_duration",
)  # fmt: skip


class UpdateSecurity(Body, frozen=True, kw_only=True):
    enforce_password_renewal: bool | None = None
    grace_period_duration: Duration | None = None
    login_attempts_before_locked: UInt32 | None = None
    max_login_session_duration: Duration | None = None
    max_api_key_expiration_duration: Duration | None = None


class UpdateLogin(Body, frozen=True, kw_only=True):
    login_password_enabled: bool | None = None
    login_magic_code_enabled: bool | None = None
    login_oauth2_enabled: bool | None = None
    login_saml_enabled: bool | None = None


class SetAlias(Body, frozen=True, kw_only=True):
    alias: Annotated[str, msgspec.Meta(min_length=1, max_length=63, pattern=r"^[a-z0-9-]+$")]


def own_organization(call: Call, resource: str = "organization") -> str:
    """The organization of the path. Raises NotFound for another than the caller's, PermissionDenied."""
    wanted = call.params["organization_id"].lower()
    if wanted != call.principal.organization_id:
        raise NotFound(resource, wanted)
    require(call.principal, call.area, resource, write=call.write, project_id=None)
    return wanted


def settings(call: Call) -> OrganizationSettings:
    """What an organization has set: the path's, else the caller's."""
    id_ = own_organization(call) if "organization_id" in call.params else call.principal.organization_id
    now = call.change.now
    kept = call.change.ledger.get(OrganizationSettings, id_)
    return kept or OrganizationSettings(id=id_, organization_id=id_, project_id="", created_at=now, updated_at=now)


def _view(call: Call, settings: OrganizationSettings) -> dict[str, Any]:
    default = call.change.ledger.get(Project, settings.id)
    shown = {name: getattr(settings, name) for name in ("id", "alias", *LOGIN)}
    return shown | {"name": default.name if default else settings.id}


def _security(settings: OrganizationSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in SECURITY}


def get(call: Call) -> dict[str, Any]:
    return _view(call, settings(call))


def _keep(call: Call, **fields: Any) -> OrganizationSettings:
    kept = settings(call).changed(call.change.now, **fields)
    call.change.ledger.put(kept)
    return kept


def set_alias(call: Call, body: SetAlias) -> dict[str, Any]:
    return _view(call, _keep(call, alias=body.alias))


def update_login(call: Call, body: UpdateLogin) -> dict[str, Any]:
    return _view(call, _keep(call, **given(body)))


def get_security(call: Call) -> dict[str, Any]:
    return _security(settings(call))


def update_security(call: Call, body: UpdateSecurity) -> dict[str, Any]:
    fields = given(body)
    if body.enforce_password_renewal and not settings(call).enforce_password_renewal:
        fields["enforced_at"] = call.change.now
    return _security(_keep(call, **fields))


ONE = "/organizations/{organization_id}"
ROUTES = [
    Route(method="GET", path=ONE, handler=get),
    Route(method="PUT", path=ONE + "/alias", handler=set_alias, body=SetAlias),
    Route(method="PATCH", path=ONE + "/login-methods", handler=update_login, body=UpdateLogin),
    Route(method="GET", path=ONE + "/security-settings", handler=get_security),
    Route(method="PATCH", path=ONE + "/security-settings", handler=update_security, body=UpdateSecurity),
]
