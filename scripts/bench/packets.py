"""What only a data plane shows: how soon 200 nodes stand, and what they cost."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
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
NODES = 200
REGION, ZONE = "fr-par", "fr-par-1"
PATIENCE = 120.0  # seconds for anything to come about
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
    with cloud.http() as http:
        print(f"packets: a pool of {NODES} nodes", flush=True)
        answered, ready, settled = _pool(http, _cluster(http), "many", NODES)
        rows = [
            (f"a pool of {NODES} nodes, POST to its answer", f"{answered:.2f} s"),
            (f"a pool of {NODES} nodes, POST to every node ready (its heartbeat arrived)", f"{ready:.2f} s"),
            (f"a pool of {NODES} nodes, POST to the data plane settled", f"{settled:.2f} s"),
        ]
    return [*rows, *_memory(cloud, f"with {NODES} nodes")]


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
