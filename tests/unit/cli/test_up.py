"""`hideaway up` as a person meets it: it serves, is found, keeps its owner, stops cleanly and survives a kill."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from hideaway.cli import CANNOT, OK, run
from hideaway.server.state import Folder

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("SCW_")}


class Up:
    """A served cloud: its process, and what it printed until it answered."""

    def __init__(self, process: subprocess.Popen[str], said: str):
        self.process, self.said = process, said
        self.url = re.findall(r"http://\S+", said)[0]

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@contextlib.contextmanager
def up(*arguments: str) -> Iterator[Up]:
    argv = [sys.executable, "-m", "hideaway.cli", "up", "--data-plane", "none", "--listen", "127.0.0.1:0", *arguments]
    environment = {**ENVIRONMENT, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            said = ""
            while "nothing is kept" not in said and "use it" not in said:
                line = process.stdout.readline()
                assert line, f"it ended: {said}"
                said += line
            yield Up(process, said)
        finally:
            process.kill()


def get(served: Up, path: str, key: str = "") -> httpx.Response:
    return httpx.get(served.url + path, headers={"X-Auth-Token": key}, timeout=20, trust_env=False)


def key_of(state: Path) -> str:
    owner = Folder(state).owner()
    assert owner is not None
    return owner.secret_key


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    with up("--state", str(tmp_path)) as served:
        server = Folder(tmp_path).server()
        assert server is not None
        assert (server.url, server.pid) == (served.url, served.process.pid)
        assert get(served, "/hideaway/v1/health").json()["status"] == "ok"
        assert get(served, "/hideaway/v1/status").status_code == 401
        assert get(served, "/hideaway/v1/status", key_of(tmp_path)).json()["healthy"] is True
        assert served.end(number) == 0
    assert Folder(tmp_path).server() is None


@pytest.mark.slow
def test_a_killed_servers_owner_lives_on_and_a_second_server_waits_its_turn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with up("--state", str(tmp_path)) as first:
        key = key_of(tmp_path)
        assert run(["up", "--state", str(tmp_path), "--data-plane", "none", "--listen", ":0"]) == CANNOT
        assert f"process {first.process.pid}" in capsys.readouterr().err
        first.end(signal.SIGKILL)
    assert run(["status", "--state", str(tmp_path)]) == CANNOT
    with up("--state", str(tmp_path)) as second:
        assert get(second, "/hideaway/v1/status", key).status_code == 200
        assert run(["status", "--state", str(tmp_path)]) == OK


def test_in_memory_nothing_is_kept_and_the_key_is_told() -> None:
    with up("--state", ":memory:") as served:
        key = re.findall(r"SCW_SECRET_KEY=(\S+)", served.said)[0]
        assert get(served, "/hideaway/v1/status", key).status_code == 200
        assert served.end(signal.SIGTERM) == 0


def test_an_address_that_is_taken_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    with up("--state", ":memory:") as served:
        listen = served.url.removeprefix("http://")
        arguments = ["up", "--state", str(tmp_path), "--data-plane", "none", "--listen", listen]
        assert run(arguments) == CANNOT
    assert "cannot listen" in capsys.readouterr().err
    assert time.monotonic() - began < 30


def test_the_durability_that_is_asked_for_is_the_server_s(tmp_path: Path) -> None:
    with up("--state", str(tmp_path), "--durability", "power") as served:
        assert get(served, "/hideaway/v1/health").json()["durability"] == "power"
