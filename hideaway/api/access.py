"""Who is calling, and what they may do. IAM's policies decide; every product asks here."""

from __future__ import annotations

from datetime import datetime

import msgspec

from hideaway.base.errors import PermissionDenied, Unauthenticated
from hideaway.cloud.documents import Ledger
from hideaway.cloud.identity import ApiKey, Group, Policy, User, digest

EVERYTHING = "*"


class Grant(msgspec.Struct, frozen=True):
    """One permission set on a scope: an organization (project None) or one project of it."""

    area: str  # the product, or EVERYTHING
    write: bool
    project_id: str | None


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A live key: its organization, whom it belongs to, and what its policies grant."""

    access_key: str
    organization_id: str
    default_project_id: str
    bearer_id: str  # a user's or an application's id
    owner: bool
    grants: tuple[Grant, ...] = ()

    def may(self, area: str, *, write: bool, project_id: str | None) -> bool:
        """Whether it may read (write: change) an area's resources of a project (None: of the whole organization)."""
        if self.owner:
            return True
        return any(
            g.area in (area, EVERYTHING) and (g.write or not write) and g.project_id in (None, project_id)
            for g in self.grants
        )


NOBODY = Principal(access_key="", organization_id="", default_project_id="", bearer_id="", owner=False)
"""Who calls a route that needs no key."""

# Permission sets are named <area>FullAccess and <area>ReadOnly; these are not.
SPECIAL_SETS: dict[str, tuple[str, bool]] = {
    "AllProductsFullAccess": (EVERYTHING, True),
    "AllProductsReadOnly": (EVERYTHING, False),
    "OrganizationManager": (EVERYTHING, True),
    "OrganizationReadOnly": (EVERYTHING, False),
    "IAMManager": ("IAM", True),
    "IAMReadOnly": ("IAM", False),
    "ProjectManager": ("Project", True),
    "ProjectReadOnly": ("Project", False),
}


def grant_of(permission_set: str) -> tuple[str, bool] | None:
    """The (area, write) of a permission set's name; None for one that grants nothing here."""
    if permission_set in SPECIAL_SETS:
        return SPECIAL_SETS[permission_set]
    for suffix, write in (("FullAccess", True), ("ReadOnly", False)):
        if permission_set.endswith(suffix):
            return permission_set.removesuffix(suffix), write
    return None


def authenticate(ledger: Ledger, secret: str | None, now: datetime) -> Principal:
    """The principal of a secret key. Raises Unauthenticated for none, an unknown or an expired one."""
    if not secret:
        raise Unauthenticated("not_found")
    keys = ledger.find(ApiKey, label=digest(secret))
    if not keys:
        raise Unauthenticated("not_found")
    key = keys[0]
    if key.expires_at is not None and key.expires_at <= now:
        raise Unauthenticated("expired")
    bearer = key.user_id or key.application_id or ""
    user = ledger.get(User, key.user_id) if key.user_id else None
    if user is not None and user.locked:
        raise Unauthenticated("locked")
    owner = user is not None and user.type == "owner"
    return Principal(
        access_key=key.id,
        organization_id=key.organization_id,
        default_project_id=key.default_project_id,
        bearer_id=bearer,
        owner=owner,
        grants=() if owner else tuple(_grants(ledger, bearer)),
    )


def _grants(ledger: Ledger, bearer: str) -> list[Grant]:
    holders = [bearer, *(g.id for g in ledger.find(Group, ref=bearer))]
    grants: list[Grant] = []
    for holder in holders:
        for policy in ledger.find(Policy, ref=holder):
            for rule in policy.rules:
                scopes: list[str | None] = [None] if rule.organization_id else list(rule.project_ids or [])
                for name in rule.permission_set_names:
                    granted = grant_of(name)
                    if granted:
                        grants.extend(Grant(*granted, scope) for scope in scopes)
    return grants


def require(principal: Principal, area: str, resource: str, *, write: bool, project_id: str | None) -> None:
    """Raise PermissionDenied unless the principal may do this."""
    if not principal.may(area, write=write, project_id=project_id):
        raise PermissionDenied("write" if write else "read", resource)
