"""What a database server is asked to do once: dumps, restores, copies, logs. One after the other, beside other work.

A task that has ended is kept on the volume until it is asked for no more, so it is not done again after a restart; one
that was cut short is.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .engine import MAIN, Engine, Trouble, remove_tree, size_of
from .logs import between
from .settings import Settings, Task
from .volume import Volume
from .wire import Refused

DUMP, LOG = "dump", "log"
"""In the volume of a dump: its folder; in that of a log: its file."""


class Tasks:
    """The tasks of one server. wake: called when one has ended."""

    def __init__(self, engine: Engine, volume: Volume, wake: Callable[[], None]):
        self.engine, self.volume, self.wake = engine, volume, wake
        self.done = volume.done()
        self._thread: threading.Thread | None = None

    def take(self, settings: Settings) -> None:
        """Begin the next task that is asked for and not done, unless one is under way; forget those not asked for."""
        if self._thread is not None and self._thread.is_alive():
            return
        asked = {task.id for task in settings.tasks}
        if self.done.keys() - asked:
            self._keep({id_: how for id_, how in self.done.items() if id_ in asked})
        task = next((task for task in settings.tasks if task.id not in self.done), None)
        if task is not None:
            self._thread = threading.Thread(target=self._do, args=(settings, task), daemon=True)
            self._thread.start()

    def _do(self, settings: Settings, task: Task) -> None:
        how: dict[str, Any] = {"size": 0, "error": ""}
        try:
            how["size"] = self._carry_out(settings, task)
        except (Trouble, Refused, OSError) as error:
            how["error"] = str(error)
        self._keep({**self.done, task.id: how})
        self.wake()
        if task.what == "restore":
            with suppress(Refused):  # it is tried again with the next restore
                self.engine.tidy()

    def _keep(self, done: dict[str, dict[str, Any]]) -> None:
        self.volume.keep_done(done)
        self.done = done

    def _carry_out(self, settings: Settings, task: Task) -> int:
        """Do it; the size in bytes of what it made."""
        volume = settings.volumes / task.volume
        if task.what == "restore":
            if not (volume / DUMP).exists():
                raise Trouble("there is no data in the backup")
            self.engine.restore(task.database, volume / DUMP)
            self.engine.apply(settings)
            return size_of(volume / DUMP)
        made = volume / {"dump": DUMP, "copy": MAIN, "log": LOG}[task.what]
        new = made.with_name(f"{made.name}.part")
        volume.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove_tree(new)
        if task.what == "dump":
            self.engine.dump(task.database, new)
        elif task.what == "copy":
            self.engine.copy(new)
        else:
            new.write_bytes(between(self.engine.logs, task.since, task.until))
        remove_tree(made)
        os.replace(new, made)
        return size_of(made)
