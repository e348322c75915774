"""`hideaway up` with a world leaves nothing behind, whenever it is told to stop and whatever keeps it from starting."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from hideaway.backends.linux import LinuxBackend
from hideaway.cli import CANNOT, run
from tests.unit.cli.test_up_ends import heard, started

pytestmark = [pytest.mark.packets, pytest.mark.slow, pytest.mark.usefixtures("packets")]


def test_in_memory_nothing_stays_behind(tmp_path: Path) -> None:
    with started(tmp_path, "--state", ":memory:", "--data-plane", "linux") as process:
        heard(process, "nothing is kept")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert list(tmp_path.iterdir()) == []


def test_in_memory_what_was_killed_is_removed_by_the_next(tmp_path: Path) -> None:
    with started(tmp_path, "--state", ":memory:", "--data-plane", "linux") as process:
        heard(process, "nothing is kept")
        (folder,) = tmp_path.iterdir()
        keeper = LinuxBackend(folder).keeper()
        os.utime(folder, (0, 0))
        with started(tmp_path, "--state", ":memory:", "--data-plane", "linux") as other:
            heard(other, "nothing is kept")
            assert folder.exists(), "its world lives"
            other.send_signal(signal.SIGTERM)
            assert other.wait(20) == 0
        process.kill()
        os.kill(keeper, signal.SIGKILL)
        process.wait()
    os.utime(folder, (0, 0))
    with started(tmp_path, "--state", ":memory:", "--data-plane", "linux") as process:
        heard(process, "nothing is kept")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert list(tmp_path.iterdir()) == []


def test_sigterm_while_it_starts_leaves_no_world(tmp_path: Path) -> None:
    state = tmp_path / "state"
    for pause in (0, 0.05, 0.1, 0.2, 0.4):
        with started(tmp_path, "--state", str(state), "--data-plane", "linux", "--linger", "600") as process:
            until = time.monotonic() + 20
            while not (state / "world" / "world.log").exists() and time.monotonic() < until:
                time.sleep(0.01)
            time.sleep(pause)
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        (state / "world" / "world.log").unlink()
        keepers = [Path(link).parent for link in Path("/proc").glob("[0-9]*/cwd") if _within(link, state)]
        assert keepers == []


def _within(link: Path, folder: Path) -> bool:
    try:
        return link.readlink().is_relative_to(folder)
    except OSError:
        return False


def test_a_start_that_fails_leaves_the_living_world_to_the_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = ["--state", str(tmp_path / "state"), "--data-plane", "linux"]
    with started(tmp_path, *state) as process:
        heard(process, "use it")
        process.kill()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert run(["up", *state, "--listen", f"127.0.0.1:{taken.getsockname()[1]}"]) == CANNOT
    assert "cannot listen" in capsys.readouterr().err
    with started(tmp_path, *state) as process:
        assert "adopted" in heard(process, "use it")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
