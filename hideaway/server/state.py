"""The state folder: who owns the cloud and which server serves it, kept where only the person who started it reads it.

`credentials.json` holds the owner's key, `server.json` the server that serves the folder now, `lock` keeps a second one
out. Both files are written whole or not at all. What the store and the data plane keep beside them is their own matter.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from hideaway.base.errors import Fault, InvalidArguments, Unavailable
from hideaway.base.ids import Ids, is_uuid
from hideaway.cloud.founding import Credentials

S = TypeVar("S", bound=msgspec.Struct)

ACCESS_KEY = re.compile(r"SCW[0-9A-Z]{17}")
"""The vendor's SDKs refuse access keys of another shape before they send anything."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What a person chose of an owner; empty where nothing was chosen."""

    access_key: str = ""
    secret_key: str = ""
    organization_id: str = ""
    project_id: str = ""


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A server that serves a state folder: where it answers, its process, its data plane and its version."""

    url: str
    pid: int
    data_plane: str
    version: str


# The vendor's variable, and the flag that goes before it.
CHOSEN_BY: dict[str, tuple[str, str]] = {
    "access_key": ("SCW_ACCESS_KEY", "--access-key"),
    "secret_key": ("SCW_SECRET_KEY", "--secret-key"),
    "organization_id": ("SCW_DEFAULT_ORGANIZATION_ID", "--organization-id"),
    "project_id": ("SCW_DEFAULT_PROJECT_ID", "--project-id"),
}


def owner_for(flags: Choice, environment: Mapping[str, str], kept: Credentials | None, ids: Ids) -> Credentials:
    """Settle who owns the cloud: the flags' word first, then the SCW_* variables', then what is kept, else made now.

    Where neither is known, the project has the organization's identifier, as the vendor's default project does.
    Raises InvalidArguments that names every value of a wrong shape, and where it came from.
    """
    faults: list[Fault] = []
    values: dict[str, str] = {}
    for field, (variable, flag) in CHOSEN_BY.items():
        for source, value in ((flag, getattr(flags, field)), (variable, environment.get(variable, ""))):
            if value:
                values[field] = value
                faults += _shape_faults(field, source, value)
                break
    if faults:
        raise InvalidArguments(*faults)
    if kept is not None:
        values = _still_true(kept, values) | values
    organization_id = values.get("organization_id") or ids.uuid()
    return Credentials(
        access_key=values.get("access_key") or ids.access_key(),
        secret_key=values.get("secret_key") or ids.uuid(),
        organization_id=organization_id,
        project_id=values.get("project_id") or organization_id,
        user_id=values.get("user_id") or ids.uuid(),
    )


def _still_true(kept: Credentials, chosen: Mapping[str, str]) -> dict[str, str]:
    """What goes on from the kept owner: nothing in another organization, and no secret for another access key."""
    if chosen.get("organization_id", kept.organization_id) != kept.organization_id:
        return {}
    values: dict[str, str] = msgspec.structs.asdict(kept)
    if chosen.get("access_key", kept.access_key) != kept.access_key:
        del values["secret_key"]
    return values


def _shape_faults(field: str, source: str, value: str) -> list[Fault]:
    """What is wrong with one chosen value. A secret's text is never repeated."""
    if field == "access_key":
        if ACCESS_KEY.fullmatch(value):
            return []
        return [Fault(source, "format", f"{value!r} is not SCW and 17 capitals or digits")]
    if is_uuid(value):
        return []
    shown = "its value" if field == "secret_key" else repr(value)
    return [Fault(source, "format", f"{shown} is not a UUID such as 11111111-2222-4333-8444-555555555555")]


def default_folder(environment: Mapping[str, str]) -> Path:
    """Where state goes unless a person says: HIDEAWAY_STATE, else hideaway below XDG_STATE_HOME or ~/.local/state."""
    if named := environment.get("HIDEAWAY_STATE"):
        return Path(named).expanduser()
    base = environment.get("XDG_STATE_HOME", "")
    # The XDG rule: a base that is not absolute counts as unset.
    return (Path(base) if base.startswith("/") else Path("~/.local/state").expanduser()) / "hideaway"


class Folder:
    """A state folder on disk. Reading never makes it; keeping does, for its owner alone."""

    def __init__(self, path: Path):
        self.path = path.absolute()

    def make(self) -> None:
        """Make the folder with mode 0700, and take away from others what they may do with one that stands.

        Raises Unavailable where it cannot be, or belongs to somebody else.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.path.stat()
            if found.st_uid != os.geteuid():
                raise Unavailable(f"state folder {self.path} belongs to uid {found.st_uid}: name another with --state")
            if stat.S_IMODE(found.st_mode) & 0o077:
                self.path.chmod(0o700)
        except OSError as error:
            raise Unavailable(f"state folder {self.path} cannot be made: {error.strerror}; name another") from error

    def owner(self) -> Credentials | None:
        """The owner who is kept here, or None. Raises Unavailable where the file says nothing that can be read."""
        return self._read("credentials.json", Credentials)

    def keep_owner(self, owner: Credentials) -> None:
        """Keep the owner, for the folder's user alone (mode 0600)."""
        self._write("credentials.json", owner)

    def server(self) -> Server | None:
        """The server that said last that it serves this folder, or None. It may have been killed since."""
        return self._read("server.json", Server)

    def keep_server(self, server: Server) -> None:
        """Say that a server serves this folder from now on."""
        self._write("server.json", server)

    def forget_server(self) -> None:
        """Say that no server serves this folder any more."""
        (self.path / "server.json").unlink(missing_ok=True)

    @contextlib.contextmanager
    def held(self, patience: float = 5.0) -> Iterator[None]:
        """Keep every other server out of this folder for as long as the block runs, or until this process ends.

        Waits up to patience seconds for one that is ending. Raises Unavailable when it does not.
        """
        self.make()
        with self._lock() as lock:
            give_up = time.monotonic() + patience
            while not _locked(lock.fileno()):
                if time.monotonic() >= give_up:
                    found = self.server()
                    who = f" (process {found.pid}, at {found.url})" if found else ""
                    raise Unavailable(f"another server{who} serves {self.path}: stop it, or name another --state")
                time.sleep(0.05)
            yield

    def store(self) -> Path:
        """The store's file, which holds secrets, for the folder's user alone: SQLite gives its log the same mode.

        Raises Unavailable where it cannot be written.
        """
        path = self.path / "store.sqlite"
        try:
            os.close(_private(str(path), os.O_RDWR | os.O_CREAT))
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                path.chmod(0o600)
        except OSError as error:
            raise Unavailable(f"{path} cannot be written: {error.strerror}; name another --state") from error
        return path

    def _lock(self) -> IO[str]:
        try:
            return open(self.path / "lock", "a", opener=_private)
        except OSError as error:
            raise Unavailable(
                f"state folder {self.path} cannot be written: {error.strerror}; name another --state"
            ) from error

    def _read(self, name: str, type_: type[S]) -> S | None:
        path = self.path / name
        try:
            return msgspec.json.decode(path.read_bytes(), type=type_)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            raise Unavailable(f"{path} cannot be read: {error}; mend it, or move it away to begin anew") from error

    def _write(self, name: str, value: msgspec.Struct) -> None:
        self.make()
        handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=self.path)  # made with mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path / name)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _locked(descriptor: int) -> bool:
    """Whether the lock was free and is now this process's."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
