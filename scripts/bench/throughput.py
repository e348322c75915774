"""How many bytes pass: in a world of hideaway's, and in one with the same namespaces, veths and bridge and no rules."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hideaway.backends.linux import LinuxBackend, names
from hideaway.fabric.model import PROBE_V4, Fabric
from hideaway.plan import plan
from scripts.bench.ratio import Ratio, in_turns
from tests.fabrics import GATEWAY_V4, ISOLATED_IN, NETWORK, NODE_V4, cluster, tcp

PORT = 5201
FLOWS, SECONDS = 5, 0.5  # in each round, and for how long
WAYS = (
    ("from node to node in a Private Network", "node", "isolated", ISOLATED_IN, "at least 0.90"),
    ("from a node through the gateway's NAT to the internet", "isolated", "internet", PROBE_V4, "at least 0.80"),
    ("from the internet to a node through its security group", "internet", "node", NODE_V4, ""),
)
"""What it is called, from which host to which, at which address, and the goal."""

_RECEIVER = """
import socket, sys, time
with socket.create_server(("", int(sys.argv[1]))) as server:
    print("listening", flush=True)
    connection, _ = server.accept()
buffer, total, began = memoryview(bytearray(1 << 20)), 0, time.monotonic()
while count := connection.recv_into(buffer): total += count
print(total / (time.monotonic() - began))
"""
_SENDER = """
import socket, sys, time
data, until = bytes(1 << 20), time.monotonic() + float(sys.argv[3])
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as connection:
    while time.monotonic() < until: connection.sendall(data)
"""


def measure(rounds: int) -> list[Ratio]:
    """Bytes a second by TCP, one connection, in both worlds in turn."""
    print("throughput", flush=True)
    fabric = cluster(tcp(PORT))
    found = []
    with (
        tempfile.TemporaryDirectory() as folder,
        _world(folder, "ours", fabric) as ours,
        _world(folder, "bare", fabric) as bare,
    ):
        _without_rules(bare, fabric)
        for what, source, target, address, goal in WAYS:
            found.append(
                in_turns(
                    f"TCP {what} (bare: the same veths, bridge and routes without rules)",
                    lambda s=source, t=target, a=address: _flow(ours, s, t, a),  # type: ignore[misc]
                    lambda s=source, t=target, a=address: _flow(bare, s, t, a),  # type: ignore[misc]
                    rounds=FLOWS * rounds,
                    unit="GB/s",
                    goal=goal,
                )
            )
    return found


@contextlib.contextmanager
def _world(folder: str, name: str, fabric: Fabric) -> Iterator[LinuxBackend]:
    backend = LinuxBackend(Path(folder) / name, linger=0)
    backend.up()
    try:
        backend.apply(plan(fabric, Fabric()), fabric)
        yield backend
    finally:
        backend.close()


def _without_rules(backend: LinuxBackend, fabric: Fabric) -> None:
    """Take every rule away. Without translation the edge must know the way back to the Private Network."""
    for namespace in (names.EDGE_NAMESPACE, *(names.namespace(host.id) for host in fabric.hosts)):
        _must(backend, namespace, ["nft", "flush", "ruleset"])
    link = names.edge_link("gateway", "pub-gateway")
    _must(backend, names.EDGE_NAMESPACE, ["ip", "route", "add", NETWORK, "via", GATEWAY_V4, "dev", link, "onlink"])


def _must(backend: LinuxBackend, namespace: str, argv: list[str]) -> None:
    ran = backend.run_in(namespace, argv)
    if ran["status"] != 0:
        raise RuntimeError(f"{argv} in {namespace}: {ran['stderr']}")


def _flow(backend: LinuxBackend, source: str, target: str, address: str) -> float:
    python = [sys.executable, "-I", "-S", "-c"]
    receive = backend.command(target, [*python, _RECEIVER, str(PORT)])
    with subprocess.Popen(receive, stdout=subprocess.PIPE, text=True) as receiver:
        assert receiver.stdout is not None
        receiver.stdout.readline()
        send = backend.command(source, [*python, _SENDER, address, str(PORT), str(SECONDS)])
        subprocess.run(send, check=True, timeout=60)
        return float(receiver.stdout.readline()) / 1e9
