"""A transaction is there whole or not at all, in the file and in memory, whatever goes wrong in it."""

from __future__ import annotations

import math
import random
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import structs

from hideaway.base.errors import HideawayError
from hideaway.cloud.documents import Pending
from hideaway.cloud.network import Vpc
from hideaway.store import Durability, Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def vpc(id_: str, name: str = "v") -> Vpc:
    return Vpc(id=id_, organization_id="o", project_id="p", created_at=NOW, updated_at=NOW, name=name, region="fr-par")


def kept(path: Path) -> list[tuple[str, str]]:
    """What another process finds in the file."""
    with sqlite3.connect(path) as db:
        return db.execute("SELECT kind, id FROM documents ORDER BY seq").fetchall()


def refs(path: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(path) as db:
        return db.execute("SELECT ref, id FROM refs ORDER BY ref, id").fetchall()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.fixture
def store(file: Path) -> Iterator[Store]:
    store = Store(file)
    with store.transaction() as ledger:
        ledger.put(vpc("a"))
    yield store
    store.close()


def test_what_a_fault_leaves_nothing_of(store: Store, file: Path) -> None:
    with pytest.raises(ZeroDivisionError), store.transaction() as ledger:
        ledger.put(vpc("b"))
        ledger.put(vpc("a", "changed"))
        ledger.remove(vpc("a"))
        raise ZeroDivisionError
    assert kept(file) == [("vpc/vpc", "a")]
    assert [v.name for v in store.snapshot()[1].find(Vpc)] == ["v"]
    assert store.revision == 1


def test_a_document_that_fails_half_way_leaves_nothing_for_the_next_transaction_to_commit(
    store: Store, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(sqlite3.Error), store.transaction() as ledger:
        patch.setattr(Vpc, "refs", property(lambda _: ("x", object())))  # what SQLite cannot keep, after the first row
        ledger.put(vpc("b"))
    with pytest.raises(UnicodeEncodeError), store.transaction() as ledger:
        ledger.put(vpc("b", "\ud800"))
    with store.transaction() as ledger:
        assert ledger.get(Vpc, "b") is None
        ledger.put(vpc("c"))
    assert kept(file) == [("vpc/vpc", "a"), ("vpc/vpc", "c")]
    assert refs(file) == []


def test_a_disk_that_is_full_takes_the_whole_transaction_back(store: Store, file: Path) -> None:
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count={pages + 4}")
    told: list[int] = []
    store.listen(told.append)
    with pytest.raises(sqlite3.OperationalError), store.transaction() as ledger:
        for number in range(2000):
            ledger.put(vpc(f"full-{number}"))
    assert told == []
    assert kept(file) == [("vpc/vpc", "a")]
    assert len(store.snapshot()[1].find(Vpc)) == 1
    store._db.execute("PRAGMA max_page_count=1000000")
    with store.transaction() as ledger:
        ledger.put(vpc("b"))
    assert kept(file) == [("vpc/vpc", "a"), ("vpc/vpc", "b")]
    assert told == [2]


def test_a_commit_that_fails_takes_the_transaction_back(store: Store, file: Path) -> None:
    """Also what was read before stands in the cache as it was."""
    with sqlite3.connect(file) as other:  # a deferred constraint is checked by COMMIT alone
        other.execute("CREATE TABLE parents (id INTEGER PRIMARY KEY)")
        other.execute("CREATE TABLE children (p INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED)")
    store._db.execute("PRAGMA foreign_keys=ON")
    with pytest.raises(sqlite3.IntegrityError), store.transaction() as ledger:
        ledger.put(vpc("a", "changed"))
        store._db.execute("INSERT INTO children VALUES (1)")
    with store.transaction() as ledger:
        found = ledger.get(Vpc, "a")
    assert found is not None
    assert (found.name, store.revision) == ("v", 1)


@pytest.mark.parametrize("durability", list(Durability))
def test_the_durability_that_was_asked_for_is_in_force(tmp_path: Path, durability: Durability) -> None:
    store = Store(tmp_path / "s", durability)
    assert store._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert store._db.execute("PRAGMA synchronous").fetchone()[0] == {"process": 1, "power": 2}[durability]
    assert store.durability == durability
    store.close()


def test_what_is_no_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    for content in (b"no database at all" * 100, b"\x00" * 5000):
        file = tmp_path / "s"
        file.write_bytes(content)
        with pytest.raises(HideawayError, match="is not a hideaway store"):
            Store(file)
        assert file.read_bytes() == content


def test_the_earliest_transition_is_known_through_every_write(store: Store) -> None:
    def pending(id_: str, due: float) -> Vpc:
        return structs.replace(vpc(id_), pending=Pending("gone", due))

    assert store.earliest(carried=True) == math.inf
    with store.transaction() as ledger:
        ledger.put(pending("b", 20.0))
        ledger.put(pending("c", 10.0))
    assert store.earliest(carried=True) == store.earliest(carried=False) == 10.0
    with store.transaction() as ledger:
        assert [v.id for v in ledger.due(15.0, carried=True)] == ["c"]
        assert [v.id for v in ledger.due(25.0, carried=True)] == ["b", "c"], "the older first"
        ledger.remove(vpc("c"))
    assert store.earliest(carried=True) == 20.0
    with pytest.raises(ZeroDivisionError), store.transaction() as ledger:
        ledger.put(pending("d", 5.0))
        raise ZeroDivisionError
    assert store.earliest(carried=True) == 20.0


def listed(store: Store) -> list[tuple[str, str]]:
    with store.transaction() as ledger:
        return [(v.id, v.name) for v in ledger.find(Vpc, organization="o", locality="fr-par")]


def test_a_place_is_listed_as_it_is_through_every_write(store: Store) -> None:
    assert listed(store) == [("a", "v")]
    with store.transaction() as ledger:
        ledger.put(vpc("b"))
        ledger.put(structs.replace(vpc("elsewhere"), region="nl-ams"))
        ledger.put(structs.replace(vpc("another's"), organization_id="p"))
    assert listed(store) == [("a", "v"), ("b", "v")]
    with store.transaction() as ledger:
        ledger.put(vpc("a", "renamed"))
    assert listed(store) == [("a", "renamed"), ("b", "v")], "by age, not by last change"
    with store.transaction() as ledger:
        ledger.put(structs.replace(vpc("a"), region="nl-ams"))
    assert listed(store) == [("b", "v")]
    with store.transaction() as ledger:
        ledger.put(vpc("a"))
        ledger.remove(vpc("b"))
    assert listed(store) == [("a", "v")]


@pytest.mark.parametrize("written", ["put", "remove", "clear", "move"])
def test_a_place_is_listed_as_it_was_after_a_fault(store: Store, written: str) -> None:
    def fail(looks: bool) -> None:
        with store.transaction() as ledger:
            if written == "put":
                ledger.put(vpc("b"))
            elif written == "remove":
                ledger.remove(vpc("a"))
            elif written == "move":
                ledger.put(structs.replace(vpc("a"), region="nl-ams"))
            else:
                ledger.clear()
            if looks:
                ledger.find(Vpc, organization="o", locality="fr-par")
            raise ZeroDivisionError

    for looks in (True, False):  # a list that is first asked for in the transaction, and one that was known before
        with pytest.raises(ZeroDivisionError):
            fail(looks)
        assert listed(store) == [("a", "v")]


def test_what_is_listed_is_the_callers_own(store: Store) -> None:
    with store.transaction() as ledger:
        ledger.find(Vpc, organization="o", locality="fr-par").clear()
    assert listed(store) == [("a", "v")]


def test_a_log_that_was_cut_anywhere_holds_whole_transactions_only(file: Path, tmp_path: Path) -> None:
    """What a loss of power may leave: a write-ahead log that ends anywhere, or in garbage."""
    store, moments = Store(file), random.Random(1)
    for number in range(40):
        with store.transaction() as ledger:
            for part in range(3):
                ledger.put(vpc(f"{number}-{part}"))
    database, log = file.read_bytes(), file.with_name(file.name + "-wal").read_bytes()
    store.close()
    found = []
    for _ in range(30):
        cut = log[: moments.randrange(len(log))] + moments.randbytes(moments.choice([0, 5000]))
        copy = tmp_path / f"copy-{len(found)}"
        copy.write_bytes(database)
        copy.with_name(copy.name + "-wal").write_bytes(cut)
        reopened = Store(copy)
        kept = sorted(v.id for v in reopened.snapshot()[1].find(Vpc))
        assert kept == sorted(f"{n}-{p}" for n in range(reopened.revision) for p in range(3))
        found.append(reopened.revision)
        reopened.close()
    assert min(found) < 20 < max(found)
