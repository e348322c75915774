"""`hideaway up` leaves nothing behind, whenever it is told to stop and whatever keeps it from starting."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hideaway.cli import CANNOT, run

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("SCW_")}


def started(temporary: Path, *arguments: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "hideaway.cli", "up", "--listen", "127.0.0.1:0", *arguments]
    environment = {**ENVIRONMENT, "PYTHONUNBUFFERED": "1", "TMPDIR": str(temporary)}
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def heard(process: subprocess.Popen[str], wanted: str) -> str:
    """What it says, up to a line with `wanted`."""
    assert process.stdout is not None
    said = ""
    while wanted not in said:
        line = process.stdout.readline()
        assert line, f"it ended: {said}"
        said += line
    return said


@pytest.mark.parametrize("plane", ["none", pytest.param("linux", marks=pytest.mark.packets)])
def test_in_memory_nothing_stays_behind_and_the_variables_are_told(tmp_path: Path, plane: str) -> None:
    with started(tmp_path, "--state", ":memory:", "--data-plane", plane) as process:
        said = heard(process, "nothing is kept")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    url = re.findall(r"http://\S+", said)[0]
    assert f"export SCW_API_URL={url}\n" in said
    assert "export SCW_DEFAULT_PROJECT_ID=" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.packets
def test_sigterm_while_it_starts_leaves_no_world(tmp_path: Path) -> None:
    state = tmp_path / "state"
    for _ in range(3):
        with started(tmp_path, "--state", str(state), "--data-plane", "linux", "--linger", "600") as process:
            until = time.monotonic() + 20
            while not (state / "world" / "world.log").exists() and time.monotonic() < until:
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) in (0, 128 + signal.SIGTERM)
        (state / "world" / "world.log").unlink()
        keepers = [Path(link).parent for link in Path("/proc").glob("[0-9]*/cwd") if _within(link, state)]
        assert keepers == []


def _within(link: Path, folder: Path) -> bool:
    try:
        return link.readlink().is_relative_to(folder)
    except OSError:
        return False


def test_the_store_is_for_its_user_alone(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite").touch(mode=0o644)
    with started(tmp_path, "--state", str(tmp_path), "--data-plane", "none") as process:
        heard(process, "use it")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert set(modes.values()) == {0o600}
    assert "store.sqlite-wal" in modes


def test_a_state_folder_that_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("lock", "store.sqlite"):
        (tmp_path / name).mkdir()  # root may write everywhere, but not into a folder
        assert run(["up", "--state", str(tmp_path), "--data-plane", "none", "--listen", ":0"]) == CANNOT
        assert "cannot be written" in capsys.readouterr().err
        (tmp_path / name).rmdir()


@pytest.mark.packets
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


def test_the_folder_that_it_names_is_one_for_a_shell(tmp_path: Path) -> None:
    folder = tmp_path / "it's here"
    with started(tmp_path, "--state", str(folder), "--data-plane", "none") as process:
        said = heard(process, "use it")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    line = re.findall(r"eval .*\)\"", said)[0].replace("hideaway env", f"{sys.executable} -m hideaway.cli env")
    shown = subprocess.run(
        ["sh", "-c", f"{line}; echo $SCW_DEFAULT_REGION"], capture_output=True, text=True, timeout=20
    )
    assert shown.stdout == "fr-par\n", shown.stderr
