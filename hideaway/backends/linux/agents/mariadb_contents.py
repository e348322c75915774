"""What is in a MariaDB server: users by their verifiers, databases, and what the users may do with them.

What was set last is noted in a table of the platform's (it travels with the data): a user's is the digest of the
verifier, a database's that of all its grants. Only what was set anew since is stated again, so what users themselves
change by SQL stays until it is set through the API.
"""

from __future__ import annotations

import hashlib

from .mysql_wire import Session, literal, name
from .settings import Grant, Login, Settings
from .wire import Refused

SUPERUSER = "_rdb_superadmin"
OWN = "_rdb"
TEMPORARY = "_rdb_restore_"
SYSTEM = ("mysql", "sys", "information_schema", "performance_schema", OWN)
NOTES = (
    f"create database if not exists {OWN};\n"
    f"create table if not exists {OWN}.notes (what varchar(8), name varchar(80), digest varchar(80),"
    " primary key (what, name)) engine=innodb character set utf8mb4 collate utf8mb4_bin;"
)
TABLES = {
    "readonly": "select, show view",
    "readwrite": "select, insert, update, delete, execute, show view, create temporary tables, lock tables",
    "all": "all privileges",
}
"""permission -> what it grants on a database."""
NOBODY = "*0000000000000000000000000000000000000000"
"""What no password comes to."""
ADMIN = "process, connection admin"
UNGRANTED = ("1141", "1147", "1269")
"""Errors: there is no such grant to take back."""


def is_own(database: str) -> bool:
    """Whether a database is the server's or the platform's."""
    return database in SYSTEM or database.startswith(TEMPORARY)


def apply(session: Session, settings: Settings) -> None:
    """Have the users, databases and privileges that there shall be, and no others. Raises Refused."""
    session.ask(NOTES)
    _leavers(session, settings.users)
    _users(session, settings.users)
    _databases(session, settings)


def _users(session: Session, wanted: list[Login]) -> None:
    present = set(_logins(session))
    noted = _noted(session, "user")
    for login in wanted:
        digest = _digest(f"{login.verifier} {login.admin}")
        user = f"{literal(login.name)}@'%'"
        if login.name in present and noted.get(login.name) == digest:
            continue
        verifier = literal(login.verifier or NOBODY)
        session.ask(f"create user if not exists {user}")
        session.ask(f"alter user {user} identified via mysql_native_password using {verifier}")
        if login.admin:
            session.ask(f"grant {ADMIN} on *.* to {user}")
        else:
            _take_back(session, f"revoke {ADMIN} on *.* from {user}")
        _note(session, "user", login.name, digest)


def _logins(session: Session) -> list[str]:
    rows = session.ask("select user from mysql.global_priv where host = '%' and user not like '\\_rdb\\_%'")
    return [str(user) for (user,) in rows]


def _databases(session: Session, settings: Settings) -> None:
    rows = session.ask("select schema_name from information_schema.schemata")
    present = {str(database) for (database,) in rows if not is_own(str(database))}
    noted = _noted(session, "database")
    for database in present - set(settings.databases):
        session.ask(f"drop database if exists {name(database)}")
    for database in (present | noted.keys()) - set(settings.databases):
        _take_all(session, database)
        session.ask(f"delete from {OWN}.notes where what = 'database' and name = {literal(database)}")
    for database in settings.databases:
        if database not in present and database in settings.restored:
            continue  # a restore is about to make it
        grants = [grant for grant in settings.grants if grant.database == database]
        digest = _digest(repr([(grant.user, grant.permission) for grant in grants]))
        if database not in present:
            session.ask(f"create database {name(database)}")
        if noted.get(database) != digest:
            for grant in grants:
                _grant(session, grant)
            _note(session, "database", database, digest)


def _grant(session: Session, grant: Grant) -> None:
    """What a permission means; sessions of those who may not come any more are ended."""
    if grant.permission == "custom":
        return
    _withdraw(session, grant.user, grant.database)
    if grant.permission in TABLES:
        session.ask(f"grant {TABLES[grant.permission]} on {_all_of(grant.database)} to {literal(grant.user)}@'%'")
    else:
        _end(session, f"user = {literal(grant.user)} and db = {literal(grant.database)}")


def _withdraw(session: Session, user: str, database: str) -> None:
    """Take back all that a user was granted in a database and on its tables and routines."""
    who = f"{literal(user)}@'%'"
    _take_back(session, f"revoke all privileges on {_all_of(database)} from {who}")
    where = f"user = {literal(user)} and host = '%' and db = {literal(database)}"
    for (table,) in session.ask(f"select table_name from mysql.tables_priv where {where}"):
        _take_back(session, f"revoke all privileges on {name(database)}.{name(str(table))} from {who}")
    for routine, kind in session.ask(f"select routine_name, routine_type from mysql.procs_priv where {where}"):
        thing = f"{kind} {name(database)}.{name(str(routine))}"
        _take_back(session, f"revoke all privileges on {thing} from {who}")


def _take_all(session: Session, database: str) -> None:
    """A database that is gone leaves no grants to one that will have its name."""
    pattern = literal(_pattern(database))
    for (user,) in session.ask(f"select user from mysql.db where host = '%' and db = {pattern}"):
        _withdraw(session, str(user), database)


def _take_back(session: Session, statement: str) -> None:
    try:
        session.ask(statement)
    except Refused as error:
        if error.code not in UNGRANTED:
            raise


def _leavers(session: Session, wanted: list[Login]) -> None:
    """Users who are not wanted go, and their sessions end."""
    names = {login.name for login in wanted}
    for user in _logins(session):
        if user not in names:
            session.ask(f"drop user if exists {literal(user)}@'%'")
            _end(session, f"user = {literal(user)}")
            session.ask(f"delete from {OWN}.notes where what = 'user' and name = {literal(user)}")


def _end(session: Session, whose: str) -> None:
    for (id_,) in session.ask(f"select id from information_schema.processlist where {whose}"):
        try:
            session.ask(f"kill connection {id_}")
        except Refused as error:
            if error.code != "1094":  # it has just ended
                raise


def views(session: Session, database: str) -> list[str]:
    rows = session.ask(f"select table_name from information_schema.views where table_schema = {literal(database)}")
    return [str(view) for (view,) in rows]


def _base_tables(session: Session, database: str) -> list[str]:
    query = f"select table_name from information_schema.tables where table_schema = {literal(database)}"
    return [str(table) for (table,) in session.ask(f"{query} and table_type in ('BASE TABLE', 'SEQUENCE')")]


def _triggers(session: Session, database: str) -> list[str]:
    query = f"select trigger_name from information_schema.triggers where trigger_schema = {literal(database)}"
    return [str(trigger) for (trigger,) in session.ask(query)]


def swap(session: Session, database: str, made: str, old: str) -> None:
    """Put the tables of a database that was made in the place of another's, all in one step."""
    session.ask(f"create database if not exists {name(database)}; create database if not exists {name(old)}")
    for each in (database, made):
        for trigger in _triggers(session, each):
            session.ask(f"drop trigger {name(each)}.{name(trigger)}")
    away = [(database, old, table) for table in _base_tables(session, database)]
    here = [(made, database, table) for table in _base_tables(session, made)]
    for view in views(session, database):
        session.ask(f"drop view {name(database)}.{name(view)}")
    for kind, routine in session.ask(
        f"select routine_type, routine_name from information_schema.routines where routine_schema = {literal(database)}"
    ):
        session.ask(f"drop {kind} {name(database)}.{name(str(routine))}")
    for (event,) in session.ask(
        f"select event_name from information_schema.events where event_schema = {literal(database)}"
    ):
        session.ask(f"drop event {name(database)}.{name(str(event))}")
    moves = ", ".join(f"{name(a)}.{name(t)} to {name(b)}.{name(t)}" for a, b, t in [*away, *here])
    if moves:
        session.ask(f"set foreign_key_checks = 0; rename table {moves}")


def forget_restores(session: Session) -> None:
    """Drop what tables were replaced by restores, and what restores that were cut short left behind."""
    for database in ("new", "old"):
        session.ask(f"set foreign_key_checks = 0; drop database if exists {name(TEMPORARY + database)}")


def _noted(session: Session, what: str) -> dict[str, str]:
    rows = session.ask(f"select name, digest from {OWN}.notes where what = '{what}'")
    return {str(thing): str(digest) for thing, digest in rows}


def _note(session: Session, what: str, thing: str, digest: str) -> None:
    session.ask(f"replace into {OWN}.notes values ('{what}', {literal(thing)}, {literal(digest)})")


def _all_of(database: str) -> str:
    """All tables of a database. Its name is a pattern here."""
    return f"{name(_pattern(database))}.*"


def _pattern(database: str) -> str:
    return database.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")


def _digest(text: str) -> str:
    return hashlib.blake2s(text.encode(), digest_size=16).hexdigest()
