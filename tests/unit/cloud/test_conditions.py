"""Conditions of policy rules: what they mean, what is refused, and that none allows more than it says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hideaway.cloud.conditions import NotUnderstood, Request, check, holds

NOW = Request("192.0.2.7", "terraform-provider/2.81", datetime(2026, 3, 1, 22, 30, tzinfo=UTC))  # a Sunday


@pytest.mark.parametrize(
    "condition",
    [
        "",
        "true",
        'request.ip == "192.0.2.7"',
        "request.ip != '10.0.0.1' && !false",
        'inIpRange(request.ip, "192.0.2.0/24")',
        'request.ip in ["10.0.0.1", "192.0.2.7"]',
        'false || request.user_agent.startsWith("terraform-")',
        'request.user_agent.contains("2.81") && request.user_agent.endsWith("81")',
        'request.time >= timestamp("2026-03-01T22:30:00Z")',
        "request.time.getHours() == 22",
        'request.time.getHours("Europe/Paris") == 23',
        "request.time.getDayOfWeek() == 0 && request.time.getMonth() == 2",
        "(request.time.getDate() < 2) && (false || (true))",
        "!!true",
    ],
)
def test_what_is_true_holds(condition: str) -> None:
    check(condition)
    assert holds(condition, NOW)
    if condition:
        assert not holds(f"!({condition})", NOW)


@pytest.mark.parametrize(
    "condition",
    [
        "request.ip",
        "1",
        '"true"',
        "1 && true",
        'request.ip < 5',
        'inIpRange(request.ip, "nonsense")',
        'request.time < timestamp("2027-01-01T00:00:00")',
        'request.time.getHours("No/Where") > 0',
        "request.ip.getHours() == 1",
    ],
)  # fmt: skip
def test_what_is_no_truth_never_holds(condition: str) -> None:
    check(condition)
    assert not holds(condition, NOW)


@pytest.mark.parametrize(
    "condition",
    [
        "request.cookie == 1", "resource.name == 'x'", "true true", "(true", "[1", "f(1)", "request.ip.matches('.*')",
        "true &&", "=", "'open", "x" * 3000, "(" * 50 + "true" + ")" * 50, "request", "timestamp()",
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(condition: str) -> None:
    with pytest.raises(NotUnderstood):
        check(condition)
    assert not holds(condition, NOW)


WORDS = ["request", ".", "ip", "time", "(", ")", "[", "]", "!", "&&", "||", "==", "in", "1", "'a'", "true"]


@given(st.text(max_size=60) | st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_no_text_makes_it_fall_over(condition: str) -> None:
    try:
        check(condition)
    except NotUnderstood:
        return
    assert holds(condition, NOW) in (True, False)
