"""Addresses that go back to IPAM, snapshots to and from object storage, filesystems, and the move to Block Storage."""

from __future__ import annotations

import pytest

from tests.api_in_process import Cloud
from tests.unit.api import instances as it


@pytest.mark.parametrize("type_", ["routed_ipv4", "routed_ipv6"])
def test_an_address_released_to_ipam_stays_reserved_there(cloud: Cloud, type_: str) -> None:
    server = it.server(cloud)
    ip = it.ip(cloud, type=type_, server=server["id"])
    assert cloud.ask("POST", f"{it.IPS}/{ip['id']}/release-to-ipam", {}).status == 204
    assert cloud.ask("GET", f"{it.IPS}/{ip['id']}").status == 404
    assert it.read(cloud, server["id"])["public_ips"] == []
    kept = cloud.get(f"{it.IPAM}/{ip['ipam_id']}")
    assert kept["resource"] is None
    cloud.delete(f"{it.IPAM}/{ip['ipam_id']}")
    assert cloud.ask("GET", f"{it.IPAM}/{ip['ipam_id']}").status == 404


def test_a_dynamic_address_is_not_released_to_ipam(cloud: Cloud) -> None:
    server = it.running(cloud, dynamic_ip_required=True)
    id_ = server["public_ip"]["id"]
    assert cloud.ask("POST", f"{it.IPS}/{id_}/release-to-ipam", {}).status == 412


def test_local_snapshots_are_imported_and_exported(cloud: Cloud) -> None:
    body = {"name": "i", "bucket": "b", "key": "k.qcow2", "size": 2_000_000_000, "volume_type": "l_ssd"}
    made = cloud.post(it.SNAPSHOTS, body)
    assert made["task"]["description"] == "snapshot_import"
    snapshot = cloud.get(f"{it.SNAPSHOTS}/{made['snapshot']['id']}")["snapshot"]
    assert (snapshot["state"], snapshot["size"], snapshot["base_volume"]) == ("available", 2_000_000_000, None)
    path = f"{it.SNAPSHOTS}/{snapshot['id']}/export"
    assert cloud.post(path, bucket="b", key="k")["task"]["href_result"] == f"/snapshots/{snapshot['id']}"
    assert cloud.get(f"{it.SNAPSHOTS}/{snapshot['id']}")["snapshot"]["state"] == "available"
    assert cloud.ask("POST", path, {"bucket": "", "key": "k"}).wrong == ["bucket"]


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"bucket": "b"}, "key"),
        ({"bucket": "b", "key": "k", "size": 1_000_000_001}, "size"),
        ({"bucket": "b", "key": "k", "volume_type": "sbs_snapshot"}, "volume_type"),
    ],
)
def test_an_import_that_cannot_be_is_refused(cloud: Cloud, body: dict[str, object], wrong: str) -> None:
    assert cloud.ask("POST", it.SNAPSHOTS, body).wrong == [wrong]


@pytest.mark.parametrize(
    "path",
    [f"{it.BLOCK}/snapshots/import-from-object-storage", "/block/v1alpha1/zones/fr-par-1/snapshots/import-from-s3"],
)
def test_block_snapshots_are_imported_and_exported(cloud: Cloud, path: str) -> None:
    made = cloud.post(path, {"name": "i", "bucket": "b", "key": "k", "size": 5_000_000_000})
    one = f"{it.BLOCK}/snapshots/{made['id']}"
    assert (made["status"], made["parent_volume"]) == ("creating", None)
    assert cloud.get(one)["status"] == "available"
    assert cloud.post(one + "/export-to-object-storage", bucket="b", key="k")["status"] == "exporting"
    assert cloud.get(one)["status"] == "available"
    volume = cloud.post(f"{it.BLOCK}/volumes", {"name": "v", "from_snapshot": {"snapshot_id": made["id"]}})
    assert volume["size"] == 5_000_000_000


def test_no_filesystem_can_be_attached_for_none_exists(cloud: Cloud) -> None:
    server = it.server(cloud)
    for verb in ("attach", "detach"):
        answer = cloud.ask("POST", f"{it.SERVERS}/{server['id']}/{verb}-filesystem", {"filesystem_id": it.NOWHERE})
        assert (answer.status, answer.body["resource"]) == (404, "filesystem")


def test_local_volumes_are_not_moved_to_block_storage(cloud: Cloud) -> None:
    volume = cloud.post(it.VOLUMES, {"name": "v", "size": 10**10, "volume_type": "l_ssd"})["volume"]
    plan = f"{it.INSTANCE}/block-migration/plan"
    assert cloud.ask("POST", plan, {"volume_id": volume["id"]}).status == 412
    assert cloud.ask("POST", plan, {"volume_id": it.NOWHERE}).status == 404
    assert cloud.ask("POST", plan, {}).wrong == ["resource"]
    apply = {"volume_id": volume["id"], "validation_key": "made up"}
    assert cloud.ask("POST", f"{it.INSTANCE}/block-migration/apply", apply).status == 412
    assert cloud.ask("POST", f"{it.INSTANCE}/block-migration/check-organization-quotas", {}).status == 204
