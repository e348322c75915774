"""What a service of the Fabric comes to on Linux: a program, the files that it reads, how it is told of a change."""

from __future__ import annotations

import hashlib
import signal
from pathlib import Path

import msgspec

LOG, SETTINGS, STATUS = "log", "settings.json", "status.json"
"""In each program's folder: what it says, what an agent shall do, and how far it has come with it."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a program's things are.

    folder is its own, goes with the world, and is where it starts; data outlives the world, and is all programs'.
    names: who is asked for the real internet's names, "" for nobody.
    """

    folder: Path
    data: Path
    names: str = ""

    @property
    def volumes(self) -> Path:
        """Where each Volume of the Fabric has a folder, named by its id."""
        return self.data / "volumes"


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A program that the keeper keeps running in a host's namespace.

    files: name in its folder -> content; they are there before it starts, and are replaced before it is told. reload:
    the signal that makes it read them again, None where it must be started anew. stop: the signal that ends it;
    patience: the seconds that it has for that.
    """

    argv: tuple[str, ...]
    files: dict[str, bytes] = {}
    reload: signal.Signals | None = None
    stop: signal.Signals = signal.SIGTERM
    patience: float = 5.0

    @property
    def digest(self) -> str:
        """Differs when anything of it does."""
        return hashlib.blake2s(msgspec.json.encode((self.argv, sorted(self.files.items())))).hexdigest()


def announced(pid: Path, *argv: str) -> tuple[str, ...]:
    """A command line for a program that writes its process id once it serves: none is there before it does.

    It reads its files after it minds SIGHUP, so one that comes earlier need not end it.
    """
    return ("sh", "-c", 'trap "" HUP; rm -f "$0"; exec "$@"', str(pid), *argv)


def digest_of(settings: bytes) -> str:
    """What an agent calls the settings that it has read, in its status."""
    return hashlib.blake2s(settings).hexdigest()
