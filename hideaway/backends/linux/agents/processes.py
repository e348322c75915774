"""The processes of the world, as far as an agent may see and end them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .engine import Trouble

PATIENCE = 10.0


def end_all(meant: Callable[[str], bool]) -> None:
    """Kill every process whose command line (its arguments joined by zero bytes) is meant, and see them gone."""
    deadline = time.monotonic() + PATIENCE
    while found := [pid for pid, line in _others() if meant(line)]:
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if time.monotonic() > deadline:
            raise Trouble(f"processes of an earlier server do not end: {found}")
        time.sleep(0.01)


def _others() -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if line:  # one that is dead and not yet collected has none
                yield int(entry.name), line.decode(errors="replace")
