"""What every resource has in common, and where resources are kept.

A resource is a frozen `Document`. Its fields are spelled as the vendor's answers spell them (instance/v1 alone is
translated on its way out); a field whose JSON name begins with `_` is hideaway's own: it is stored and never answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, Protocol, Self, TypeVar

import msgspec

GONE = "gone"
"""The status that a resource on its way out ends in: its document is removed."""

KINDS: dict[str, type[Document]] = {}
"""Every concrete document type by its kind. Filled as the types are defined."""


class Pending(msgspec.Struct, frozen=True):
    """A transition that is under way: to which status, and from when on (seconds since the epoch) it may be reached."""

    to: str
    due: float


class Document(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One resource.

    kind names the type in the store (`vpc/private_network`), resource in the vendor's errors (`private_network`).
    carried: the data plane carries it out: where there is one, its transitions end when packets flow, not by the clock.
    """

    kind: ClassVar[str] = ""
    resource: ClassVar[str] = "unknown"
    status_field: ClassVar[str] = "status"
    carried: ClassVar[bool] = False

    id: str
    organization_id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    pending: Pending | None = msgspec.field(default=None, name="_pending")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.kind:
            KINDS[cls.kind] = cls

    @property
    def locality(self) -> str:
        """The region or zone where it lives, "" where it has none."""
        return getattr(self, "zone", None) or getattr(self, "region", None) or ""

    @property
    def refs(self) -> tuple[str, ...]:
        """The ids of the documents that it belongs to or uses; `Ledger.find(..., ref=id)` finds it by each."""
        return ()

    @property
    def host_id(self) -> str:
        """The id of the host whose services its transitions wait for, where it is `carried`."""
        return self.id

    @property
    def label(self) -> str:
        """The name that it is found by."""
        return getattr(self, "name", None) or ""

    def changed(self, now: datetime, **fields: Any) -> Self:
        """A copy with these fields, updated now."""
        return msgspec.structs.replace(self, updated_at=now, **fields)

    def toward(self, now: datetime, status: str, to: str, due: float, **fields: Any) -> Self:
        """A copy that is in a passing status and becomes `to` when due."""
        return self.changed(now, **{self.status_field: status, "pending": Pending(to, due)}, **fields)

    def settled(self, ledger: Ledger, now: datetime) -> Document | None:
        """What it becomes when its pending transition ends; None when it is gone. Types may override it."""
        if self.pending is None:
            return self
        if self.pending.to == GONE:
            return None
        return self.changed(now, **{self.status_field: self.pending.to, "pending": None})


D = TypeVar("D", bound=Document)


class Ledger(Protocol):
    """Where documents are kept, within one transaction."""

    def get(self, type_: type[D], id_: str) -> D | None:
        """The document with this id, or None."""
        ...

    def find(
        self,
        type_: type[D],
        *,
        organization: str | None = None,
        project: str | None = None,
        locality: str | None = None,
        ref: str | None = None,
        label: str | None = None,
    ) -> list[D]:
        """All documents of a type for which all that is given holds, oldest first."""
        ...

    def due(self, before: float, *, carried: bool) -> Sequence[Document]:
        """All documents whose pending transition is due, without the carried ones unless `carried`."""
        ...

    def put(self, document: Document) -> None:
        """Keep a document, new or changed."""
        ...

    def remove(self, document: Document) -> None:
        """Forget a document."""
        ...
