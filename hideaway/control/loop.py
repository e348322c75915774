"""The control loop: on any change, or on a timer, compile, plan, apply, observe, write statuses.

Level-triggered: each pass starts from the whole store and from what the data plane says it holds, so a pass that was
missed, cut short or done twice changes nothing in the end.
"""

from __future__ import annotations

import logging
import threading
import time

import msgspec

from hideaway.backends.base import Backend
from hideaway.base.clock import Clock
from hideaway.base.ids import Ids
from hideaway.cloud.change import Change, Pace
from hideaway.cloud.database_schedules import anything_due, follow_schedules
from hideaway.cloud.faults import Fault
from hideaway.cloud.memory import MemoryLedger
from hideaway.compile import Compiler
from hideaway.control.failover import Failover
from hideaway.control.observe import observe
from hideaway.control.struck import mark
from hideaway.fabric.model import Fabric
from hideaway.plan import plan
from hideaway.store import Store

log = logging.getLogger(__name__)
RETRY_SECONDS = 1.0
FAST_SECONDS = 0.05
"""How often to look while a node is awaited; else the timer is half a heartbeat, 1 s at most."""

CHECK_SECONDS = 5.0
"""How often to look whether the world still holds the filters that it was given."""


class Health(msgspec.Struct):
    """How the loop fares. error is what the last pass failed with, "" when it did not.

    revision is the store's that the last pass carried out; awaited: something of it was still on its way.
    """

    revision: int = -1
    awaited: bool = True
    passes: int = 0
    adopted: bool = False
    worlds: int = 0
    error: str = ""


class Loop:
    """Drives one backend from one store, in a thread of its own.

    grace: seconds without a heartbeat after which a node is not ready.
    """

    def __init__(
        self, store: Store, backend: Backend, clock: Clock, ids: Ids, pace: Pace, *, interval: float, grace: float
    ):
        self.store, self.backend, self.clock, self.ids, self.pace = store, backend, clock, ids, pace
        self.interval, self.grace = interval, grace
        self.health = Health()
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._since = 0.0
        """When the present world was taken up (monotonic): silence is counted from then on at the earliest."""
        self._checked = time.monotonic()
        self._faults = True
        """Whether there was any fault when statuses were last looked at for it."""
        self._compiler = Compiler()
        self._failover = Failover()
        self._compiled: tuple[int, MemoryLedger, Fabric] | None = None
        store.listen(lambda _revision: self._wake.set())

    def start(self, *, adopted: bool) -> None:
        """Go on in a thread, with a backend that is up; adopted: its world was found, not made."""
        self._taken_up(adopted)
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the pass under way. The world lives on."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=30)

    @property
    def settled(self) -> bool:
        """Whether all that is wanted is there."""
        return self.health.revision == self.store.revision and not (self.health.awaited or self.health.error)

    def _taken_up(self, adopted: bool) -> None:
        self.health.adopted = adopted
        self.health.worlds += 1
        self._since = time.monotonic()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                self.step()
                self.health.error = ""
                pause = FAST_SECONDS if self.health.awaited else min(self.interval / 2, 1.0)
            except Exception as error:
                # Whatever it was, the next pass starts from the whole again; the error is shown by health and status.
                log.warning("control pass failed: %s", error, exc_info=log.isEnabledFor(logging.DEBUG))
                self.health.error = f"{type(error).__name__}: {error}"
                pause = RETRY_SECONDS
            self.health.passes += 1
            self._wake.wait(pause)

    def step(self) -> None:
        """One pass. Raises what it failed with; the next one starts from the whole again."""
        if not self.backend.alive():
            self.health.revision = -1  # nothing of any is carried out now
            self._taken_up(self.backend.up())
        self._check()
        self._follow_the_clock()
        revision, ledger, wanted = self._wanted()
        present = self.backend.present()
        steps = plan(wanted, present.fabric, present.suspects)
        if steps:
            self.backend.apply(steps, wanted)
        ages = self.backend.heartbeats()
        services = self.backend.services()
        silent = time.monotonic() - self._since
        with self.store.transaction() as now_ledger:
            change = Change(now_ledger, self.clock.now(), self.ids, self.pace)
            awaited = observe(change, ledger, wanted, ages, services, silent_for=silent, grace=self.grace)
            deciding = self._failover.decide(change, ledger, services, time.monotonic())
            self.health.awaited = awaited or deciding
            if self._faults or ledger.find(Fault):  # and once more when the last was taken back
                self._faults = mark(change)
        self.health.revision = revision

    def _follow_the_clock(self) -> None:
        """What is due by time alone, such as databases' backups."""
        if self._compiled is not None and anything_due(self._compiled[1], self.clock.now()):
            with self.store.transaction() as ledger:
                follow_schedules(Change(ledger, self.clock.now(), self.ids, self.pace))

    def _check(self) -> None:
        """Now and then: what somebody else changed in the world is made good as what we left half-done is."""
        if time.monotonic() - self._checked >= CHECK_SECONDS:
            self._checked = time.monotonic()
            known = self.backend.present().suspects
            self.backend.check()
            if changed := self.backend.present().suspects - known:
                log.warning("changed by somebody else, stated again: %s", ", ".join(sorted(changed)))

    def _wanted(self) -> tuple[int, MemoryLedger, Fabric]:
        if self._compiled is None or self._compiled[0] != self.store.revision:
            revision, ledger = self.store.snapshot()
            self._compiled = (revision, ledger, self._compiler.compile(ledger))
        return self._compiled
