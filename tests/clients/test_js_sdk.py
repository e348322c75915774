"""The vendor's JavaScript SDK works on hideaway unchanged: the flows in js/flows.mjs, each leaving nothing behind."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.clients.conftest import CACHE, tool
from tests.clients.inventory import changes, everything
from tests.cloud_under_test import Cloud

pytestmark = pytest.mark.slow
JS = Path(__file__).parent / "js"
INSTALL_SECONDS = 180
FLOWS = re.findall(r"^  async (\w+)\(", (JS / "flows.mjs").read_text(), re.MULTILINE)


def installed() -> Path:
    """The folder with what package-lock.json names: outside the repository, made once; or skip."""
    npm = tool("npm")
    kept = CACHE / "js" / hashlib.sha256((JS / "package-lock.json").read_bytes()).hexdigest()[:16]
    if kept.exists():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(dir=kept.parent))
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(JS / name, making)
    try:
        done = subprocess.run(
            [npm, "ci", "--ignore-scripts"], cwd=making, capture_output=True, text=True, timeout=INSTALL_SECONDS
        )
    except subprocess.TimeoutExpired:
        done = None
    if done is None or done.returncode != 0:
        shutil.rmtree(making)
        pytest.skip(f"npm cannot install @scaleway/sdk: {_why(done)}")
    try:
        making.rename(kept)
    except OSError:  # another run was faster
        shutil.rmtree(making)
    return kept


def _why(done: subprocess.CompletedProcess[str] | None) -> str:
    if done is None:
        return f"it took longer than {INSTALL_SECONDS} s"
    return next((line for line in done.stderr.splitlines() if line.startswith("npm error")), done.stderr)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder from which the flows find the SDK."""
    made = tmp_path_factory.mktemp("js")
    os.symlink(installed() / "node_modules", made / "node_modules")
    shutil.copy(JS / "flows.mjs", made)
    return made


def test_the_lock_names_no_registry() -> None:
    assert "://" not in (JS / "package-lock.json").read_text()
    assert len(FLOWS) >= 7, "the flows were not found"


@pytest.mark.parametrize("flow", FLOWS)
def test_flow(flow: str, folder: Path, records_cloud: Cloud) -> None:
    before = everything(records_cloud)
    done = subprocess.run(
        [tool("node"), "flows.mjs", flow],
        cwd=folder, env=records_cloud.environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert changes(before, everything(records_cloud)) == {}
