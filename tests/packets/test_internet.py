"""With an uplink the world reaches the real internet, by the vendor's ways, and nothing of the machine's own.

Each test runs on a machine of its own (machine.py), with the internet around it played by a namespace.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hideaway.backends.linux.capabilities import require_internet
from hideaway.base.errors import Unavailable
from hideaway.fabric.model import Action, Direction, Fabric, Protocol, Rule
from tests.fabrics import WEB_PORT, cluster, tcp
from tests.packets.machine import (
    FAR_V4,
    FAR_V6,
    MACHINE_V4,
    MACHINE_V6,
    RESOLVER,
    SHOWN,
    Driven,
    Machine,
    driven,
    machine,
)

pytestmark = pytest.mark.packets

NO_MAIL = Rule(action=Action.DROP, direction=Direction.OUTBOUND, protocol=Protocol.TCP, ports=(25, 25))
NOTHING_OUT = Rule(action=Action.DROP, direction=Direction.OUTBOUND, network="8.0.0.0/8")


def plain() -> Fabric:
    return cluster(NO_MAIL)


def opened() -> Fabric:
    return cluster(NO_MAIL, tcp(WEB_PORT))


def closed() -> Fabric:
    return cluster(NO_MAIL, NOTHING_OUT)


def mailless() -> Fabric:
    """The gateway lets no mail out, as the vendor's does unless `enable_smtp`."""
    made = plain()
    closed = (msgspec.structs.replace(h.gateway, closed=(25,)) if h.gateway else None for h in made.hosts)
    hosts = (msgspec.structs.replace(h, gateway=g) for h, g in zip(made.hosts, closed, strict=True))
    return msgspec.structs.replace(made, hosts=tuple(hosts))


def detached() -> Fabric:
    return cluster(NO_MAIL, attached=False)


class Scene:
    def __init__(self, on: Machine, world: Driven, kernel: bool):
        self.on, self.world, self.kernel = on, world, kernel

    def reaches(self, host: str, address: str, port: int = 80) -> str | None:
        found: str | None = self.world.ask(host, address, port)
        return found


@pytest.fixture(scope="module", params=["nat", "pasta as root", "pasta"])
def scene(packets: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """nat: as root where the machine forwards; as root where it does not; as an ordinary user."""
    way = request.param
    can(way)
    state = tmp_path_factory.mktemp("s")
    state.chmod(0o777)
    with machine(forwards=way == "nat") as on, driven(on, state / "w", root=way != "pasta") as world:
        assert world.up(internet=True) is False
        world.become("plain")
        eventually(lambda: world.ask("internet", FAR_V4, 80), MACHINE_V4)
        yield Scene(on, world, way == "nat")


def can(way: str) -> None:
    """Skip where this machine cannot go this way."""
    if way != "nat":
        try:
            require_internet(rootless=True)
        except Unavailable as error:
            pytest.skip(str(error))


def eventually(seen: Callable[[], Any], wanted: Any) -> None:
    deadline = time.monotonic() + 20
    while (last := seen()) != wanted:
        assert time.monotonic() < deadline, f"{last!r}, not {wanted!r}"
        time.sleep(0.1)


def test_nodes_leave_by_the_vendors_ways(scene: Scene) -> None:
    assert scene.reaches("node", FAR_V4) == MACHINE_V4
    assert scene.reaches("isolated", FAR_V4) == MACHINE_V4
    scene.world.become("detached")
    assert scene.reaches("isolated", FAR_V4) is None
    assert scene.reaches("node", FAR_V4) == MACHINE_V4
    scene.world.become("plain")
    assert scene.reaches("isolated", FAR_V4) == MACHINE_V4


def test_a_packet_is_followed_out_of_the_world(scene: Scene) -> None:
    out = ["isolated", "gateway", "the edge", "the uplink"]
    assert scene.world.trace("isolated", FAR_V4, 80) == [
        "answered",
        f"{FAR_V4} answers, out of the world",
        out,
        out[::-1],
    ]
    outcome, why, way, _reply = scene.world.trace("node", FAR_V4, 25)
    assert (outcome, way) == ("dropped", ["node", "the edge"])
    assert "drop outbound TCP 25 to 0.0.0.0/0" in why


def test_ipv6_leaves_too(scene: Scene) -> None:
    assert scene.reaches("node", FAR_V6) == MACHINE_V6


def test_filters_hold(scene: Scene) -> None:
    assert scene.reaches("node", FAR_V4, 25) is None
    assert scene.reaches("internet", FAR_V4, 25) == MACHINE_V4
    assert scene.reaches("isolated", FAR_V4, 25) == MACHINE_V4
    scene.world.become("mailless")
    assert scene.reaches("isolated", FAR_V4, 25) is None
    assert scene.reaches("isolated", FAR_V4) == MACHINE_V4
    scene.world.become("closed")
    assert scene.reaches("node", FAR_V4) is None
    assert scene.reaches("isolated", FAR_V4) == MACHINE_V4  # the gateway has no group
    scene.world.become("plain")


def test_what_is_revoked_is_cut_and_the_rest_goes_on(scene: Scene) -> None:
    scene.world.hold("node", FAR_V4, 7)
    try:
        assert scene.world.lives() == "lives"
        for name in ("opened", "detached", "plain"):
            scene.world.become(name)
            assert scene.world.lives() == "lives"
        scene.world.become("closed")
        assert scene.world.lives(1.0) == "cut"
        scene.world.become("plain")
        assert scene.world.lives(1.0) == "cut"
    finally:
        scene.world.let_go()


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.18.16.2", MACHINE_V4, "81.2.3.255", RESOLVER, "169.254.43.1", "192.168.1.1", "100.64.0.1",
     "0.0.0.0", "255.255.255.255", "::1", "::ffff:81.2.3.2", MACHINE_V6, "fd43::1", "fe80::1", "64:ff9b::5102:302",
     "2002:5102:302::1"],
)  # fmt: skip
def test_nothing_of_the_machines_own_is_reached(scene: Scene, address: str) -> None:
    """All of these answer on port 81 to the machine itself, or would if they were there."""
    assert scene.world.ask("node", address, 81, patience=0.7) is None
    assert scene.world.ask("isolated", address, 81, patience=0.7) is None


def test_no_route_of_a_tenants_leads_there(scene: Scene) -> None:
    """Root in a node may send what it wants: the edge passes on nothing to what is not the internet."""
    for address in ("127.0.0.1", RESOLVER, MACHINE_V4):
        scene.world.run("internet", "sysctl", "-w", "net.ipv4.conf.all.route_localnet=1")
        scene.world.run(
            "internet", "ip", "route", "replace", f"{address}/32", "via", "198.18.0.1", "onlink", "dev", "pub"
        )
        assert scene.world.ask("internet", address, 81, patience=0.7) is None


def test_an_address_that_the_machine_gets_is_closed_as_well(scene: Scene) -> None:
    scene.on.run("ip", "address", "add", "81.9.9.9/32", "dev", "lo")
    try:
        eventually(lambda: scene.world.ask("node", "81.9.9.9", 81, patience=0.5), None)
    finally:
        scene.on.run("ip", "address", "delete", "81.9.9.9/32", "dev", "lo")


def test_nothing_begins_outside(scene: Scene) -> None:
    """Not even where the machine would pass it on."""
    scene.on.run("ip", "route", "replace", "198.18.0.0/15", "via", MACHINE_V4, far=True)
    ask = (
        "import socket\ntry: socket.create_connection(('198.18.9.9', 80), 1); print('in')\nexcept OSError: print('no')"
    )
    assert scene.on.run("python3", "-c", ask, far=True) == "no\n"


def test_names_are_resolved_by_the_machines_own_resolver(scene: Scene) -> None:
    look = "import socket; print(socket.gethostbyname('" + SHOWN + "'))"
    for host in ("node", "isolated"):
        assert scene.world.run(host, "python3", "-c", look)["stdout"] == f"{FAR_V4}\n"
    scene.world.become("detached")
    assert scene.world.run("isolated", "timeout", "3", "python3", "-c", look)["status"] != 0
    scene.world.become("plain")


def test_long_answers_are_asked_for_by_tcp(scene: Scene) -> None:
    ask = (
        "import socket; c = socket.create_connection(('198.18.0.1', 53), 10); q = bytes(range(12)); "
        "c.sendall(b'\\0\\x0c' + q); print(c.recv(99)[2:6].hex())"
    )
    assert scene.world.run("isolated", "python3", "-c", ask)["stdout"] == "00018180\n"


def test_an_uplink_that_was_killed_is_there_again(scene: Scene) -> None:
    before = scene.world.programs()["uplink"]["starts"]
    scene.world.run("world", "kill", "-KILL", str(scene.world.programs()["uplink"]["pid"]))
    eventually(lambda: scene.world.programs()["uplink"]["starts"] > before, True)
    eventually(lambda: scene.reaches("node", FAR_V4), MACHINE_V4)
    assert scene.reaches("node", MACHINE_V4, 81) is None


def test_the_next_server_may_want_none_and_the_one_after_it_one_again(scene: Scene) -> None:
    scene.world.leave()
    assert scene.world.up(internet=True) is True
    assert scene.reaches("node", FAR_V4) == MACHINE_V4
    scene.world.leave()
    assert scene.world.up(internet=False) is True
    assert scene.reaches("node", FAR_V4) is None
    assert "uplink" not in scene.world.programs()
    scene.world.leave()
    assert scene.world.up(internet=True) is True
    eventually(lambda: scene.reaches("node", FAR_V4), MACHINE_V4)


@pytest.mark.parametrize("way", ["nat", "pasta as root", "pasta"])
def test_nothing_stays_behind(packets: None, tmp_path: Path, way: str) -> None:
    """However the world ends: told to, or killed with all that is in it."""
    can(way)
    tmp_path.chmod(0o777)
    with machine(forwards=way == "nat") as on, driven(on, tmp_path / "w", root=way != "pasta") as world:
        before = on.state()
        for end in ("close", "kill"):
            world.up(internet=True)
            world.become("plain")
            eventually(lambda: world.ask("node", FAR_V4, 80), MACHINE_V4)
            assert bool(on.state() - before) is (way == "nat")
            getattr(world, end)()
            eventually(lambda: on.state() ^ before, frozenset())


def test_a_machine_without_a_way_out_has_one_as_soon_as_it_gets_it(packets: None, tmp_path: Path) -> None:
    """As one that is offline when a cloud is started; what is wrong is told."""
    can("pasta")
    tmp_path.chmod(0o777)
    with machine(forwards=False) as on, driven(on, tmp_path / "w", root=False) as world:
        on.run("ip", "route", "delete", "default")
        on.run("ip", "-6", "route", "delete", "default")
        world.up(internet=True)
        world.become("plain")
        eventually(lambda: "pasta" in world.fault(), True)
        assert world.ask("node", FAR_V4, 80, patience=0.5) is None
        on.run("ip", "route", "add", "default", "via", "81.2.3.1")
        eventually(lambda: world.ask("node", FAR_V4, 80), MACHINE_V4)
        eventually(world.fault, "")


def test_off_unless_it_is_wanted(packets: None, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with machine(forwards=True) as on, driven(on, tmp_path / "w", root=True) as world:
        world.up()
        world.become("plain")
        for host in ("internet", "node", "isolated"):
            assert world.ask(host, FAR_V4, 80, patience=0.7) is None
        assert json.dumps(world.programs()).find("uplink") < 0
