"""What only a data plane shows: how soon an edit reaches the packets, how soon 200 nodes stand, and what they cost."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import httpx

import hideaway.api.products  # noqa: F401  # so that every kind of document in a store is known
from hideaway.backends.linux import LinuxBackend, world
from hideaway.compile import compile_fabric
from hideaway.fabric.model import Fabric
from hideaway.plan import plan
from hideaway.store import Store
from scripts.bench.machine import proportional, resident, world_of
from tests.cloud_under_test import Cloud

FLAGS = ("--data-plane", "linux", "--linger", "0")
NODES, AT_FIRST = 200, 2
REGION, ZONE = "fr-par", "fr-par-1"
PORT = 30080
EDITS = 7
PATIENCE = 120.0  # seconds for anything to come about
QUIET = 0.25  # seconds without a packet after which packets count as dropped
GAP = 0.001  # seconds between probes

# Ends when its input is closed: killing what entered a host's namespaces would leave the program inside running.
_WHILE_OPEN = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
"""
# Prints, for each datagram, when it was sent and when it arrived: one clock serves all namespaces.
_LISTENER = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", int(sys.argv[1])))
print("listening", flush=True)
while True:
    sent = s.recv(64).decode()
    print(sent, time.monotonic(), flush=True)
"""
# Sends a datagram each GAP seconds, each from a new source port, so that no established flow helps it.
_PROBER = """
import socket, sys, time
print("sending", flush=True)
while True:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(str(time.monotonic()).encode(), (sys.argv[1], int(sys.argv[2])))
    time.sleep(float(sys.argv[3]))
"""

Rows = list[tuple[str, str]]


def measure() -> Rows:
    """(what, figure) of a cloud with a data plane; everything that it starts is stopped again."""
    rows: Rows = []
    with tempfile.TemporaryDirectory() as folder:
        cloud = Cloud(Path(folder) / "state", *FLAGS)
        began = time.monotonic()
        try:
            cloud.start()
            cloud.get("/metadata")
            rows.append(("start-up to the first answer, data plane up", f"{time.monotonic() - began:.2f} s"))
            rows += _memory(cloud, "idle")
            rows += _built(cloud)
        finally:
            _end(cloud)
        rows += _parts(Path(folder) / "state" / "store.sqlite", Path(folder) / "again")
    return rows


def _built(cloud: Cloud) -> Rows:
    rows: Rows = []
    with cloud.http() as http:
        print(f"packets: a pool of {AT_FIRST} nodes", flush=True)
        cluster = _cluster(http)
        _pool(http, cluster, "few", AT_FIRST)
        rows += _edits(cloud, http, cluster, AT_FIRST)
        print(f"packets: a pool of {NODES} nodes", flush=True)
        answered, ready, settled = _pool(http, cluster, "many", NODES)
        rows += [
            (f"a pool of {NODES} nodes, POST to its answer", f"{answered:.2f} s"),
            (f"a pool of {NODES} nodes, POST to every node ready (its heartbeat arrived)", f"{ready:.2f} s"),
            (f"a pool of {NODES} nodes, POST to the data plane settled", f"{settled:.2f} s"),
        ]
        rows += _memory(cloud, f"with {NODES + AT_FIRST} nodes")
        rows += _edits(cloud, http, cluster, NODES + AT_FIRST)
    return rows


def _cluster(http: httpx.Client) -> str:
    network = _post(http, f"/vpc/v2/regions/{REGION}/private-networks", {"name": "bench"})["id"]
    version = http.get(f"/k8s/v1/regions/{REGION}/versions").json()["versions"][0]["name"]
    # The smallest type that holds so many nodes.
    body = {
        "name": "bench", "type": "kapsule-dedicated-4", "version": version, "cni": "cilium", "description": "",
        "private_network_id": network,
    }  # fmt: skip
    cluster: str = _post(http, f"/k8s/v1/regions/{REGION}/clusters", body)["id"]
    _until(lambda: http.get(f"/k8s/v1/regions/{REGION}/clusters/{cluster}").json()["status"] != "creating")
    return cluster


def _pool(http: httpx.Client, cluster: str, name: str, size: int) -> tuple[float, float, float]:
    """Make a pool. Returns the seconds from the request to its answer, to all nodes ready, and to all settled."""
    body = {"name": name, "node_type": "DEV1-M", "size": size, "autoscaling": False, "autohealing": False, "zone": ZONE}
    began = time.monotonic()
    pool = _post(http, f"/k8s/v1/regions/{REGION}/clusters/{cluster}/pools", body)["id"]
    answered = time.monotonic() - began
    _until(lambda: http.get(f"/k8s/v1/regions/{REGION}/pools/{pool}").json()["status"] == "ready")
    ready = time.monotonic() - began
    _until(lambda: http.get("/hideaway/v1/health").json()["settled"])
    return answered, ready, time.monotonic() - began


def _edits(cloud: Cloud, http: httpx.Client, cluster: str, size: int) -> Rows:
    """How long after the answer to an edit of the nodes' security group the first packet passes, and is dropped."""
    groups = http.get(f"/instance/v1/zones/{ZONE}/security_groups", params={"name": f"kubernetes {cluster}"}).json()
    rules = f"/instance/v1/zones/{ZONE}/security_groups/{groups['security_groups'][0]['id']}/rules"
    node = http.get(f"/k8s/v1/regions/{REGION}/clusters/{cluster}/nodes").json()["nodes"][0]
    rule = {
        "protocol": "UDP", "direction": "inbound", "action": "accept", "ip_range": "0.0.0.0/0", "editable": True,
        "dest_port_from": PORT, "position": 1,
    }  # fmt: skip
    passed, dropped = [], []
    with _probing(cloud, node["name"], node["public_ip_v4"]) as arrivals:
        for _ in range(EDITS):
            arrivals.clear()
            made = _post(http, rules, rule)["rule"]["id"]
            edited = time.monotonic()
            _until(lambda: bool(arrivals))
            passed.append(arrivals[0] - edited)
            time.sleep(QUIET)
            http.delete(f"{rules}/{made}").raise_for_status()
            edited = time.monotonic()
            _until(lambda: time.monotonic() - max(edited, arrivals[-1]) > QUIET)  # noqa: B023  # called within the round
            dropped.append(max(0.0, arrivals[-1] - edited))
    return [
        (f"security-group edit answered to the first packet that passes, {size} nodes", _spread(passed)),
        (f"security-group edit answered to the last packet that passes, {size} nodes", _spread(dropped)),
    ]


@contextlib.contextmanager
def _probing(cloud: Cloud, node: str, address: str) -> Iterator[list[float]]:
    """Send datagrams from the internet to a node for as long as the block runs; when those that pass arrived."""
    arrivals: list[float] = []
    python = [sys.executable, "-S", "-u", "-c"]
    listener = _inside(cloud, node, [*python, _WHILE_OPEN + _LISTENER, str(PORT)])
    prober = _inside(cloud, "internet", [*python, _WHILE_OPEN + _PROBER, address, str(PORT), str(GAP)])
    assert listener.stdout is not None

    def collect() -> None:
        assert listener.stdout is not None
        for line in listener.stdout:
            arrivals.append(float(line.split()[1]))

    try:
        assert listener.stdout.readline() == "listening\n"
        assert prober.stdout is not None
        assert prober.stdout.readline() == "sending\n"
        threading.Thread(target=collect, daemon=True).start()
        time.sleep(QUIET)
        assert not arrivals, "packets pass before any rule lets them"
        yield arrivals
    finally:
        for process in (prober, listener):
            assert process.stdin is not None
            process.stdin.close()
            process.wait(10)


def _inside(cloud: Cloud, host: str, command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        cloud.inside(host, command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )  # fmt: skip


def _memory(cloud: Cloud, when: str) -> Rows:
    assert cloud.process is not None
    keeper = world.keeper_of(cloud.state / "world")
    processes = world_of(keeper)
    return [
        (f"resident, the server, {when}", f"{resident(cloud.process.pid):.0f} MiB"),
        (
            f"resident, the world's {len(processes)} processes (shared pages counted once), {when}",
            f"{proportional(processes):.0f} MiB",
        ),
    ]


def _parts(store: Path, folder: Path) -> Rows:
    """The same cloud once more from its store, part by part: compile, plan, kernel, and the end of the world."""
    kept = Store(store)
    _, ledger = kept.snapshot()
    kept.close()
    fabric, again = compile_fabric(ledger), compile_fabric(ledger)
    steps = plan(fabric, Fabric())
    rows = [
        (f"compile: {len(fabric.hosts)} hosts of the Fabric", _best(lambda: compile_fabric(ledger))),
        (f"plan: {len(steps)} steps from nothing", _best(lambda: plan(fabric, Fabric()))),
        ("plan: nothing to do", _best(lambda: plan(again, fabric))),
    ]
    backend = LinuxBackend(folder, linger=0)
    rows.append(("kernel: an empty world", _once(backend.up)))
    try:
        rows.append((f"kernel: {len(steps)} steps carried out", _once(lambda: backend.apply(steps, fabric))))
    finally:
        rows.append(("kernel: the end of the world", _once(backend.close)))
    return rows


def _once(action: Callable[[], object]) -> str:
    began = time.monotonic()
    action()
    return f"{time.monotonic() - began:.2f} s"


def _best(action: Callable[[], object]) -> str:
    """The median of five runs."""
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - began)
    return f"{median(seconds) * 1000:.1f} ms"


def _spread(seconds: list[float]) -> str:
    low, middle, high = min(seconds) * 1000, median(seconds) * 1000, max(seconds) * 1000
    return f"{middle:.0f} ms ({low:.0f} to {high:.0f})"


def _post(http: httpx.Client, path: str, body: Any) -> Any:
    answer = http.post(path, json=body)
    assert answer.status_code < 300, f"{path}: {answer.status_code} {answer.text}"
    return answer.json()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {PATIENCE:.0f} s")
        time.sleep(0.005)


def _end(cloud: Cloud) -> None:
    if cloud.process is not None and cloud.process.poll() is None:
        cloud.process.send_signal(signal.SIGTERM)
        try:
            cloud.process.wait(60)
        except subprocess.TimeoutExpired:
            cloud.kill()
