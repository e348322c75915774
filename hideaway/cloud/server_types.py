"""The catalogue of commercial types: what each has, and which zone offers which. Recorded in August 2026."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

CATALOGUE = Path(__file__).parent / "catalogue" / "server_types.json"
# No recording shows these zones; they are taken to offer what another zone of theirs, or the smallest one, offers.
LIKE = {
    "fr-par-3": "fr-par-2",
    "nl-ams-3": "nl-ams-2",
    "pl-waw-2": "pl-waw-1",
    "pl-waw-3": "pl-waw-1",
    "it-mil-1": "pl-waw-1",
}


class Sizes(msgspec.Struct, frozen=True):
    """In bytes."""

    min_size: int
    max_size: int


class ServerType(msgspec.Struct, frozen=True, kw_only=True):
    """A commercial type. ram and sizes in bytes; per_volume_constraint by volume type."""

    name: str = ""
    alt_names: list[str]
    arch: str
    ncpus: int
    ram: int
    gpu: int
    gpu_info: dict[str, Any] | None
    mig_profile: str | None = None
    volumes_constraint: Sizes
    per_volume_constraint: dict[str, Sizes]
    scratch_storage_max_size: int | None = 0
    scratch_storage_max_volumes_count: int | None = 0
    monthly_price: float
    hourly_price: float
    capabilities: dict[str, Any]
    network: dict[str, Any]
    block_bandwidth: int = 0
    end_of_service: bool = False

    @property
    def local(self) -> bool:
        """Whether it may have local (l_ssd) volumes."""
        return self.volumes_constraint.max_size > 0


class _File(msgspec.Struct):
    zones: dict[str, list[str]]
    types: dict[str, ServerType]


@cache
def _file() -> _File:
    return msgspec.json.decode(CATALOGUE.read_bytes(), type=_File)


@cache
def offered(zone: str) -> dict[str, ServerType]:
    """The types that a zone offers, by name, in the order of the names."""
    file = _file()
    names = file.zones.get(zone) or file.zones[LIKE[zone]]
    return {name: msgspec.structs.replace(file.types[name], name=name) for name in names}


@cache
def _all() -> dict[str, ServerType]:
    types = {name: msgspec.structs.replace(type_, name=name) for name, type_ in _file().types.items()}
    return types | {alias: type_ for type_ in types.values() for alias in type_.alt_names}


def server_type(name: str) -> ServerType | None:
    """A commercial type by its name or one of its other names, in whichever zone; None when there is none."""
    return _all().get(name) or _all().get(name.upper())
