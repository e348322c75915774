"""Recorded traffic of official clients against the vendor's API, replayed: how much of it hideaway answers alike."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cloud_under_test import cloud

CONFORMANCE = Path(__file__).parents[3] / "shared" / "conformance"
AT_LEAST = {"status": 90.0, "exact": 60.0}
PRODUCTS = ["k8s", "vpc", "vpcgw", "ipam"]


@pytest.mark.slow
def test_recordings_of_what_the_document_touches(tmp_path: Path) -> None:
    if not (CONFORMANCE / "replay.py").exists():
        pytest.skip("the recordings are not on this machine")
    with cloud(tmp_path, "--data-plane", "none") as running:
        argv = [
            sys.executable, str(CONFORMANCE / "replay.py"), *(str(CONFORMANCE / "recordings" / p) for p in PRODUCTS),
            "--url", running.url, "--secret-key", running.owner["secret_key"],
            "--access-key", running.owner["access_key"], "--project-id", running.owner["project_id"],
            "--organization-id", running.owner["organization_id"], "--reset", "POST /hideaway/v1/reset", "-v",
        ]  # fmt: skip
        done = subprocess.run(argv, capture_output=True, text=True, timeout=600, check=True)
    scored = re.search(r"^all +(\d+) +([\d.]+)% +([\d.]+)% +([\d.]+)%$", done.stdout, re.MULTILINE)
    assert scored is not None, done.stdout
    requests, status, exact = int(scored[1]), float(scored[2]), float(scored[4])
    assert requests > 500
    assert status >= AT_LEAST["status"], done.stdout
    assert exact >= AT_LEAST["exact"], done.stdout
