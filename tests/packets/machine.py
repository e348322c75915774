"""A machine of a test's own: a network namespace in which hideaway runs, and one that plays the internet around it.

Both are in a user namespace, so that a test may do there what only root may on a machine, and see that nothing stays.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

MACHINE_V4, MACHINE_V6 = "81.2.3.2", "2a00:5::2"
FAR_V4, FAR_V6 = "8.8.4.4", "2a00:9::9"
RESOLVER = "10.7.7.7"
"""On the machine's side, in a private network: its own resolver, which the world may not reach by itself."""
SHOWN = "example.test"

SCENE = f"""
set -e
mount -t tmpfs tmpfs /run; mkdir /run/netns
echo "nameserver {RESOLVER}" > /run/resolv; mount --bind /run/resolv "$(readlink -f /etc/resolv.conf)" 2>/dev/null || (
 mkdir -p "$(dirname "$(readlink -f /etc/resolv.conf)")"; cp /run/resolv "$(readlink -f /etc/resolv.conf)")
ip link set lo up; ip netns add far
ip link add eth0 type veth peer name near netns far
ip address add {MACHINE_V4}/24 dev eth0; ip address add {MACHINE_V6}/64 dev eth0 nodad
ip link set eth0 up; ip -n far link set lo up; ip -n far link set near up
ip -n far address add 81.2.3.1/24 dev near; ip -n far address add 2a00:5::1/64 dev near nodad
ip -n far address add {FAR_V4}/32 dev lo; ip -n far address add {RESOLVER}/32 dev lo
ip -n far address add {FAR_V6}/128 dev lo nodad
ip route add default via 81.2.3.1; ip -6 route add default via 2a00:5::1
"""

FAR = """
import os, socket, sys, threading
def answer(family, port):
    s = socket.create_server(("", port), family=family)
    while True:
        c, who = s.accept()
        c.settimeout(20)
        try:
            if port == 7: threading.Thread(target=echo, args=(c,)).start(); continue
            c.recv(4096)
            c.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n" + who[0].encode()); c.close()
        except OSError: pass
def echo(c):
    while d := c.recv(64): c.sendall(d)
def names():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((sys.argv[1], 53))
    while True:
        q, who = s.recvfrom(512)
        end = q.index(b"\\0", 12) + 5
        a = q[end - 4: end - 2] == b"\\0\\1"
        s.sendto(q[:2] + b"\\x81\\x80\\0\\1" + (b"\\0\\1" if a else b"\\0\\0") + b"\\0\\0\\0\\0" + q[12:end]
                 + (b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\1\\0\\4\\x08\\x08\\x04\\x04" if a else b""), who)
def long_names():
    s = socket.create_server((sys.argv[1], 53))
    while True:
        c, _ = s.accept(); c.settimeout(20)
        q = c.recv(514); c.sendall(q[:2] + q[2:4] + b"\\x81\\x80" + q[6:]); c.close()
threading.Thread(target=long_names, daemon=True).start()
for port in (7, 25, 80):
    for family in (socket.AF_INET, socket.AF_INET6):
        threading.Thread(target=answer, args=(family, port), daemon=True).start()
threading.Thread(target=names, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""

OWN = """
import socket, sys, threading
def answer(family, address, port):
    s = socket.create_server((address, port), family=family)
    while True:
        c, _ = s.accept(); c.recv(4096); c.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nsecret"); c.close()
for family, address in ((socket.AF_INET, ""), (socket.AF_INET6, "::")):
    threading.Thread(target=answer, args=(family, address, 81), daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""

PYTHON = [sys.executable, "-c"]


class Machine:
    """Where the namespaces are: a process that holds them."""

    def __init__(self, pid: int):
        self.pid = pid

    def command(self, *argv: str, root: bool = True, far: bool = False) -> list[str]:
        """A command line in the machine: as its root or an ordinary user, or far away in the internet around it."""
        enter = ["nsenter", "--target", str(self.pid), "--user", "--preserve-credentials", "--net", "--mount"]
        if far:
            enter.append("--")
            enter += ["nsenter", "--net=/run/netns/far"]
        elif not root:
            enter += ["--", "unshare", "--user", "--map-user=1000", "--map-group=1000"]
        return [*enter, "--", *argv]

    def run(self, *argv: str, far: bool = False) -> str:
        done = subprocess.run(self.command(*argv, far=far), capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, (argv, done.stderr)
        return done.stdout

    def state(self) -> frozenset[str]:
        """All that a cloud could leave behind, line by line: links, routes, rules, settings."""
        settings = "cd /proc/sys/net && grep -s . ipv4/ip_forward ipv4/conf/*/* ipv6/conf/*/forwarding || true"
        said = self.run("sh", "-c", f"ip -o link; ip route show table all; nft list ruleset; {settings}")
        # What IPv6 makes of a link by itself comes some time after it.
        return frozenset(line for line in said.splitlines() if "fe80:" not in line)

    @contextlib.contextmanager
    def running(self, program: str, *arguments: str, far: bool = False) -> Iterator[None]:
        """A program of this module, once it is ready."""
        with subprocess.Popen(
            self.command(*PYTHON, program, *arguments, far=far), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield
            process.communicate(timeout=10)


@contextlib.contextmanager
def machine(forwards: bool) -> Iterator[Machine]:
    """A machine, one that forwards packets or not, with services of its own, and the internet around it."""
    argv = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--propagation", "private"]
    said = f"{SCENE}\necho {int(forwards)} > /proc/sys/net/ipv4/ip_forward\n"
    if forwards:
        said += "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding\n"
    with subprocess.Popen(
        [*argv, "sh", "-c", f"{said}\necho ready\nexec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        made = Machine(holder.pid)
        with made.running(FAR, RESOLVER, far=True), made.running(OWN):
            yield made
        holder.communicate(timeout=10)


DRIVER = """
import contextlib, json, os, select, signal, sys
from pathlib import Path
from hideaway.backends.linux import LinuxBackend
from hideaway.fabric.model import Fabric
from hideaway.fabric.seen import Packet
from hideaway.plan import plan
from tests.packets.inside import HOLD, Inside, still
import tests.packets.test_internet as wanted
backend = None
def up(**options):
    global backend, inside
    backend = LinuxBackend(Path(sys.argv[1]), linger=30, **{"doors": "", **options})
    inside = Inside(backend)
    return backend.up()
def become(name):
    present, fabric = backend.present(), getattr(wanted, name)()
    backend.apply(plan(fabric, present.fabric, present.suspects), fabric)
def ask(host, address, port, patience=2.0): return inside.ask(host, address, port, patience)
def run(host, *argv): return backend.run(host, list(argv))
def trace(source, target, port):
    packet = Packet(source="", target=target, protocol="tcp", target_port=port)
    seen = backend.trace(source, packet, 3.0)
    return [seen.outcome, seen.why, [hop.name for hop in seen.way], [hop.name for hop in seen.reply]]
def programs(): return backend.running()
def kill():
    descriptor = os.pidfd_open(backend.keeper())
    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    return bool(select.select([descriptor], [], [], 20)[0])
def leave(): backend.leave()
def hold(host, address, port):
    global held
    held = contextlib.ExitStack()
    held.process = held.enter_context(inside.started(host, HOLD, address, str(port)))
def lives(patience=2.0): return still(held.process, patience)
def let_go(): held.close()
def fault():
    file = backend.folder / "uplink.fault"
    return file.read_text() if file.exists() else ""
def doors(): return [[d.address, d.port, d.at, d.at_port] for d in backend.doors()]
def close(): backend.close()
print("ready", flush=True)
for line in sys.stdin:
    name, arguments, options = json.loads(line)
    try: said = globals()[name](*arguments, **options)
    except Exception as error: said = {"error": repr(error)}
    print(json.dumps(said), flush=True)
if backend: backend.close()
"""


class Driven:
    """A data plane on that machine: its methods are the driver's functions."""

    def __init__(self, process: subprocess.Popen[str]):
        self.process = process

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            print(json.dumps([name, arguments, options]), file=self.process.stdin, flush=True)
            said = json.loads(self.process.stdout.readline())
            assert not (isinstance(said, dict) and "error" in said), said
            return said

        return call


@contextlib.contextmanager
def driven(on: Machine, state: Path, root: bool) -> Iterator[Driven]:
    """A data plane on a machine, as its root or as an ordinary user."""
    folder = Path(__file__).parents[2]
    argv: Sequence[str] = on.command(sys.executable, "-c", DRIVER, str(state), root=root)
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Driven(process)
        process.communicate(timeout=60)
