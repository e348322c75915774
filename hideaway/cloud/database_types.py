"""The catalogue of database engines and node types, and what follows from them. Engines as recorded in August 2026.

Node types: DB-DEV-S, DB-DEV-M and the two smallest DB-PLAY2 are recorded in use; the others' vCPUs and memory are as
the vendor publishes them, their local volumes' sizes are assumed.
"""

from __future__ import annotations

import re
import uuid
from functools import cache
from pathlib import Path

import msgspec

_FOLDER = Path(__file__).parent / "catalogue"
_IDS = uuid.UUID("4c8f2a1e-0d5b-4f4e-9a35-5d1f6c0b7e21")
GIB = 2**30
DEFAULT_VOLUME = "lssd"
MINOR_VERSIONS = {"14": "14.19", "15": "15.15", "16": "16.14", "17": "17.10"}
"""The newest minor version of what can be upgraded to: 16 and 17 as last recorded, 14 and 15 assumed."""
CLASSES = {"lssd": "lssd", "bssd": "bssd", "sbs_5k": "sbs", "sbs_15k": "sbs"}
"""The storage class of each volume type."""
PORTS = {"PostgreSQL": 5432, "MySQL": 3306}
"""The port that an engine listens on within a Private Network."""

_PATTERNS = {
    "INT": r"-?\d{1,18}",
    "FLOAT": r"-?\d{1,18}(\.\d{1,18})?",
    "BOOLEAN": r"on|off|true|false|0|1",
}


class EngineSetting(msgspec.Struct, frozen=True, kw_only=True):
    """property_type: BOOLEAN, INT, STRING, FLOAT."""

    name: str
    default_value: str
    description: str
    property_type: str
    hot_configurable: bool
    unit: str | None = None
    string_constraint: str | None = None
    int_min: int | None = None
    int_max: int | None = None
    float_min: float | None = None
    float_max: float | None = None

    def fault(self, value: str) -> str | None:
        """What is wrong with a value for it; None when nothing is."""
        pattern = _PATTERNS.get(self.property_type)
        if pattern and not re.fullmatch(pattern, value, re.ASCII | re.IGNORECASE):
            return f"{value[:64]!r} is no {self.property_type.lower()}"
        if self.property_type == "INT":
            return _outside(int(value), self.int_min, self.int_max)
        if self.property_type == "FLOAT":
            return _outside(float(value), self.float_min, self.float_max)
        if self.string_constraint and value != self.default_value and not re.search(self.string_constraint, value):
            return f"{value[:64]!r} does not match {self.string_constraint[:128]}"
        return None


def _outside(number: float, low: float | None, high: float | None) -> str | None:
    if (low is not None and number < low) or (high is not None and number > high):
        return f"value must be from {low} to {high}"
    return None


class EngineVersion(msgspec.Struct, frozen=True, kw_only=True):
    """name is what an instance's `engine` says: PostgreSQL-16. The settings are indexes into the catalogue's."""

    version: str
    name: str
    end_of_life: str | None
    release_date: str | None
    disabled: bool
    beta: bool
    available_settings: list[int]
    available_init_settings: list[int]

    @property
    def id(self) -> str:
        """Always the same: what an upgrade to it is asked for by."""
        return str(uuid.uuid5(_IDS, self.name))


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    logo_url: str
    versions: list[EngineVersion]  # newest first


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    engines: list[Engine]
    settings: list[EngineSetting]


class VolumeType(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes in bytes."""

    type: str
    description: str
    min_size: int
    max_size: int
    chunk_size: int
    class_: str = msgspec.field(name="class")


class DatabaseNodeType(msgspec.Struct, frozen=True, kw_only=True):
    """memory in bytes. Instances spell its name in lower case (recorded)."""

    name: str
    description: str
    vcpus: int
    memory: int
    generation: str
    instance_range: str
    available_volume_types: list[VolumeType]

    def volume(self, type_: str) -> VolumeType | None:
        """What it offers of a volume type."""
        return next((v for v in self.available_volume_types if v.type == type_), None)


@cache
def catalogue() -> Catalogue:
    """All engines."""
    return msgspec.json.decode((_FOLDER / "database_engines.json").read_bytes(), type=Catalogue)


@cache
def node_types() -> dict[str, DatabaseNodeType]:
    """All node types by their name in lower case."""
    text = (_FOLDER / "database_node_types.json").read_bytes()
    return {t.name.lower(): t for t in msgspec.json.decode(text, type=list[DatabaseNodeType])}


def version(name: str) -> EngineVersion | None:
    """The engine's version of this name (PostgreSQL-16)."""
    return next((v for e in catalogue().engines for v in e.versions if v.name == name), None)


def engine_of(name: str) -> str:
    """The engine of a version's name: PostgreSQL."""
    return name.partition("-")[0]


def upgradable(name: str) -> list[EngineVersion]:
    """The versions that an instance of this one can be upgraded to, oldest first: all newer ones that are offered."""
    versions = next((e.versions for e in catalogue().engines if e.name == engine_of(name)), [])
    newer = versions[: next((i for i, v in enumerate(versions) if v.name == name), 0)]
    return [v for v in reversed(newer) if not v.disabled and not v.beta]


def available(name: str, *, init: bool = False) -> dict[str, EngineSetting]:
    """The settings that a version has, by their name; init: those that are given once, at creation."""
    found = version(name)
    if found is None:
        return {}
    settings = catalogue().settings
    return {
        settings[i].name: settings[i] for i in (found.available_init_settings if init else found.available_settings)
    }


def first_settings(engine: str, node_type: str) -> dict[str, str]:
    """The settings that a new instance has once it is ready.

    Recorded for 2 and 4 GiB (with 1 to 3 vCPUs), and drawn on from there as straight lines: two thirds of the memory in
    full 100 MB as cache, 75 MB a GiB for maintenance, 2 MB a GiB for work, 50 connections and 25 a GiB, and all vCPUs
    but two as parallel workers.
    """
    type_ = node_types().get(node_type)
    gib, vcpus = (type_.memory // GIB, type_.vcpus) if type_ else (2, 1)
    most = available(engine)["max_connections"].int_max if version(engine) else None
    connections = str(min(50 + 25 * gib, most or 10_000))
    if engine_of(engine) == "MySQL":
        return {"max_connections": connections}
    return {
        "effective_cache_size": str(gib * 1024 * 2 // 3 // 100 * 100),
        "maintenance_work_mem": str(75 * gib),
        "max_connections": connections,
        "max_parallel_workers": str(max(0, vcpus - 2)),
        "max_parallel_workers_per_gather": "0",
        "work_mem": str(2 * gib),
    }
