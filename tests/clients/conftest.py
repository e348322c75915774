"""Where the official clients are. They are looked for, never fetched: where one is missing, its tests skip."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud_under_test import Cloud, cloud
from tests.packets.conftest import packets

__all__ = ["packets"]

CACHE = Path(os.environ.get("HIDEAWAY_TOOLS", Path.home() / ".cache" / "hideaway-tools"))
SHARED = Path(__file__).parents[3] / "shared"


def tool(name: str, folder: str = "") -> Path:
    """A client's program: from the tools' folder (unpacked on first use where it can be), else from PATH; or skip."""
    unpack = SHARED / "unpack"
    wanted = CACHE / "clients" / folder / name
    if not wanted.exists() and unpack.exists():
        subprocess.run([unpack, CACHE], check=True, capture_output=True)
    if wanted.exists():
        return wanted
    found = shutil.which(name) if not folder else None
    if found is None:
        pytest.skip(f"{folder + ' ' if folder else ''}{name} is not on this machine")
    return Path(found)


@pytest.fixture(params=["none", pytest.param("linux", marks=pytest.mark.packets)])
def any_cloud(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cloud]:
    """A cloud without, and one with, a data plane."""
    if request.param == "linux":
        request.getfixturevalue("packets")
    flags = ("--heartbeat-interval", "0.5", "--heartbeat-grace", "3", "--linger", "0")
    with cloud(tmp_path, "--data-plane", request.param, *flags) as running:
        yield running


@pytest.fixture
def records_cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A cloud on records only."""
    with cloud(tmp_path, "--data-plane", "none") as running:
        yield running
