"""Who leads of the two servers of a highly available database, and when commits wait for both.

The store decides, in the instance's `Pair`; the servers do as it says. A commit that was acknowledged is never lost:
* the other server takes over only while the pair is guarded: commits were seen to wait for it, and it has all that was
  acknowledged before;
* the leader is let off waiting only after the store says that the pair is guarded no more: the other server is dead;
* one that led and is to follow copies the new leader's data whole, whatever it had.
Nobody else decides: while the server is away, a leader that cannot be had stays so, and commits go on waiting.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from hideaway.cloud.change import Change
from hideaway.cloud.databases import Database, Pair
from hideaway.cloud.memory import MemoryLedger
from hideaway.fabric.services import DATABASE, DatabaseFacts, Observed, Standing

DEAD = 3.0
"""Seconds without a sign after which a server is taken for dead: one that is started anew is back sooner."""
LEADING = (Standing.LEADS, Standing.PAIRED)
FOLLOWING = (Standing.FOLLOWS, Standing.STREAMS)


class Failover:
    """Remembers since when each server has given no sign."""

    def __init__(self) -> None:
        self._well: dict[str, float] = {}

    def decide(self, change: Change, applied: MemoryLedger, services: Mapping[str, Observed], now: float) -> bool:
        """Write the decisions that follow from how the servers of what was applied fare; now: monotonic seconds.

        Returns whether one is pending: the next look should come soon.
        """
        pending = False
        for database in change.ledger.find(Database):
            was = applied.get(Database, database.id)
            if len(database.servers) < 2 or was is None or was.pair != database.pair:
                continue
            leader, other = (_facts(services, server) for server in database.servers)
            pair, soon = self._decided(database, leader, other, now)
            pending |= soon
            if pair != database.pair:
                change.ledger.put(msgspec.structs.replace(database, pair=pair))
                pending = True
        return pending

    def _decided(
        self, database: Database, leader: DatabaseFacts, other: DatabaseFacts, now: float
    ) -> tuple[Pair, bool]:
        pair = database.pair
        first, second = database.servers
        led = self._silent(first, leader.standing in LEADING, now)
        heard = self._silent(second, other.standing == Standing.STREAMS, now)
        if pair.guarded and led > DEAD and other.standing in FOLLOWING:
            self._well[second] = now
            return Pair(second=not pair.second), True
        streams = any(f.volume == second and f.state == "streaming" for f in leader.followers)
        if pair.waits and heard > DEAD and not led and not streams:  # the leader misses it, too: it is not the leader
            return Pair(second=pair.second), True
        if pair.waits and not pair.guarded and leader.standing == Standing.PAIRED:
            return msgspec.structs.replace(pair, guarded=True), True
        if not pair.waits and not led and not heard and streams:
            return msgspec.structs.replace(pair, waits=True), True
        return pair, 0 < led <= DEAD or 0 < heard <= DEAD or (pair.waits and not pair.guarded)

    def _silent(self, server: str, well: bool, now: float) -> float:
        """Seconds since it was last well; 0 where it is."""
        since = self._well.setdefault(server, now)
        if well:
            self._well[server] = now
            return 0.0
        return max(now - since, 1e-6)


def _facts(services: Mapping[str, Observed], server: str) -> DatabaseFacts:
    observed = services.get(f"{server}/{DATABASE}")
    return msgspec.convert(observed.facts, DatabaseFacts) if observed else DatabaseFacts()
