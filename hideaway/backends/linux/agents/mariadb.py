"""MariaDB for MySQL, as the database agent runs it. What is in it (users, privileges) is mariadb_contents.py's."""

from __future__ import annotations

import os
import re
import signal
from functools import cache
from pathlib import Path

from . import mariadb_contents as contents
from . import mariadb_replication as replication
from .engine import Need, Trouble, copy_tree, remove_tree, run, sockets_of
from .mariadb_contents import SUPERUSER
from .mariadb_pairs import COPIED, Pairing
from .mysql_wire import Session, literal, name
from .processes import end_all
from .settings import Settings
from .wire import Refused

DAEMON = "/usr/sbin/mariadbd"
MIB = 1 << 20
MOST_POOL, LEAST_POOL = 64 * MIB, 16 * MIB
"""Of InnoDB's pool of pages: a real node of this size would have it to itself, here hundreds share a machine."""
CONTENT, CODE = "dump", "code"
"""In the folder of a dump: all of it; and again its views, routines, triggers and events."""
FIRST = f"""\
flush privileges;
rename user root@localhost to {SUPERUSER}@localhost;
delete from mysql.global_priv where user = 'root';
delete from mysql.proxies_priv where user = 'root';
{contents.NOTES}
"""
NUMBERS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
NAMED_ELSE = {"default_time_zone": "time_zone", "transaction_isolation": "tx_isolation"}
"""Options that are called otherwise as variables."""
UTC = {"default_time_zone": {"UTC": "+00:00", "Etc/UTC": "+00:00"}}
"""Names of zones are known only with tables that are not installed: this one needs none."""


@cache
def _number() -> str:
    return run(DAEMON, "--no-defaults", "--version").split()[2].partition("-")[0]


@cache
def _known() -> frozenset[str]:
    """The options of this program, as the names of variables are spelled."""
    told = run(DAEMON, "--no-defaults", "--verbose", "--help").partition("\n-----")[2]
    return frozenset(line.split()[0].replace("-", "_") for line in told.splitlines()[1:] if line.strip())


class MariaDB(Pairing):
    stop_signal = signal.SIGTERM

    def __init__(self, volume: Path):
        super().__init__(volume)
        self.file = volume / "my.cnf"
        self.ignored_: list[str] = []
        self._session: Session | None = None

    @property
    def version(self) -> str:
        return f"MariaDB {_number()}"

    @property
    def ignored(self) -> list[str]:
        return self.ignored_

    @property
    def socket(self) -> Path:
        return self.sockets / replication.SOCKET

    # Its data

    def create(self, into: Path) -> None:
        first = self.volume / "first.sql"
        first.write_text(FIRST)
        options = ("--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
        sizes = ("--innodb-log-file-size=16M", f"--extra-file={first}")
        run("mariadb-install-db", "--no-defaults", f"--datadir={into}", *options, *sizes)
        first.unlink()

    def clone(self, volume: str, into: Path) -> None:
        self._hot_copy(self.volume.parent / volume, into)

    def copy(self, into: Path) -> None:
        self._hot_copy(self.volume, into)

    def follow(self, volume: str, into: Path) -> None:
        self._hot_copy(self.volume.parent / volume, into, volume)

    def _hot_copy(self, source: Path, into: Path, leader: str = "") -> None:
        """Its files as they are, then what was written to them in the meantime, until all are of one moment."""
        made = into.with_name(f"{into.name}.new")
        remove_tree(made)
        where = (f"--socket={sockets_of(source.name)}/{replication.SOCKET}", f"--user={SUPERUSER}")
        run("mariabackup", f"--defaults-file={source}/my.cnf", "--backup", *where, f"--target-dir={made}")
        run("mariabackup", "--prepare", f"--target-dir={made}")
        (made / COPIED).write_text(leader)
        os.replace(made, into)

    def fits(self, data: Path) -> bool:
        return True  # there is one program

    def upgrade(self, old: Path, into: Path) -> None:
        copy_tree(old, into)

    # Its server

    def configure(self, settings: Settings) -> Need:
        self.sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.logs.mkdir(mode=0o700, exist_ok=True)
        (self.volume / "tmp").mkdir(mode=0o700, exist_ok=True)
        self._followers = settings.followers
        chosen = self.wished(settings)
        taken = {n: _here(n, v) for n, v in chosen.items() if n in _known() and not _unknown_zone(n, v)}
        self.ignored_, lines = sorted(settings.settings.keys() - taken.keys()), taken | self._own(settings)
        before = parsed(self.file)
        text = "[mariadbd]\n" + "".join(f"{key} = {_quoted(value)}\n" for key, value in sorted(lines.items()))
        pair = {"server.crt": settings.certificate, "server.key": settings.key}
        secured = [_write(self.volume / file, said) for file, said in pair.items()]
        written = _write(self.file, text)
        if not before or self._session is None:
            return Need.NOTHING
        changed = {key for key in before.keys() | lines.keys() if before.get(key) != lines.get(key)}
        if written and (changed - lines.keys() or not self._can_follow(changed)):
            return Need.RESTART
        if written or any(secured):
            self._take_up(self._session)
            return Need.RELOAD
        return Need.NOTHING

    def _can_follow(self, changed: set[str]) -> bool:
        """Whether a server that runs can be told of these."""
        assert self._session is not None
        wanted = {NAMED_ELSE.get(key, key).upper() for key in changed}
        rows = self._session.ask("select variable_name from information_schema.system_variables where read_only = 'NO'")
        return wanted <= {str(variable) for (variable,) in rows}

    def _own(self, settings: Settings) -> dict[str, str]:
        """What the platform sets, whatever a user asks for."""
        pool = min(max(settings.node_memory // 64, LEAST_POOL), MOST_POOL)
        secured = {"ssl_cert": str(self.volume / "server.crt"), "ssl_key": str(self.volume / "server.key")}
        return {
            "bind_address": "*",
            "port": str(settings.port),
            "socket": str(self.socket),
            "datadir": str(self.main),
            "tmpdir": str(self.volume / "tmp"),
            "pid_file": str(self.sockets / "mariadb.pid"),
            "log_error": str(self.logs / "mariadb.log"),
            "slow_query_log_file": str(self.logs / "slow.log"),
            "secure_file_priv": str(self.volume / "tmp"),
            "skip_name_resolve": "1",
            "innodb_buffer_pool_size": str(pool),
            "innodb_log_file_size": "16777216",
            "innodb_use_native_aio": "0",  # what a machine has of it is shared by all
            **replication.settings_of(settings),
            **(secured if settings.certificate else {}),
        }

    def command(self) -> list[str]:
        return [DAEMON, f"--defaults-file={self.file}"]

    def clear(self) -> None:
        self._close()
        self.forget()
        end_all(lambda line: f"--defaults-file={self.file}\0" in line and line.startswith(DAEMON))

    def answers(self) -> None:
        try:
            if self._session is None:
                self._session = self.session()
            self._session.ask("select 1")
            if self.copied() == "":
                self.begin_afresh(self._session)
        except Refused as error:
            self._close()
            raise Trouble(f"{self.version} does not answer: {error}") from error

    def _close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def session(self, database: str = "", timeout: float | None = 30) -> Session:
        """A session of the platform's own user, without a password. Raises Refused."""
        return Session(str(self.socket), SUPERUSER, database, timeout)

    # What is in it

    def apply(self, settings: Settings) -> None:
        try:
            # What is changed here waits for the standby as all commits do: not for long, for there is more to do.
            with self.session("", 2 if settings.awaited else 30) as session:
                contents.apply(session, settings)
        except Refused as error:
            raise Trouble(f"users, databases and privileges are not as they shall be: {error}") from error

    def _take_up(self, session: Session) -> None:
        """Have the variables that can be changed while it runs as its file says; take up certificate and key."""
        rows = session.ask(
            "select lower(variable_name), global_value, variable_type"
            " from information_schema.system_variables where read_only = 'NO'"
        )
        present = {str(variable): (str(value), str(type_)) for variable, value, type_ in rows}
        for key, wanted in parsed(self.file).items():
            variable = NAMED_ELSE.get(key, key)
            value, type_ = present.get(variable, ("", ""))
            if variable in present and not _same(value, wanted):
                number = type_.startswith(("INT", "BIGINT", "DOUBLE", "BOOLEAN"))
                session.ask(f"set global {variable} = {_plain(wanted) if number else literal(wanted)}")
        if parsed(self.file).get("ssl_cert"):
            session.ask("flush ssl")

    def sizes(self) -> dict[str, int]:
        query = (
            "select s.schema_name, coalesce(sum(t.data_length + t.index_length), 0) from information_schema.schemata s"
            " left join information_schema.tables t on t.table_schema = s.schema_name group by s.schema_name"
        )
        try:
            with self.session() as session:
                rows = session.ask(query)
        except Refused as error:
            raise Trouble(str(error)) from error
        return {str(d): int(float(size or 0)) for d, size in rows if not contents.is_own(str(d))}

    def dump(self, database: str, into: Path) -> None:
        into.mkdir(mode=0o700)
        with self.session() as session:
            views = contents.views(session, database)
        everything = ("--routines", "--triggers", "--events")
        common = ("--no-defaults", f"--socket={self.socket}", f"--user={SUPERUSER}", "--single-transaction")
        run("mariadb-dump", *common, *everything, f"--result-file={into / CONTENT}", "--", database)
        code = into / CODE
        nothing = ("--no-data", "--no-create-info")
        run("mariadb-dump", *common, *everything, *nothing, f"--result-file={code}.rest", "--", database)
        if views:
            run("mariadb-dump", *common, "--no-data", f"--result-file={code}.views", "--", database, *views)
        parts = [part for part in (Path(f"{code}.views"), Path(f"{code}.rest")) if part.exists()]
        code.write_bytes(b"".join(part.read_bytes() for part in parts))
        for part in parts:
            part.unlink()

    def restore(self, database: str, source: Path) -> None:
        """First beside the old one; then the tables change places, and what cannot (views, code) is made again."""
        made = f"{contents.TEMPORARY}new"
        with self.session("", None) as session:
            contents.forget_restores(session)
            session.ask(f"create database {name(made)}")
            self._load(made, source / CONTENT)
            contents.swap(session, database, made, f"{contents.TEMPORARY}old")
            self._load(database, source / CODE)

    def _load(self, database: str, file: Path) -> None:
        where = ("--no-defaults", f"--socket={self.socket}", f"--user={SUPERUSER}", "--sandbox", "--binary-mode")
        run("mariadb", *where, f"--database={database}", source=file)

    def tidy(self) -> None:
        with self.session("", None) as session:
            contents.forget_restores(session)


def parsed(file: Path) -> dict[str, str]:
    """The settings of a configuration that we wrote."""
    if not file.exists():
        return {}
    found = (line.partition(" = ") for line in file.read_text().splitlines() if " = " in line)
    return {key: value[1:-1] for key, _, value in found}


def _here(key: str, value: str) -> str:
    return UTC.get(key, {}).get(value, value)


def _unknown_zone(key: str, value: str) -> bool:
    return key == "default_time_zone" and not re.fullmatch(r"[+-]\d\d:\d\d|SYSTEM", _here(key, value))


def _quoted(value: str) -> str:
    """As an option file takes it; no setting that the API has holds a quote or a backslash."""
    return '"' + re.sub(r'["\\\n]', "", value) + '"'


def _plain(value: str) -> str:
    """A number without its unit; ON, OFF and the like as they are."""
    unit = NUMBERS.get(value[-1:].upper(), 0)
    number = value[:-1] if unit else value
    if re.fullmatch(r"-?\d+(\.\d+)?", number):
        return str(int(number) * unit) if unit else number
    return "1" if value.lower() in ("on", "true") else "0"


def _same(present: str, wanted: str) -> bool:
    try:
        return float(_plain(present)) == float(_plain(wanted)) if present[:1].isdigit() else _word(present, wanted)
    except ValueError:
        return False


def _word(present: str, wanted: str) -> bool:
    truth = {"on": "1", "off": "0", "true": "1", "false": "0"}
    return truth.get(present.lower(), present.lower()) == truth.get(wanted.lower(), wanted.lower())


def _write(file: Path, text: str) -> bool:
    """Whether it said something else before."""
    if file.exists() and file.read_text() == text:
        return False
    new = file.with_name(f"{file.name}.new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as written:
        written.write(text)
    os.replace(new, file)
    return True
