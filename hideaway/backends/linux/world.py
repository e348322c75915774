"""The world from outside: start it, find a living one, ask its keeper, end it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

from hideaway.backends.base import WorldLost
from hideaway.backends.linux import capabilities
from hideaway.backends.linux.channel import Channel
from hideaway.backends.linux.inside import keeper
from hideaway.base.errors import HideawayError, Unavailable

KEEPER, LOG = "keeper.sock", "world.log"
START_PATIENCE = 20.0
ANSWER_PATIENCE = 10.0
END_PATIENCE = 20.0


class World:
    """A living world that this process serves.

    id is what the world was called by who made it. Not to be made but by `adopt` and `create`.
    """

    def __init__(self, folder: Path, channel: Channel, world: str, process: subprocess.Popen[bytes] | None = None):
        self.folder, self.id = folder, world
        self.channel, self._process = channel, process

    @property
    def pid(self) -> int:
        """The keeper's process id outside."""
        return self.channel.peer()

    def answers(self) -> bool:
        """Whether the world lives and is still served by this process."""
        try:
            return bool(self.channel.ask("hello", ANSWER_PATIENCE)["world"] == self.id)
        except HideawayError:
            return False

    def end(self) -> None:
        """End the world; returns when its first process is gone, and so all of it."""
        descriptor = _pidfd(self.pid)
        with contextlib.suppress(HideawayError):
            self.channel.ask("close", 5)
        self.channel.close()
        _await_end(descriptor)
        if self._process is not None:
            self._process.wait(timeout=END_PATIENCE)

    def forget(self) -> None:
        """Leave the world as it is: it lingers."""
        self.channel.close()
        if self._process is not None:
            self._process.poll()


def adopt(folder: Path) -> World | None:
    """The living world of this folder, served by this process from now on; None when there is none.

    Raises Unavailable when another server serves it. A world that does not answer is ended.
    """
    try:
        channel = Channel(folder, KEEPER, ANSWER_PATIENCE)
    except WorldLost:
        return None
    descriptor = _pidfd(channel.peer())
    try:
        said = channel.ask("hello", ANSWER_PATIENCE)
    except WorldLost:
        channel.close()
        _await_end(descriptor, kill=True)
        return None
    try:
        channel.ask("serve", ANSWER_PATIENCE)
    except WorldLost as error:
        if answers(folder):
            raise Unavailable(f"another hideaway serves the world in {folder}: stop it first") from error
        _await_end(descriptor)
        return None
    finally:
        _close(descriptor)
    return World(folder, channel, str(said["world"]))


def create(folder: Path, rootless: bool, linger: float) -> World:
    """A new, empty world. Raises Unavailable, saying what is missing, where this machine does not allow one."""
    capabilities.require(rootless)
    world = str(uuid.uuid4())
    with (folder / LOG).open("ab") as log:
        start = log.tell()
        argv = [*_unshare(rootless), *program("keeper"), "--world", world, "--linger", str(linger)]
        process = subprocess.Popen(
            argv,
            cwd=folder,
            env=capabilities.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # what a terminal sends to the server is not for the world
        )
    if not _ready(process):
        status = _stop(process)
        if status == keeper.BUSY:
            return _adopt_soon(folder)
        said = (folder / LOG).read_bytes()[start:].decode(errors="replace").strip()
        raise Unavailable(capabilities.explain(rootless, said or f"the keeper ended with status {status}"))
    channel = Channel(folder, KEEPER, ANSWER_PATIENCE)
    channel.ask("serve", ANSWER_PATIENCE)
    return World(folder, channel, world, process)


def answers(folder: Path) -> bool:
    """Whether a world lives in this folder and answers."""
    with contextlib.suppress(HideawayError):
        channel = Channel(folder, KEEPER, ANSWER_PATIENCE)
        try:
            channel.ask("hello", ANSWER_PATIENCE)
            return True
        finally:
            channel.close()
    return False


def keeper_of(folder: Path) -> int:
    """The process id of the keeper of a living world. Raises WorldLost."""
    channel = Channel(folder, KEEPER, ANSWER_PATIENCE)
    try:
        return channel.peer()
    finally:
        channel.close()


def program(name: str) -> list[str]:
    """How to start one of the programs of `inside`: without hideaway's own dependencies, so that it stays small."""
    place = str(Path(__file__).parent)
    code = f"import sys; sys.path.append({place!r}); from inside.{name} import main; main()"
    return [sys.executable, "-I", "-S", "-c", code]


def _unshare(rootless: bool) -> list[str]:
    user = ["--user", "--map-root-user"] if rootless else []
    # No --net: the keeper leaves the machine's network itself, and a child of its stays (inside/outsider.py).
    return ["unshare", *user, "--mount-proc", "--pid", "--fork", "--propagation", "private"]


def _ready(process: subprocess.Popen[bytes]) -> bool:
    """Wait until the keeper says that it can be asked; False when it ended or says nothing for long."""
    assert process.stdout is not None
    with process.stdout as said:
        readable, _, _ = select.select([said], [], [], START_PATIENCE)
        return bool(readable) and said.readline() == b"ready\n"


def _stop(process: subprocess.Popen[bytes]) -> int:
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(timeout=2)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def _adopt_soon(folder: Path) -> World:
    """Another keeper has the folder: one that a server started and did not live to ask, or one that is just ending."""
    deadline = time.monotonic() + START_PATIENCE
    while time.monotonic() < deadline:
        world = adopt(folder)
        if world is not None:
            return world
        time.sleep(0.05)
    raise Unavailable(f"a keeper holds {folder}/keeper.lock and does not answer")


def _pidfd(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except OSError:
        return -1


def _close(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.close(descriptor)


def _await_end(descriptor: int, kill: bool = False) -> None:
    """Wait until a process is gone."""
    if descriptor < 0:
        return
    with contextlib.suppress(OSError):
        if kill:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        select.select([descriptor], [], [], END_PATIENCE)
    _close(descriptor)
