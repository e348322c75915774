"""Doors lead from the machine outside to what is served on the public internet of the world, and nowhere else."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import resource
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hideaway.backends.base import OpenDoor, WorldLost
from hideaway.backends.linux import LinuxBackend
from hideaway.fabric.doors import DOORS, outside
from hideaway.fabric.model import EDGE_V4, PROBE_V4, USER_V4, Fabric, Protocol
from hideaway.plan import plan
from tests.fabrics import GATEWAY_V4, NODE_V4, WEB_PORT, accept, cluster, fabric, group, node, pat, probe, tcp
from tests.packets.inside import ECHO, Inside

pytestmark = pytest.mark.packets

NETWORK = f"127.{32 + os.getpid() % 100 * 2}.0.0/15"
"""This process's own: tests may run beside others, and clouds at the same place take each other's doors."""
OUTSIDE, OUTSIDE_PROBE = (outside(address, NETWORK) for address in (NODE_V4, PROBE_V4))
PORT = 7000
PATIENCE = 20.0
MEGABYTE = 1 << 20

MIRROR = """
import os, socket, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
s = socket.create_server(("", int(sys.argv[1])))
print("listening", flush=True)
while True:
    c, _ = s.accept()
    said = b"".join(iter(lambda: c.recv(1 << 20), b""))  # to the end, before a word is answered
    c.sendall(said); c.close()
"""
UDP = """
import os, socket, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", int(sys.argv[1])))
print("listening", flush=True)
while True:
    data, who = s.recvfrom(65536); s.sendto(who[0].encode() + b" " + data, who)
"""


@pytest.fixture(scope="module")
def backend(packets: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LinuxBackend]:
    made = LinuxBackend(tmp_path_factory.mktemp("state"), linger=5, heartbeat_interval=0.3, doors=NETWORK)
    made.up()
    yield made
    made.close()


@pytest.fixture
def world(backend: LinuxBackend) -> Iterator[Inside]:
    yield Inside(backend)
    become(backend, Fabric())


def become(backend: LinuxBackend, wanted: Fabric) -> None:
    present = backend.present()
    backend.apply(plan(wanted, present.fabric, present.suspects), wanted)


def door(backend: LinuxBackend, address: str, port: int, protocol: str = "tcp") -> OpenDoor | None:
    return next((d for d in backend.doors() if (d.address, d.port, d.protocol) == (address, port, protocol)), None)


def at(backend: LinuxBackend, address: str, port: int, protocol: str = "tcp") -> tuple[str, int]:
    """Where a door is that must be there."""
    found = door(backend, address, port, protocol)
    assert found is not None, backend.doors()
    assert not found.fault, found
    return found.at, found.at_port


def page(where: tuple[str, int]) -> str:
    with socket.create_connection(where, PATIENCE) as channel:
        channel.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return everything(channel).partition(b"\r\n\r\n")[2].decode()


def everything(channel: socket.socket) -> bytes:
    return b"".join(iter(lambda: channel.recv(MEGABYTE), b""))


def refused(where: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(where, PATIENCE):
            return False
    except ConnectionRefusedError:
        return True


@contextmanager
def running(world: Inside, program: str, port: int = PORT) -> Iterator[None]:
    """A program of this module in the node, once it listens."""
    with world.started("node", program, str(port)) as process:
        if program is not ECHO:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "listening"
        yield


def test_a_door_leads_to_what_is_served_and_comes_from_the_users_address(world: Inside) -> None:
    become(world.backend, cluster(tcp(WEB_PORT)))
    where = at(world.backend, NODE_V4, WEB_PORT)
    assert where == (OUTSIDE, WEB_PORT)
    assert page(where) == USER_V4


def test_the_place_is_the_same_in_another_network() -> None:
    assert outside("198.18.16.2", DOORS) == "127.18.16.2"
    assert outside("198.19.255.254", DOORS) == "127.19.255.254"


def test_another_network_under_the_next_server(world: Inside) -> None:
    become(world.backend, cluster(tcp(WEB_PORT)))
    elsewhere = LinuxBackend(world.backend.folder.parent, linger=5, doors="127.16.0.0/15")
    world.backend.leave()
    assert elsewhere.up()
    try:
        assert at(elsewhere, NODE_V4, WEB_PORT)[0] == "127.16.16.2"
        assert refused((OUTSIDE, WEB_PORT))
    finally:
        elsewhere.leave()
        assert world.backend.up()
    assert page(at(world.backend, NODE_V4, WEB_PORT)) == USER_V4


def test_there_is_no_door_to_what_a_filter_closes_to_users(world: Inside) -> None:
    become(world.backend, cluster(tcp(WEB_PORT)))
    where = at(world.backend, NODE_V4, WEB_PORT)
    for rules in ((), (tcp(WEB_PORT, f"{PROBE_V4}/32"),)):
        become(world.backend, cluster(*rules))
        assert door(world.backend, NODE_V4, WEB_PORT) is None
        assert refused(where)
    become(world.backend, cluster(tcp(WEB_PORT, f"{USER_V4}/32")))
    assert page(where) == USER_V4


def test_the_edge_itself_is_filtered_as_everybody_is(world: Inside) -> None:
    """The absence of a door is not all that keeps users out: the edge sends nothing that a filter refuses."""
    become(world.backend, cluster())
    assert world.ask("edge", NODE_V4, WEB_PORT) is None
    become(world.backend, cluster(tcp(WEB_PORT)))
    assert world.ask("edge", NODE_V4, WEB_PORT) == EDGE_V4


def test_what_is_revoked_is_cut_outside_too(world: Inside) -> None:
    become(world.backend, cluster(tcp(PORT)))
    with running(world, ECHO), socket.create_connection(at(world.backend, NODE_V4, PORT), PATIENCE) as channel:
        channel.sendall(b"a")
        assert channel.recv(1) == b"a"
        become(world.backend, cluster(tcp(PORT), tcp(WEB_PORT)))
        channel.sendall(b"b")
        assert channel.recv(1) == b"b"
        become(world.backend, cluster(tcp(WEB_PORT)))
        with pytest.raises(ConnectionResetError):
            channel.recv(1)


def test_where_nobody_listens_a_connection_is_reset(world: Inside) -> None:
    become(world.backend, cluster(tcp(PORT)))
    where = at(world.backend, NODE_V4, PORT)
    with pytest.raises(ConnectionResetError), socket.create_connection(where, PATIENCE) as channel:
        channel.recv(1)


def test_each_direction_ends_by_itself_and_all_of_it_arrives(world: Inside) -> None:
    become(world.backend, cluster(tcp(PORT)))
    said = os.urandom(MEGABYTE) * 48
    with running(world, MIRROR), socket.create_connection(at(world.backend, NODE_V4, PORT), PATIENCE) as channel:
        channel.sendall(said)
        channel.shutdown(socket.SHUT_WR)  # the other side answers only now
        heard = everything(channel)
    assert hashlib.blake2s(heard).digest() == hashlib.blake2s(said).digest()


def test_a_reader_that_pauses_loses_nothing(world: Inside) -> None:
    become(world.backend, cluster(tcp(PORT)))
    said = os.urandom(MEGABYTE) * 24
    with running(world, ECHO), socket.create_connection(at(world.backend, NODE_V4, PORT), PATIENCE) as channel:
        sender = threading.Thread(target=channel.sendall, args=(said,))
        sender.start()
        time.sleep(1.0)  # all buffers on the way are full by now
        heard = b""
        while len(heard) < len(said):
            heard += channel.recv(MEGABYTE)
        sender.join(PATIENCE)
    assert heard == said


def test_thousands_of_connections_at_once(world: Inside) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(2000, (hard - 200) // 2)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    become(world.backend, cluster(tcp(WEB_PORT)))
    where = at(world.backend, NODE_V4, WEB_PORT)
    channels: list[socket.socket] = []
    try:
        for _ in range(count):
            channels.append(socket.create_connection(where, PATIENCE))
        for channel in channels:
            channel.sendall(b"GET / HTTP/1.0\r\n\r\n")
        for channel in channels:
            channel.settimeout(PATIENCE)
            assert everything(channel).endswith(USER_V4.encode())
    finally:
        for channel in channels:
            channel.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    found = door(world.backend, NODE_V4, WEB_PORT)
    assert found is not None
    assert found.opened >= count


def test_datagrams_find_their_way_back(world: Inside) -> None:
    udp = accept(protocol=Protocol.UDP, ports=(PORT, PORT))
    become(world.backend, cluster(udp))
    where = at(world.backend, NODE_V4, PORT, "udp")
    assert where == (OUTSIDE, PORT)
    with running(world, UDP):
        clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
        for number, client in enumerate(clients):
            client.settimeout(PATIENCE)
            client.sendto(b"%d" % number * 1200, where)
        for number, client in enumerate(clients):
            data, who = client.recvfrom(65536)
            assert (data.decode(), who) == (f"{USER_V4} {str(number) * 1200}", where)
            client.close()
    become(world.backend, cluster())
    assert door(world.backend, NODE_V4, PORT, "udp") is None


def test_a_gateways_translated_port_has_a_door(world: Inside) -> None:
    become(world.backend, cluster(forwards=(pat(2222),)))
    assert page(at(world.backend, GATEWAY_V4, 2222)) == USER_V4


def test_a_port_that_somebody_asks_for(world: Inside) -> None:
    everybody = group(accept())
    become(world.backend, fabric(node(), probe(), filters=(everybody,)))
    assert door(world.backend, NODE_V4, 3000) is None
    world.backend.open("node", "tcp", 3000)
    with running(world, ECHO, 3000), socket.create_connection(at(world.backend, NODE_V4, 3000), PATIENCE) as channel:
        channel.sendall(b"x")
        assert channel.recv(1) == b"x"
    become(world.backend, Fabric())
    become(world.backend, fabric(node(), probe(), filters=(everybody,)))
    assert at(world.backend, NODE_V4, 3000) == (OUTSIDE, 3000)


def test_a_port_that_cannot_be_had_has_another(world: Inside) -> None:
    with socket.create_server((OUTSIDE, WEB_PORT)):
        become(world.backend, cluster(tcp(WEB_PORT)))
        where = at(world.backend, NODE_V4, WEB_PORT)
        assert where == (OUTSIDE, WEB_PORT + 8000)
        assert page(where) == USER_V4
    world.backend.check()
    assert at(world.backend, NODE_V4, WEB_PORT) == (OUTSIDE, WEB_PORT)


def test_ports_that_need_root_are_remapped_for_others(world: Inside) -> None:
    become(world.backend, fabric(probe()))
    where = at(world.backend, PROBE_V4, 80)
    try:
        socket.create_server((OUTSIDE_PROBE.replace(".9.9", ".9.8"), 80)).close()
        assert where == (OUTSIDE_PROBE, 80)
    except OSError as error:
        assert error.errno == errno.EACCES  # noqa: PT017
        assert where == (OUTSIDE_PROBE, 8080)
    assert page(where) == USER_V4


@pytest.fixture
def state(packets: None, tmp_path: Path) -> Iterator[Path]:
    """A state folder; whatever world is left there ends after the test."""
    yield tmp_path
    with contextlib.suppress(WorldLost):
        os.kill(LinuxBackend(tmp_path).keeper(), signal.SIGKILL)


def test_doors_outlive_the_server_and_are_the_same_under_the_next(state: Path) -> None:
    first = LinuxBackend(state, linger=30, doors=NETWORK)
    first.up()
    become(first, cluster(tcp(WEB_PORT), tcp(PORT)))
    where, other = at(first, NODE_V4, WEB_PORT), at(first, NODE_V4, PORT)
    with Inside(first).started("node", ECHO, str(PORT)), socket.create_connection(other, PATIENCE) as channel:
        first.leave()
        assert page(where) == USER_V4
        second = LinuxBackend(state, linger=30, doors=NETWORK)
        assert second.up()
        channel.sendall(b"x")  # the connection that was there before goes on
        assert channel.recv(1) == b"x"
    assert at(second, NODE_V4, WEB_PORT) == where
    assert page(where) == USER_V4
    second.close()
    assert refused(where)


def test_a_world_that_was_killed_has_its_doors_again(state: Path) -> None:
    backend = LinuxBackend(state, linger=30, doors=NETWORK)
    backend.up()
    become(backend, cluster(tcp(WEB_PORT)))
    where = at(backend, NODE_V4, WEB_PORT)
    keeper = backend.keeper()
    descriptor = os.pidfd_open(keeper)
    os.kill(keeper, signal.SIGKILL)
    assert select.select([descriptor], [], [], PATIENCE)[0]
    os.close(descriptor)
    assert refused(where)
    assert not backend.up()
    become(backend, cluster(tcp(WEB_PORT)))
    assert at(backend, NODE_V4, WEB_PORT) == where
    assert page(where) == USER_V4
    backend.close()


def test_a_porter_that_was_killed_gets_its_doors_again(state: Path) -> None:
    backend = LinuxBackend(state, linger=30, doors=NETWORK)
    backend.up()
    become(backend, cluster(tcp(WEB_PORT)))
    where = at(backend, NODE_V4, WEB_PORT)
    Inside(backend).run("world", "kill", "-KILL", str(backend.running()["porter"]["pid"]))
    backend.check()
    assert page(where) == USER_V4
    backend.close()


def test_no_doors_where_none_are_wanted(state: Path) -> None:
    backend = LinuxBackend(state, linger=30, doors="")
    backend.up()
    become(backend, cluster(tcp(WEB_PORT)))
    assert backend.doors() == ()
    assert refused((OUTSIDE, WEB_PORT))
    backend.close()
