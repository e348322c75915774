"""What the tests of rdb/v1 share."""

from __future__ import annotations

from typing import Any

from tests.api_in_process import Cloud

RDB = "/rdb/v1/regions/fr-par"
INSTANCES = f"{RDB}/instances"
PRIVATE = "/vpc/v2/regions/fr-par/private-networks"
IPAM = "/ipam/v1/regions/fr-par/ips"
NOBODY = "11111111-2222-4333-8444-555555555555"
PASSWORD = "thiZ_is_v&ry_s3cret"


def body(**more: Any) -> dict[str, Any]:
    """A request for an instance, as the document's Terraform asks."""
    user = {"user_name": "username", "password": PASSWORD}
    return {"name": "db", "engine": "PostgreSQL-16", "node_type": "DB-DEV-S", "disable_backup": True} | user | more


def make(cloud: Cloud, **more: Any) -> dict[str, Any]:
    """An instance that is ready."""
    made = cloud.post(INSTANCES, body(**more))
    return dict(cloud.get(f"{INSTANCES}/{made['id']}"))


def inside(private: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An endpoint in a Private Network, at an address of IPAM's unless more says otherwise."""
    return {"private_network": {"private_network_id": private["id"]} | (more or {"ipam_config": {}})}


def public(instance: dict[str, Any]) -> dict[str, Any]:
    """The instance's public endpoint."""
    return dict(instance["endpoint"])
