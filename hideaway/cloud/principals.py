"""The ends of users, applications, groups and projects: what goes with them."""

from __future__ import annotations

from hideaway.base.errors import PreconditionFailed
from hideaway.cloud.change import Change
from hideaway.cloud.documents import KINDS, Document
from hideaway.cloud.identity import ApiKey, Application, Group, Policy, Project, SshKey, User
from hideaway.cloud.logins import forget
from hideaway.cloud.network import Vpc
from hideaway.cloud.servers import SecurityGroup


def remove_bearer(change: Change, bearer: User | Application) -> None:
    """Delete a user or an application: its keys die, it leaves its groups, its policies have no principal any more."""
    ledger = change.ledger
    for key in ledger.find(ApiKey, ref=bearer.id):
        ledger.remove(key)
    for group in ledger.find(Group, ref=bearer.id):
        users = [i for i in group.user_ids if i != bearer.id]
        applications = [i for i in group.application_ids if i != bearer.id]
        ledger.put(group.changed(change.now, user_ids=users, application_ids=applications))
    _orphan_policies(change, bearer.id)
    forget(change, bearer.id)
    ledger.remove(bearer)


def remove_group(change: Change, group: Group) -> None:
    """Delete a group: its policies have no principal any more."""
    _orphan_policies(change, group.id)
    change.ledger.remove(group)


def _orphan_policies(change: Change, principal_id: str) -> None:
    for policy in change.ledger.find(Policy, ref=principal_id):
        change.ledger.put(policy.changed(change.now, user_id=None, group_id=None, application_id=None))


def remove_project(change: Change, project: Project, *, and_resources: bool = False) -> None:
    """Delete an empty project, with what each has from its beginning: default VPCs and security groups; and SSH keys.

    and_resources: also one that is not empty, with everything in it, at once. Raises PreconditionFailed for the
    organization's default one and (else) for one in which anything is left.
    """
    if project.id == project.organization_id:
        raise PreconditionFailed(
            "unknown_precondition", "the default project cannot be deleted", project.resource, project.id
        )
    held = [d for type_ in KINDS.values() for d in change.ledger.find(type_, project=project.id) if d != project]
    left = sorted({d.kind.partition("/")[2].replace("_", " ") for d in held if not _goes_with_project(d)})
    if left and not and_resources:
        raise PreconditionFailed(
            "resource_still_in_use", f"the project still has: {', '.join(left)}", project.resource, project.id
        )
    for document in held:
        change.ledger.remove(document)
    change.ledger.remove(project)


def _goes_with_project(document: Document) -> bool:
    return (
        (isinstance(document, Vpc) and document.is_default)
        or (isinstance(document, SecurityGroup) and document.project_default)
        or isinstance(document, SshKey)
    )
