"""`make setup` where it may not install programs, and that its list is the one that everything else goes by."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from hideaway.backends.linux.capabilities import PROGRAMS

ROOT = Path(__file__).parents[3]
PACKAGES = [
    line.split()[0]
    for line in (ROOT / "scripts" / "debian-packages.txt").read_text().splitlines()
    if line and not line.startswith("#")
]


def programs(tmp_path: Path, stubs: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the half of setup that looks for programs, with these programs in place of the machine's own."""
    for name, script in stubs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    argv = [str(ROOT / "scripts" / "setup.sh"), "programs"]
    return subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=60, check=False)


def test_an_ordinary_user_is_told_what_is_missing_and_how_to_get_it(tmp_path: Path) -> None:
    missing = 'case "$*" in *nftables*|*postgresql*) exit 1 ;; esac; printf installed'
    done = programs(tmp_path, {"id": "echo 1000", "dpkg-query": missing})
    assert done.returncode == 0
    assert "sudo apt-get install --no-install-recommends nftables postgresql\n" in done.stderr
    assert "create_main_cluster = false" in done.stderr


def test_where_nothing_is_missing_nothing_is_said(tmp_path: Path) -> None:
    done = programs(tmp_path, {"id": "echo 1000", "dpkg-query": "printf installed"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_lock_holds_every_dependency_with_hashes_and_names_no_registry() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    project = (ROOT / "pyproject.toml").read_text()
    wanted = set(re.findall(r'^    "([a-z0-9-]+)[>=<]', project, re.MULTILINE))
    locked = re.findall(r"^([a-z0-9-]+)==\S+.*\\$", lock, re.MULTILINE)
    assert wanted
    assert wanted <= set(locked), "run `make lock`"
    assert "://" not in lock
    assert lock.count("\n    --hash=sha256:") >= len(locked)


def test_doctor_names_packages_that_setup_installs() -> None:
    assert len(PACKAGES) == len(set(PACKAGES))
    assert {program.package for program in PROGRAMS} <= set(PACKAGES)
