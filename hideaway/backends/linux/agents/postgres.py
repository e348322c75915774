"""PostgreSQL, as the database agent runs it. What is in it (users, databases, privileges) is postgres_contents.py's."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Set
from functools import cache
from pathlib import Path
from typing import Any

from . import postgres_contents as contents
from . import postgres_replication as replication
from .engine import Engine, Need, Trouble, copy_tree, remove_tree, run, sockets_of
from .postgres_backups import Backups
from .processes import end_all
from .settings import Settings
from .wire import Connection, Refused, literal

SUPERUSER = contents.SUPERUSER
PROGRAMS = Path("/usr/lib/postgresql")
MIB = 1 << 20
MOST_SHARED, LEAST_SHARED = 64 * MIB, 16 * MIB
"""Of memory shared among sessions: a real node of this size would have it to itself, here hundreds share a machine."""


def bin_of(wanted: str) -> Path:
    """The programs of the version that is asked for (15), or the newest that is installed. Raises Trouble for none."""
    found = {p.parent.parent.name: p.parent for p in PROGRAMS.glob("*/bin/postgres")}
    if not found:
        raise Trouble("PostgreSQL is not installed: apt-get install postgresql")
    return found.get(wanted) or found[max(found, key=float)]


@cache
def _number(programs: Path) -> str:
    return run(programs / "postgres", "--version").split()[2]


@cache
def _known(programs: Path) -> dict[str, str]:
    """All settings of a program, in lower case, and what it takes to change them: `postmaster` is a restart."""
    told = run(programs / "postgres", "--describe-config")
    fields = (line.split("\t") for line in told.splitlines())
    return {each[0].lower(): each[1] for each in fields if len(each) > 1}


class Postgres(Engine):
    stop_signal = signal.SIGINT  # the "fast" way: sessions are ended, what is committed is written

    def __init__(self, volume: Path, wanted: str):
        """wanted is the version that was asked for: 15."""
        super().__init__(volume)
        self.newest = bin_of(wanted)
        self.bin = bin_of(_major(self.main)) if self.main.exists() else self.newest
        self._refused: set[str] = set()
        self._session: Connection | None = None

    @property
    def version(self) -> str:
        return f"PostgreSQL {_number(self.bin)}"

    @property
    def ignored(self) -> list[str]:
        return sorted(self._refused)

    def inquire(self) -> None:
        _number(self.bin)
        _known(self.bin)

    # Its data

    def create(self, into: Path) -> None:
        options = ("--username", SUPERUSER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8")
        run(self.newest / "initdb", "--pgdata", into, *options, "--no-instructions")

    def clone(self, volume: str, into: Path) -> None:
        self._base_copy(sockets_of(volume), into)

    def copy(self, into: Path) -> None:
        self._base_copy(self.sockets, into)

    def follow(self, volume: str, into: Path) -> None:
        self._base_copy(sockets_of(volume), into)
        (into / "standby.signal").touch(mode=0o600)

    def _base_copy(self, sockets: Path, into: Path) -> None:
        made = into.with_name(f"{into.name}.new")
        remove_tree(made)
        run(
            self.bin / "pg_basebackup",
            *("--host", sockets, "--username", SUPERUSER, "--pgdata", made),
            *("--checkpoint", "fast", "--wal-method", "stream"),
        )
        os.replace(made, into)

    def fits(self, data: Path) -> bool:
        return _major(data) == self.newest.parent.name

    def upgrade(self, old: Path, into: Path) -> None:
        """By PostgreSQL's own way, pg_upgrade: the new server's system tables are made, and the users' files copied.

        Where one program runs for both versions, there is nothing but the files to copy.
        """
        if self.fits(old):
            copy_tree(old, into)
        else:
            self.convert(old, into)

    def convert(self, old: Path, into: Path) -> None:
        """pg_upgrade."""
        work = self.volume / "upgrade"
        remove_tree(work)
        work.mkdir(mode=0o700)
        before = bin_of(_major(old))
        self._settle(old, before)
        self.create(into)
        sockets = sockets_of(self.volume.name)
        sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        run(
            self.newest / "pg_upgrade",
            *("--username", SUPERUSER, "--socketdir", sockets),
            *("--old-bindir", before, "--new-bindir", self.newest, "--old-datadir", old, "--new-datadir", into),
            folder=work,
        )
        remove_tree(work)

    def _settle(self, data: Path, programs: Path) -> None:
        """Bring the data of a server that was killed, or a copy of one that ran, to rest: pg_upgrade wants that."""
        state = run(programs / "pg_controldata", data)
        (data / "postmaster.pid").unlink(missing_ok=True)
        # What a replica or an hba file of another server's says does not matter here.
        (data / "pg_hba.conf").write_text("local all all trust\n")
        (data / "postgresql.conf").write_text("")
        if re.search(r"cluster state:\s+shut down$", state, re.MULTILINE) and not (data / "backup_label").exists():
            return
        sockets = sockets_of(self.volume.name)
        sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        options = f"-c listen_addresses='' -c unix_socket_directories='{sockets}'"
        control = (programs / "pg_ctl", "--pgdata", data, "--silent", "--wait", "--timeout", "600")
        run(*control, "--options", options, "--log", data.parent / "upgrade.log", "start")
        run(*control, "--mode", "fast", "stop")

    # Its server

    def configure(self, settings: Settings) -> Need:
        self.sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.logs.mkdir(mode=0o700, exist_ok=True)
        known, before = _known(self.bin), _parsed(self.main / "postgresql.conf")
        own, chosen = self._own(settings) | replication.settings_of(settings), self.wished(settings)
        self._refused = {n for n in settings.settings if n not in chosen or (n.lower() not in known and "." not in n)}
        lines = {k: v for k, v in chosen.items() if k not in self._refused} | own
        if lines != before:
            lines = self._taken(lines, chosen.keys() - own.keys())
        files = {
            "server.crt": settings.certificate,
            "server.key": settings.key,
            "pg_hba.conf": contents.ACCESS,
            "postgresql.conf": _written(lines),
        }
        if not [_write(self.main / file, text) for file, text in files.items() if _differs(self.main / file, text)]:
            return Need.NOTHING
        changed = {key for key in before.keys() | lines.keys() if before.get(key) != lines.get(key)}
        return Need.RESTART if any(known.get(key) == "postmaster" for key in changed) else Need.RELOAD

    def _taken(self, lines: dict[str, str], chosen: Set[str]) -> dict[str, str]:
        """The lines without those of the users' that the program does not take (a time zone that there is not)."""
        trial = self.main / "trial.conf"
        while True:
            trial.write_text(_written(lines))
            try:
                run(self.bin / "postgres", "-D", self.main, "-C", "port", "-c", f"config_file={trial}")
                return lines
            except Trouble as error:
                complaints = re.findall(r'parameter "([^"]+)"', str(error))
                wrong = {key for key in chosen & lines.keys() if key.lower() in map(str.lower, complaints)}
                if not wrong:
                    raise
                self._refused |= wrong
                lines = {key: value for key, value in lines.items() if key not in wrong}
            finally:
                trial.unlink(missing_ok=True)

    def _own(self, settings: Settings) -> dict[str, str]:
        """What the platform sets, whatever a user asks for."""
        shared = min(max(settings.node_memory // 64, LEAST_SHARED), MOST_SHARED)
        return {
            "listen_addresses": "*",
            "port": str(settings.port),
            "unix_socket_directories": str(self.sockets),
            "cluster_name": settings.volume,
            "shared_buffers": f"{shared // MIB}MB",
            "dynamic_shared_memory_type": "sysv",  # in a namespace of its own: nothing of it outlives the server
            "huge_pages": "off",
            "password_encryption": "scram-sha-256",
            "ssl": "on" if settings.certificate else "off",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] %q%u@%d ",
            "logging_collector": "on",
            "log_directory": str(self.logs),
            "log_filename": "postgresql-%Y-%m-%dT%H%M%S.log",
            "log_rotation_size": "10MB",
        }

    def command(self) -> list[str]:
        return [str(self.bin / "postgres"), "-D", str(self.main)]

    def clear(self) -> None:
        """Its sessions end with it in general, but not one that computes without a pause: two would write the data."""
        self._close()
        end_all(lambda line: line.startswith(f"postgres: {self.volume.name}: ") or f"-D\0{self.main}" in line)
        (self.main / "postmaster.pid").unlink(missing_ok=True)

    def answers(self) -> None:
        try:
            if self._session is None:
                self._session = self.session("postgres")
            self._session.ask("select 1")
        except Refused as error:
            self._close()
            raise Trouble(f"{self.version} does not answer: {error}") from error

    # Those that have the same data

    def promote(self) -> None:
        self._ask(replication.PROMOTE)

    def hears(self, leader: str) -> bool:
        return bool(self._ask(replication.HEARS, str(sockets_of(leader))))

    def led_by(self, leader: str) -> bool:
        try:
            with Connection(
                f"{sockets_of(leader)}/.s.PGSQL.5432", SUPERUSER, "postgres", contents.SESSION, 5
            ) as session:
                return not replication.follows(session)
        except Refused:
            return False

    def followers(self) -> list[dict[str, Any]]:
        return [replication.follower(*row) for row in self._ask(replication.FOLLOWERS)]

    def place(self) -> str:
        return str(self._ask(replication.PLACE)[0][0])

    def awaits(self, follower: str, place: str) -> bool:
        return bool(self._ask(replication.AWAITS, follower, place))

    def _ask(self, query: str, *values: str) -> list[tuple[str | None, ...]]:
        """values are put in place of the query's `{}`, as literals. Raises Trouble."""
        try:
            with self.session("postgres", 90) as session:
                return session.ask(query.format(*map(literal, values)))
        except Refused as error:
            raise Trouble(str(error)) from error

    def _close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def session(self, database: str, timeout: float | None = 30) -> Connection:
        """A session of the platform's own user, without a password. Raises Refused."""
        return Connection(f"{self.sockets}/.s.PGSQL.5432", SUPERUSER, database, contents.SESSION, timeout)

    # What is in it

    def apply(self, settings: Settings) -> None:
        try:
            with self.lock:
                contents.apply(self.session, settings)
        except Refused as error:
            raise Trouble(f"users, databases and privileges are not as they shall be: {error}") from error

    def sizes(self) -> dict[str, int]:
        try:
            with self.session("postgres") as session:
                rows = session.ask(f"select datname, pg_database_size(oid) from pg_database where {contents.USERS}")
        except Refused as error:
            raise Trouble(str(error)) from error
        return {str(database): int(size or 0) for database, size in rows}

    def dump(self, database: str, into: Path) -> None:
        self._backups.dump(database, into)

    def restore(self, database: str, source: Path) -> None:
        self._backups.restore(database, source)

    def tidy(self) -> None:
        self._backups.tidy()

    @property
    def _backups(self) -> Backups:
        return Backups(self.bin, self.sockets, self.session, self.lock)


def _major(data: Path) -> str:
    return (data / "PG_VERSION").read_text().strip()


def _written(lines: dict[str, str]) -> str:
    return "".join(f"{key} = {literal(value)}\n" for key, value in sorted(lines.items()))


def _parsed(file: Path) -> dict[str, str]:
    """The settings of a configuration that we wrote."""
    if not file.exists():
        return {}
    found = (line.partition(" = ") for line in file.read_text().splitlines() if " = " in line)
    return {key: value[1:-1].replace("''", "'") for key, _, value in found if value.startswith("'")}


def _differs(file: Path, text: str) -> bool:
    return not file.exists() or file.read_text() != text


def _write(file: Path, text: str) -> bool:
    new = file.with_name(f"{file.name}.new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as written:
        written.write(text)
    os.replace(new, file)
    return True
