"""Instances: making, reading, changing and deleting them; their certificate and metrics."""

from __future__ import annotations

import base64
import re
from typing import Annotated, Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.rdb.specs import EndpointSpec, several
from hideaway.api.rdb.views import view_instance
from hideaway.api.shapes import Body, Int32, Listing, Name, Query, Tags, Text, UInt64, given
from hideaway.base.errors import Fault, InvalidArguments, invalid
from hideaway.cloud.database_contents import user
from hideaway.cloud.database_types import CLASSES, DEFAULT_VOLUME, available, node_types, version
from hideaway.cloud.databases import BackupSchedule, Database, LogsPolicy, Setting
from hideaway.cloud.databasing import certified, delete, make, rename, scheduled, settled

USER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$.-]{0,62}")
MODES = ("disabled", "single_zone", "multiple_zone")
PASSWORD_RULE = "8 to 128 characters, with a digit, an upper-case, a lower-case and a special one"


class SettingBody(Body, frozen=True, kw_only=True):
    name: Name
    value: Text


class Encryption(Body, frozen=True, kw_only=True):
    enabled: bool = False


class CreateInstance(Body, frozen=True, kw_only=True):
    """organization_id: the older name of project_id, for the organization's default project."""

    organization_id: str | None = None
    project_id: str | None = None
    name: Name | None = None
    engine: str
    node_type: str
    user_name: str | None = None
    password: str | None = None
    is_ha_cluster: bool | None = None
    high_availability_mode: str | None = None
    disable_backup: bool | None = None
    tags: Tags | None = None
    init_settings: Annotated[list[SettingBody], msgspec.Meta(max_length=100)] | None = None
    volume_type: str | None = None
    volume_size: UInt64 | None = None
    init_endpoints: Annotated[list[EndpointSpec], msgspec.Meta(max_length=10)] | None = None
    backup_same_region: bool | None = None
    encryption: Encryption | None = None


class Policy(Body, frozen=True, kw_only=True):
    max_age_retention: Annotated[int, msgspec.Meta(ge=0, le=3650)] | None = None
    total_disk_retention: UInt64 | None = None


class UpdateInstance(Body, frozen=True, kw_only=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] | None = None
    tags: Tags | None = None
    backup_schedule_frequency: Int32 | None = None
    backup_schedule_retention: Int32 | None = None
    is_backup_schedule_disabled: bool | None = None
    backup_schedule_start_hour: Int32 | None = None
    logs_policy: Policy | None = None
    backup_same_region: bool | None = None


class ListInstances(Listing, frozen=True, kw_only=True):
    name: str | None = None
    tags: list[str] | None = None
    has_maintenances: bool | None = None


class Metrics(Query, frozen=True, kw_only=True):
    start_date: str | None = None
    end_date: str | None = None
    metric_name: str | None = None


def weak(password: str) -> bool:
    """Whether a password breaks the vendor's rule."""
    kinds = (str.isdigit, str.isupper, str.islower, lambda c: not c.isalnum() and c.isprintable())
    return not (8 <= len(password) <= 128 and all(any(kind(c) for c in password) for kind in kinds))


def user_faults(name: str, password: str | None, name_argument: str = "name") -> list[Fault]:
    """What is wrong with a user's name and password; a user without one can be made, as in the recordings."""
    faults = []
    if not USER_NAME.fullmatch(name) or name.startswith(("pg_", "_rdb_")):
        faults.append(Fault(name_argument, "constraint", "value is no user name, or a reserved one"))
    if password is not None and weak(password):
        faults.append(Fault("password", "constraint", PASSWORD_RULE))
    return faults


def volume_fault(node_type: str, type_: str, size: int) -> Fault | None:
    """What is wrong with a volume for a node type; None when nothing is."""
    offered = node_types()[node_type].volume(type_)
    if type_ not in CLASSES:
        return Fault("volume_type", "constraint", f"value must be one of {', '.join(CLASSES)}")
    if offered is None:
        return Fault("volume_type", "constraint", f"{node_type} has no {type_} volumes")
    if not offered.min_size <= size <= offered.max_size or size % offered.chunk_size:
        sizes = f"from {offered.min_size} to {offered.max_size} in steps of {offered.chunk_size}"
        return Fault("volume_size", "constraint", f"the size of a {type_} volume of {node_type} is {sizes}")
    return None


def local_size(node_type: str, type_: str) -> int:
    """The size of a volume when none is asked for: all of a local one, the smallest of another."""
    offered = node_types()[node_type].volume(type_) if node_type in node_types() else None
    return offered.min_size if offered else 0


def fitting(database: Database, name: str) -> dict[str, Any]:
    """What changes when an instance is on a node of this type: a local volume is as large as the node has it.

    Raises InvalidArguments for no node type, or one that does not have such volumes.
    """
    node_type = name.lower()
    if node_type not in node_types():
        raise invalid("node_type", f"{name[:64]!r} is no node type")
    local = CLASSES[database.volume_type] == "lssd"
    size = local_size(node_type, database.volume_type) if local else database.volume_size
    fault = volume_fault(node_type, database.volume_type, size)
    if fault is not None:
        raise InvalidArguments(Fault("node_type", fault.reason, fault.help_message))
    return {"node_type": node_type, "volume_size": size}


def setting_faults(engine: str, settings: list[SettingBody], argument: str, *, init: bool = False) -> list[Fault]:
    """What is wrong with settings for an engine's version."""
    known, faults = available(engine, init=init), []
    for i, setting in enumerate(settings):
        here = f"{argument}.{i}"
        if setting.name not in known:
            faults.append(Fault(f"{here}.name", "unknown", f"{engine} has no setting {setting.name[:64]!r}"))
        elif wrong := known[setting.name].fault(setting.value):
            faults.append(Fault(f"{here}.value", "constraint", f"{setting.name}: {wrong}"))
    return faults


def availability(is_ha_cluster: bool | None, mode: str | None) -> dict[str, Any]:
    """The old flag and the new mode of high availability: a mode that was not asked for is unknown (recorded)."""
    if not mode or mode.startswith("unknown"):
        return {"is_ha_cluster": bool(is_ha_cluster)}
    if mode not in MODES:
        raise invalid("high_availability_mode", f"value must be one of {', '.join(MODES)}")
    return {"is_ha_cluster": mode != "disabled", "high_availability_mode": mode}


def _faults(body: CreateInstance, node_type: str, volume_type: str, volume_size: int) -> list[Fault]:
    faults: list[Fault | None] = []
    engine = version(body.engine)
    if engine is None or engine.disabled:
        faults.append(Fault("engine", "constraint", f"{body.engine[:64]!r} is no engine on offer"))
    else:
        faults.extend(setting_faults(body.engine, body.init_settings or [], "init_settings", init=True))
    if node_type in node_types():
        faults.append(volume_fault(node_type, volume_type, volume_size))
    else:
        faults.append(Fault("node_type", "constraint", f"{body.node_type[:64]!r} is no node type"))
    if body.user_name or body.password:
        faults.extend(user_faults(body.user_name or "", body.password or "", "user_name"))
    return [f for f in faults if f is not None]


def create(call: Call, body: CreateInstance) -> dict[str, Any]:
    """Node types are answered in lower case, however asked for; without init_endpoints there is a public one."""
    common = call.common(body.project_id or body.organization_id, Database.resource)
    node_type, volume_type = body.node_type.lower(), body.volume_type or DEFAULT_VOLUME
    volume_size = body.volume_size or local_size(node_type, volume_type)
    faults = _faults(body, node_type, volume_type, volume_size)
    if faults:
        raise InvalidArguments(*faults)
    database = Database(
        **common,
        region=call.region,
        name=body.name or f"db-{call.change.ids.word()}",
        engine=body.engine,
        node_type=node_type,
        **availability(body.is_ha_cluster, body.high_availability_mode),
        tags=body.tags or [],
        init_settings=[Setting(name=s.name, value=s.value) for s in body.init_settings or []],
        backup_schedule=BackupSchedule(disabled=bool(body.disable_backup)),
        backup_same_region=bool(body.backup_same_region),
        volume_type=volume_type,
        volume_size=volume_size,
        encryption_enabled=bool(body.encryption and body.encryption.enabled),
        users=[user(call.change, body.engine, body.user_name, body.password, is_admin=True)] if body.user_name else [],
    )
    endpoints = several(call, body.init_endpoints or [], common["project_id"], "init_endpoints")
    return view_instance(call, make(call.change, database, endpoints))


def get(call: Call) -> dict[str, Any]:
    return view_instance(call, call.own(Database, param="instance_id"))


def list_(call: Call, query: ListInstances) -> dict[str, Any]:
    """All of a list are in one region, so the order `region` is none."""
    if query.order_by == "region":
        query = msgspec.structs.replace(query, order_by=None)
    special = {"has_maintenances": lambda d, wanted: not wanted}
    return listing("instances", call.visible(Database), query, lambda d: view_instance(call, d), special=special)


def update(call: Call, body: UpdateInstance) -> dict[str, Any]:
    """Answered in the state it was in (recorded). A schedule that changes begins anew; one that does not goes on."""
    database = call.own(Database, param="instance_id")
    old = database.backup_schedule
    fields = given(
        body,
        "backup_schedule_frequency",
        "backup_schedule_retention",
        "is_backup_schedule_disabled",
        "backup_schedule_start_hour",
        "logs_policy",
    )
    wanted = {
        "frequency": _positive(body.backup_schedule_frequency, "backup_schedule_frequency"),
        "retention": _positive(body.backup_schedule_retention, "backup_schedule_retention"),
        "disabled": body.is_backup_schedule_disabled,
    }
    asked = {name: value for name, value in wanted.items() if value is not None}
    schedule = msgspec.structs.replace(old, **asked)
    if body.backup_schedule_frequency or schedule.disabled != old.disabled:
        schedule = scheduled(call.change, schedule)
    if body.logs_policy is not None:
        fields["logs_policy"] = LogsPolicy(**msgspec.structs.asdict(body.logs_policy))
    changed = database.changed(call.change.now, backup_schedule=schedule, **fields)
    call.change.ledger.put(changed)
    if changed.name != database.name:
        rename(call.change, changed)
    return view_instance(call, changed)


def _positive(value: int | None, argument: str) -> int | None:
    if value is not None and not 1 <= value <= 365 * 24:
        raise invalid(argument, "value must be from 1 to 8760")
    return value


def remove(call: Call) -> dict[str, Any]:
    return view_instance(call, delete(call.change, call.own(Database, param="instance_id")))


def restart(call: Call) -> dict[str, Any]:
    database = call.own(Database, param="instance_id")
    settled(database)
    anew = msgspec.structs.replace(database, starts=database.starts + 1)
    return view_instance(call, call.change.begin(anew, "restarting", "ready"))


def apply_maintenance(call: Call) -> dict[str, Any]:
    """There is never one to apply."""
    database = call.own(Database, param="instance_id")
    raise invalid("instance_id", f"{database.name} has no maintenance to apply")


def get_certificate(call: Call) -> dict[str, Any]:
    database = call.own(Database, param="instance_id")
    content = base64.b64encode(database.certificate.encode()).decode()
    return {"content": content, "content_type": "application/x-pem-file", "name": "ssl_certificate"}


def renew_certificate(call: Call) -> None:
    database = call.own(Database, param="instance_id")
    settled(database)
    call.change.ledger.put(certified(call.change, database))


def get_metrics(call: Call, query: Metrics) -> dict[str, Any]:
    """Nothing is measured, so there is no series."""
    call.own(Database, param="instance_id")
    return {"timeseries": []}


BASE = "/regions/{region}/instances"
ONE = BASE + "/{instance_id}"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=CreateInstance, records=False),
    Route(method="GET", path=BASE, handler=list_, query=ListInstances),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateInstance),
    Route(method="DELETE", path=ONE, handler=remove, records=False),
    Route(method="POST", path=ONE + "/restart", handler=restart),
    Route(method="POST", path=ONE + "/apply-maintenance", handler=apply_maintenance),
    Route(method="GET", path=ONE + "/certificate", handler=get_certificate),
    Route(method="POST", path=ONE + "/renew-certificate", handler=renew_certificate, status=204),
    Route(method="GET", path=ONE + "/metrics", handler=get_metrics, query=Metrics),
]
