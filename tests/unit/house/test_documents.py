"""The documents name tests and files that there are."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def named_tests() -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for file in (ROOT / "tests").rglob("test_*.py"):
        found[file.stem] |= set(re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE))
    return found


def test_each_test_that_shows_a_statement_is_there() -> None:
    there = named_tests()
    named = re.findall(r"`(test_\w+)(?:: (test_\w+))?(?:\[[^`]*\])?`", (ROOT / "docs" / "document.md").read_text())
    assert len(named) > 30
    assert [pair for pair in named if pair[0] not in there or (pair[1] and pair[1] not in there[pair[0]])] == []


@pytest.mark.parametrize("document", ["docs/document.md", "docs/semantics.md"])
def test_each_module_that_builds_a_statement_is_there(document: str) -> None:
    named = re.findall(r"`((?:api|cloud|compile|control|backends)/[\w/]+(?:\.py)?)`", (ROOT / document).read_text())
    assert named
    assert [name for name in named if not (ROOT / "hideaway" / name).exists()] == []
