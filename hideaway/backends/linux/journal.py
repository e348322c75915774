"""What the world holds, kept beside it: a server that finds the world living knows from here what is in it.

Two files, each written whole and renamed into place. The journal itself is written after a change; before it, only what
is about to be touched, and is suspect until the next journal: that is short, and every change waits for it. Both name
their world: of another world's journal nothing is believed.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from hideaway.backends.base import Present
from hideaway.fabric.model import Fabric


class Journal(msgspec.Struct, frozen=True, kw_only=True):
    """number counts the journals of a world."""

    world: str
    number: int = 0
    fabric: Fabric = Fabric()
    suspects: tuple[str, ...] = ()
    stamps: dict[str, int] = {}  # network namespace -> its rules' stamp when they were last set

    @property
    def present(self) -> Present:
        return Present(fabric=self.fabric, suspects=frozenset(self.suspects))


class Doubts(msgspec.Struct, frozen=True, kw_only=True):
    """What was suspect when the journal with this number was the last one."""

    world: str
    number: int
    suspects: tuple[str, ...]


def read(file: Path) -> Journal | None:
    """The journal; None where there is none that can be read (a world that was only just begun has none)."""
    try:
        journal = msgspec.json.decode(file.read_bytes(), type=Journal)
    except (OSError, msgspec.MsgspecError):
        return None
    try:
        doubts = msgspec.json.decode(_beside(file).read_bytes(), type=Doubts)
    except (OSError, msgspec.MsgspecError):
        return journal
    if (doubts.world, doubts.number) != (journal.world, journal.number):
        return journal
    return msgspec.structs.replace(journal, suspects=tuple(sorted({*journal.suspects, *doubts.suspects})))


def write(file: Path, journal: Journal) -> None:
    """Replace the journal; with it every doubt ends but those that it has itself."""
    _replace(file, msgspec.json.encode(journal))


def doubt(file: Path, journal: Journal, suspects: frozenset[str]) -> None:
    """Say that these are suspect until the journal after this one is written."""
    doubts = Doubts(world=journal.world, number=journal.number, suspects=tuple(sorted(suspects)))
    _replace(_beside(file), msgspec.json.encode(doubts))


def forget(file: Path) -> None:
    """Remove it, and the doubts beside it."""
    file.unlink(missing_ok=True)
    _beside(file).unlink(missing_ok=True)


def _beside(file: Path) -> Path:
    return file.with_suffix(".doubts")


def _replace(file: Path, content: bytes) -> None:
    """No fsync: power loss takes the world too."""
    new = file.with_name(f"{file.name}.new")
    new.write_bytes(content)
    os.replace(new, file)
