"""Documents in SQLite. Every transaction is all or nothing; an answered write survives the death of the process, and
(durability `power`) that of the machine.

One connection serves all threads, one transaction at a time: SQLite writes one at a time anyway, a transaction here
takes tens of microseconds, and `:memory:` then behaves as a file does.
"""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from hideaway.base.errors import HideawayError
from hideaway.cloud.documents import KINDS, Document
from hideaway.cloud.memory import MemoryLedger
from hideaway.store.known import Key, Known

D = TypeVar("D", bound=Document)

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE documents (
    seq INTEGER PRIMARY KEY,
    kind TEXT NOT NULL, id TEXT NOT NULL,
    organization TEXT NOT NULL, project TEXT NOT NULL, locality TEXT NOT NULL, label TEXT NOT NULL,
    due REAL, carried INTEGER NOT NULL, revision INTEGER NOT NULL, body BLOB NOT NULL,
    UNIQUE (kind, id)
);
CREATE INDEX by_project ON documents (kind, project);
CREATE INDEX by_place ON documents (kind, organization, locality);
CREATE INDEX by_label ON documents (kind, label);
CREATE INDEX by_due ON documents (due) WHERE due IS NOT NULL;
CREATE TABLE refs (kind TEXT NOT NULL, ref TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (kind, ref, id)) WITHOUT ROWID;
CREATE INDEX refs_by_id ON refs (kind, id);
CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT INTO state VALUES ('revision', 0);
"""
_ENCODER = msgspec.json.Encoder()
_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {}


EVERYTHING: Key = ("", "")
"""What a transaction touches that removes documents without naming them."""


def _decode(kind: str, body: bytes) -> Document:
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.json.Decoder(KINDS[kind])
    document: Document = decoder.decode(body)
    return document


class Durability(StrEnum):
    """What an answered write survives: the end of the process, or a loss of power as well.

    With a write-ahead log SQLite then waits for the disk at every commit (`synchronous=FULL`); else only now and then,
    which after a loss of power may take back the last commits, each of them whole (sqlite.org/pragma.html).
    """

    PROCESS = "process"
    POWER = "power"


SYNCHRONOUS = {Durability.PROCESS: "NORMAL", Durability.POWER: "FULL"}


class Store:
    """All documents of one cloud.

    path None keeps them in memory only. Raises HideawayError when the file is no store of this version.
    """

    def __init__(self, path: Path | None, durability: Durability = Durability.PROCESS):
        self._lock = threading.RLock()
        self._listeners: list[Callable[[int], None]] = []
        self._db = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(f"PRAGMA synchronous={SYNCHRONOUS[durability]}")
            self._prepare()
        except sqlite3.DatabaseError as error:
            raise HideawayError(f"{path} is not a hideaway store: {error}") from error
        self.revision: int = self._db.execute("SELECT value FROM state WHERE name='revision'").fetchone()[0]
        self._known = Known()
        self._earliest: dict[bool, tuple[int, float]] = {}
        self._snapshot: MemoryLedger | None = None
        self._since: dict[Key, bool] = {}
        """What was written since the last snapshot, and whether it was made anew then: as `Transaction.touched`."""

    def _prepare(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
        elif version != SCHEMA_VERSION:
            raise sqlite3.DatabaseError(f"its layout is version {version}, this program's is {SCHEMA_VERSION}")

    @property
    def durability(self) -> Durability:
        """What SQLite itself says is in force."""
        full = self._db.execute("PRAGMA synchronous").fetchone()[0] >= 2
        return Durability.POWER if full else Durability.PROCESS

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction: committed at the end, rolled back when an exception leaves it. Does not nest."""
        with self._lock:
            transaction = Transaction(self._db, self._known, self.revision + 1)
            try:
                yield transaction
                if not transaction.touched:
                    return
                self._db.execute("UPDATE state SET value=? WHERE name='revision'", (self.revision + 1,))
                self._db.execute("COMMIT")  # which may fail, too: on a full disk
            except BaseException:
                self._undo(transaction)
                raise
            self.revision += 1
            self._note(transaction.touched)
        for listener in self._listeners:
            listener(self.revision)

    def _undo(self, transaction: Transaction) -> None:
        if self._db.in_transaction:  # on some faults SQLite has rolled back already
            self._db.execute("ROLLBACK")
        self._known.doubt(transaction.touched)

    def _note(self, touched: dict[Key, bool]) -> None:
        if EVERYTHING in touched:
            self._snapshot = None
        for key, made in touched.items():
            if made:  # the order here is that of the documents' age
                self._since.pop(key, None)
            self._since[key] = made or self._since.get(key, False)

    def earliest(self, *, carried: bool) -> float:
        """When the first pending transition is due, in seconds since the epoch, infinity where none is; see `due`."""
        with self._lock:
            revision, due = self._earliest.get(carried, (-1, 0.0))
            if revision != self.revision:
                query = "SELECT min(due) FROM documents WHERE due IS NOT NULL AND carried<=?"
                found = self._db.execute(query, (int(carried),)).fetchone()[0]
                due = math.inf if found is None else found
                self._earliest[carried] = (self.revision, due)
            return due

    def listen(self, listener: Callable[[int], None]) -> None:
        """Call this with the new revision after every commit, in the thread that committed; it must not block."""
        self._listeners.append(listener)

    def snapshot(self) -> tuple[int, MemoryLedger]:
        """All documents as they are at one revision, and that revision. Costs what changed since the last one."""
        with self._lock:
            reading = Transaction(self._db, self._known, self.revision)
            self._snapshot = self._whole(reading) if self._snapshot is None else self._changed(self._snapshot, reading)
            self._since = {}
            return self.revision, self._snapshot

    def _whole(self, reading: Transaction) -> MemoryLedger:
        rows = self._db.execute("SELECT kind, id FROM documents ORDER BY seq").fetchall()
        return MemoryLedger(document for kind, id_ in rows if (document := reading.get(KINDS[kind], id_)))

    def _changed(self, last: MemoryLedger, reading: Transaction) -> MemoryLedger:
        ledger = last.branch()
        for (kind, id_), made in self._since.items():
            type_ = KINDS[kind]
            old, new = last.get(type_, id_), reading.get(type_, id_)
            if old is not None and (made or new is None):
                ledger.remove(old)
            if new is not None:
                ledger.put(new)
        return ledger

    def clear(self) -> None:
        """Forget all documents."""
        with self.transaction() as transaction:
            transaction.clear()

    def close(self) -> None:
        with self._lock:
            self._db.close()


class Transaction:
    """A Ledger (see `cloud.documents`) on the store. touched: what was written, and whether it was made anew.

    The order of those that were made is that of their age.
    """

    def __init__(self, db: sqlite3.Connection, known: Known, revision: int):
        self._db, self._known, self._revision = db, known, revision
        self.touched: dict[Key, bool] = {}

    def get(self, type_: type[D], id_: str) -> D | None:
        cached = self._known.documents.get((type_.kind, id_))
        if cached is not None:
            return cached  # type: ignore[return-value]
        row = self._db.execute("SELECT body FROM documents WHERE kind=? AND id=?", (type_.kind, id_)).fetchone()
        if row is None:
            return None
        document = self._known.documents[type_.kind, id_] = _decode(type_.kind, row[0])
        return document  # type: ignore[return-value]

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
        place = None
        if organization is not None and locality is not None and project is ref is label is None:
            place = (organization, locality)
            known = self._known.listed(type_.kind, place)
            if known is not None:
                return known  # type: ignore[return-value]
        query = "SELECT d.id FROM documents d"  # not the body: nearly every document is in the cache
        where, values = ["d.kind=?"], [type_.kind]
        if ref is not None:
            query += " JOIN refs r ON r.kind=d.kind AND r.id=d.id"
            where.append("r.ref=?")
            values.append(ref)
        for column, value in (("organization", organization), ("project", project), ("label", label)):
            if value is not None:
                where.append(f"d.{column}=?")
                values.append(value)
        if locality is not None:
            where.append("d.locality=?")
            values.append(locality)
        rows = self._db.execute(f"{query} WHERE {' AND '.join(where)} ORDER BY d.seq", values).fetchall()
        found = [document for (id_,) in rows if (document := self.get(type_, id_))]
        if place is not None:
            self._known.learn(type_.kind, place, found)
        return found

    def due(self, before: float, *, carried: bool) -> Sequence[Document]:
        # +seq: ordered by the column itself SQLite reads every document, to save the sorting of those few.
        rows = self._db.execute(
            "SELECT kind, id FROM documents WHERE due<=? AND carried<=? ORDER BY +seq", (before, int(carried))
        ).fetchall()
        return [document for kind, id_ in rows if (document := self.get(KINDS[kind], id_))]

    def put(self, document: Document) -> None:
        key = (document.kind, document.id)
        self._begin(key)
        old = self.get(type(document), document.id)
        due = document.pending.due if document.pending else None
        columns = (
            document.organization_id, document.project_id, document.locality, document.label, due,
            int(document.carried), self._revision, _ENCODER.encode(document),
        )  # fmt: skip
        if old is None:
            del self.touched[key]
            self.touched[key] = True
            self._db.execute(
                "INSERT INTO documents (organization, project, locality, label, due, carried, revision, body, kind, id)"
                " VALUES (?,?,?,?,?,?,?,?,?,?)",
                (*columns, *key),
            )
        else:
            self._db.execute(
                "UPDATE documents SET organization=?, project=?, locality=?, label=?, due=?, carried=?, revision=?,"
                " body=? WHERE kind=? AND id=?",
                (*columns, *key),
            )
        if old is None or old.refs != document.refs:
            self._db.execute("DELETE FROM refs WHERE kind=? AND id=?", key)
            self._db.executemany(
                "INSERT OR IGNORE INTO refs (kind, ref, id) VALUES (?,?,?)",
                [(document.kind, ref, document.id) for ref in document.refs],
            )
        self._known.keep(document, old)

    def remove(self, document: Document) -> None:
        key = (document.kind, document.id)
        self._begin(key)
        self._db.execute("DELETE FROM documents WHERE kind=? AND id=?", key)
        self._db.execute("DELETE FROM refs WHERE kind=? AND id=?", key)
        self._known.forget(document)

    def clear(self, organization: str | None = None) -> None:
        """Remove all documents, or all of one organization."""
        self._begin(EVERYTHING)
        if organization is None:
            self._db.execute("DELETE FROM documents")
        else:
            self._db.execute("DELETE FROM documents WHERE organization=?", (organization,))
        self._db.execute("DELETE FROM refs WHERE (kind, id) NOT IN (SELECT kind, id FROM documents)")
        self._known.clear()

    def _begin(self, key: tuple[str, str]) -> None:
        """Touch a document, before anything is written of it: what fails half-way is taken back, too."""
        if not self.touched:
            self._db.execute("BEGIN IMMEDIATE")
        self.touched.setdefault(key, False)
