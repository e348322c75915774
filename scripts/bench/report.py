"""docs/benchmarks.md."""

from __future__ import annotations

import msgspec

from scripts.bench.load import CONNECTIONS, VPCS, Figures
from scripts.bench.ratio import Ratio

_HEAD = """# Benchmarks

Written by `make bench`. Nothing here is a promise and no test looks at it: figures of another machine, or of this one
when it is busy, differ. Ratios were measured in one run, in turns, and travel better than absolute figures.
"""

_LOAD = f"""
## Requests, beside the peers

`mockway` and `feint` are emulators of the same API, written in Go. They keep everything in memory here, as they do by
default; hideaway keeps everything on disk, checks a key and its policies on each request, and loses nothing that it
answered when it is killed. mockway gives every network the same subnet; hideaway and feint find each a free one.
Load: `wrk`, {CONNECTIONS} connections, on the same machine; networks are made in {VPCS} VPCs in turn. Medians of
{{rounds}} rounds of {{seconds}} s, contenders in turn, each on an empty cloud. A ratio is hideaway's figure by the
peer's: of requests more is better, of start-up and memory less.
"""


_RATIOS = """
## Beside the bare kernel

The same done by hideaway and done bare, in turns in one run. A ratio is the median of the rounds' own ratios.
"""

_CHANGES = """
## How soon a change reaches the packets

From the API's answer until the first packet passes that did not, or the last one that did. A probe a millisecond, each
from a new source port. Median, 99th of a hundred, and the slowest of all.
"""


class Measured(msgspec.Struct, kw_only=True):
    """All that was measured; what could not be is empty, and notes say why and what would let it be."""

    machine: list[tuple[str, str]]
    load: Figures = {}
    packets: list[tuple[str, str]] = []
    ratios: list[Ratio] = []
    changes: list[tuple[str, str]] = []
    notes: list[str] = []


def render(found: Measured, rounds: int, seconds: int) -> str:
    """The whole page."""
    parts = [_HEAD, "\n## The machine\n\n", *(f"* {name}: {value}\n" for name, value in found.machine)]
    if found.notes:
        parts += ["\n## Not measured\n\n", *(f"* {note}\n" for note in found.notes)]
    if found.load:
        parts += [_LOAD.format(rounds=rounds, seconds=seconds), "\n", _table(found.load)]
    if found.ratios:
        parts += [_RATIOS, "\n| what | hideaway | bare | ratio | goal | rounds |\n|---|---|---|---|---|---|\n"]
        parts += [
            f"| {r.what} | {r.ours:.2f} {r.unit} | {r.bare:.2f} {r.unit} | {r.ratio:.2f} | {r.goal} | {r.rounds} |\n"
            for r in found.ratios
        ]
    if found.changes:
        parts += [_CHANGES, "\n| what | figure |\n|---|---|\n"]
        parts += [f"| {what} | {figure} |\n" for what, figure in found.changes]
    if found.packets:
        parts += ["\n## With a data plane\n\n| what | figure |\n|---|---|\n"]
        parts += [f"| {what} | {figure} |\n" for what, figure in found.packets]
        parts.append("\ncompile and plan: the median of five; kernel parts: once, the same Fabric in a new world.\n")
    return "".join(parts)


def _table(load: Figures) -> str:
    names = list(next(iter(load.values())))
    others = [name for name in names if name != "hideaway"]
    head = ["what", *names, *(f"hideaway / {name}" for name in others)]
    rows = [head, ["---"] * len(head)]
    for what, by in load.items():
        ratios = [f"{by['hideaway'] / by[name]:.2f}" for name in others]
        rows.append([what, *(_number(by[name]) for name in names), *ratios])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}"
