"""The servers that are compared: hideaway and its peers, each started anew for each round and stopped after it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.cloud_under_test import Cloud

CACHE = Path(os.environ.get("HIDEAWAY_TOOLS", Path.home() / ".cache" / "hideaway-tools"))
SHARED = Path(__file__).parents[3] / "shared"
PROJECT = "11111111-1111-4111-8111-111111111111"
FIRST_ANSWER_SECONDS = 30


class Contender:
    """A server that runs. start_seconds: from its start to its first answer; pid: its process."""

    def __init__(self, name: str, url: str, key: str, project: str, pid: int, start_seconds: float):
        self.name, self.url, self.key, self.project = name, url, key, project
        self.pid, self.start_seconds = pid, start_seconds

    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"X-Auth-Token": self.key}, timeout=60)


def peers() -> dict[str, Path]:
    """The peers' programs on this machine, unpacked on first use where they lie beside the checkout."""
    if (SHARED / "unpack").exists() and not (CACHE / "peers").exists():
        subprocess.run([SHARED / "unpack", CACHE], check=True, capture_output=True)
    return {name: path for name in ("mockway", "feint") if (path := CACHE / "peers" / name).exists()}


@contextlib.contextmanager
def contender(name: str, folder: Path) -> Iterator[Contender]:
    """Start one, by its name, in an empty folder."""
    with hideaway(folder) if name == "hideaway" else _peer(name, peers()[name], folder) as running:
        yield running


@contextlib.contextmanager
def hideaway(folder: Path, *flags: str) -> Iterator[Contender]:
    """Hideaway with its state on disk, on records unless the flags say otherwise."""
    cloud = Cloud(folder / "state", *(flags or ("--data-plane", "none")))
    began = time.monotonic()
    try:
        cloud.start()
        assert cloud.process is not None
        with cloud.http() as http:
            http.get("/metadata").raise_for_status()
        seconds = time.monotonic() - began
        owner = cloud.owner
        yield Contender(
            "hideaway", cloud.url, owner["secret_key"], owner["project_id"], cloud.process.pid, seconds
        )  # fmt: skip
    finally:
        if cloud.process is not None:
            _end(cloud.process)


@contextlib.contextmanager
def _peer(name: str, program: Path, folder: Path) -> Iterator[Contender]:
    port = _free_port()
    argv = {
        "mockway": [program, "-port", str(port)],
        "feint": [program, "serve", "--addr", f"127.0.0.1:{port}", "--log-level", "error"],
    }[name]
    began = time.monotonic()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        _await_answer(url, began)
        yield Contender(name, url, PROJECT, PROJECT, process.pid, time.monotonic() - began)
    finally:
        _end(process)


def _await_answer(url: str, began: float) -> None:
    with httpx.Client(timeout=2) as http:
        while time.monotonic() - began < FIRST_ANSWER_SECONDS:
            with contextlib.suppress(httpx.TransportError):
                http.get(url)
                return
            time.sleep(0.002)
    raise RuntimeError(f"nothing answers at {url}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
