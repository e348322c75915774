"""A ledger in memory: a snapshot that is compiled into a Fabric, and what tests of operations work on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar, cast

from hideaway.cloud.documents import Document

D = TypeVar("D", bound=Document)
K = TypeVar("K", str, tuple[str, str])
V = TypeVar("V")
Asked = tuple[str, str]
"""A kind, and the id or the reference by which documents were asked for, "" where all were. `kind?`: if it is there."""


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

    def has(self, type_: type[Document], id_: str) -> bool:
        """Whether there is such a document, whatever it says."""
        return id_ in self._kinds.get(type_.kind, {})

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
        if organization is project is locality is label is None:
            return cast("list[D]", list(some))
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

    def differences(self, other: MemoryLedger) -> set[Asked]:
        """What may be asked of both and answered otherwise. Cheap where one is a branch of the other."""
        found: set[Asked] = set()
        for kind in self._kinds.keys() | other._kinds.keys():
            mine, its = self._kinds.get(kind, {}), other._kinds.get(kind, {})
            for id_ in mine.keys() | its.keys() if mine is not its else ():
                one, another = mine.get(id_), its.get(id_)
                if one is not another:
                    refs = (ref for d in (one, another) if d is not None for ref in d.refs)
                    found.update((kind, about) for about in (id_, "", *refs))
                if one is None or another is None:
                    found.add((f"{kind}?", id_))
        return found


class Watched(MemoryLedger):
    """A view of a ledger that keeps what it was asked."""

    def __init__(self, ledger: MemoryLedger):
        super().__init__()
        self._kinds, self._refs = ledger._kinds, ledger._refs
        self.asked: set[Asked] = set()

    def get(self, type_: type[D], id_: str) -> D | None:
        self.asked.add((type_.kind, id_))
        return super().get(type_, id_)

    def has(self, type_: type[Document], id_: str) -> bool:
        self.asked.add((f"{type_.kind}?", id_))
        return super().has(type_, id_)

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
        self.asked.add((type_.kind, ref or ""))
        return super().find(type_, organization=organization, project=project, locality=locality, ref=ref, label=label)


def _own(tables: dict[K, dict[str, V]], key: K, shared: set[K]) -> dict[str, V]:
    """The table under a key, to be changed: one that a branch shares is copied first, one that is missing is made."""
    found = tables.get(key)
    if found is None:
        found = tables[key] = {}
    elif key in shared:
        shared.discard(key)
        found = tables[key] = dict(found)
    return found
