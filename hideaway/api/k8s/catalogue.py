"""What can be had: Kubernetes versions and cluster types. Recorded in July 2026; the multicloud shared type, which no
recording lists, is taken to be as the kapsule one."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from hideaway.cloud.kubernetes import Cluster

HERE = Path(__file__).parent


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A Kubernetes version. available_kubelet_args: argument -> its type (`uint16`, `enum:none|static`, ...)."""

    name: str
    label: str
    available_cnis: list[str]
    available_container_runtimes: list[str]
    available_feature_gates: list[str]
    available_admission_plugins: list[str]
    available_kubelet_args: dict[str, str]
    deprecated_at: str
    end_of_life_at: str
    released_at: str

    @property
    def number(self) -> tuple[int, ...]:
        return number_of(self.name)


class ClusterType(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster type. commitment_delay in seconds ("2592000s"), memory and max_etcd_size in bytes, sla in percent."""

    name: str
    availability: str
    max_nodes: int
    commitment_delay: str
    sla: float
    resiliency: str
    memory: int
    dedicated: bool
    audit_logs_supported: bool
    max_etcd_size: int

    @property
    def family(self) -> str:
        """kapsule or multicloud: a cluster stays in its family."""
        return self.name.split("-")[0]

    @property
    def commitment(self) -> timedelta:
        return timedelta(seconds=int(self.commitment_delay.removesuffix("s")))


def number_of(name: str) -> tuple[int, ...]:
    """A version's name as numbers, for comparing."""
    return tuple(int(part) for part in name.split("."))


@cache
def versions() -> tuple[Version, ...]:
    """All versions, newest first."""
    return tuple(msgspec.json.decode((HERE / "versions.json").read_bytes(), type=list[Version]))


@cache
def cluster_types() -> tuple[ClusterType, ...]:
    """All cluster types, each family's from small to large."""
    return tuple(msgspec.json.decode((HERE / "cluster_types.json").read_bytes(), type=list[ClusterType]))


def version(name: str) -> Version | None:
    return next((v for v in versions() if v.name == name), None)


def cluster_type(name: str) -> ClusterType | None:
    return next((t for t in cluster_types() if t.name == name), None)


def upgrades(current: str) -> list[Version]:
    """The versions that a cluster can be upgraded to: later patches of its minor version, and the next minor's."""
    now = number_of(current)
    return [
        v for v in versions() if (v.number[:2] == now[:2] and v.number > now) or v.number[:2] == (now[0], now[1] + 1)
    ]


def types_for(cluster: Cluster, now: datetime) -> list[ClusterType]:
    """The types that a cluster can have: its family's, and only larger ones while it is committed (as recorded)."""
    current = cluster_type(cluster.type)
    if current is None:
        return []
    family = [t for t in cluster_types() if t.family == current.family]
    committed = cluster.commitment_ends_at is not None and cluster.commitment_ends_at > now
    return family[family.index(current) + 1 :] if committed else family


def view_version(found: Version, region: str) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(found)
    return {"region": region, **fields}


def view_type(found: ClusterType) -> dict[str, Any]:
    """region is answered empty (every recording)."""
    fields: dict[str, Any] = msgspec.to_builtins(found)
    return {**fields, "region": ""}
