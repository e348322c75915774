"""What the tests of instance/v1, block/v1 and marketplace/v2 have in common: paths, and things made in one line."""

from __future__ import annotations

from typing import Any

from tests.api_in_process import Cloud

INSTANCE = "/instance/v1/zones/fr-par-1"
INSTANCE2 = "/instance/v2alpha1/zones/fr-par-1"
SERVERS, IPS, GROUPS = INSTANCE + "/servers", INSTANCE + "/ips", INSTANCE + "/security_groups"
VOLUMES, SNAPSHOTS, IMAGES = INSTANCE + "/volumes", INSTANCE + "/snapshots", INSTANCE + "/images"
PLACEMENT = INSTANCE + "/placement_groups"
BLOCK = "/block/v1/zones/fr-par-1"
MARKETPLACE = "/marketplace/v2"
IPAM = "/ipam/v1/regions/fr-par/ips"
NETWORKS = "/vpc/v2/regions/fr-par/private-networks"
NOWHERE = "7c3a2b7e-2f64-4cf5-8f6b-0f6e8a1d2c3b"


def server(cloud: Cloud, **fields: Any) -> dict[str, Any]:
    """A server, at rest."""
    body = {"name": "s", "commercial_type": "DEV1-S", "image": "ubuntu_jammy"} | fields
    made: dict[str, Any] = cloud.post(SERVERS, body)["server"]
    return made


def act(cloud: Cloud, id_: str, action: str) -> dict[str, Any]:
    """Do something to a server; the task that was answered."""
    task: dict[str, Any] = cloud.post(f"{SERVERS}/{id_}/action", action=action)["task"]
    return task


def read(cloud: Cloud, id_: str) -> dict[str, Any]:
    """A server as it is now."""
    now: dict[str, Any] = cloud.get(f"{SERVERS}/{id_}")["server"]
    return now


def running(cloud: Cloud, **fields: Any) -> dict[str, Any]:
    """A server that runs."""
    id_ = server(cloud, **fields)["id"]
    act(cloud, id_, "poweron")
    return read(cloud, id_)


def ip(cloud: Cloud, **fields: Any) -> dict[str, Any]:
    """A flexible address."""
    made: dict[str, Any] = cloud.post(IPS, fields)["ip"]
    return made


def group(cloud: Cloud, **fields: Any) -> dict[str, Any]:
    """A security group."""
    made: dict[str, Any] = cloud.post(GROUPS, {"name": "g"} | fields)["security_group"]
    return made


def network(cloud: Cloud) -> str:
    """The id of a new Private Network."""
    return str(cloud.post(NETWORKS, name="n")["id"])


def ids(listed: list[dict[str, Any]]) -> list[str]:
    return [one["id"] for one in listed]
