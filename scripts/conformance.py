"""Replay every recording against a hideaway of its own; print each product's score. `python -m scripts.conformance`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.cloud_under_test import cloud

CONFORMANCE = Path(__file__).parents[2] / "shared" / "conformance"
ORGANIZATION = "105bdce1-64c0-48ab-899d-868455867ecf"
OWNER = [
    "--access-key", "SCWXXXXXXXXXXXXXXXXX", "--secret-key", "11111111-1111-1111-1111-111111111111",
    "--project-id", ORGANIZATION, "--organization-id", ORGANIZATION,
]  # fmt: skip
"""The owner that replay.py assumes when it is not told of another: most of the recordings' organization."""


def main(folders: list[str]) -> int:
    """folders: of products, "" for all. Exits with 77 where the recordings are not on this machine."""
    if not (CONFORMANCE / "replay.py").exists():
        print(f"the recordings are not in {CONFORMANCE}")
        return 77
    recordings = CONFORMANCE / "recordings"
    with tempfile.TemporaryDirectory() as folder, cloud(Path(folder), "--data-plane", "none", *OWNER) as running:
        owner = running.owner
        argv = [
            sys.executable, str(CONFORMANCE / "replay.py"), *(str(recordings / f) for f in folders or [""]),
            "--url", running.url, "--secret-key", owner["secret_key"], "--access-key", owner["access_key"],
            "--project-id", owner["project_id"], "--organization-id", owner["organization_id"],
            "--reset", "POST /hideaway/v1/reset", "--settle", "1",
        ]  # fmt: skip
        return subprocess.run(argv, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
