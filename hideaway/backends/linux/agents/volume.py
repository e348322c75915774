"""A database's volume: whose it is now, what its data is of, and the tasks that were done with it."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

from .engine import MAIN, Engine, Trouble, copy_tree, remove_tree
from .settings import Settings, write

HOLD_PATIENCE = 10.0


class Volume:
    """The folder of a volume. Only one agent holds it at a time, and what runs on it is that agent's."""

    def __init__(self, folder: Path):
        self.folder, self.main = folder, folder / MAIN
        self._note = folder / "volume.json"
        self._tasks = folder / "tasks.json"
        self._lock = -1

    def hold(self) -> int:
        """Keep other agents away until this process ends; the descriptor to be handed on to what runs on the volume."""
        if self._lock < 0:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._lock

    def held(self) -> bool:
        """Try to hold it. False while an earlier agent, or what ran for it, still does."""
        deadline = time.monotonic() + HOLD_PATIENCE
        while True:
            try:
                fcntl.flock(self.hold(), fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.02)

    @property
    def engine(self) -> str:
        """What the data is of (PostgreSQL-15), "" while there is none."""
        said = _read(self._note)
        return str(said.get("engine", "")) if self.main.exists() else ""

    @property
    def follows(self) -> bool:
        """Whether the data is a follower's: it may be behind its leader's, and never differs from it."""
        return bool(_read(self._note).get("follows"))

    def fits(self, settings: Settings) -> bool:
        """Whether the data is what is asked for, as far as can be seen from outside."""
        note = _read(self._note)
        copied = bool(note.get("follows")) and note.get("copies", 0) == settings.copies
        return self.engine == settings.engine and (copied or not settings.follows)

    def leads(self) -> None:
        """From now on the data goes its own way."""
        write(self._note, {"engine": self.engine})

    def differs(self) -> None:
        """The data is not its leader's any more: it must be copied anew."""
        self.leads()

    def furnish(self, engine: Engine, settings: Settings) -> None:
        """Have data of the engine that is asked for: new, another server's, or what is there, upgraded."""
        if settings.follows:
            self._follow(engine, settings)
            return
        here, before = self.engine, self.folder / "main.old"
        if not here and before.exists() and not self.main.exists():
            os.replace(before, self.main)  # an upgrade was cut short between two names
            here = self.engine
        if not here:
            self._begin(engine, settings)
            here = self.engine
        if here != settings.engine:
            self._upgrade(engine, settings.engine)
        remove_tree(before)

    def _begin(self, engine: Engine, settings: Settings) -> None:
        origin, new = settings.origin, self.folder / "main.new"
        remove_tree(new)
        if origin is None:
            engine.create(new)
        elif origin.live:
            engine.clone(origin.volume, new)
        else:
            source = settings.volumes / origin.volume / MAIN
            if not source.exists():
                raise Trouble(f"there is no data in {origin.volume}, of which this shall be a copy")
            copy_tree(source, new)
        remove_tree(self.main)  # made, and cut short before it was said of what
        os.replace(new, self.main)
        kept = settings.engine if origin is None or engine.fits(self.main) else origin.engine
        write(self._note, {"engine": kept})

    def _follow(self, engine: Engine, settings: Settings) -> None:
        """Copy a leader's data. What was here stays until the copy is whole."""
        new = self.folder / "main.new"
        remove_tree(new)
        engine.follow(settings.follows, new)
        remove_tree(self.main)
        os.replace(new, self.main)
        write(self._note, {"engine": settings.engine, "follows": settings.follows, "copies": settings.copies})

    def _upgrade(self, engine: Engine, wanted: str) -> None:
        """Copy the data to a new server's, and only then let the old go."""
        new, before = self.folder / "main.new", self.folder / "main.old"
        remove_tree(new)
        remove_tree(before)
        engine.upgrade(self.main, new)
        os.replace(self.main, before)
        os.replace(new, self.main)
        write(self._note, {"engine": wanted})

    def done(self) -> dict[str, dict[str, Any]]:
        """The tasks that have ended, by id, and how."""
        return _read(self._tasks)

    def keep_done(self, done: dict[str, dict[str, Any]]) -> None:
        write(self._tasks, done)


def _read(file: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(file.read_bytes())
        return found
    except (OSError, ValueError):
        return {}
