"""A ledger in memory: a snapshot that is compiled into a Fabric, and what tests of operations work on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar, cast

from hideaway.cloud.documents import Document

D = TypeVar("D", bound=Document)


class MemoryLedger:
    """Documents in memory, indexed as the store indexes them. Order of insertion is the order of age."""

    def __init__(self, documents: Iterable[Document] = ()):
        self._kinds: dict[str, dict[str, Document]] = {}
        self._refs: dict[tuple[str, str], dict[str, None]] = {}
        for document in documents:
            self.put(document)

    def get(self, type_: type[D], id_: str) -> D | None:
        return cast("D | None", self._kinds.get(type_.kind, {}).get(id_))

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
        kept = self._kinds.get(type_.kind, {})
        some = kept.values() if ref is None else [kept[i] for i in self._refs.get((type_.kind, ref), {})]
        return [
            cast("D", d)
            for d in some
            if (organization is None or d.organization_id == organization)
            and (project is None or d.project_id == project)
            and (locality is None or d.locality == locality)
            and (label is None or d.label == label)
        ]

    def due(self, before: float, *, carried: bool) -> Sequence[Document]:
        return [
            d
            for kept in self._kinds.values()
            for d in kept.values()
            if d.pending is not None and d.pending.due <= before and (carried or not d.carried)
        ]

    def put(self, document: Document) -> None:
        kept = self._kinds.setdefault(document.kind, {})
        old = kept.get(document.id)
        if old is not None and old.refs != document.refs:
            self._unindex(old)
        kept[document.id] = document
        for ref in document.refs:
            self._refs.setdefault((document.kind, ref), {})[document.id] = None

    def remove(self, document: Document) -> None:
        kept = self._kinds.get(document.kind, {})
        old = kept.pop(document.id, None)
        if old is not None:
            self._unindex(old)

    def _unindex(self, document: Document) -> None:
        for ref in document.refs:
            self._refs.get((document.kind, ref), {}).pop(document.id, None)
