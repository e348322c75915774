"""Programs inside hosts: started with their host, told of changes, started again when they die, adopted, ended."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from hideaway.backends.base import WorldLost
from hideaway.backends.linux import LinuxBackend
from hideaway.fabric.balancing import Check, Frontend, Pool
from hideaway.fabric.model import Fabric, Host, Role
from hideaway.fabric.services import Balancer
from hideaway.plan import plan
from tests.fabrics import NODE_IN, WEB_PORT, fabric, group, isolated, node, private, probe, public, to_edge
from tests.packets.inside import Inside

pytestmark = pytest.mark.packets

BALANCER_V4, BALANCER_IN = "198.18.48.1", "172.16.0.9"


@pytest.fixture
def state(packets: None, tmp_path: Path) -> Iterator[Path]:
    """A state folder; whatever world is left there ends after the test."""
    yield tmp_path
    with contextlib.suppress(WorldLost):
        os.kill(LinuxBackend(tmp_path).keeper(), signal.SIGKILL)


def balanced(*ports: int, boots: int = 0) -> Fabric:
    """A node, an isolated node, and a balancer that shares each of these ports among the isolated node's."""
    outside = public("balancer", BALANCER_V4)
    frontends = tuple(Frontend(id=f"f{p}", port=p, pool="web") for p in ports)
    pools = (Pool(id="web", port=WEB_PORT, servers=(NODE_IN,), check=Check(port=WEB_PORT)),)
    host = Host(
        id="balancer",
        name="balancer",
        role=Role.BALANCER,
        ports=(private("balancer", f"{BALANCER_IN}/22"), outside),
        routes=to_edge(outside),
        services=(Balancer(id="lb", frontends=frontends, pools=pools),),
        boots=boots,
    )
    return fabric(node(), isolated(via=None), host, probe(), filters=(group(),))


def become(backend: LinuxBackend, wanted: Fabric) -> None:
    present = backend.present()
    backend.apply(plan(wanted, present.fabric, present.suspects), wanted)


def eventually(seen: Callable[[], object], wanted: object) -> None:
    """Wait for what must come in the end."""
    deadline = time.monotonic() + 20
    while (last := seen()) != wanted:
        assert time.monotonic() < deadline, f"{last!r}, not {wanted!r}"
        time.sleep(0.05)


def ready(backend: LinuxBackend) -> bool:
    observed = backend.observed("balancer", "lb")
    return observed is not None and observed.ready


def test_a_service_runs_changes_without_a_new_process_and_ends(state: Path) -> None:
    backend = LinuxBackend(state)
    backend.up()
    become(backend, balanced(80))
    inside = Inside(backend)
    eventually(lambda: ready(backend), True)
    assert inside.ask("internet", BALANCER_V4, 80) == BALANCER_IN, "the target sees the balancer's private address"
    first = programs(backend)
    become(backend, balanced(80, 81))
    eventually(lambda: inside.ask("internet", BALANCER_V4, 81), BALANCER_IN)
    assert programs(backend) == first
    without = balanced(80)
    bare = tuple(msgspec.structs.replace(h, services=()) for h in without.hosts)
    become(backend, msgspec.structs.replace(without, hosts=bare))
    eventually(lambda: inside.ask("internet", BALANCER_V4, 80), None)
    eventually(lambda: programs(backend), {})
    assert backend.observed("balancer", "lb") is None
    backend.close()


def test_a_service_that_dies_is_started_again_and_one_of_a_rebuilt_host_is_anew(state: Path) -> None:
    backend = LinuxBackend(state)
    backend.up()
    become(backend, balanced(80))
    inside = Inside(backend)
    eventually(lambda: ready(backend), True)
    killed = backend.run("balancer", ["pkill", "-KILL", "haproxy"])
    assert killed["status"] == 0, killed
    eventually(lambda: inside.ask("internet", BALANCER_V4, 80), BALANCER_IN)
    assert [starts for _pid, starts in programs(backend).values()] == [2]
    become(backend, balanced(80, boots=1))
    eventually(lambda: inside.ask("internet", BALANCER_V4, 80), BALANCER_IN)
    assert [starts for _pid, starts in programs(backend).values()] == [1]
    backend.close()


def test_a_service_outlives_its_server_and_comes_back_with_a_new_world(state: Path) -> None:
    first = LinuxBackend(state)
    first.up()
    become(first, balanced(80))
    eventually(lambda: ready(first), True)
    running = programs(first)
    first.leave()
    follower = LinuxBackend(state)
    assert follower.up()
    assert programs(follower) == running
    become(follower, balanced(80, 81))
    eventually(lambda: Inside(follower).ask("internet", BALANCER_V4, 81), BALANCER_IN)
    assert programs(follower) == running
    os.kill(follower.keeper(), signal.SIGKILL)
    eventually(follower.alive, False)
    assert not follower.up()
    become(follower, balanced(80))
    eventually(lambda: Inside(follower).ask("internet", BALANCER_V4, 80), BALANCER_IN)
    follower.close()


def programs(backend: LinuxBackend) -> dict[str, tuple[int, int]]:
    """The programs of hosts: their process and how often each was started."""
    said = backend.running()
    return {name: (p["pid"], p["starts"]) for name, p in said.items() if "/" in name}
