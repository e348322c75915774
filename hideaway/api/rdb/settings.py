"""An instance's settings, of those that its engine's version has."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.pipeline import Route
from hideaway.api.rdb.instances import SettingBody, setting_faults
from hideaway.api.shapes import Body, Name
from hideaway.base.errors import InvalidArguments
from hideaway.cloud.databases import Database, Setting
from hideaway.cloud.databasing import settled


class Settings(Body, frozen=True, kw_only=True):
    settings: Annotated[list[SettingBody], msgspec.Meta(max_length=1000)]


class SettingNames(Body, frozen=True, kw_only=True):
    setting_names: Annotated[list[Name], msgspec.Meta(max_length=1000)]


def _checked(call: Call, body: Settings) -> tuple[Database, dict[str, str]]:
    database = call.own(Database, param="instance_id")
    faults = setting_faults(database.engine, body.settings, "settings")
    if faults:
        raise InvalidArguments(*faults)
    return database, {s.name: s.value for s in body.settings}


def _keep(call: Call, database: Database, settings: dict[str, str]) -> None:
    """Kept, and answered with the instance, in the order of their names (recorded)."""
    settled(database)
    ordered = [Setting(name=name, value=settings[name]) for name in sorted(settings)]
    call.change.begin(msgspec.structs.replace(database, settings=ordered), "configuring", "ready")


def _answer(settings: dict[str, str]) -> dict[str, Any]:
    return {"settings": [{"name": name, "value": value} for name, value in settings.items()]}


def replace(call: Call, body: Settings) -> dict[str, Any]:
    """Answered in the order in which they were given (recorded)."""
    database, settings = _checked(call, body)
    _keep(call, database, settings)
    return _answer(settings)


def add(call: Call, body: Settings) -> dict[str, Any]:
    database, new = _checked(call, body)
    settings = {s.name: s.value for s in database.settings} | new
    _keep(call, database, settings)
    return _answer(settings)


def delete(call: Call, body: SettingNames) -> None:
    database = call.own(Database, param="instance_id")
    _keep(call, database, {s.name: s.value for s in database.settings if s.name not in body.setting_names})


PATH = "/regions/{region}/instances/{instance_id}/settings"
ROUTES = [
    Route(method="POST", path=PATH, handler=add, body=Settings),
    Route(method="PUT", path=PATH, handler=replace, body=Settings),
    Route(method="DELETE", path=PATH, handler=delete, body=SettingNames, status=204),
]
