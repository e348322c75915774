"""What the database agent asks of an engine: its data folder, its server, what is in it. One module an engine.

A volume's folder holds `main`, the server's data; `logs`; and `volume.json`, what the data is of.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from abc import ABC, abstractmethod
from enum import Enum
from pathlib import Path
from typing import Any

from .settings import Settings

MAIN, LOGS = "main", "logs"
SOCKETS = Path("/run/databases")
"""Below the world's own /run: a socket's path must be short, and another server's copies are taken through it."""


class Trouble(Exception):
    """What keeps the agent from doing what it shall, for a person; it tries again."""


class Unfinished(Trouble):
    """Users, databases or privileges are not as they shall be; the server itself is well."""


class Need(Enum):
    """What a server needs for its new configuration."""

    NOTHING = 0
    RELOAD = 1
    RESTART = 2


class Engine(ABC):
    """An engine on one volume."""

    stop_signal: int

    def __init__(self, volume: Path):
        self.volume, self.main, self.logs = volume, volume / MAIN, volume / LOGS
        self.sockets = sockets_of(volume.name)
        self._chosen: dict[str, str] = {}
        self._without: dict[str, str] | None = None
        self.lock = threading.RLock()
        """For whoever changes which users and databases there are: tasks do it beside the agent's rounds."""

    def inquire(self) -> None:
        """Ask the program what will be needed of it, while its data is being made: its version, at least."""
        _ = self.version

    def relax(self) -> None:
        """Do without the users' settings, as they are now: with them the server does not start."""
        self._without = self._chosen

    def wished(self, settings: Settings) -> dict[str, str]:
        """The users' settings; none where the server did not start with them."""
        self._chosen = settings.settings
        return {} if self._chosen == self._without else self._chosen

    @abstractmethod
    def create(self, into: Path) -> None:
        """Make the data of a new, empty server in a folder that is not there yet."""

    @abstractmethod
    def clone(self, volume: str, into: Path) -> None:
        """Copy the data of the server that runs on another volume into a folder that is not there yet."""

    @abstractmethod
    def fits(self, data: Path) -> bool:
        """Whether the data of a folder is of the program that runs for what is asked for."""

    @abstractmethod
    def upgrade(self, old: Path, into: Path) -> None:
        """Make a new server's data of an old one's, which does not run and stays as it is."""

    @abstractmethod
    def configure(self, settings: Settings) -> Need:
        """Write the server's configuration; what a server that runs needs to follow it."""

    @abstractmethod
    def command(self) -> list[str]:
        """How to start the server in the foreground."""

    @abstractmethod
    def clear(self) -> None:
        """End what is left of a server of this volume that died, and what would keep the next one from starting."""

    @abstractmethod
    def answers(self) -> None:
        """Return once the server answers. Raises Trouble while it does not."""

    @abstractmethod
    def apply(self, settings: Settings) -> None:
        """Have the users, databases and privileges that it shall have, and no others."""

    @abstractmethod
    def sizes(self) -> dict[str, int]:
        """The databases, and their sizes in bytes."""

    @abstractmethod
    def dump(self, database: str, into: Path) -> None:
        """Write a database into files of a folder that is not there yet."""

    @abstractmethod
    def restore(self, database: str, source: Path) -> None:
        """Replace a database by what a dump holds; until that is whole, the old one serves."""

    @abstractmethod
    def tidy(self) -> None:
        """Remove what restores left behind, one that was cut short too. Nobody waits for it."""

    @abstractmethod
    def copy(self, into: Path) -> None:
        """Copy all data, as of now, into a folder that is not there yet."""

    def follow(self, volume: str, into: Path) -> None:
        """Copy the data of the server that runs on another volume, so that a server of it follows that one."""
        raise Trouble(f"{self.version} follows no other server here")

    def promote(self) -> None:
        """Let a server that follows lead: it has all that it was sent."""
        raise Trouble(f"{self.version} follows no other server here")

    def hears(self, leader: str) -> bool:
        """Whether a server that follows is sent what the one on this volume writes."""
        return False

    def complete(self) -> bool:
        """Whether a server that follows has on its disk, or at hand, all that it ever told its leader to have."""
        return True

    def led_by(self, leader: str) -> bool:
        """Whether a server runs on this volume that could be followed."""
        return False

    def followers(self) -> list[dict[str, Any]]:
        """The servers that follow, as the Fabric's `Follower`s."""
        return []

    def place(self) -> str:
        """How far the server has written, in its engine's words."""
        return ""

    def awaits(self, follower: str, place: str) -> bool:
        """Whether no commit is acknowledged without this follower, and it has all up to a place on its disk."""
        return False

    @property
    @abstractmethod
    def version(self) -> str:
        """The program that runs, and its number."""

    @property
    @abstractmethod
    def ignored(self) -> list[str]:
        """The settings that this program does not know, or does not take."""


def sockets_of(volume: str) -> Path:
    """The folder of the socket of the server that runs on a volume."""
    return SOCKETS / volume


def run(*argv: str | Path, folder: Path | None = None, source: Path = Path(os.devnull), **variables: str) -> str:
    """Run a program that reads a file to its end; what it printed. Raises Trouble with the last of its complaints.

    variables: of its environment.
    """
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC", **variables}
    try:
        with source.open("rb") as read:
            done = subprocess.run(
                [str(each) for each in argv], cwd=folder, env=environment, stdin=read, capture_output=True, text=True
            )
    except OSError as error:
        raise Trouble(f"{argv[0]}: {error.strerror}") from error
    if done.returncode != 0:
        complaint = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise Trouble(f"{Path(argv[0]).name} ended with status {done.returncode}: {' '.join(complaint)}")
    return done.stdout


def copy_tree(source: Path, into: Path) -> None:
    """Copy a folder that lies still, sharing its blocks where the file system can."""
    run("cp", "--archive", "--reflink=auto", source, into)


def remove_tree(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def size_of(folder: Path) -> int:
    """The bytes of all files of a folder, or of a file."""
    if folder.is_file():
        return folder.stat().st_size
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
