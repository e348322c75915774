"""Who leads of two database servers, decided from how they fare: never so that an acknowledged commit could be lost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import pytest

from hideaway.base.ids import Ids
from hideaway.cloud.change import Change
from hideaway.cloud.databases import Database, Pair
from hideaway.cloud.memory import MemoryLedger
from hideaway.control.failover import DEAD, Failover
from hideaway.fabric.services import DATABASE, DatabaseFacts, Follower, Observed, Standing

NOW = datetime(2026, 1, 1, tzinfo=UTC)
A, B = "11111111-1111-4111-8111-111111111111", "11111111-1111-4111-8111-111111111111-b"
LEADS, PAIRED, FOLLOWS, STREAMS, NONE = (
    Standing.LEADS, Standing.PAIRED, Standing.FOLLOWS, Standing.STREAMS, Standing.NONE,
)  # fmt: skip
ALONE, WAITS, GUARDED = Pair(), Pair(waits=True), Pair(waits=True, guarded=True)


def decided(pair: Pair, *looks: tuple[float, Standing, Standing, Sequence[str]]) -> Pair:
    """What becomes of a pair after looks: when, how its two servers stand, and whom the leader sees streaming."""
    database = Database(
        id=A, organization_id="o", project_id="p", created_at=NOW, updated_at=NOW, region="fr-par", name="db",
        engine="PostgreSQL-15", node_type="DB-DEV-S", is_ha_cluster=True, pair=pair,
    )  # fmt: skip
    ledger, failover = MemoryLedger([database]), Failover()
    change = Change(ledger, NOW, Ids())
    for at, first, second, streaming in looks:
        seen = tuple(Follower(volume=v, state="streaming", lag=0) for v in streaming)
        fares = ((A, DatabaseFacts(standing=first, followers=seen)), (B, DatabaseFacts(standing=second)))
        services = {f"{host}/{DATABASE}": Observed(facts=msgspec.to_builtins(facts)) for host, facts in fares}
        failover.decide(change, ledger.branch(), services, at)
    return change.need(Database, A).pair


def test_commits_wait_once_the_standby_streams_and_are_guarded_once_that_is_in_force() -> None:
    assert decided(ALONE, (0, LEADS, STREAMS, [])) == ALONE, "the leader does not see it yet"
    assert decided(ALONE, (0, LEADS, STREAMS, [B])) == WAITS
    assert decided(WAITS, (0, LEADS, STREAMS, [B])) == WAITS, "commits of before may be missing"
    assert decided(WAITS, (0, PAIRED, STREAMS, [B])) == GUARDED


def test_the_standby_takes_over_from_a_dead_leader() -> None:
    looks = [(0.0, PAIRED, STREAMS, [B]), (1.0, NONE, FOLLOWS, [B]), (1 + DEAD, NONE, FOLLOWS, [B])]
    assert decided(GUARDED, *looks) == Pair(second=True), "and is guarded by nobody"


@pytest.mark.parametrize("pair", [ALONE, WAITS])
def test_nobody_takes_over_who_may_lack_a_commit(pair: Pair) -> None:
    assert decided(pair, (0.0, NONE, FOLLOWS, []), (10 * DEAD, NONE, FOLLOWS, [])) == pair


def test_nobody_takes_over_from_one_that_was_away_for_a_moment() -> None:
    looks = [(0.0, NONE, FOLLOWS, []), (DEAD - 1, PAIRED, STREAMS, [B]), (DEAD + 1, NONE, FOLLOWS, [])]
    assert decided(GUARDED, *looks) == GUARDED


def test_the_leader_is_let_off_waiting_for_a_dead_standby_only_if_it_misses_it_itself() -> None:
    assert decided(GUARDED, (0.0, PAIRED, NONE, [B]), (10 * DEAD, PAIRED, NONE, [B])) == GUARDED
    assert decided(GUARDED, (0.0, LEADS, NONE, []), (10 * DEAD, LEADS, NONE, [])) == ALONE


def test_both_dead_stay_as_they_are() -> None:
    assert decided(GUARDED, (0.0, NONE, NONE, []), (10 * DEAD, NONE, NONE, [])) == GUARDED
