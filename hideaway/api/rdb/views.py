"""How rdb/v1 answers its resources."""

from __future__ import annotations

from typing import Any

from hideaway.api.call import Call, answer
from hideaway.base.errors import invalid
from hideaway.base.ids import is_uuid
from hideaway.cloud.database_types import CLASSES, MINOR_VERSIONS, upgradable
from hideaway.cloud.databases import AccessRule, Backup, Database, Endpoint, InstanceLog, ReadReplica, Snapshot

OWNERS = ("organization_id", "project_id")


def view_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    """One of the vendor's three kinds. A public one is not known before its instance is ready: all empty (recorded)."""
    if not endpoint.shown:
        return {"id": "", "name": None, "port": 0}
    if endpoint.private_network_id is None:
        return _bare(endpoint) | {"direct_access" if endpoint.direct else "load_balancer": {}}
    details = {
        "private_network_id": endpoint.private_network_id,
        "provisioning_mode": endpoint.provisioning_mode,
        "service_ip": endpoint.service_ip,
        "zone": endpoint.zone,
    }
    return _bare(endpoint) | {"private_network": details}


def _bare(endpoint: Endpoint) -> dict[str, Any]:
    return {"id": endpoint.id, "ip": endpoint.ip, "name": None, "port": endpoint.port}


def _first_endpoint(endpoints: list[Endpoint]) -> dict[str, Any] | None:
    """`endpoint`, from when an instance had one: the public one.

    Once that is taken away, the private one that was added beside it, without its kind (recorded: an instance of a
    snapshot); a private one that the instance began with never (30 recorded answers).
    """
    for endpoint in endpoints:
        if endpoint.private_network_id is None:
            return view_endpoint(endpoint)
    return next((_bare(e) for e in endpoints if e.beside_public), None)


def shown(document: Database | ReadReplica) -> list[Endpoint]:
    """The endpoints that are answered: those on their way out too, those that are not there yet not."""
    return [e for e in (*document.listed_endpoints, *document.leaving_endpoints) if e.shown]


def view_replica(replica: ReadReplica) -> dict[str, Any]:
    fields = without(answer(replica), *OWNERS, "created_at", "updated_at")
    return fields | {"endpoints": [view_endpoint(e) for e in shown(replica)]}


def view_instance(call: Call, database: Database) -> dict[str, Any]:
    endpoints = shown(database)
    replicas = call.change.ledger.find(ReadReplica, ref=database.id)
    newer = [
        {"id": v.id, "minor_version": MINOR_VERSIONS.get(v.version, v.version), "name": v.name, "version": v.version}
        for v in upgradable(database.engine)
    ]
    return without(answer(database), "updated_at") | {
        "endpoint": _first_endpoint(endpoints),
        "endpoints": [view_endpoint(e) for e in endpoints],
        "upgradable_version": newer,
        "read_replicas": [view_replica(r) for r in replicas],
        "volume": view_volume(database) | {"size": database.volume_size},
        "encryption": {"enabled": database.encryption_enabled},
        "maintenances": [],
    }


def view_volume(database: Database) -> dict[str, Any]:
    return {"type": database.volume_type, "class": CLASSES[database.volume_type]}


def view_backup(backup: Backup) -> dict[str, Any]:
    return _dated(backup)


def view_snapshot(snapshot: Snapshot) -> dict[str, Any]:
    return _dated(snapshot) | {"volume_type": view_volume(snapshot.source)}


def view_log(log: InstanceLog) -> dict[str, Any]:
    return without(answer(log), *OWNERS, "updated_at", "instance_id")


def _dated(document: Backup | Snapshot) -> dict[str, Any]:
    """Nothing was updated before it is made: updated_at is null while it is created (recorded)."""
    fields = without(answer(document), *OWNERS)
    return fields | {"updated_at": None} if document.status == "creating" else fields


def view_rule(database: Database, rule: AccessRule) -> dict[str, Any]:
    """A rule with its instance's public port, 0 where it has none (recorded)."""
    public = next((e for e in database.listed_endpoints if e.private_network_id is None), None)
    return {
        "action": "allow",
        "description": rule.description,
        "direction": "inbound",
        "ip": rule.ip,
        "port": public.port if public else 0,
        "protocol": "tcp",
    }


def without(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    """The fields but these."""
    return {name: value for name, value in fields.items() if name not in names}


def instance_of(call: Call, id_: str, argument: str = "instance_id") -> Database:
    """The caller's instance in this region that a body refers to, and that this call may change. Raises NotFound."""
    if not is_uuid(id_):
        raise invalid(argument, "value must be a valid UUID", "format")
    return call.own(Database, id_)
