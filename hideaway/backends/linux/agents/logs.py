"""The files of what a database server said."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DAY = 86400.0
STAMP = re.compile(rb"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)")
"""At the beginning of a line, in UTC; a line without one belongs to the one before."""


def kept(folder: Path) -> list[dict[str, Any]]:
    """All of them, oldest first: name, size (bytes), until (when it was last written, seconds since the epoch)."""
    found = [(file.name, file.stat()) for file in sorted(folder.glob("*.log"))]
    return [{"name": name, "size": stat.st_size, "until": stat.st_mtime} for name, stat in found]


def between(folder: Path, since: float, until: float) -> bytes:
    """The lines that were said from since to until; 0 is no bound."""
    lines, inside = [], not since
    for file in sorted(folder.glob("*.log")):
        if since and file.stat().st_mtime < since:
            continue
        for line in file.read_bytes().splitlines(keepends=True):
            if found := STAMP.match(line):
                said = datetime.fromisoformat(found[1].decode()).replace(tzinfo=UTC).timestamp()
                inside = said + 1 > since and (not until or said <= until)
            if inside:
                lines.append(line)
    return b"".join(lines)


def forget(folder: Path, before: float, most: int) -> None:
    """Remove what was last written before a moment, and the oldest of what is more than `most` bytes (0: no bound).

    A server goes on writing to its newest file, which is emptied and stays.
    """
    files = kept(folder)
    total = sum(file["size"] for file in files)
    for number, file in enumerate(files):
        if file["until"] < before or (most and total > most):
            total -= file["size"]
            if number == len(files) - 1:
                (folder / file["name"]).open("r+b").truncate()
            else:
                (folder / file["name"]).unlink(missing_ok=True)
