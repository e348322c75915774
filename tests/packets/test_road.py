"""With root and --host-route the machine has a link to the world and a route, and nothing of its own is reached."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hideaway.fabric.model import INTERNET_V4, PROBE_V4, PROBE_V6, USER_V4, USER_V6
from tests.fabrics import NODE_V4, WEB_PORT
from tests.packets.machine import Driven, Machine, driven, machine
from tests.packets.test_internet import eventually

pytestmark = pytest.mark.packets

GET = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 2) as c:
        c.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
        print(b"".join(iter(lambda: c.recv(4096), b"")).partition(b"\\r\\n\\r\\n")[2].decode())
except OSError as error: print(type(error).__name__)
"""


def get(on: Machine, address: str, port: int) -> str:
    """What somebody on the machine is told there."""
    return on.run("python3", "-c", GET, address, str(port)).strip()


@pytest.fixture
def on(packets: None) -> Iterator[Machine]:
    with machine(forwards=False) as made:
        yield made


@pytest.fixture
def world(on: Machine, tmp_path: Path) -> Iterator[Driven]:
    with driven(on, tmp_path / "w", root=True) as made:
        yield made


def test_the_machine_is_a_user_on_the_internet_of_the_world(on: Machine, world: Driven) -> None:
    world.up(host_route=True)
    world.become("opened")
    eventually(lambda: get(on, PROBE_V4, 80), USER_V4)
    assert get(on, PROBE_V6, 80) == USER_V6
    assert get(on, NODE_V4, WEB_PORT) == USER_V4
    assert [NODE_V4, WEB_PORT, NODE_V4, WEB_PORT] in world.doors()
    world.become("plain")
    assert get(on, NODE_V4, WEB_PORT) == "TimeoutError"


def test_the_world_reaches_nothing_of_the_machines(on: Machine, world: Driven) -> None:
    """The machine has services on all its addresses, on port 81."""
    world.up(host_route=True)
    world.become("plain")
    eventually(lambda: get(on, PROBE_V4, 80), USER_V4)
    assert get(on, USER_V4, 81) == "secret"
    for host in ("internet", "node", "isolated", "edge"):
        for address in (USER_V4, USER_V6):
            assert world.ask(host, address, 81, patience=0.5) is None


def test_nothing_stays_and_doors_come_back(on: Machine, world: Driven) -> None:
    before = on.state()
    for end in ("close", "kill"):
        world.up(host_route=True)
        world.become("plain")
        eventually(lambda: get(on, PROBE_V4, 80), USER_V4)
        assert any(line.startswith(INTERNET_V4) for line in on.state() - before)
        getattr(world, end)()
        eventually(lambda: on.state() ^ before, frozenset())
    world.up(host_route=True)
    world.become("plain")
    world.leave()
    assert world.up(doors="127.18.0.0/15") is True
    eventually(lambda: on.state() ^ before, frozenset())
    assert get(on, "127.18.9.9", 80) == USER_V4


def test_it_is_refused_where_it_cannot_be(on: Machine, world: Driven, tmp_path: Path) -> None:
    on.run("ip", "route", "add", INTERNET_V4, "dev", "eth0")
    with pytest.raises(AssertionError, match="has a route there already"):
        world.up(host_route=True)
    (tmp_path / "s").mkdir(mode=0o777)
    with driven(on, tmp_path / "s" / "w", root=False) as other, pytest.raises(AssertionError, match="needs root"):
        other.up(host_route=True)
