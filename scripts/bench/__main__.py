"""Measure and write docs/benchmarks.md. From the checkout: `python -m scripts.bench`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from hideaway.backends.linux.capabilities import capabilities
from scripts.bench import build, changes, databases, load, machine, packets, throughput
from scripts.bench.contenders import CACHE, peers
from scripts.bench.report import Measured, render

PARTS = ("load", "build", "throughput", "changes", "databases", "packets")
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure hideaway beside its peers; writes docs/benchmarks.md.")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender has its turn")
    parser.add_argument("--seconds", type=int, default=3, help="how long each load runs")
    parser.add_argument(
        "--only", action="append", choices=PARTS, help="measure a part and print it; writes nothing. May be repeated"
    )
    asked = parser.parse_args()
    parts, found = asked.only or PARTS, Measured(machine=machine.figures())
    if "load" in parts:
        _load(found, asked.rounds, asked.seconds)
    if set(parts) - {"load"}:
        _packets(found, parts, asked.rounds)
    page = render(found, asked.rounds, asked.seconds)
    print(page)
    if asked.only is None:
        PAGE.write_text(page)
        print(f"written to {PAGE}")
    return 0


def _load(found: Measured, rounds: int, seconds: int) -> None:
    missing = [name for name in ("mockway", "feint") if name not in peers()]
    if missing:
        where = f"not in {CACHE}/peers (HIDEAWAY_TOOLS names another folder)"
        found.notes.append(f"beside {' and '.join(missing)}: {where}")
    if why := load.why_no_wrk():
        found.notes.append(f"requests: {why}")
    else:
        found.load = load.measure(rounds, seconds)


def _packets(found: Measured, parts: Sequence[str], rounds: int) -> None:
    can = [c for c in capabilities() if c.name == ("packets without root" if os.geteuid() else "packets with root")]
    if not all(c.ok for c in can):
        found.notes.append(f"packets: this machine lets none flow: {can[0].remedy}; see `hideaway doctor`")
        return
    if "build" in parts:
        found.ratios += build.measure(rounds)
    if "throughput" in parts:
        found.ratios += throughput.measure(rounds)
    if "databases" in parts:
        found.ratios += databases.measure(rounds)
    if "changes" in parts:
        found.changes = changes.measure()
    if "packets" in parts:
        found.packets = packets.measure()


raise SystemExit(main())
