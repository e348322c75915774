"""Packets for the demonstration: small programs that run inside hosts and say what got through."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx

from hideaway.base.errors import HideawayError

PORT = 30080
"""Where every host of the demonstration listens: a port of Kubernetes' NodePort range."""
PATIENCE = 0.8
"""Seconds that a probe waits for an answer that a filter may swallow."""

# Answers each connection with its caller's address, as it arrived.
_LISTENER = """
import socket, sys
s = socket.create_server(("", int(sys.argv[1])), backlog=64)
while True:
    c, peer = s.accept()
    c.sendall(peer[0].encode())
    c.close()
"""
# Connects from a new source port and prints what it was told; ends with status 1 when nothing answers.
_CALLER = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3])) as s:
        if sys.argv[4] == "http":
            s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
        told = b""
        while part := s.recv(4096):
            told += part
        print(told.decode().split("\\r\\n\\r\\n")[-1].strip())
except OSError as error:
    print(type(error).__name__)
    sys.exit(1)
"""


class Hosts:
    """The hosts of a running cloud, reached through its own `exec`."""

    def __init__(self, url: str, secret_key: str):
        self._http = httpx.Client(base_url=url, headers={"X-Auth-Token": secret_key}, timeout=30)
        self._listeners: list[subprocess.Popen[bytes]] = []

    def argv(self, host: str, command: Sequence[str]) -> list[str]:
        """The command line that runs a command inside a host. Raises HideawayError when there is no such host."""
        answer = self._http.post("/hideaway/v1/exec", json={"host": host, "command": list(command)})
        if answer.status_code != 200:
            raise HideawayError(f"no command can run in {host}: {answer.json()['message']}")
        argv: list[str] = answer.json()["argv"]
        return argv

    def run(self, host: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside a host to its end."""
        return subprocess.run(self.argv(host, command), capture_output=True, text=True, timeout=30, check=False)

    def listen(self, host: str) -> None:
        """Let a host answer on PORT, as a workload behind a NodePort would."""
        self._listeners.append(
            subprocess.Popen(
                self.argv(host, [sys.executable, "-S", "-c", _LISTENER, str(PORT)]),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
        )  # fmt: skip

    def call(self, host: str, address: str, port: int = PORT, *, http: bool = False) -> str | None:
        """Connect from a host to an address; what the other side said, or None when nothing answered."""
        how = "http" if http else "tcp"
        done = self.run(host, sys.executable, "-S", "-c", _CALLER, address, str(port), str(PATIENCE), how)
        return done.stdout.strip() if done.returncode == 0 else None

    def close(self) -> None:
        """End the listeners."""
        for listener in self._listeners:
            listener.kill()
            listener.wait()
        self._http.close()


def together(calls: Iterable[Callable[[], str | None]]) -> list[str | None]:
    """The results of several probes, run side by side."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(lambda call: call(), calls))


def until(condition: Callable[[], bool], seconds: float) -> float | None:
    """Wait for a condition; how many seconds it took, or None when it did not come."""
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        if condition():
            return time.monotonic() - start
        time.sleep(0.05)
    return None
