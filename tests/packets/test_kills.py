"""The control loop converges from anything: killed at random moments, it ends where a fresh build ends.

The kernel's state is compared as normalised `ip` and `nft` text, namespace by namespace.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from hideaway.backends.linux import LinuxBackend, world
from hideaway.backends.linux.observe import observe
from hideaway.base.errors import HideawayError
from tests.cloud_under_test import Cloud, cloud
from tests.invariants import check_store
from tests.packets.walker import Broken, Walker

KILLS = int(os.environ.get("HIDEAWAY_KILLS", "100"))
SEED = int(os.environ.get("HIDEAWAY_SEED", "20260101"))
FLAGS = ("--data-plane", "linux", "--heartbeat-interval", "0.3", "--heartbeat-grace", "2", "--linger", "60")

pytestmark = [pytest.mark.packets, pytest.mark.slow]


@pytest.fixture
def running(tmp_path: Path, packets: None) -> Iterator[Cloud]:
    with cloud(tmp_path, *FLAGS) as running:
        yield running


def test_the_server_killed_while_the_world_lives(running: Cloud) -> None:
    """Each server that follows adopts the world; nothing answered is lost; the end is a fresh build's."""
    born = world_pid(running)
    assert born is not None
    walker, moments = Walker(running, SEED), random.Random(SEED)
    walker.look()
    for _ in range(KILLS):
        assert running.process is not None
        timer = threading.Timer(moments.uniform(0.0, 0.25), running.process.kill)
        timer.start()
        walk(walker)
        timer.join()
        running.process.wait()
        running.start()
        walker.look()
    assert world_pid(running) == born, "the world was adopted each time, never rebuilt"
    assert walker.changes > KILLS, f"only {walker.changes} changes: the test did not do its work"
    same_as_fresh(running)


def test_the_world_killed(running: Cloud) -> None:
    """The server builds it anew each time; nothing answered is lost; the end is a fresh build's."""
    walker, moments = Walker(running, SEED + 1), random.Random(SEED + 1)
    walker.look()
    for _ in range(KILLS):
        pid = world_pid(running)
        assert pid is not None
        timer = threading.Timer(moments.uniform(0.0, 0.25), os.kill, (pid, signal.SIGKILL))
        timer.start()
        while timer.is_alive():
            walker.step()
        timer.join()
        wait_until(lambda pid=pid: world_pid(running) not in (None, pid))  # type: ignore[misc]
        walker.look()
    assert walker.changes > KILLS
    same_as_fresh(running)


def walk(walker: Walker) -> None:
    """Change things until the server goes away."""
    while True:
        try:
            walker.step()
        except Broken:
            return


def same_as_fresh(running: Cloud) -> None:
    """Settle, take the kernel's state, build the same store in a world of its own, and compare."""
    settle(running)
    survived = observe(LinuxBackend(running.state))
    assert running.stop() == 0
    check_store(running.state / "store.sqlite")
    running.start()
    settle(running)
    assert survived.splitlines() == observe(LinuxBackend(running.state)).splitlines()


def world_pid(running: Cloud) -> int | None:
    """The world's first process; None while there is none."""
    try:
        return world.keeper_of(running.state / "world")
    except HideawayError:
        return None


def settle(running: Cloud, seconds: float = 60) -> None:
    """Wait until the control loop has seen everything and nothing is on its way."""
    with running.http() as http:

        def still() -> bool:
            health = http.get("/hideaway/v1/health").json()
            return health["settled"] and not health["error"]

        wait_until(still, seconds)


def wait_until(condition, seconds: float = 30) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")
