"""Who is calling, and what they may do. IAM's policies decide; every product asks here.

Nothing is remembered between requests: a key that is deleted, expired or whose bearer is gone, a policy that is taken
back, counts from the next request on. (An owner's request costs one look-up by the key's digest.)
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from hideaway.base.errors import PermissionDenied, Unauthenticated
from hideaway.cloud.conditions import Request, holds
from hideaway.cloud.documents import Document, Ledger
from hideaway.cloud.identity import ApiKey, Application, Group, Policy, Project, User, digest
from hideaway.cloud.permissions import PERMISSION_SETS, PermissionSet

MAX_SECRET = 256  # characters; a secret key is a UUID
AREAS = {
    "account": "Projects", "block": "BlockStorage", "iam": "IAM", "instance": "Instances", "ipam": "IPAM",
    "k8s": "Kubernetes", "lb": "LoadBalancers", "rdb": "RelationalDatabases", "vpc": "VPC", "vpcgw": "PublicGateways",
}  # fmt: skip
"""In which area documents are, by the first part of their kind."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a request comes from: what policies' conditions may ask about."""

    ip: str = ""
    user_agent: str = ""


NOWHERE = Origin()


class Grant(msgspec.Struct, frozen=True):
    """One permission set on a scope: an organization (project None) or one project of it."""

    permission_set: PermissionSet
    project_id: str | None


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A live key: its organization, whom it belongs to, and what its policies grant."""

    access_key: str
    organization_id: str
    default_project_id: str
    bearer_id: str  # a user's or an application's id; "" for the key of a machine
    owner: bool
    grants: tuple[Grant, ...] = ()
    origin: Origin = NOWHERE

    def may_know(self, document: Document, area: str) -> bool:
        """Whether a request of this area may refer to a document. What it may not is as if it were not there (assumed).

        It may to what is in a project where the caller may read this area or the document's own, to a project that any
        of its policies names, and to what is in no project: there the handler's own `require` decides.
        """
        if document.organization_id != self.organization_id:
            return False
        project = document.project_id
        if self.owner or not project:
            return True
        if isinstance(document, Project) and any(g.project_id in (None, project) for g in self.grants):
            return True
        areas = {area, AREAS.get(document.kind.partition("/")[0], area)}
        return any(self.may(a, write=False, project_id=project) for a in areas)

    def may(self, area: str, *, write: bool, project_id: str | None) -> bool:
        """Whether it may read (write: change) an area's resources of a project (None: of the whole organization)."""
        if self.owner:
            return True
        return any(
            g.project_id in (None, project_id) and g.permission_set.covers(area, write=write) for g in self.grants
        )


NOBODY = Principal(access_key="", organization_id="", default_project_id="", bearer_id="", owner=False)
"""Who calls an open route: it has no organization, so it sees nothing that belongs to one."""


def authenticate(ledger: Ledger, secret: str | None, now: datetime, origin: Origin = NOWHERE) -> Principal:
    """The principal of a secret key. Raises Unauthenticated for none, an unknown, an expired or a locked user's one."""
    if not secret or len(secret) > MAX_SECRET:
        raise Unauthenticated("not_found")
    keys = ledger.find(ApiKey, label=digest(secret))
    if not keys:
        raise Unauthenticated("not_found")
    key = keys[0]
    if key.expires_at is not None and key.expires_at <= now:
        raise Unauthenticated("expired")
    owner = _bearer_lives(ledger, key)
    bearer = key.user_id or key.application_id or ""
    return Principal(
        access_key=key.id,
        organization_id=key.organization_id,
        default_project_id=key.default_project_id,
        bearer_id=bearer,
        owner=owner,
        grants=() if owner else tuple(_grants(ledger, bearer, Request(origin.ip, origin.user_agent, now))),
        origin=origin,
    )


def _bearer_lives(ledger: Ledger, key: ApiKey) -> bool:
    """Whether the key is an owner's. Raises Unauthenticated when its bearer is gone or locked."""
    if key.user_id:
        user = ledger.get(User, key.user_id)
        if user is None:
            raise Unauthenticated("not_found")
        if user.locked:
            raise Unauthenticated("locked")
        return user.type == "owner"
    if key.application_id and ledger.get(Application, key.application_id) is None:
        raise Unauthenticated("not_found")
    return False


def _grants(ledger: Ledger, bearer: str, request: Request) -> Iterator[Grant]:
    """What the policies of a bearer and of its groups allow, of those whose conditions hold."""
    if not bearer:
        return
    for holder in (bearer, *(group.id for group in ledger.find(Group, ref=bearer))):
        for policy in ledger.find(Policy, ref=holder):
            for rule in policy.rules:
                if not holds(rule.condition, request):
                    continue
                scopes: list[str | None] = [None] if rule.organization_id else list(rule.project_ids or [])
                for name in rule.permission_set_names:
                    if name in PERMISSION_SETS:
                        yield from (Grant(PERMISSION_SETS[name], scope) for scope in scopes)


def require(principal: Principal, area: str, resource: str, *, write: bool, project_id: str | None) -> None:
    """Raise PermissionDenied unless the principal may do this."""
    if not principal.may(area, write=write, project_id=project_id):
        raise PermissionDenied("write" if write else "read", resource)
