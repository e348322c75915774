"""Measure and write docs/benchmarks.md. From the checkout: `python -m scripts.bench`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from hideaway.backends.linux.capabilities import capabilities
from scripts.bench import load, machine, packets
from scripts.bench.contenders import CACHE, peers
from scripts.bench.report import render

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure hideaway beside its peers; writes docs/benchmarks.md.")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender has its turn")
    parser.add_argument("--seconds", type=int, default=3, help="how long each load runs")
    parser.add_argument("--only", choices=["load", "packets"], help="measure a part and print it; writes nothing")
    asked = parser.parse_args()
    about, notes = machine.figures(), []
    figures: load.Figures = {}
    packet_rows: list[tuple[str, str]] = []
    if asked.only != "packets":
        missing = [name for name in ("mockway", "feint") if name not in peers()]
        if missing:
            notes.append(f"beside {' and '.join(missing)}: not in {CACHE}/peers (HIDEAWAY_TOOLS names another folder)")
        if why := load.why_no_wrk():
            notes.append(f"requests: {why}")
        else:
            figures = load.measure(asked.rounds, asked.seconds)
    if asked.only != "load":
        can = [c for c in capabilities() if c.name == ("packets without root" if os.geteuid() else "packets with root")]
        if all(c.ok for c in can):
            packet_rows = packets.measure()
        else:
            notes.append(f"packets: this machine lets none flow: {can[0].remedy}; see `hideaway doctor`")
    page = render(about, figures, packet_rows, notes, asked.rounds, asked.seconds)
    print(page)
    if asked.only is None:
        PAGE.write_text(page)
        print(f"written to {PAGE}")
    return 0


raise SystemExit(main())
