"""What the database agent is told (settings.json, written by services/database.py), and what it answers (status.json).

The fields are those of the Fabric's `DatabaseServer`; `data` is the folder of all volumes, `run` that of sockets.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Login:
    name: str
    verifier: str
    admin: bool


@dataclass(frozen=True)
class Grant:
    user: str
    database: str
    permission: str


@dataclass(frozen=True)
class Origin:
    volume: str
    engine: str
    live: bool


@dataclass(frozen=True)
class Task:
    id: str
    what: str
    volume: str
    database: str
    since: float
    until: float


@dataclass(frozen=True)
class Settings:
    """digest is what status.json calls these settings once they are in force."""

    engine: str
    volume: str
    port: int
    node_memory: int
    certificate: str
    key: str
    users: list[Login]
    databases: list[str]
    grants: list[Grant]
    settings: dict[str, str]
    origin: Origin | None
    starts: int
    tasks: list[Task]
    logs_since: float
    log_days: int
    log_bytes: int
    follows: str
    followers: list[str]
    awaited: str
    copies: int
    volumes: Path
    digest: str = ""

    @property
    def restored(self) -> set[str]:
        """The databases that are being restored."""
        return {task.database for task in self.tasks if task.what == "restore"}

    @property
    def several(self) -> bool:
        """Whether other servers have the same data."""
        return bool(self.follows or self.followers)

    @property
    def folder(self) -> Path:
        """Where the server's volume is."""
        return self.volumes / self.volume


@dataclass
class Status:
    """As it is written to status.json.

    standing is one of the Fabric's, "" while the server does not answer. beat is when an agent of several servers with
    the same data last went round (monotonic seconds): one that is silent is not believed.
    """

    settings: str = ""
    ready: bool = False
    reason: str = ""
    standing: str = ""
    beat: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    outcomes: dict[str, dict[str, Any]] = field(default_factory=dict)


def read(file: Path) -> Settings:
    """The settings of a file. Raises OSError, ValueError, KeyError."""
    content = file.read_bytes()
    said = json.loads(content)
    return Settings(
        engine=said["engine"],
        volume=said["volume"],
        port=said["port"],
        node_memory=said["node_memory"],
        certificate=said["certificate"],
        key=said["key"],
        users=[Login(each["name"], each["verifier"], each["admin"]) for each in said["users"]],
        databases=list(said["databases"]),
        grants=[Grant(each["user"], each["database"], each["permission"]) for each in said["grants"]],
        settings=dict(said["settings"]),
        origin=Origin(**said["origin"]) if said["origin"] else None,
        starts=said["starts"],
        tasks=[Task(**each) for each in said["tasks"]],
        logs_since=said["logs_since"],
        log_days=said["log_days"],
        log_bytes=said["log_bytes"],
        follows=said["follows"],
        followers=list(said["followers"]),
        awaited=said["awaited"],
        copies=said["copies"],
        volumes=Path(said["volumes"]),
        digest=hashlib.blake2s(content).hexdigest(),
    )


def write(file: Path, content: Any, *, lasting: bool = True) -> None:
    """Replace a JSON file as a whole, for its owner's eyes only. lasting: it shall outlive a loss of power."""
    new = file.with_name(f"{file.name}.new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as written:
        json.dump(content, written)
        if lasting:
            written.flush()
            os.fsync(written.fileno())
    os.replace(new, file)
