"""A whole hideaway in a process of its own, for the tests that use it from outside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

UP_SECONDS = 60


class Cloud:
    """A server on a free port with a state folder of its own. Restarting it keeps the folder."""

    def __init__(self, state: Path, *flags: str):
        self.state, self.flags = state, flags
        self.process: subprocess.Popen[bytes] | None = None
        self.owner: dict[str, str] = {}
        self.url = ""

    def start(self) -> Cloud:
        """Start it and wait until it answers. Raises AssertionError with what it said when it does not."""
        log = self.state.parent / f"{self.state.name}.log"
        argv = [sys.executable, "-m", "hideaway.cli", "up", "--listen", "127.0.0.1:0", "--state", str(self.state)]
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [*argv, *self.flags], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + UP_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, log.read_text()
            with contextlib.suppress(OSError, ValueError):
                served = json.loads((self.state / "server.json").read_text())
                if served["pid"] == self.process.pid:
                    self.url, self.data_plane = served["url"], served["data_plane"]
                    self.owner = json.loads((self.state / "credentials.json").read_text())
                    return self
            time.sleep(0.02)
        raise AssertionError(f"not up after {UP_SECONDS} s: {log.read_text()}")

    def kill(self) -> None:
        """End it as SIGKILL does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End it as a person does, and return its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Auth-Token": self.owner["secret_key"]}

    def http(self) -> httpx.Client:
        """A client with the owner's key."""
        return httpx.Client(base_url=self.url, headers=self.headers, timeout=60)

    def environment(self) -> dict[str, str]:
        """The variables that official clients read."""
        return {
            **os.environ,
            "SCW_API_URL": self.url,
            "SCW_ACCESS_KEY": self.owner["access_key"],
            "SCW_SECRET_KEY": self.owner["secret_key"],
            "SCW_DEFAULT_ORGANIZATION_ID": self.owner["organization_id"],
            "SCW_DEFAULT_PROJECT_ID": self.owner["project_id"],
            "SCW_DEFAULT_REGION": "fr-par",
            "SCW_DEFAULT_ZONE": "fr-par-1",
            "SCW_INSECURE": "true",
            "SCW_DISABLE_CHECKPOINTS": "true",
        }

    def inside(self, host: str, command: Sequence[str]) -> list[str]:
        """The command line that runs a command inside one of its hosts."""
        with self.http() as http:
            answer = http.post("/hideaway/v1/exec", json={"host": host, "command": list(command)})
        assert answer.status_code == 200, answer.text
        argv: list[str] = answer.json()["argv"]
        return argv

    def run(self, host: str, *command: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
        """Run a command inside a host to its end."""
        argv = self.inside(host, command)
        return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of a GET that must answer 200."""
        with self.http() as http:
            answer = http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextlib.contextmanager
def cloud(folder: Path, *flags: str) -> Iterator[Cloud]:
    """A running cloud that is ended, however the test ends."""
    running = Cloud(folder / "state", *flags).start()
    try:
        yield running
    finally:
        if running.process is not None and running.process.poll() is None:
            running.process.terminate()
            try:
                running.process.wait(20)
            except subprocess.TimeoutExpired:
                running.kill()
