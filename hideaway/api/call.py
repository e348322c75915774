"""One call of the API, as handlers see it: who calls, where, with what, and the ledger to work on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from hideaway.api.access import Principal, require
from hideaway.base.errors import NotFound, invalid
from hideaway.base.ids import is_uuid
from hideaway.cloud.change import Change
from hideaway.cloud.documents import Document
from hideaway.cloud.identity import Project
from hideaway.cloud.places import region_of
from hideaway.fabric.services import Observed

D = TypeVar("D", bound=Document)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the API knows of the server that it is part of."""

    data_plane: bool = False
    """Whether packets are real: then transitions of carried resources end when packets flow."""
    heartbeat_grace: float = 40.0  # seconds
    body_seconds: float = 20.0
    """How long a request's body may take to come."""
    observed: Callable[[str, str], Observed | None] = lambda _host, _service: None
    """How a host's service fares now (their ids in the Fabric); None where the data plane has none such."""
    stored: Callable[[str, str], Path | None] = lambda _volume, _file: None
    """Where a file of a volume of the Fabric lies (their ids); None where it is not."""


class Call(msgspec.Struct, kw_only=True):
    """One call. params: the path's parameters. place: the region or zone of the path, "" for global products.

    server: what the caller calls this server (http://host:port). waiting: a carried resource that was read is in
    transition; the pipeline may answer a moment later (see `pipeline`). headers: extra headers of the answer. status:
    overrides the route's.
    """

    change: Change
    principal: Principal
    settings: Settings
    area: str
    write: bool
    params: dict[str, str]
    place: str
    server: str = ""
    waiting: bool = False
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    status: int | None = None

    @property
    def region(self) -> str:
        """The region of the call, also where the path names a zone."""
        return region_of(self.place)

    def own(self, type_: type[D], id_: str | None = None, *, param: str | None = None) -> D:
        """The caller's document with this id (or the one in this path parameter), in this call's region or zone.

        Raises NotFound where it does not exist, lives elsewhere or is another organization's; PermissionDenied where
        the caller's policies do not allow this call on its project.
        """
        wanted = (id_ if id_ is not None else self.params[param or ""]).lower()
        found = self.change.ledger.get(type_, wanted)
        if found is None or not self._here(found) or found.organization_id != self.principal.organization_id:
            raise NotFound(type_.resource, wanted)
        require(self.principal, self.area, type_.resource, write=self.write, project_id=found.project_id or None)
        if found.pending is not None and found.carried:
            self.waiting = True
        return found

    def refer(self, type_: type[D], id_: str, argument: str, *, project_id: str | None = None) -> D:
        """A document that a body or query refers to: in this region, and one that the caller may know of.

        project_id: it must be that project's, too. Raises InvalidArguments for what is no UUID, else NotFound.
        """
        if not is_uuid(id_):
            raise invalid(argument, "value must be a valid UUID", "format")
        found = self.change.ledger.get(type_, id_.lower())
        if found is None or not self.principal.may_know(found, self.area) or not self._near(found):
            raise NotFound(type_.resource, id_)
        if project_id is not None and found.project_id != project_id:
            raise NotFound(type_.resource, id_)
        return found

    def _here(self, document: Document) -> bool:
        return not self.place or not document.locality or document.locality == self.place

    def _near(self, document: Document) -> bool:
        return not self.place or not document.locality or region_of(document.locality) == self.region

    def project(self, project_id: str | None, resource: str, argument: str = "project_id") -> tuple[str, str]:
        """The (organization, project) that a new resource shall belong to: the one asked for, else the key's default.

        Raises InvalidArguments for what is no UUID, NotFound for no project of the organization, PermissionDenied.
        """
        chosen = project_id or self.principal.default_project_id
        if not is_uuid(chosen):
            raise invalid(argument, "value must be a valid UUID", "format")
        chosen = chosen.lower()
        project = self.change.ledger.get(Project, chosen)
        if project is None or project.organization_id != self.principal.organization_id:
            raise NotFound("project", chosen)
        require(self.principal, self.area, resource, write=True, project_id=chosen)
        return self.principal.organization_id, chosen

    def visible(self, type_: type[D], **where: Any) -> list[D]:
        """All documents of a type, in this region or zone, that the caller may read; oldest first."""
        where.setdefault("organization", self.principal.organization_id)
        if self.place:
            where.setdefault("locality", self.place)
        documents = self.change.ledger.find(type_, **where)
        if self.principal.owner:
            return documents
        may: dict[str, bool] = {}
        for document in documents:
            project = document.project_id
            if project not in may:
                may[project] = self.principal.may(self.area, write=False, project_id=project or None)
        return [d for d in documents if may[d.project_id]]

    def common(self, project_id: str | None, resource: str, argument: str = "project_id") -> dict[str, Any]:
        """The fields that every new document has: id, owners, times. Raises as `project` does."""
        organization, project = self.project(project_id, resource, argument)
        now = self.change.now
        return {
            "id": self.change.ids.uuid(),
            "organization_id": organization,
            "project_id": project,
            "created_at": now,
            "updated_at": now,
        }


def answer(document: Document, **more: Any) -> dict[str, Any]:
    """A document as it is answered: its fields but hideaway's own (`_...`), and what is joined to them."""
    fields: dict[str, Any] = msgspec.to_builtins(document)
    return {name: value for name, value in fields.items() if name[0] != "_"} | more
