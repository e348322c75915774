"""What is in managed databases: users, databases, privileges, settings, as the server shall have them."""

from __future__ import annotations

from hideaway.cloud.change import Change
from hideaway.cloud.database_types import available, first_settings
from hideaway.cloud.databases import Database, DatabaseUser, Privilege, Setting
from hideaway.cloud.verifiers import verifier_of


def user(change: Change, engine: str, name: str, password: str | None, *, is_admin: bool) -> DatabaseUser:
    """A user of an instance of this engine; without a password nobody is let in under the name."""
    return DatabaseUser(name=name, is_admin=is_admin, verifier=_verifier(change, engine, password))


def _verifier(change: Change, engine: str, password: str | None) -> str:
    return verifier_of(engine, password, bytes.fromhex(change.ids.uuid().replace("-", ""))) if password else ""


def privileges_of(database: Database) -> list[Privilege]:
    """One for every user and database: what was set, else all for an admin and none for another user (assumed)."""
    held = {(p.database_name, p.user_name): p for p in database.privileges}
    return [
        held.get((d.name, u.name))
        or Privilege(database_name=d.name, user_name=u.name, permission="all" if u.is_admin else "none")
        for u in database.users
        for d in database.databases
    ]


def settings_of(database: Database) -> list[Setting]:
    """The settings that its server has: a new one's too, which are answered only once it is ready."""
    return database.settings or [
        Setting(name=name, value=value) for name, value in first_settings(database.engine, database.node_type).items()
    ]


def with_unit(engine: str, setting: Setting) -> str:
    """A setting's value with its unit, as a server's configuration spells it: 4MB."""
    known = available(engine).get(setting.name)
    return setting.value + (known.unit or "" if known else "")
