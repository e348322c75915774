"""What the world holds, kept beside it: a server that finds the world living knows from here what is in it.

Written whole and renamed into place before anything is changed (what is about to be touched is suspect) and after
(nothing is). It names its world: of another world's journal nothing is believed.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from hideaway.backends.base import Present
from hideaway.fabric.model import Fabric


class Journal(msgspec.Struct, frozen=True, kw_only=True):
    world: str
    fabric: Fabric = Fabric()
    suspects: tuple[str, ...] = ()
    stamps: dict[str, int] = {}  # network namespace -> its rules' stamp when they were last set

    @property
    def present(self) -> Present:
        return Present(fabric=self.fabric, suspects=frozenset(self.suspects))


def read(file: Path) -> Journal | None:
    """The journal; None where there is none that can be read (a world that was only just begun has none)."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Journal)
    except (OSError, msgspec.MsgspecError):
        return None


def write(file: Path, world: str, present: Present, stamps: dict[str, int]) -> None:
    """Replace the journal. No fsync: power loss takes the world too."""
    journal = Journal(world=world, fabric=present.fabric, suspects=tuple(sorted(present.suspects)), stamps=stamps)
    new = file.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(journal))
    os.replace(new, file)
