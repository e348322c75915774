"""What is in a PostgreSQL server: users by their verifiers, databases, and what the users may do with them.

What was set last is noted in comments of the server's own (they travel with its data): a user's is the digest of the
verifier, a database's that of all its grants. Only what was set anew since is stated again, so what users themselves
change by SQL, a password or a grant, stays until it is set through the API.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from .settings import Grant, Login, Settings
from .wire import Connection, literal, name

SUPERUSER = "_rdb_platform"
OWNER = "_rdb_superadmin"
"""The platform's two users. The first is the server's superuser, and owns nothing of its users'. The second, whom the
API names, is none: it owns databases and what deleted users leave behind, and restores what users once wrote, as a
member of all of them. So nothing that a user wrote is ever run by a superuser, or owned by one."""
SESSION = (
    "-c search_path=pg_catalog -c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c lock_timeout=20s"
)
"""How the superuser's sessions are: what users make never comes before the server's own, what they set counts not."""
TEMPORARY = "_rdb_restore_"
USERS = f"not datistemplate and datname <> 'postgres' and not starts_with(datname, '{TEMPORARY}')"
LOGINS = "select rolname from pg_roles where not starts_with(rolname, '_rdb_') and not starts_with(rolname, 'pg_')"
ACCESS = f"""\
# Within the world, by those who run the server.
local all {SUPERUSER},{OWNER} trust
local replication {SUPERUSER} trust
local all all reject
# By its addresses, with a password.
host all {SUPERUSER},{OWNER} all reject
host all all all scram-sha-256
"""
"""pg_hba.conf."""

SCHEMAS = "select nspname from pg_namespace where not starts_with(nspname, 'pg_') and nspname <> 'information_schema'"
TABLES = {"readonly": "select", "readwrite": "select, insert, update, delete", "all": "all"}
SEQUENCES = {"readonly": "select", "readwrite": "all", "all": "all"}
SPACES = {"readonly": "usage", "readwrite": "usage", "all": "all"}
DATABASE = {"readonly": "connect, temporary", "readwrite": "connect, temporary", "all": "all"}
"""permission -> what it grants on tables, sequences, schemas and the database itself."""
MAKERS = ("all", "custom")
"""Permissions of those who may make tables, which others then may use as well."""

Open = Callable[[str], Connection]


def apply(open_: Open, settings: Settings) -> None:
    """Have the users, databases and privileges that there shall be, and no others. Raises Refused."""
    with open_("postgres") as session:
        session.ask("set synchronous_commit = local")  # without waiting for a standby: it is stated again if it is lost
        for statement in _lockdown(session):
            session.ask(statement)
        _users(session, settings.users)
        _databases(session, open_, settings)
        _leavers(session, open_, settings.users)


def _lockdown(session: Connection) -> Iterator[str]:
    """Nobody comes to the server's own databases; said once, as that the owner is there."""
    if not session.ask(f"select 1 from pg_roles where rolname = '{OWNER}'"):
        yield f"create role {OWNER} login"
    query = "select datname from pg_database where datname in ('postgres', 'template1')"
    for (database,) in session.ask(f"{query} and has_database_privilege('public', oid, 'connect')"):
        yield f"revoke all on database {name(str(database))} from public"


def _users(session: Connection, wanted: list[Login]) -> None:
    rows = session.ask(
        "select rolname, coalesce(shobj_description(oid, 'pg_authid'), ''), pg_has_role(oid, 'pg_monitor', 'member')"
        f" from pg_roles where rolcanlogin and rolname in ({LOGINS})"
    )
    present = {user: (noted, member) for user, noted, member in rows}
    known = {user for (user,) in session.ask(LOGINS)}
    for login in wanted:
        statements = []
        noted, member = present.get(login.name) or ("", "f")
        user, digest = name(login.name), _digest(login.verifier)
        if login.name in known - present.keys():
            statements.append(f"alter role {user} login")  # it was about to leave
        elif login.name not in known:
            statements += [f"create role {user} login", f"grant {user} to {OWNER}"]
        if noted != digest:
            password = literal(login.verifier) if login.verifier else "null"
            statements += [f"alter role {user} password {password}", f"comment on role {user} is {literal(digest)}"]
        if login.admin != (member == "t"):
            word, side = ("grant", "to") if login.admin else ("revoke", "from")
            statements.append(f"{word} pg_monitor, pg_signal_backend {side} {user}")
        if statements:
            session.ask("; ".join(statements))


def _databases(session: Connection, open_: Open, settings: Settings) -> None:
    rows = session.ask(
        f"select datname, coalesce(shobj_description(oid, 'pg_database'), '') from pg_database where {USERS}"
    )
    present = {str(database): noted for database, noted in rows}
    for database in present.keys() - set(settings.databases):
        session.ask(f"drop database if exists {name(database)} with (force)")
    for database in settings.databases:
        grants = [grant for grant in settings.grants if grant.database == database]
        digest = _digest(repr([(grant.user, grant.permission) for grant in grants]))
        if database not in present and database in settings.restored:
            continue  # a restore is about to make it
        if database not in present:
            session.ask(f"create database {name(database)} owner {OWNER}")
        if present.get(database) != digest:
            with open_(database) as inside:
                _grant(inside, database, grants)
                inside.ask(f"comment on database {name(database)} is {literal(digest)}")


def _grant(session: Connection, database: str, grants: list[Grant]) -> None:
    """State all grants of a database in one transaction, and end the sessions of those who may not come any more."""
    schemas = [str(schema) for (schema,) in session.ask(SCHEMAS)]
    makers = [OWNER, *(grant.user for grant in grants if grant.permission in MAKERS)]
    statements = [f"revoke all on database {name(database)} from public"]
    for grant in grants:
        if grant.permission != "custom":
            statements += [_withdraw(grant.user, database), *_grants(grant, database, schemas, makers)]
    session.ask(";\n".join(statements))
    session.ask(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
        f" and usename not in ('{SUPERUSER}', '{OWNER}') and not has_database_privilege(usesysid, datid, 'connect')"
    )


def _grants(grant: Grant, database: str, schemas: list[str], makers: list[str]) -> Iterator[str]:
    """What a permission means, for what is there and for what its makers make later."""
    user, permission = name(grant.user), grant.permission
    if permission not in TABLES:
        return
    yield f"grant {DATABASE[permission]} on database {name(database)} to {user}"
    for schema in map(name, schemas):
        yield f"grant {SPACES[permission]} on schema {schema} to {user}"
        yield f"grant {TABLES[permission]} on all tables in schema {schema} to {user}"
        yield f"grant {SEQUENCES[permission]} on all sequences in schema {schema} to {user}"
    for maker in makers:
        if maker != grant.user:
            future = f"alter default privileges for role {name(maker)} grant"
            yield f"{future} {SPACES[permission]} on schemas to {user}"
            yield f"{future} {TABLES[permission]} on tables to {user}"
            yield f"{future} {SEQUENCES[permission]} on sequences to {user}"


def _withdraw(user: str, database: str) -> str:
    """Take back all that a user was granted in a database; what they own stays theirs."""
    # As a literal: a user's name may hold what ends a text between dollars.
    return "do " + literal(f"""
declare
  who constant oid := (select oid from pg_roles where rolname = {literal(user)});
  each record;
begin
  execute format('revoke all on database %I from %I', {literal(database)}, {literal(user)});
  for each in select c.oid::regclass as thing from pg_class c, aclexplode(c.relacl) a
    where a.grantee = who and c.relowner <> who and c.relkind in ('r', 'v', 'm', 'f', 'p', 'S') group by c.oid
  loop
    execute format('revoke all on table %s from %I', each.thing, {literal(user)});
  end loop;
  for each in select n.nspname as thing from pg_namespace n, aclexplode(n.nspacl) a
    where a.grantee = who and n.nspowner <> who group by n.oid
  loop
    execute format('revoke all on schema %I from %I', each.thing, {literal(user)});
  end loop;
  for each in select pg_get_userbyid(d.defaclrole) as maker, d.defaclobjtype as kind
    from pg_default_acl d, aclexplode(d.defaclacl) a
    where a.grantee = who and d.defaclrole <> who and d.defaclnamespace = 0 and d.defaclobjtype in ('r', 'S', 'n')
    group by d.oid
  loop
    execute format('alter default privileges for role %I revoke all on %s from %I', each.maker,
      case each.kind when 'r' then 'tables' when 'S' then 'sequences' else 'schemas' end, {literal(user)});
  end loop;
end""")


def _leavers(session: Connection, open_: Open, wanted: list[Login]) -> None:
    """Users who are not wanted go; what they own becomes the platform's. It may be cut short and begun again."""
    names = {login.name for login in wanted}
    leavers = [str(user) for (user,) in session.ask(LOGINS) if user not in names]
    if not leavers:
        return
    databases = [str(each) for (each,) in session.ask("select datname from pg_database where datallowconn")]
    for user in leavers:
        session.ask(f"alter role {name(user)} nologin")
        session.ask(f"select pg_terminate_backend(pid) from pg_stat_activity where usename = {literal(user)}")
        for database in databases:
            with open_(database) as inside:
                inside.ask(f"reassign owned by {name(user)} to {OWNER}; drop owned by {name(user)}")
        session.ask(f"drop role {name(user)}")


def _digest(text: str) -> str:
    return "hideaway:" + hashlib.blake2s(text.encode(), digest_size=16).hexdigest()
