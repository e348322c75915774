"""What is in an instance: users, databases, and what the users may do with the databases."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.rdb.instances import user_faults
from hideaway.api.rdb.live import facts_of
from hideaway.api.shapes import Body, Listing
from hideaway.base.errors import Conflict, Fault, InvalidArguments, NotFound, invalid
from hideaway.cloud.database_contents import privileges_of, user
from hideaway.cloud.databases import Database, DatabaseUser, LogicalDatabase, Privilege
from hideaway.cloud.databasing import settled

DATABASE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_$-]{0,62}")
RESERVED = ("postgres", "template0", "template1", "mysql", "sys", "information_schema", "performance_schema")
PERMISSIONS = ("readonly", "readwrite", "all", "custom", "none")
MAX_ITEMS = 1000  # users, or databases, of an instance (assumed)


class CreateUser(Body, frozen=True, kw_only=True):
    name: str
    password: str | None = None
    is_admin: bool | None = None


class UpdateUser(Body, frozen=True, kw_only=True):
    password: str | None = None
    is_admin: bool | None = None


class ListUsers(Listing, frozen=True, kw_only=True):
    name: str | None = None


class CreateDatabase(Body, frozen=True, kw_only=True):
    name: str


class ListDatabases(Listing, frozen=True, kw_only=True):
    name: str | None = None
    managed: bool | None = None
    owner: str | None = None
    skip_size_retrieval: bool | None = None


class SetPrivilege(Body, frozen=True, kw_only=True):
    database_name: str
    user_name: str
    permission: str | None = None


class ListPrivileges(Listing, frozen=True, kw_only=True):
    database_name: str | None = None
    user_name: str | None = None


def _itself(item: msgspec.Struct) -> msgspec.Struct:
    return item


def _open(call: Call) -> Database:
    """The path's instance, that is ready to be changed."""
    database = call.own(Database, param="instance_id")
    settled(database)
    return database


def _keep(call: Call, database: Database, **fields: Any) -> None:
    for items in fields.values():
        if len(items) > MAX_ITEMS:
            raise invalid("name", f"there may be {MAX_ITEMS} at most")
    call.change.ledger.put(database.changed(call.change.now, **fields))


def _user(database: Database, name: str) -> DatabaseUser:
    found = next((u for u in database.users if u.name == name), None)
    if found is None:
        raise NotFound("user", name)
    return found


def view_user(user: DatabaseUser) -> dict[str, Any]:
    return {"name": user.name, "is_admin": user.is_admin}


def create_user(call: Call, body: CreateUser) -> dict[str, Any]:
    database = _open(call)
    faults = user_faults(body.name, body.password)
    if faults:
        raise InvalidArguments(*faults)
    if any(u.name == body.name for u in database.users):
        raise Conflict("user", body.name, f"user {body.name} exists already")
    made = user(call.change, database.engine, body.name, body.password, is_admin=bool(body.is_admin))
    _keep(call, database, users=[*database.users, made])
    return view_user(made)


def list_users(call: Call, query: ListUsers) -> dict[str, Any]:
    users = call.own(Database, param="instance_id").users
    return listing("users", users, query, view_user, default_order="name_asc")


def update_user(call: Call, body: UpdateUser) -> dict[str, Any]:
    database = _open(call)
    old = _user(database, call.params["name"])
    faults = user_faults(old.name, body.password)
    if faults:
        raise InvalidArguments(*faults)
    is_admin = old.is_admin if body.is_admin is None else body.is_admin
    new = user(call.change, database.engine, old.name, body.password, is_admin=is_admin)
    if body.password is None:
        new = msgspec.structs.replace(new, verifier=old.verifier)
    _keep(call, database, users=[new if u == old else u for u in database.users])
    return view_user(new)


def delete_user(call: Call) -> None:
    database = _open(call)
    gone = _user(database, call.params["name"])
    users = [u for u in database.users if u != gone]
    _keep(call, database, users=users, privileges=[p for p in database.privileges if p.user_name != gone.name])


def new_database(name: str, argument: str = "database_name") -> LogicalDatabase:
    """A database of this name. Raises InvalidArguments for a name that none may have."""
    if not DATABASE_NAME.fullmatch(name) or name in RESERVED:
        raise invalid(argument, "value is no database name, or a reserved one")
    return LogicalDatabase(name=name)


def create_database(call: Call, body: CreateDatabase) -> LogicalDatabase:
    """Answered without owner and size, which it has from then on (recorded)."""
    database, made = _open(call), new_database(body.name, "name")
    if any(d.name == body.name for d in database.databases):
        raise Conflict("database", body.name, f"database {body.name} exists already")
    _keep(call, database, databases=[*database.databases, made])
    return LogicalDatabase(name=body.name, owner="", size=0)


def list_databases(call: Call, query: ListDatabases) -> dict[str, Any]:
    instance = call.own(Database, param="instance_id")
    sizes = {held.name: held.size for held in facts_of(call, instance).databases}
    databases = [msgspec.structs.replace(d, size=sizes.get(d.name, d.size)) for d in instance.databases]
    if query.skip_size_retrieval:
        databases = [msgspec.structs.replace(database, size=0) for database in databases]
    special = {"skip_size_retrieval": lambda d, wanted: True}
    return listing("databases", databases, query, _itself, special=special, default_order="name_asc")


def delete_database(call: Call) -> None:
    database, name = _open(call), call.params["name"]
    if all(d.name != name for d in database.databases):
        raise NotFound("database", name)
    databases = [d for d in database.databases if d.name != name]
    _keep(call, database, databases=databases, privileges=[p for p in database.privileges if p.database_name != name])


def set_privilege(call: Call, body: SetPrivilege) -> Privilege:
    database = _open(call)
    permission = body.permission or "readonly"
    if permission not in PERMISSIONS:
        raise InvalidArguments(Fault("permission", "constraint", f"value must be one of {', '.join(PERMISSIONS)}"))
    _user(database, body.user_name)
    if all(d.name != body.database_name for d in database.databases):
        raise NotFound("database", body.database_name)
    privilege = Privilege(database_name=body.database_name, user_name=body.user_name, permission=permission)
    pair = (body.database_name, body.user_name)
    others = [p for p in database.privileges if (p.database_name, p.user_name) != pair]
    call.change.ledger.put(database.changed(call.change.now, privileges=[*others, privilege]))
    return privilege


def list_privileges(call: Call, query: ListPrivileges) -> dict[str, Any]:
    privileges = privileges_of(call.own(Database, param="instance_id"))
    return listing("privileges", privileges, query, _itself, default_order="user_name_asc")


ONE = "/regions/{region}/instances/{instance_id}"
ROUTES = [
    Route(method="GET", path=ONE + "/users", handler=list_users, query=ListUsers),
    Route(method="POST", path=ONE + "/users", handler=create_user, body=CreateUser),
    Route(method="PATCH", path=ONE + "/users/{name}", handler=update_user, body=UpdateUser),
    Route(method="DELETE", path=ONE + "/users/{name}", handler=delete_user, status=204),
    Route(method="GET", path=ONE + "/databases", handler=list_databases, query=ListDatabases),
    Route(method="POST", path=ONE + "/databases", handler=create_database, body=CreateDatabase),
    Route(method="DELETE", path=ONE + "/databases/{name}", handler=delete_database, status=204),
    Route(method="GET", path=ONE + "/privileges", handler=list_privileges, query=ListPrivileges),
    Route(method="PUT", path=ONE + "/privileges", handler=set_privilege, body=SetPrivilege),
]
