"""Dumps of PostgreSQL's databases, and restoring them.

Restoring runs what users once wrote: a table's checks call their functions. So it is done by the platform's owner, who
is no superuser and may do what users may; only whose things are is said by the superuser afterwards, from the server's
own catalogue as it was when the dump was made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from .engine import Trouble, run
from .postgres_contents import LOGINS, OWNER, SUPERUSER, TEMPORARY, USERS
from .wire import Connection, literal, name

CONTENT, OWNERS = "dump", "owners.json"
"""In the folder of a dump: pg_dump's own format; the users of then, and what each of them owned."""
OWNED = """
select (pg_identify_object(classid, objid, 0)).type, (pg_identify_object(classid, objid, 0)).identity,
  pg_get_userbyid(refobjid)
from pg_shdepend where deptype = 'o' and objsubid = 0
  and dbid = (select oid from pg_database where datname = current_database())
"""
KINDS = {
    "schema": "schema",
    "table": "table",
    "view": "view",
    "materialized view": "materialized view",
    "sequence": "sequence",
    "type": "type",
    "function": "function",
    "procedure": "procedure",
    "aggregate": "aggregate",
    "operator": "operator",
    "collation": "collation",
    "text search dictionary": "text search dictionary",
    "text search configuration": "text search configuration",
    "statistics object": "statistics",
    "publication": "publication",
    "large object": "large object",
}
"""What can be made of users' own: as the catalogue calls it -> as SQL does. In this order."""


class Backups:
    """Of one server: where its programs are, and its socket; session opens one of the superuser's.

    lock is held while databases come and go.
    """

    def __init__(
        self,
        programs: Path,
        sockets: Path,
        session: Callable[[str, float | None], Connection],
        lock: AbstractContextManager[object],
    ):
        self.programs, self.sockets, self._session, self._lock = programs, sockets, session, lock

    def dump(self, database: str, into: Path) -> None:
        """Write a database into files of a new folder."""
        into.mkdir(mode=0o700)
        with self._session(database, None) as session:
            users = [user for (user,) in session.ask(LOGINS)]
            (into / OWNERS).write_text(json.dumps({"users": users, "owned": session.ask(OWNED)}))
        login = ("--host", self.sockets, "--username", SUPERUSER)
        run(
            self.programs / "pg_dump",
            *(*login, "--format", "custom", "--file", into / CONTENT, f"--dbname={_connection(database)}"),
        )

    def restore(self, database: str, source: Path) -> None:
        """Replace a database, or make it. Owners and grants come back where all users of then are here now."""
        made, old = (f"{TEMPORARY}{which}" for which in ("new", "old"))
        kept = json.loads((source / OWNERS).read_text())
        with self._session("postgres", None) as session:
            with self._lock:
                forget(session)
            session.ask(f"create database {name(made)} template template0 owner {OWNER}")
            session.ask(f"revoke all on database {name(made)} from public")
            self._fill(made, source / CONTENT, "--exit-on-error", "--no-acl")
            if set(kept["users"]) <= {str(user) for (user,) in session.ask(LOGINS)}:
                with self._session(made, None) as inside:
                    inside.ask("do " + literal("".join(_given_back(kept["owned"]))))
                self._fill_grants(made, source / CONTENT)
            with self._lock:
                _swap(session, database, made, old)

    def _fill(self, database: str, content: Path, *options: str | Path) -> None:
        run(
            self.programs / "pg_restore",
            *("--host", self.sockets, "--username", OWNER, "--no-owner", *options),
            *(f"--dbname={_connection(database)}", content),
            # What is written after it, the renaming, is on disk only with all of this.
            PGOPTIONS="-c synchronous_commit=off -c statement_timeout=0",
        )

    def _fill_grants(self, database: str, content: Path) -> None:
        """As far as they can be made: one that a user who was granted it passed on cannot be, and is left out."""
        parts = run(self.programs / "pg_restore", "--list", content).splitlines()
        kinds = {part: part.split()[3:5] for part in parts if not part.startswith(";")}
        grants = [part for part, kind in kinds.items() if kind[:1] == ["ACL"] or kind == ["DEFAULT", "ACL"]]
        if not grants:
            return
        chosen = content.with_name("grants")
        chosen.write_text("\n".join(grants) + "\n")
        try:
            self._fill(database, content, f"--use-list={chosen}")
        except Trouble:  # it ends with 1 where anything could not be done
            pass
        chosen.unlink()

    def tidy(self) -> None:
        """Drop what restores replaced."""
        with self._lock, self._session("postgres", None) as session:
            forget(session)


def forget(session: Connection) -> None:
    """Drop what databases were replaced by restores, and what restores that were cut short left behind."""
    for (database,) in session.ask(f"select datname from pg_database where starts_with(datname, '{TEMPORARY}')"):
        session.ask(f"drop database {name(str(database))} with (force)")
    for (database,) in session.ask(f"select datname from pg_database where {USERS} and not datallowconn"):
        session.ask(f"alter database {name(str(database))} allow_connections true")


def _given_back(owned: list[list[str]]) -> Iterator[str]:
    """PL/pgSQL that gives everything to its owner of then. The identities are quoted, by the catalogue itself.

    What follows its table (a serial's sequence) refuses and need not be given.
    """
    yield "begin\n"
    for kind in KINDS:
        for which, identity, owner in owned:
            if which == kind and not owner.startswith("_rdb_"):
                statement = f"alter {KINDS[kind]} {identity} owner to {name(owner)}"
                yield f"begin execute {literal(statement)}; exception when others then null; end;\n"
    yield "end"


def _swap(session: Connection, database: str, made: str, old: str) -> None:
    """Put a database that was made in the place of one that is there or not; at every moment there is one of them."""
    there = session.ask(f"select 1 from pg_database where datname = {literal(database)}")
    if there:
        session.ask(f"alter database {name(database)} allow_connections false")
        session.ask(f"select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = {literal(database)}")
    away = f"alter database {name(database)} rename to {name(old)}; " if there else ""
    session.ask(f"{away}alter database {name(made)} rename to {name(database)}")


def _connection(database: str) -> str:
    """A database's name as a connection string: a name alone could be taken for one."""
    quoted = database.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{quoted}'"
