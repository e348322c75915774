"""The suite's own rule: a run with `--allowed-skips` fails when a test was skipped that the list does not name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import allowed_pairs

ROOT = Path(__file__).parents[3]

SUITE = """
import pytest

def test_runs():
    assert True

@pytest.mark.skip(reason="missing: nft")
def test_packets():
    pass
"""

WITH_AND_WITHOUT_XDIST = pytest.mark.parametrize(
    "more", [pytest.param((), id="alone"), pytest.param(("-n", "1"), id="xdist", marks=pytest.mark.slow)]
)


def run_with(tmp_path: Path, listed: str, *more: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "test_it.py").write_text(SUITE)
    (tmp_path / "allowed").write_text(listed)
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--allowed-skips", "allowed", *more]
    return subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)


@WITH_AND_WITHOUT_XDIST
def test_a_skip_that_is_not_listed_fails_the_run_and_is_named(tmp_path: Path, more: tuple[str, ...]) -> None:
    done = run_with(tmp_path, "# nothing\ntest_it.py::test_other :: *\n", *more)
    assert done.returncode == 1
    assert "test_it.py::test_packets :: missing: nft" in done.stdout
    assert done.stdout.splitlines()[-1].strip("= ").startswith("1 passed, 1 skipped")


@WITH_AND_WITHOUT_XDIST
def test_a_listed_skip_is_allowed(tmp_path: Path, more: tuple[str, ...]) -> None:
    assert run_with(tmp_path, "test_it.py::* :: missing: *\n", *more).returncode == 0


def test_a_listed_test_that_is_skipped_for_another_reason_is_not_allowed(tmp_path: Path) -> None:
    assert run_with(tmp_path, "test_it.py::test_packets :: missing: haproxy\n").returncode == 1


def test_the_list_of_this_tree_can_be_read() -> None:
    allowed_pairs((ROOT / "tests" / "allowed-skips.txt").read_text())


def test_a_line_that_is_no_pair_is_named() -> None:
    with pytest.raises(ValueError, match="line 2"):
        allowed_pairs("a :: b\nonly-a-test\n")
