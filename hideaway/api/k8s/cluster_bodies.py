"""What clients send about clusters, and how it becomes the parts of a cluster's document.

A create without autoscaler_config has the defaults; one with it has 0 and false where it says so (as recorded).
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from hideaway.api.k8s.catalogue import Version
from hideaway.api.k8s.checks import Faults, check_subset, left_out
from hideaway.api.k8s.pool_bodies import PoolConfig
from hideaway.api.shapes import Body, Int32, Name, Tags, Text
from hideaway.cloud.kubernetes import AutoscalerConfig, AutoUpgrade, MaintenanceWindow, OpenIdConnectConfig

DAYS = ("any", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ESTIMATORS = ("binpacking",)
EXPANDERS = ("random", "most_pods", "least_waste", "priority", "price")
MAX_POOLS = 50  # in one request

Names = Annotated[list[Name], msgspec.Meta(max_length=100)]


class Autoscaler(msgspec.Struct, frozen=True, kw_only=True):
    scale_down_disabled: bool | None = None
    scale_down_delay_after_add: Name | None = None
    estimator: str | None = None
    expander: str | None = None
    ignore_daemonsets_utilization: bool | None = None
    balance_similar_node_groups: bool | None = None
    expendable_pods_priority_cutoff: Int32 | None = None
    scale_down_unneeded_time: Name | None = None
    scale_down_utilization_threshold: float | None = None
    max_graceful_termination_sec: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)] | None = None
    skip_nodes_with_local_storage: bool | None = None
    log_level: Annotated[int, msgspec.Meta(ge=0, le=4)] | None = None


class Window(msgspec.Struct, frozen=True, kw_only=True):
    start_hour: Annotated[int, msgspec.Meta(ge=0, le=23)] | None = None
    day: str | None = None


class Upgrades(msgspec.Struct, frozen=True, kw_only=True):
    enable: bool | None = None
    maintenance_window: Window | None = None


class OpenId(msgspec.Struct, frozen=True, kw_only=True):
    issuer_url: Text | None = None
    client_id: Text | None = None
    username_claim: Text | None = None
    username_prefix: Text | None = None
    groups_claim: Names | None = None
    groups_prefix: Text | None = None
    required_claim: Names | None = None


class CreateCluster(Body, frozen=True, kw_only=True):
    organization_id: str | None = None
    project_id: str | None = None
    type: str | None = None
    name: Name | None = None
    description: Text | None = None
    tags: Tags | None = None
    version: str | None = None
    cni: str | None = None
    pools: Annotated[list[PoolConfig], msgspec.Meta(max_length=MAX_POOLS)] | None = None
    autoscaler_config: Autoscaler | None = None
    auto_upgrade: Upgrades | None = None
    feature_gates: Names | None = None
    admission_plugins: Names | None = None
    open_id_connect_config: OpenId | None = None
    apiserver_cert_sans: Names | None = None
    private_network_id: str | None = None
    pod_cidr: str | None = None
    service_cidr: str | None = None
    service_dns_ip: str | None = None


class UpdateCluster(Body, frozen=True, kw_only=True):
    name: Name | None = None
    description: Text | None = None
    tags: Tags | None = None
    autoscaler_config: Autoscaler | None = None
    auto_upgrade: Upgrades | None = None
    feature_gates: Names | None = None
    admission_plugins: Names | None = None
    open_id_connect_config: OpenId | None = None
    apiserver_cert_sans: Names | None = None


Asked = CreateCluster | UpdateCluster


def settings(faults: Faults, body: Asked, old: dict[str, Any], version: Version) -> dict[str, Any]:
    """The document's fields that a create and an update share, from the old ones and what the client gave."""
    check_subset(faults, "feature_gates", body.feature_gates, version.available_feature_gates, version.name)
    check_subset(faults, "admission_plugins", body.admission_plugins, version.available_admission_plugins, version.name)
    return {
        "autoscaler_config": _autoscaler(faults, old["autoscaler_config"], body.autoscaler_config),
        "auto_upgrade": _auto_upgrade(faults, old["auto_upgrade"], body.auto_upgrade),
        "open_id_connect_config": _open_id(faults, old["open_id_connect_config"], body.open_id_connect_config),
    }


FRESH: dict[str, Any] = {
    "autoscaler_config": AutoscalerConfig(),
    "auto_upgrade": AutoUpgrade(),
    "open_id_connect_config": OpenIdConnectConfig(),
}
"""What `settings` starts from for a new cluster."""


def _given(part: msgspec.Struct) -> dict[str, Any]:
    return {f: v for f in part.__struct_fields__ if (v := getattr(part, f)) is not None}


def _autoscaler(faults: Faults, old: AutoscalerConfig, asked: Autoscaler | None) -> AutoscalerConfig:
    if asked is None:
        return old
    fields = _given(asked)
    for name, choices in (("estimator", ESTIMATORS), ("expander", EXPANDERS)):
        if left_out(fields.get(name)):
            fields.pop(name, None)
        else:
            faults.one_of(f"autoscaler_config.{name}", fields[name], choices)
    for name in ("scale_down_delay_after_add", "scale_down_unneeded_time"):
        faults.duration(f"autoscaler_config.{name}", fields.get(name))
        if fields.get(name) == "":
            del fields[name]
    if not 0 <= fields.get("scale_down_utilization_threshold", 0) <= 1:
        faults.add("autoscaler_config.scale_down_utilization_threshold", "a share is from 0 to 1")
    return msgspec.structs.replace(old, **fields)


def _auto_upgrade(faults: Faults, old: AutoUpgrade, asked: Upgrades | None) -> AutoUpgrade:
    if asked is None:
        return old
    enabled = old.enabled if asked.enable is None else asked.enable
    window = asked.maintenance_window
    if window is None:
        return msgspec.structs.replace(old, enabled=enabled)
    day = old.maintenance_window.day if left_out(window.day) else str(window.day)
    faults.one_of("auto_upgrade.maintenance_window.day", day, DAYS)
    hour = old.maintenance_window.start_hour if window.start_hour is None else window.start_hour
    return AutoUpgrade(enabled=enabled, maintenance_window=MaintenanceWindow(start_hour=hour, day=day))


def _open_id(faults: Faults, old: OpenIdConnectConfig, asked: OpenId | None) -> OpenIdConnectConfig:
    if asked is None:
        return old
    new = msgspec.structs.replace(old, **_given(asked))
    if new.issuer_url and not new.issuer_url.startswith("https://"):
        faults.add("open_id_connect_config.issuer_url", "only https:// URLs are accepted")
    if bool(new.issuer_url) != bool(new.client_id):
        missing = "client_id" if new.issuer_url else "issuer_url"
        faults.add(f"open_id_connect_config.{missing}", "issuer_url and client_id belong together", "required")
    return new
