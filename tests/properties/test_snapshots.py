"""A snapshot that goes on from the last one is what a reading of the whole database gives."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from hideaway.cloud.memory import MemoryLedger
from hideaway.cloud.network import PrivateNetwork
from hideaway.store import Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)
IDS, VPCS = ("a", "b", "c", "d"), ("v", "w")

moves = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(IDS), st.sampled_from(VPCS)),
    st.tuples(st.just("remove"), st.sampled_from(IDS), st.just("")),
    st.tuples(st.just("clear"), st.just(""), st.just("")),
)


class Fault(Exception):
    pass


def network(id_: str, vpc: str) -> PrivateNetwork:
    return PrivateNetwork(
        id=id_,
        organization_id="o",
        project_id="p",
        created_at=NOW,
        updated_at=NOW,
        region="fr-par",
        name="n",
        vpc_id=vpc,
    )


def content(ledger: MemoryLedger) -> object:
    """All that can be asked: by age, and by what each refers to."""
    by_ref = {vpc: {n.id for n in ledger.find(PrivateNetwork, ref=vpc)} for vpc in VPCS}
    return ledger.find(PrivateNetwork), by_ref


@given(st.lists(st.tuples(st.lists(moves, max_size=6), st.booleans(), st.booleans()), max_size=8))
def test_snapshots_follow_each_other(transactions: list[tuple[list[tuple[str, str, str]], bool, bool]]) -> None:
    """Each transaction: its moves, whether it fails in the end, and whether a snapshot is taken after it."""
    store = Store(None)
    taken = []
    for steps, fails, looked_at in transactions:
        with contextlib.suppress(Fault), store.transaction() as ledger:
            for verb, id_, vpc in steps:
                old = ledger.get(PrivateNetwork, id_)
                if verb == "put":
                    ledger.put(network(id_, vpc))
                elif verb == "clear":
                    ledger.clear()
                elif old is not None:
                    ledger.remove(old)
            if fails:
                raise Fault
        if looked_at:
            _, snapshot = store.snapshot()
            taken.append((snapshot, content(snapshot)))
    store.snapshot()
    assert content(store.snapshot()[1]) == content(MemoryLedger(store.snapshot()[1].find(PrivateNetwork)))
    with store.transaction() as ledger:
        assert content(store.snapshot()[1])[0] == ledger.find(PrivateNetwork)  # type: ignore[index]
    assert all(content(snapshot) == as_it_was for snapshot, as_it_was in taken), "a snapshot stays as it was"
    store.close()
