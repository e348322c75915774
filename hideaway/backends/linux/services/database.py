"""Managed databases are an engine's server under an agent (agents/database.py), on a volume that outlives the world."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from pathlib import Path

import msgspec

from hideaway.backends.linux.services.base import LOG, SETTINGS, STATUS, Place, Program, digest_of
from hideaway.fabric.services import DatabaseServer, Observed, Outcome

AGENT = Path(__file__).parent.parent
ALIVE = "alive"  # as agents/database.py calls it
ENGINE_USER = "1000"
"""Engines refuse to run as uid 0: they run as another in a user namespace of their own, which needs no root either."""
PATIENCE = 20.0
SILENCE = 3.0
"""Seconds after which an agent that is not heard of, of several servers with the same data, is not believed."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """As the agent writes it."""

    settings: str
    ready: bool
    reason: str
    facts: dict[str, object]
    outcomes: dict[str, Outcome]
    standing: str = ""
    beat: float = 0.0


def program(_host: str, server: DatabaseServer, place: Place) -> Program:
    """The agent. Its shared memory is in a namespace of its own, so that nothing of it outlives the agent."""
    code = f"import sys; sys.path.append({str(AGENT)!r}); from agents.database import main; main()"
    namespaces = ("unshare", "--user", f"--map-user={ENGINE_USER}", f"--map-group={ENGINE_USER}", "--ipc", "--")
    return Program(
        argv=(*namespaces, sys.executable, "-I", "-S", "-c", code),
        files={SETTINGS: _settings(server, place)},
        reload=signal.SIGHUP,
        patience=PATIENCE,
    )


def _settings(server: DatabaseServer, place: Place) -> bytes:
    said = msgspec.to_builtins(server.quiet())
    return msgspec.json.encode(said | {"volumes": str(place.volumes)})


def look(server: DatabaseServer, place: Place) -> Observed:
    """What the agent says, if it lives; ready once what it was last told is in force. A change needs no reason."""
    if not _lives(place.folder):
        return Observed(reason=f"its agent does not run: {_last_words(place.folder)}")
    try:
        status = msgspec.json.decode((place.folder / STATUS).read_bytes(), type=Status)
    except (OSError, msgspec.MsgspecError):
        return Observed(reason="its agent is starting")
    if status.beat and time.monotonic() - status.beat > SILENCE:
        return Observed(reason="its agent is silent", facts=status.facts)
    current = status.settings == digest_of(_settings(server, place))
    return Observed(
        ready=status.ready and current,
        reason=status.reason,
        facts=status.facts | {"standing": status.standing},
        outcomes=status.outcomes,
    )


def _lives(folder: Path) -> bool:
    """Whether the agent holds its file."""
    try:
        descriptor = os.open(folder / ALIVE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)


def _last_words(folder: Path) -> str:
    """The last line that it complained with."""
    try:
        lines = (folder / LOG).read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "it is starting"
