"""Projects of an organization. A new one has a default VPC in every region; one that is not empty stays."""

from __future__ import annotations

from typing import Any, Literal

from hideaway.api.access import require
from hideaway.api.call import Call, answer
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Name, Query, Text, given
from hideaway.base.errors import NotFound, PreconditionFailed, invalid
from hideaway.cloud.founding import found_project
from hideaway.cloud.identity import Project
from hideaway.cloud.principals import remove_project

UNKNOWN = "project_id"
"""What the vendor's 404 calls a project (recorded)."""
UNQUALIFIED = {"architecture_type": "unknown_architecture_type"}
"""How the vendor reads a project that nobody qualified; it answers null when one is made or changed (recorded)."""


class CreateProject(Body, frozen=True, kw_only=True):
    name: Name | None = None
    organization_id: str | None = None
    description: Text | None = None


class UpdateProject(Body, frozen=True, kw_only=True):
    name: Name | None = None
    description: Text | None = None


class Qualification(Body, frozen=True, kw_only=True):
    """What a project is for, in the vendor's own words. Kept as the client said it."""

    architecture_type: Literal[
        "unknown_architecture_type", "object_storage", "web_hosting", "instance", "elastic", "kubernetes",
        "serverless", "dedicated_server", "other_architecture_type",
    ] | None = None  # fmt: skip
    host_website: dict[str, Name] | None = None
    host_application: dict[str, Name] | None = None
    deploy_software: dict[str, Name] | None = None
    set_scaleway_environment: dict[str, Name] | None = None
    ai_machine: dict[str, Name] | None = None
    container: dict[str, Name] | None = None
    archive_data: dict[str, Name] | None = None
    share_data: dict[str, Name] | None = None
    other_use_case: dict[str, Name] | None = None


class SetQualification(Body, frozen=True, kw_only=True):
    qualification: Qualification | None = None


class Confirmation(Query, frozen=True, kw_only=True):
    project_name: str | None = None


class ListProjects(Listing, frozen=True, kw_only=True):
    order_by: Literal["created_at_asc", "created_at_desc", "name_asc", "name_desc"] | None = None
    name: str | None = None
    project_ids: list[str] | None = None


def view(project: Project, *, changed: bool = False) -> dict[str, Any]:
    shown = answer(project, status="active")
    del shown["project_id"]
    if project.qualification is None and not changed:
        shown["qualification"] = UNQUALIFIED
    return shown


def create(call: Call, body: CreateProject) -> dict[str, Any]:
    own = call.principal.organization_id
    if body.organization_id and body.organization_id.lower() != own:
        raise NotFound("organization", body.organization_id)
    require(call.principal, call.area, Project.resource, write=True, project_id=None)
    ids = call.change.ids
    name = body.name or f"project-{ids.word()}"
    project = found_project(call.change, own, ids.uuid(), name, body.description or "")
    return view(project, changed=True)


def _own(call: Call) -> Project:
    try:
        return call.own(Project, param="project_id")
    except NotFound as error:
        raise NotFound(UNKNOWN, error.resource_id) from None


def get(call: Call) -> dict[str, Any]:
    return view(_own(call))


def list_(call: Call, query: ListProjects) -> dict[str, Any]:
    special = {"project_ids": lambda p, ids: p.id in ids}
    return listing("projects", call.visible(Project), query, view, special=special)


def update(call: Call, body: UpdateProject) -> dict[str, Any]:
    project = _own(call).changed(call.change.now, **given(body))
    call.change.ledger.put(project)
    return view(project, changed=True)


def delete(call: Call) -> None:
    """Refused for the default project, for the caller's own default one, and while anything is left in it."""
    remove_project(call.change, _not_in_use(call, _own(call)))


def _not_in_use(call: Call, project: Project) -> Project:
    if project.id == call.principal.default_project_id:
        raise PreconditionFailed(
            "resource_still_in_use", "the project is the default one of the API key in use", Project.resource
        )
    return project


def delete_with_resources(call: Call, query: Confirmation) -> dict[str, Any]:
    """With everything in it, whatever that is doing. The project's name must be said, as a safeguard."""
    project = _not_in_use(call, _own(call))
    if query.project_name != project.name:
        raise invalid("project_name", "is not the project's name")
    remove_project(call.change, project, and_resources=True)
    return view(project) | {"status": "deleting"}


def qualify(call: Call, body: SetQualification) -> dict[str, Any]:
    kept = given(body.qualification) if body.qualification else None
    project = _own(call).changed(call.change.now, qualification=kept)
    call.change.ledger.put(project)
    return {"project_id": project.id, "qualification": kept or UNQUALIFIED}


ONE = "/projects/{project_id}"
ROUTES = [
    Route(method="GET", path="/projects", handler=list_, query=ListProjects),
    Route(method="POST", path="/projects", handler=create, body=CreateProject),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateProject),
    Route(method="DELETE", path=ONE, handler=delete, status=204),
    Route(
        method="POST", path=ONE + "/delete-with-resources", handler=delete_with_resources, query=Confirmation,
        records=False,
    ),
    Route(method="POST", path=ONE + "/project-qualification", handler=qualify, body=SetQualification),
]  # fmt: skip
