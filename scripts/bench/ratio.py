"""One thing done by hideaway and done bare, in turns: what is compared was measured one right after the other."""

from __future__ import annotations

import os
from collections.abc import Callable
from statistics import median

import msgspec


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """ours, bare and ratio are medians of all rounds, the first two in a unit; goal is what the ratio shall be.

    Each round has a ratio of its own: what else the machine does from one round to the next is not in it.
    """

    what: str
    ours: float
    bare: float
    ratio: float
    unit: str
    goal: str
    rounds: int


def in_turns(
    what: str, ours: Callable[[], float], bare: Callable[[], float], *, rounds: int, unit: str, goal: str
) -> Ratio:
    """So many rounds, each of one measurement of either, now the one first and now the other."""
    found = []
    for number in range(rounds):
        if number % 2:
            mine = ours()
            its = bare()
        else:
            its = bare()
            mine = ours()
        found.append((mine, its, mine / its))
    mine, its, ratio = (median(values) for values in zip(*found, strict=True))
    return Ratio(what=what, ours=mine, bare=its, ratio=ratio, unit=unit, goal=goal, rounds=rounds)


def bare_world() -> list[str]:
    """The command line before a program that runs it in namespaces of its own, as a world's keeper does."""
    user = ["--user", "--map-root-user"] if os.geteuid() else []
    return ["unshare", *user, "--net", "--mount-proc", "--pid", "--fork", "--kill-child", "--propagation", "private"]
