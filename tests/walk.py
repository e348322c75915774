"""Every route that is served, every kind of document that is kept: what the walks over the whole API are made of.

A product or a document type that is added later is walked without a change here.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from hideaway.api.k8s import catalogue
from hideaway.api.pipeline import Route
from hideaway.api.products import PRODUCTS
from hideaway.cloud.change import Change
from hideaway.cloud.documents import KINDS, Document
from hideaway.cloud.founding import found_project
from hideaway.cloud.identity import ApiKey, Project
from tests.api_in_process import Cloud

MARK = "NOT-YOURS"
"""In every free text of the planted documents: it must never be in another's answer."""
PLACES = {"region": "fr-par", "zone": "fr-par-1", "key": "walker"}
"""Parameters and fields that are no identifiers."""


class Step(msgspec.Struct, frozen=True):
    """A route with where it is mounted."""

    prefix: str
    route: Route

    def __str__(self) -> str:
        return f"{self.route.method} {self.prefix}{self.route.path}"

    @property
    def parameters(self) -> list[str]:
        return [part[1:-1].partition(":")[0] for part in self.route.path.split("/") if part.startswith("{")]

    def path(self, values: dict[str, str]) -> str:
        parts = []
        for part in self.route.path.split("/"):
            name = part[1:-1].partition(":")[0] if part.startswith("{") else ""
            parts.append(values.get(name, name) if name else part)
        return self.prefix + "/".join(parts)


def steps() -> list[Step]:
    """Every route of every product."""
    return [Step(product.prefix, route) for product in PRODUCTS for route in product.routes]


class Planted(msgspec.Struct):
    """A project's documents, one of each kind, made without regard for what they mean."""

    project_id: str
    documents: list[Document]

    @property
    def ids(self) -> set[str]:
        return {d.id for d in self.documents} | {self.project_id}

    def for_name(self, name: str) -> list[str]:
        """The ids that a parameter or field of this name may mean: those of the kind that it names, else all."""
        wanted = name.removesuffix("s").removesuffix("_id").removesuffix("_key")
        fitting = [d.id for d in self.documents if wanted in (_last(d.kind), d.resource) or _last(d.kind) in wanted]
        return fitting or [d.id for d in self.documents]


def _last(kind: str) -> str:
    return kind.rpartition("/")[2]


def plant(cloud: Cloud, organization_id: str, mark: str = MARK) -> Planted:
    """Keep one document of every kind in a new project of an organization; mark is in all their texts."""
    now = cloud.clock.now()
    with cloud.store.transaction() as ledger:
        project = cloud.ids.uuid()
        found_project(Change(ledger, now, cloud.ids), organization_id, project, f"{mark} project", mark)
        ids = {kind: cloud.ids.access_key() if kind == ApiKey.kind else cloud.ids.uuid() for kind in KINDS}
        documents = []
        for kind, type_ in KINDS.items():
            if type_ is Project:
                continue
            fields = {f.encode_name: f for f in msgspec.structs.fields(type_)}
            values = {f.name: _value(type_, f, ids, mark) for f in fields.values() if _worth_filling(f)}
            values |= {
                "id": ids[kind],
                "organization_id": organization_id,
                "project_id": project,
                "created_at": now,
                "updated_at": now,
                "pending": None,
            }
            document = type_(**values)
            ledger.put(document)
            documents.append(document)
    return Planted(project, documents)


def _worth_filling(field: msgspec.structs.FieldInfo) -> bool:
    free_text = field.name in ("name", "description", "tags", "address", "email", "username", "secret")
    return field.required or free_text or field.name.endswith("_id")


def _value(type_: type[Document], field: msgspec.structs.FieldInfo, ids: dict[str, str], mark: str) -> Any:
    if field.name in PLACES:
        return PLACES[field.name]
    if field.name.endswith("_id"):
        wanted = field.name.removesuffix("_id")
        return next((i for kind, i in ids.items() if _last(kind) == wanted), ids[type_.kind])
    hints = typing.get_type_hints(type_, include_extras=True)
    return sample(hints[field.name], f"{mark} {type_.kind} {field.name}")


def sample(hint: Any, text: str) -> Any:
    """Some value of a type; its texts are this one."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return sample(arguments[0], text)
    if origin in (typing.Union, types.UnionType):
        return sample(next(a for a in arguments if a is not type(None)), text)
    if origin is Literal:
        return arguments[-1]
    if origin is list:
        return [text] if arguments[0] is str else []
    if origin is tuple:
        return ()
    if origin is dict:
        return {}
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        hints = typing.get_type_hints(hint, include_extras=True)
        return hint(**{f.name: sample(hints[f.name], text) for f in msgspec.structs.fields(hint) if f.required})
    plain: dict[Any, Any] = {str: text, int: 1, float: 1.0, bool: False, datetime: datetime(2026, 1, 1), bytes: b""}
    if hint in plain:
        return plain[hint]
    if hint is Any:
        return text
    return next(iter(hint))  # an enumeration


PLAUSIBLE: dict[str, dict[str, Any]] = {
    "clusters": {"name": "walker", "version": catalogue.versions()[0].name, "cni": "cilium", "type": "kapsule"},
    "pools": {"name": "walker", "node_type": "DEV1-M", "size": 1},
    "servers": {"name": "walker", "commercial_type": "DEV1-S"},
    "instances": {
        "name": "walker", "engine": "PostgreSQL-15", "node_type": "DB-DEV-S", "user_name": "walker",
        "password": "Walker-1234567", "is_ha_cluster": False, "disable_backup": True, "volume_type": "lssd",
    },
    "gateways": {"type": "VPC-GW-S"},
    "volumes": {"name": "walker", "from_empty": {"size": 10**9}, "volume_type": "l_ssd", "size": 10**9},
    "routes": {"destination": "10.9.0.0/24"},
    "lbs": {"name": "walker", "type": "LB-S"},
}  # fmt: skip
"""By a path's last word, what makes a body complete where its type alone does not say so: the references come next."""
OPAQUE = {"kms_key_id", "entity_id", "user"}
"""Identifiers of what hideaway does not serve, and texts: kept as they are said."""


def bodies(step: Step, planted: Planted) -> Iterator[Any]:
    """Bodies for a route: what it requires, and once for each reference in it, with that one as well."""
    if step.route.body is None:
        yield None
        return
    if step.route.body is bytes:
        yield {}
        return
    least = _least(step.route.body, planted)
    yield least
    plausible = PLAUSIBLE.get(step.route.path.rpartition("/")[2], {})
    for reference in _references(step.route.body, planted):
        yield least | reference
        if plausible:
            yield least | plausible | reference


def _references(type_: type[msgspec.Struct], planted: Planted, depth: int = 0) -> Iterator[dict[str, Any]]:
    """For each field that may refer to something, here or in what is nested, the field with another's identifier."""
    hints = typing.get_type_hints(type_, include_extras=True)
    for field in msgspec.structs.fields(type_):
        nested = _nested(hints[field.name])
        if nested is not None and depth < 3:
            for reference in _references(nested, planted, depth + 1):
                inner = _least(nested, planted) | reference
                yield {field.encode_name: [inner] if "list[" in str(hints[field.name]) else inner}
        elif "str" in str(hints[field.name]) and _refers(field.name, planted):
            for id_ in planted.for_name(field.name)[:2]:
                yield {field.encode_name: [id_] if "list[" in str(hints[field.name]) else id_}


def _refers(name: str, planted: Planted) -> bool:
    if name in OPAQUE:
        return False
    if name.endswith(("_id", "_ids", "_key")):
        return True
    return any(name.removesuffix("s") in (_last(d.kind), d.resource) for d in planted.documents)


def _nested(hint: Any) -> type[msgspec.Struct] | None:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint
    for argument in typing.get_args(hint):
        found = _nested(argument)
        if found is not None:
            return found
    return None


def _least(type_: type[msgspec.Struct], planted: Planted) -> dict[str, Any]:
    hints = typing.get_type_hints(type_, include_extras=True)
    body: dict[str, Any] = {}
    for field in msgspec.structs.fields(type_):
        if not field.required:
            continue
        if field.name.endswith("_id"):
            body[field.encode_name] = planted.for_name(field.name)[0]
        elif field.name.endswith("_ids"):
            body[field.encode_name] = planted.for_name(field.name)[:1]
        else:
            body[field.encode_name] = _plain(hints[field.name], planted)
    return body


def _plain(hint: Any, planted: Planted) -> Any:
    for candidate in (hint, *typing.get_args(hint)):
        if isinstance(candidate, type) and issubclass(candidate, msgspec.Struct):
            return _least(candidate, planted)
    value = sample(hint, "x")
    return value.isoformat() if isinstance(value, datetime) else value
