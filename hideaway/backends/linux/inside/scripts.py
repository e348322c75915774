"""Scripts of first boots: each is run once in its host, by what its first line names, at home there (see homes).

What it says is kept in a file of the host's. It runs on when the
attendant dies, and the next one finds what it ended with.
"""

from __future__ import annotations

import asyncio
import base64
import os
from typing import Any

from . import homes

PLACE = "/run/cloud-init/user-data"
BEGUN, ENDED = "script", "script.status"
"""Beside a host's root: they go with it, and so does what was run."""
NOTED = '"$@"; echo "$?" > "$0.new"; mv "$0.new" "$0"'
SHELL = "/bin/sh"


class Scripts:
    def __init__(self) -> None:
        self._wanted: dict[str, dict[str, Any]] = {}  # namespace -> what was said
        self._faults: dict[str, str] = {}
        self._starting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def set(self, wanted: list[dict[str, Any]]) -> None:
        """Run what was not run yet. What runs goes on, whatever is said."""
        self._wanted = {each["namespace"]: each for each in wanted}
        if self._starting is None or self._starting.done():
            self._starting = asyncio.ensure_future(self._start())

    def state(self) -> dict[str, Any]:
        """Host -> how its script fares."""
        return {each["host"]: self._state(namespace) for namespace, each in self._wanted.items()}

    def _state(self, namespace: str) -> dict[str, Any]:
        base = os.path.join(homes.FOLDER, namespace)
        if namespace in self._faults:
            return {"state": "failed", "reason": self._faults[namespace]}
        try:
            with open(os.path.join(base, ENDED)) as file:
                return {"state": "done", "status": int(file.read())}
        except (OSError, ValueError):
            return {"state": "running"}

    async def _start(self) -> None:
        """One after the other, so that whoever asks meanwhile is answered."""
        begun: set[str] = set()
        while left := [each for name, each in self._wanted.items() if name not in begun]:
            each = left[0]
            begun.add(each["namespace"])
            try:
                await self._run(each)
                self._faults.pop(each["namespace"], None)
            except OSError as error:
                self._faults[each["namespace"]] = str(error)

    async def _run(self, said: dict[str, Any]) -> None:
        root = homes.home(said["namespace"])
        base = os.path.dirname(root)
        try:
            os.close(os.open(os.path.join(base, BEGUN), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            return
        _put(root + PLACE, base64.b64decode(said["content"]))
        file = root + said["output"]
        os.makedirs(os.path.dirname(file), 0o755, exist_ok=True)
        command = homes.entered(said["namespace"], said["hostname"], homes.environment("root", SHELL), [PLACE])
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644), "ab") as output:
            noting = ["setsid", "sh", "-c", NOTED, os.path.join(base, ENDED), *command]
            child = await asyncio.create_subprocess_exec(
                *noting, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output
            )
        task = asyncio.ensure_future(child.wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _put(file: str, content: bytes) -> None:
    os.makedirs(os.path.dirname(file), 0o755, exist_ok=True)
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o700), "wb") as written:
        written.write(content)
