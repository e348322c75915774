"""The demonstration is a promise too: every statement as the document says, on packets, within a minute."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

SECONDS = 60


def demo(tmp_path: Path, *flags: str) -> tuple[int, list[dict[str, Any]]]:
    """Run it as a person would, in a state folder of the test's. Returns its exit code and its rows."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCW_")}
    environment["TMPDIR"] = str(tmp_path)
    argv = [sys.executable, "-m", "hideaway.cli", "demo", "--json", *flags]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=150, env=environment, check=False)
    assert done.stdout.startswith("["), done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.packets
def test_every_row_is_shown_by_packets_within_a_minute(packets: None, tmp_path: Path) -> None:
    began = time.monotonic()
    code, rows = demo(tmp_path, "--require-packets")
    assert {row["statement"]: row["observed"] for row in rows if not row["agrees"]} == {}
    assert {row["by"] for row in rows} == {"packets"}
    assert code == 0
    assert len(rows) >= 10
    assert time.monotonic() - began < SECONDS
    assert list(tmp_path.iterdir()) == [], "it leaves nothing behind"


@pytest.mark.slow
def test_on_records_each_row_that_no_packet_showed_is_marked(tmp_path: Path) -> None:
    code, rows = demo(tmp_path, "--data-plane", "none")
    assert code == 0
    assert all(row["agrees"] for row in rows)
    assert {row["by"] for row in rows} >= {"records", "nothing"}
    required, again = demo(tmp_path, "--data-plane", "none", "--require-packets")
    assert required == 1
    assert [row["statement"] for row in again] == [row["statement"] for row in rows]
