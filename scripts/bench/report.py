"""docs/benchmarks.md."""

from __future__ import annotations

from scripts.bench.load import CONNECTIONS, VPCS, Figures

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


def render(
    machine: list[tuple[str, str]], load: Figures, packets: list[tuple[str, str]], notes: list[str],
    rounds: int, seconds: int,
) -> str:  # fmt: skip
    """The whole page. notes: what could not be measured, and what would let it be."""
    parts = [_HEAD, "\n## The machine\n\n", *(f"* {name}: {value}\n" for name, value in machine)]
    if notes:
        parts += ["\n## Not measured\n\n", *(f"* {note}\n" for note in notes)]
    if load:
        parts += [_LOAD.format(rounds=rounds, seconds=seconds), "\n", _table(load)]
    if packets:
        parts += ["\n## With a data plane\n\n| what | figure |\n|---|---|\n"]
        parts += [f"| {what} | {figure} |\n" for what, figure in packets]
        parts.append(
            "\nEdits: median (least to most); one probe a millisecond from the internet, each from a new source port."
            " compile and plan: the median of five; kernel parts: once, the same Fabric in a new world.\n"
        )
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
