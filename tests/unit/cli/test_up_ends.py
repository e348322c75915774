"""`hideaway up` leaves nothing behind, whenever it is told to stop and whatever keeps it from starting."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hideaway.cli import CANNOT, run

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("SCW_", "PYTHON"))}
"""Without PYTHONUNBUFFERED either: what `up` says must reach a pipe by itself."""


def started(temporary: Path, *arguments: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "hideaway.cli", "up", "--listen", "127.0.0.1:0", *arguments]
    environment = {**ENVIRONMENT, "TMPDIR": str(temporary)}
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


def test_in_memory_nothing_stays_behind_and_the_variables_are_told(tmp_path: Path) -> None:
    with started(tmp_path, "--state", ":memory:", "--data-plane", "none") as process:
        said = heard(process, "nothing is kept")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    url = re.findall(r"http://\S+", said)[0]
    assert f"export SCW_API_URL={url}\n" in said
    assert "export SCW_DEFAULT_PROJECT_ID=" in said
    assert list(tmp_path.iterdir()) == []


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
