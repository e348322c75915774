"""What holds for the whole suite.

`--allowed-skips FILE` fails a run in which a test was skipped that FILE does not list. HYPOTHESIS_PROFILE=long looks at
many more examples a property than a run before a commit has time for.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import settings

# A machine that several runs share is slow at times: how long an example takes is no property of the code.
settings.register_profile("default", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.register_profile("long", deadline=None, max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

SKIPS = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    help_ = "fail when a test is skipped that this file does not list (a line: TEST :: REASON, shell patterns)"
    parser.addoption("--allowed-skips", type=Path, default=None, metavar="FILE", help=help_)


def allowed_pairs(text: str) -> list[tuple[str, str]]:
    """The pattern pairs (test, reason) of a file of allowed skips. Raises ValueError on a line that is none."""
    pairs = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        test, separator, reason = (part.strip() for part in line.partition(" :: "))
        if not (test and separator and reason):
            raise ValueError(f"line {number} is not TEST :: REASON: {line!r}")
        pairs.append((test, reason))
    return pairs


def is_allowed(pairs: list[tuple[str, str]], test: str, reason: str) -> bool:
    return any(fnmatchcase(test, of_test) and fnmatchcase(reason, of_reason) for of_test, of_reason in pairs)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    file: Path | None = config.getoption("--allowed-skips")
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if file is None or reporter is None or hasattr(config, "workerinput"):  # xdist: the controller alone judges
        return
    pairs = allowed_pairs(file.read_text())
    found = []
    for report in reporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        if not is_allowed(pairs, report.nodeid, reason):
            found.append(f"{report.nodeid} :: {reason}")
    config.stash[SKIPS] = found
    if found and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    found = config.stash.get(SKIPS, [])
    if found:
        terminalreporter.section("skips that this machine's list does not allow", red=True)
        for line in found:
            terminalreporter.line(line)
