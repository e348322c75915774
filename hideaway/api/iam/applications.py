"""Applications: bearers of API keys that are no persons."""

from __future__ import annotations

from typing import Any, Literal

from hideaway.api.call import Call, answer
from hideaway.api.iam.shared import MANAGED, common, keep, keys_of, log, one_tag
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Name, Tags, Text, given
from hideaway.cloud.identity import Application
from hideaway.cloud.principals import remove_bearer

Order = Literal[
    "created_at_asc", "created_at_desc", "updated_at_asc", "updated_at_desc", "name_asc", "name_desc"
]  # fmt: skip


class CreateApplication(Body, frozen=True, kw_only=True):
    name: Name | None = None
    organization_id: str | None = None
    description: Text | None = None
    tags: Tags | None = None


class UpdateApplication(Body, frozen=True, kw_only=True):
    name: Name | None = None
    description: Text | None = None
    tags: Tags | None = None


class ListApplications(Listing, frozen=True, kw_only=True):
    order_by: Order | None = None
    name: str | None = None
    editable: bool | None = None
    application_ids: list[str] | None = None
    tag: str | None = None


def view(call: Call, application: Application) -> dict[str, Any]:
    shown = answer(application, **MANAGED, nb_api_keys=len(keys_of(call, application.id)))
    del shown["project_id"]
    return shown


def create(call: Call, body: CreateApplication) -> dict[str, Any]:
    application = Application(
        **common(call, body.organization_id, Application.resource),
        name=body.name or f"app-{call.change.ids.word()}",
        description=body.description or "",
        tags=body.tags or [],
    )
    return view(call, keep(call, application, "created"))


def get(call: Call) -> dict[str, Any]:
    return view(call, call.own(Application, param="application_id"))


def list_(call: Call, query: ListApplications) -> dict[str, Any]:
    special = {
        "application_ids": lambda a, ids: a.id in ids,
        "editable": lambda _, wanted: wanted,
        "tag": one_tag,
    }
    return listing(
        "applications", call.visible(Application), query, lambda a: view(call, a), special=special
    )  # fmt: skip


def update(call: Call, body: UpdateApplication) -> dict[str, Any]:
    application = call.own(Application, param="application_id").changed(call.change.now, **given(body))
    return view(call, keep(call, application, "updated"))


def delete(call: Call) -> None:
    """With the application go its API keys, at once, and its places in groups and policies."""
    application = call.own(Application, param="application_id")
    remove_bearer(call.change, application)
    log(call, application, "deleted")


ONE = "/applications/{application_id}"
ROUTES = [
    Route(method="GET", path="/applications", handler=list_, query=ListApplications),
    Route(method="POST", path="/applications", handler=create, body=CreateApplication),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateApplication),
    Route(method="DELETE", path=ONE, handler=delete, status=204),
]
