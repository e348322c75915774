"""The control loop converges from anything: killed at random moments, it ends where a fresh build ends.

The kernel's state is compared as normalised `ip` and `nft` text, namespace by namespace.
"""

from __future__ import annotations

import difflib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from hideaway.backends.linux import LinuxBackend, world
from hideaway.backends.linux.channel import Channel
from hideaway.backends.linux.observe import observe
from hideaway.backends.linux.staff import FOLDER
from hideaway.base.errors import HideawayError
from tests.cloud_under_test import Cloud, cloud
from tests.invariants import check_store
from tests.packets.moves import MOVES
from tests.packets.walker import K8S, Broken, Walker

CHANGES = int(os.environ.get("HIDEAWAY_CHANGES", "200"))
SEED = int(os.environ.get("HIDEAWAY_SEED", "20260101"))
FLAGS = (
    "--data-plane", "linux", "--heartbeat-interval", "0.3", "--heartbeat-grace", "2", "--linger", "60",
    "--doors", "none",
)  # fmt: skip

pytestmark = [pytest.mark.packets, pytest.mark.slow]


@pytest.fixture
def running(tmp_path: Path, packets: None) -> Iterator[Cloud]:
    with cloud(tmp_path, *FLAGS) as running:
        yield running


def test_the_server_killed_while_the_world_lives(running: Cloud) -> None:
    """Each server that follows adopts the world; nothing answered is lost; the end is a fresh build's."""
    born = world_pid(running)
    assert born is not None
    walker, moments = Walker(running, SEED, MOVES), random.Random(SEED)
    walker.look()
    kills = 0
    while walker.changes < CHANGES:
        assert running.process is not None
        walk(walker, moments, running.process.kill)
        running.process.wait()
        running.start()
        walker.look()
        kills += 1
    assert world_pid(running) == born, "the world was adopted each time, never rebuilt"
    ended(running, walker, kills)


def test_the_world_killed(running: Cloud) -> None:
    """The server builds it anew each time; nothing answered is lost; the end is a fresh build's."""
    walker, moments = Walker(running, SEED + 1, MOVES), random.Random(SEED + 1)
    walker.look()
    kills = 0
    while walker.changes < CHANGES:
        pid = world_pid(running)
        assert pid is not None
        walk(walker, moments, lambda pid=pid: os.kill(pid, signal.SIGKILL))  # type: ignore[misc]
        wait_until(lambda pid=pid: world_pid(running) not in (None, pid), 60)  # type: ignore[misc]
        walker.look()
        kills += 1
    ended(running, walker, kills)


def walk(walker: Walker, moments: random.Random, kill: Callable[[], None]) -> None:
    """Change some things; at some moment then or soon after, what they are changed in is killed."""
    timer = threading.Timer(moments.uniform(0.0, 0.3), kill)
    timer.start()
    try:
        for _ in range(moments.randrange(1, 16)):
            walker.step()
    except Broken:
        pass
    timer.join()


def ended(running: Cloud, walker: Walker, kills: int) -> None:
    """What was done, and that it leads where a fresh build leads."""
    never = sorted({move.__name__ for move in MOVES} - {name for name, count in walker.done.items() if count})
    print(f"{walker.changes} changes, {kills} kills; never done: {', '.join(never) or 'nothing'}")
    assert kills > CHANGES // 20, f"only {kills} kills: the test did not do its work"
    assert not never or CHANGES < 1000
    come_to_rest(walker)
    same_as_fresh(running)


def come_to_rest(walker: Walker) -> None:
    """A fully isolated pool may have no way to its control plane and wait for it for ever: let it have no node."""
    for id_, pool in walker.known["pool"].items():
        if pool["public_ip_disabled"]:
            wait_until(lambda i=id_: walker.call("PATCH", f"{K8S}/pools/{i}", {"size": 0}) is not None)  # type: ignore[misc]


def same_as_fresh(running: Cloud) -> None:
    """Settle, take all that the world holds, build the same store in a world of its own, and compare."""
    settle(running, 120)
    survived = held(running)
    assert running.stop() == 0
    check_store(running.state / "store.sqlite")
    running.start()
    settle(running, 120)
    differing = list(difflib.unified_diff(survived, held(running), "survived", "fresh", n=1, lineterm=""))
    assert not differing, "\n".join(differing)


def held(running: Cloud) -> list[str]:
    """The kernel's state, the programs that are kept running, and what they were told."""
    folder = running.state / "world"
    channel = Channel(folder, world.KEEPER)
    try:
        programs = sorted(channel.ask("hello")["programs"])
    finally:
        channel.close()
    told = [
        f"{file.relative_to(folder)}: {file.read_text()}"
        for program in programs
        for name in ("haproxy.cfg", "settings.json")
        if (file := folder / FOLDER / program / name).exists()
    ]
    return [*observe(LinuxBackend(running.state)).splitlines(), *programs, *told]


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
            said.append(health)
            return health["settled"] and not health["error"]

        said: list[object] = []
        try:
            wait_until(still, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}: {said[-1:]}, {http.get('/hideaway/v1/status').text}") from error


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
