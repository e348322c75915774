"""A server may be killed at any moment, and so may the world: what follows ends where a fresh build ends."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from hideaway.backends.base import WorldLost
from hideaway.backends.linux import LinuxBackend
from hideaway.backends.linux.observe import observe
from hideaway.base.errors import HideawayError, NotFound, Unavailable
from hideaway.fabric.model import PROBE_V4, Fabric
from hideaway.plan import plan
from tests import fabrics
from tests.fabrics import GATEWAY_V4, NODE_V4, WEB_PORT, cluster, fabric, group, isolated, node, pat, probe, tcp
from tests.packets.inside import Inside

pytestmark = pytest.mark.packets

KILLS = 15

STATES = (
    cluster(),
    cluster(tcp(WEB_PORT)),
    cluster(attached=False),
    cluster(forwards=(pat(2222),)),
    fabric(probe()),
    fabric(isolated(), fabrics.gateway(masquerade=False), probe()),
    fabric(node(), node("other", "198.18.16.3", inside="172.16.0.4"), fabrics.plane(), probe(), filters=(group(),)),
)

WALK = """
import random, sys
from pathlib import Path
from hideaway.backends.linux import LinuxBackend
from hideaway.plan import plan
from tests.packets.test_adoption import STATES
backend = LinuxBackend(Path(sys.argv[1]), linger=30, heartbeat_interval=0.3)
moves = random.Random(int(sys.argv[2]))
backend.up()
print("up", flush=True)
while True:
    wanted, present = moves.choice(STATES), backend.present()
    backend.apply(plan(wanted, present.fabric, present.suspects), wanted)
"""


@pytest.fixture
def state(packets: None, tmp_path: Path) -> Iterator[Path]:
    """A state folder; whatever world is left there ends after the test."""
    yield tmp_path
    with contextlib.suppress(WorldLost):
        os.kill(LinuxBackend(tmp_path).keeper(), signal.SIGKILL)


def backend(state: Path, linger: float = 30) -> LinuxBackend:
    return LinuxBackend(state, linger=linger, heartbeat_interval=0.3)


def become(backend: LinuxBackend, wanted: Fabric) -> None:
    present = backend.present()
    backend.apply(plan(wanted, present.fabric, present.suspects), wanted)


def fresh(folder: Path, wanted: Fabric) -> str:
    """What a world that holds this and never held anything else reads like."""
    made = backend(folder)
    made.up()
    try:
        become(made, wanted)
        return observe(made)
    finally:
        made.close()


def gone(pid: int, patience: float = 10) -> bool:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def killed_server(state: Path, seed: int, after: float) -> None:
    """A server that changes the world without end, killed `after` seconds after it was up."""
    server = subprocess.Popen(
        [sys.executable, "-c", WALK, str(state), str(seed)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    with server:
        assert server.stdout is not None
        if after >= 0:
            assert server.stdout.readline() == b"up\n"
        time.sleep(abs(after))
        server.kill()


def test_a_server_killed_at_any_moment_leaves_a_world_that_can_be_gone_on_with(state: Path) -> None:
    moments = random.Random(1)
    for seed in range(KILLS):
        killed_server(state, seed, moments.uniform(0, 0.25))
    follower = backend(state)
    assert follower.up(), "the world lingers and is adopted"
    become(follower, cluster(tcp(WEB_PORT)))
    assert observe(follower) == fresh(state / "fresh", cluster(tcp(WEB_PORT)))
    inside = Inside(follower)
    assert inside.ask("internet", NODE_V4, WEB_PORT) == PROBE_V4
    assert inside.ask("isolated", PROBE_V4, 80) == GATEWAY_V4


def test_a_server_killed_while_it_makes_the_world(state: Path) -> None:
    for seed, after in enumerate((0.1, 0.15, 0.2, 0.25, 0.3, 0.35)):
        killed_server(state, seed, -after)
    follower = backend(state)
    follower.up()
    become(follower, cluster())
    assert observe(follower) == fresh(state / "fresh", cluster())


def test_a_step_that_fails_leaves_its_hosts_suspect_and_the_next_plan_mends_them(state: Path) -> None:
    made = backend(state)
    made.up()
    become(made, cluster())
    wanted = cluster()
    bad = (fabrics.Route(destination="no-network", via=fabrics.GATEWAY_IN, port="pn-node"),)
    hosts = (msgspec.structs.replace(h, routes=bad) if h.id == "node" else h for h in wanted.hosts)
    with pytest.raises(HideawayError, match="valid prefix"):
        become(made, fabric(*hosts, filters=wanted.filters))
    assert "whole:routes:node" in made.present().suspects
    become(made, cluster())
    assert made.present().suspects == frozenset()
    assert observe(made) == fresh(state / "fresh", cluster())


def test_a_world_that_was_killed_is_made_anew(state: Path) -> None:
    made = backend(state)
    assert not made.up()
    become(made, cluster())
    keeper = made.keeper()
    os.kill(keeper, signal.SIGKILL)
    assert gone(keeper)
    assert not made.alive()
    with pytest.raises(WorldLost):
        become(made, cluster(tcp(WEB_PORT)))
    assert not made.up(), "a new world"
    assert made.present().fabric == Fabric()
    become(made, cluster(tcp(WEB_PORT)))
    assert Inside(made).ask("internet", NODE_V4, WEB_PORT) == PROBE_V4


def test_nothing_of_a_world_stays(state: Path) -> None:
    made = backend(state)
    made.up()
    become(made, cluster())
    mark = str(time.monotonic_ns())
    sleeper = subprocess.Popen(made.command("node", ["sh", "-c", f"sleep 60 # {mark}"]))
    keeper = made.keeper()
    made.close()
    assert gone(keeper)
    sleeper.wait(timeout=5)
    left = [p for p in Path("/proc").glob("[0-9]*/cmdline") if mark in _read(p)]
    assert not left
    assert not made.alive()


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""


def test_a_world_without_a_server_ends_after_its_linger(state: Path) -> None:
    made = backend(state, linger=0.5)
    made.up()
    become(made, cluster())
    keeper = made.keeper()
    time.sleep(1)
    assert made.alive(), "it has a server"
    made.leave()
    assert gone(keeper, 5)


def test_a_world_has_one_server_at_a_time(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hideaway.backends.linux.world.ANSWER_PATIENCE", 0.5)
    first, second = backend(state), backend(state)
    first.up()
    with pytest.raises(Unavailable, match="another hideaway"):
        second.up()
    first.leave()
    assert second.up()
    second.close()


def test_commands_run_from_another_process_that_knows_the_folder_only(state: Path) -> None:
    made = backend(state)
    made.up()
    become(made, cluster())
    stranger = LinuxBackend(state)
    argv = stranger.command("node", ["ip", "-br", "address", "show", "dev", "pub"])
    assert NODE_V4 in subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    with pytest.raises(NotFound):
        stranger.command("nobody", ["true"])
    with pytest.raises(WorldLost):
        LinuxBackend(state / "elsewhere").command("node", ["true"])


def test_a_command_ends_with_who_ran_it(state: Path) -> None:
    made = backend(state)
    made.up()
    become(made, fabric(probe()))
    assert subprocess.run(made.command("internet", ["sh", "-c", "exit 7"]), check=False).returncode == 7
    with subprocess.Popen(made.command("internet", ["sleep", "4711"])) as running:
        assert _soon(lambda: "4711" in _commands(made))
        running.kill()
    assert _soon(lambda: "4711" not in _commands(made))


def _commands(made: LinuxBackend) -> str:
    return str(made.run_in("", ["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"])["stdout"])


def _soon(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    return true()


def test_a_state_folder_of_any_length(state: Path) -> None:
    made = backend(state / ("long" * 30) / ("name" * 30))
    made.up()
    try:
        become(made, fabric(probe()))
        assert made.heartbeats() == {}
        assert Inside(made).run("internet", "echo", "here") == "here\n"
    finally:
        made.close()


def test_the_pulse_is_started_again_when_it_ends(state: Path) -> None:
    made = backend(state)
    made.up()
    become(made, cluster())
    inside = Inside(made)
    assert inside.ask("node", PROBE_V4, 80) == NODE_V4
    inside.run("world", "sh", "-c", "kill -9 $(pgrep -f inside.puls[e])")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and made.heartbeats().keys() != {"node", "isolated"}:
        time.sleep(0.1)
    assert made.heartbeats().keys() == {"node", "isolated"}
    assert inside.ask("node", PROBE_V4, 80) == NODE_V4


def test_rules_that_somebody_else_changed_are_stated_again(state: Path) -> None:
    made, wanted = backend(state), cluster(forwards=(pat(2222),))
    made.up()
    become(made, wanted)
    made.check()
    assert made.present().suspects == frozenset()
    for namespace in ("edge", "host-gateway"):
        assert made.run_in(namespace, ["nft", "flush", "ruleset"])["status"] == 0
    made.leave()
    follower = backend(state)
    assert follower.up(), "the next server finds it, too"
    follower.check()
    assert follower.present().suspects == {"whole:edge", "whole:rules:gateway"}
    become(follower, wanted)
    follower.check()
    assert follower.present().suspects == frozenset()
    assert observe(follower) == fresh(state / "fresh", wanted)


def test_a_change_of_a_part_does_not_hide_what_somebody_else_changed(state: Path) -> None:
    made, wanted = backend(state), cluster(tcp(WEB_PORT))
    made.up()
    become(made, cluster())
    forged = ["nft", "insert", "rule", "inet", "edge", "forward", "accept"]
    assert made.run_in("edge", forged)["status"] == 0
    become(made, wanted)
    assert made.present().suspects == {"whole:edge"}
    become(made, wanted)
    assert made.present().suspects == frozenset()
    assert observe(made) == fresh(state / "fresh", wanted)
