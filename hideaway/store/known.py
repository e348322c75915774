"""What is known of the database without asking it: documents, and whole lists of one kind in one place."""

from __future__ import annotations

from collections.abc import Iterable

from hideaway.cloud.documents import Document

Key = tuple[str, str]
"""Kind and id."""
Place = tuple[str, str]
"""Organization and locality."""


class Known:
    """Documents by key, and lists by kind and place. It never says what the database does not."""

    def __init__(self) -> None:
        self.documents: dict[Key, Document] = {}
        self._lists: dict[str, dict[Place, dict[str, Document]]] = {}

    def listed(self, kind: str, place: Place) -> list[Document] | None:
        """All documents of a kind in a place, oldest first; None where that is not known."""
        found = self._lists.get(kind, {}).get(place)
        return None if found is None else list(found.values())

    def learn(self, kind: str, place: Place, documents: Iterable[Document]) -> None:
        """Keep such a list, which later writes go on with."""
        self._lists.setdefault(kind, {})[place] = {document.id: document for document in documents}

    def keep(self, document: Document, old: Document | None) -> None:
        """Keep a document that was written in the place of another, or as a new one."""
        self.documents[document.kind, document.id] = document
        lists = self._lists.get(document.kind)
        if not lists:
            return
        if old is not None and _place(old) != _place(document):
            lists.clear()  # where among those of its new place it belongs is not known
        elif (found := lists.get(_place(document))) is not None:
            found[document.id] = document

    def forget(self, document: Document) -> None:
        """Forget a document that was removed."""
        self.documents.pop((document.kind, document.id), None)
        for found in self._lists.get(document.kind, {}).values():
            found.pop(document.id, None)

    def doubt(self, keys: Iterable[Key]) -> None:
        """Forget what a transaction wrote that was rolled back. The key of no document stands for all of them."""
        for kind, id_ in keys:
            if not kind:
                self.clear()
            self.documents.pop((kind, id_), None)
            self._lists.pop(kind, None)

    def clear(self) -> None:
        """Forget all."""
        self.documents.clear()
        self._lists.clear()


def _place(document: Document) -> Place:
    return document.organization_id, document.locality
