"""A ledger in memory: a snapshot that is compiled into a Fabric, and what tests of operations work on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar, cast

from hideaway.cloud.documents import Document

D = TypeVar("D", bound=Document)
K = TypeVar("K", str, tuple[str, str])
V = TypeVar("V")


class MemoryLedger:
    """Documents in memory, indexed as the store indexes them. Order of insertion is the order of age."""

    def __init__(self, documents: Iterable[Document] = ()):
        self._kinds: dict[str, dict[str, Document]] = {}
        self._refs: dict[tuple[str, str], dict[str, None]] = {}
        self._shared_kinds: set[str] = set()
        self._shared_refs: set[tuple[str, str]] = set()
        for document in documents:
            self.put(document)

    def branch(self) -> MemoryLedger:
        """A ledger that begins as this one and may be changed, while this one stays; costs what its indexes number."""
        made = MemoryLedger()
        made._kinds, made._shared_kinds = dict(self._kinds), set(self._kinds)
        made._refs, made._shared_refs = dict(self._refs), set(self._refs)
        return made

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
        kept = _own(self._kinds, document.kind, self._shared_kinds)
        old = kept.get(document.id)
        kept[document.id] = document
        if old is not None:
            if old.refs == document.refs:
                return
            self._unindex(old)
        for ref in document.refs:
            _own(self._refs, (document.kind, ref), self._shared_refs)[document.id] = None

    def remove(self, document: Document) -> None:
        old = _own(self._kinds, document.kind, self._shared_kinds).pop(document.id, None)
        if old is not None:
            self._unindex(old)

    def _unindex(self, document: Document) -> None:
        for ref in document.refs:
            _own(self._refs, (document.kind, ref), self._shared_refs).pop(document.id, None)


def _own(tables: dict[K, dict[str, V]], key: K, shared: set[K]) -> dict[str, V]:
    """The table under a key, to be changed: one that a branch shares is copied first, one that is missing is made."""
    found = tables.get(key)
    if found is None:
        found = tables[key] = {}
    elif key in shared:
        shared.discard(key)
        found = tables[key] = dict(found)
    return found
