"""Damaged links: cut, late, lossy; and as if nothing had been once they are good again."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from hideaway.backends.linux import LinuxBackend
from hideaway.backends.linux.observe import observe
from hideaway.fabric.model import PROBE_V4, Damage, Fabric, Host
from hideaway.plan import plan
from tests.fabrics import GATEWAY_V4, ISOLATED_IN, NODE_IN, NODE_V4, NODE_V6, WEB_PORT, cluster, tcp
from tests.packets.inside import ECHO, HOLD, PYTHON, Inside, still

pytestmark = pytest.mark.packets

GOOD = cluster(tcp(WEB_PORT), tcp(4000))
CUT, LATE = Damage(down=True), Damage(delay=150)

GIVE = """
import socket
s = socket.create_server(("", 4100)); print("listening", flush=True)
c, _ = s.accept(); c.sendall(bytes(range(256)) * 80000); c.close()
"""
TAKE = """
import socket, sys
s = socket.create_connection((sys.argv[1], 4100), 5); s.settimeout(20)
got = b"".join(iter(lambda: s.recv(1 << 16), b""))
print("whole" if got == bytes(range(256)) * 80000 else "broken", end="")
"""


@pytest.fixture
def backend(packets: None, tmp_path: Path) -> Iterator[LinuxBackend]:
    made = LinuxBackend(tmp_path, linger=5, heartbeat_interval=1)
    made.up()
    try:
        yield made
    finally:
        made.close()


def become(backend: LinuxBackend, wanted: Fabric) -> None:
    present = backend.present()
    backend.apply(plan(wanted, present.fabric, present.suspects), wanted)


def damaged(damage: Damage, *ports: str, fabric: Fabric = GOOD) -> Fabric:
    """The fabric with a damage at these ports (their ids)."""

    def host(each: Host) -> Host:
        struck = tuple(msgspec.structs.replace(p, damage=damage) if p.id in ports else p for p in each.ports)
        return msgspec.structs.replace(each, ports=struck)

    return msgspec.structs.replace(fabric, hosts=tuple(map(host, fabric.hosts)))


def times(backend: LinuxBackend, source: str, target: str, count: int = 3) -> list[float]:
    """The milliseconds that pings take; of those that were answered."""
    done = backend.run(source, ["ping", "-n", "-c", str(count), "-i", "0.2", "-W", "2", target])
    return [float(each) for each in re.findall(r"time=([\d.]+) ms", done["stdout"])]


def test_a_cut_public_link_and_the_private_one_that_goes_on(backend: LinuxBackend) -> None:
    become(backend, damaged(CUT, "pub-node"))
    inside = Inside(backend)
    assert inside.ask("internet", NODE_V4, WEB_PORT) is None
    assert inside.ask("isolated", NODE_IN, WEB_PORT) == ISOLATED_IN
    assert "NO-CARRIER" in inside.run("node", "ip", "link", "show", "dev", "pub")
    become(backend, GOOD)
    assert inside.ask("internet", NODE_V4, WEB_PORT) == PROBE_V4
    assert inside.ask("internet", NODE_V6, WEB_PORT) is None, "the rule is of IPv4"
    assert inside.ask("node", PROBE_V4, 80) == NODE_V4


def test_a_cut_private_link(backend: LinuxBackend) -> None:
    become(backend, damaged(CUT, "pn-node"))
    inside = Inside(backend)
    assert inside.ask("isolated", NODE_IN, WEB_PORT) is None
    assert inside.ask("internet", NODE_V4, WEB_PORT) == PROBE_V4
    become(backend, GOOD)
    assert inside.ask("isolated", NODE_IN, WEB_PORT) == ISOLATED_IN


@pytest.mark.parametrize(
    ("port", "source", "target"),
    [("pn-node", "isolated", NODE_IN), ("pub-node", "node", PROBE_V4), ("pn-gateway", "isolated", PROBE_V4)],
)
def test_a_late_link_is_late_both_ways(backend: LinuxBackend, port: str, source: str, target: str) -> None:
    become(backend, GOOD)
    assert min(times(backend, source, target)) < 100
    become(backend, damaged(LATE, port))
    late = times(backend, source, target)
    assert len(late) == 3
    assert min(late) >= 300
    assert min(late) < 1000
    become(backend, GOOD)
    assert min(times(backend, source, target)) < 100


def test_delays_of_both_ends_add_up_and_may_change(backend: LinuxBackend) -> None:
    become(backend, damaged(LATE, "pn-node", "pn-isolated"))
    assert min(times(backend, "isolated", NODE_IN)) >= 600
    become(backend, damaged(Damage(delay=50, jitter=20), "pn-node"))
    assert 100 <= min(times(backend, "isolated", NODE_IN)) < 300


def test_a_late_link_carries_much(backend: LinuxBackend) -> None:
    """Large segments, whose checksums and cutting up the kernel puts off, get through whole."""
    become(backend, damaged(Damage(delay=5), "pn-node"))
    give = backend.command("node", [*PYTHON, GIVE])
    with subprocess.Popen(give, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "listening\n"
        assert Inside(backend).run("isolated", *PYTHON, TAKE, NODE_IN) == "whole"


def test_a_lossy_link_loses(backend: LinuxBackend) -> None:
    become(backend, damaged(Damage(loss=50), "pn-node"))
    answered = len(times(backend, "isolated", NODE_IN, 40))
    assert 0 < answered < 30, "a quarter is awaited: each way half"
    become(backend, damaged(Damage(loss=100), "pn-node"))
    assert not times(backend, "isolated", NODE_IN)


def test_connections_outlive_a_cut(backend: LinuxBackend) -> None:
    become(backend, GOOD)
    inside = Inside(backend)
    with inside.started("node", ECHO, "4000"), inside.started("internet", HOLD, NODE_V4, "4000") as held:
        assert still(held) == "lives"
        become(backend, damaged(CUT, "pub-node"))
        assert still(held) == "cut"
        become(backend, damaged(LATE, "pub-node"))
        assert still(held, 10) == "lives"


@pytest.mark.parametrize("ports", [("pn-node",), ("pub-node",), ("pub-gateway", "pn-gateway", "pub-internet")])
def test_what_was_damaged_is_as_new(backend: LinuxBackend, tmp_path: Path, ports: tuple[str, ...]) -> None:
    def fresh(wanted: Fabric) -> str:
        made = LinuxBackend(tmp_path / "fresh", linger=5, heartbeat_interval=1)
        made.up()
        try:
            become(made, wanted)
            return observe(made)
        finally:
            made.close()

    for damage in (CUT, LATE, CUT):
        become(backend, damaged(damage, *ports))
        assert observe(backend) == fresh(damaged(damage, *ports))
    become(backend, damaged(LATE, *ports))
    become(backend, GOOD)
    assert observe(backend) == fresh(GOOD)


@pytest.mark.parametrize("damage", [CUT, LATE])
def test_a_damaged_host_goes_whole(backend: LinuxBackend, damage: Damage) -> None:
    def without(wanted: Fabric) -> Fabric:
        return msgspec.structs.replace(wanted, hosts=tuple(h for h in wanted.hosts if h.id != "node"))

    become(backend, without(GOOD))
    before = observe(backend)
    become(backend, damaged(damage, "pn-node", "pub-node"))
    become(backend, without(GOOD))
    assert observe(backend) == before
    assert "latency" not in backend.run_in("", ["ps", "-ef"])["stdout"]


def test_a_damaged_port_is_replaced(backend: LinuxBackend) -> None:
    become(backend, damaged(LATE, "pub-gateway"))
    become(backend, GOOD)
    detached = cluster(tcp(WEB_PORT), tcp(4000), attached=False)
    become(backend, damaged(LATE, "pn-gateway"))
    become(backend, detached)
    become(backend, GOOD)
    assert Inside(backend).ask("isolated", PROBE_V4, 80) == GATEWAY_V4


def in_doubt(backend: LinuxBackend, what: str, act: Callable[[], None]) -> None:
    """As a server does that was killed in the midst of it."""
    backend._doubt(frozenset({what}))
    act()


@pytest.mark.parametrize("left", [GOOD, damaged(CUT, "pub-node"), damaged(LATE, "pub-node", "pn-node")])
@pytest.mark.parametrize("wanted", [GOOD, damaged(CUT, "pn-node"), damaged(LATE, "pub-node")])
def test_links_in_doubt_are_stated_again(backend: LinuxBackend, left: Fabric, wanted: Fabric) -> None:
    become(backend, wanted)
    told = observe(backend)
    become(backend, left)
    present = backend.present()
    # What the journal holds is not what is there.
    backend._present = msgspec.structs.replace(present, fabric=wanted)
    in_doubt(backend, "whole:links:node", lambda: become(backend, wanted))
    assert observe(backend) == told
