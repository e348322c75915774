"""instance/v1, block/v1 and marketplace/v2: volumes, snapshots, images, and what can be bought."""

from __future__ import annotations

from typing import Any

import pytest

from hideaway.cloud.places import ZONES
from tests.api_in_process import Cloud
from tests.unit.api.instances import (
    BLOCK,
    IMAGES,
    INSTANCE,
    MARKETPLACE,
    NOWHERE,
    SERVERS,
    SNAPSHOTS,
    VOLUMES,
    ids,
    server,
)

GB = 10**9


# local


def test_a_local_volume_its_snapshot_and_a_volume_of_that(cloud: Cloud) -> None:
    volume = cloud.post(VOLUMES, name="v", volume_type="l_ssd", size=10 * GB)["volume"]
    assert (volume["state"], volume["server"], volume["size"]) == ("available", None, 10 * GB)
    answer = cloud.ask("POST", SNAPSHOTS, {"name": "s", "volume_id": volume["id"], "volume_type": "l_ssd"})
    assert answer.status == 201
    snapshot = answer.body["snapshot"]
    assert answer.body["task"]["href_result"] == f"snapshots/{snapshot['id']}"
    assert snapshot["base_volume"] == {"id": volume["id"], "name": "v"}
    assert cloud.get(f"{SNAPSHOTS}/{snapshot['id']}")["snapshot"]["state"] == "available"
    assert ids(cloud.get(SNAPSHOTS, base_volume_id=volume["id"])["snapshots"]) == [snapshot["id"]]
    twin = cloud.post(VOLUMES, name="w", base_snapshot=snapshot["id"])["volume"]
    assert (twin["size"], twin["volume_type"]) == (10 * GB, "l_ssd")
    assert cloud.patch(f"{VOLUMES}/{twin['id']}", name="x", tags=["t"])["volume"]["name"] == "x"
    assert ids(cloud.get(VOLUMES, tags="t", volume_type="l_ssd")["volumes"]) == [twin["id"]]
    cloud.delete(f"{SNAPSHOTS}/{snapshot['id']}")
    cloud.delete(f"{VOLUMES}/{volume['id']}")
    assert cloud.ask("GET", f"{VOLUMES}/{volume['id']}").body["resource"] == "instance_volume"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"size": None}, ["size"]),
        ({"size": 1}, ["size"]),
        ({"size": 10**13}, ["size"]),
        ({"size": 10 * GB, "volume_type": "sbs_volume"}, ["volume_type"]),
        ({"size": 10 * GB, "volume_type": "tape"}, ["volume_type"]),
        ({"base_snapshot": "x"}, ["base_snapshot"]),
    ],
)
def test_a_wrong_volume_is_refused(cloud: Cloud, fields: dict[str, Any], wrong: list[str]) -> None:
    answer = cloud.ask("POST", VOLUMES, fields)
    assert (answer.status, answer.wrong) == (400, wrong)


def test_a_volume_in_use_is_not_deleted(cloud: Cloud) -> None:
    made = server(cloud, volumes={"0": {"volume_type": "l_ssd", "size": 10 * GB}})
    root = made["volumes"]["0"]["id"]
    assert cloud.ask("DELETE", f"{VOLUMES}/{root}").body["precondition"] == "resource_still_in_use"
    assert cloud.ask("PATCH", f"{VOLUMES}/{root}", {"size": 20 * GB}).wrong == ["size"]
    block = server(cloud)["volumes"]["0"]["id"]
    assert cloud.ask("DELETE", f"{BLOCK}/volumes/{block}").body["precondition"] == "resource_still_in_use"
    assert cloud.ask("GET", f"{VOLUMES}/{block}").status == 404


# block


def test_a_block_volume_grows_and_becomes_faster(cloud: Cloud) -> None:
    made = cloud.post(f"{BLOCK}/volumes", name="v", perf_iops=5000, from_empty={"size": 10 * GB}, tags=None)
    assert (made["status"], made["type"], made["specs"]) == ("creating", "sbs_5k", {"perf_iops": 5000, "class": "sbs"})
    base = f"{BLOCK}/volumes/{made['id']}"
    assert cloud.get(base)["status"] == "available"
    changing = cloud.patch(base, perf_iops=15000)
    assert (changing["status"], changing["type"]) == ("updating", "sbs_5k")
    assert (cloud.get(base)["type"], cloud.get(base)["status"]) == ("sbs_15k", "available")
    assert cloud.patch(base, size=20 * GB)["status"] == "resizing"
    assert cloud.get(base)["size"] == 20 * GB
    assert cloud.ask("PATCH", base, {"size": GB}).wrong == ["size"]
    assert cloud.ask("PATCH", base, {"perf_iops": 7}).wrong == ["perf_iops"]
    old = f"/block/v1alpha1/zones/fr-par-1/volumes/{made['id']}"
    assert cloud.get(old) == cloud.get(base)


def test_a_block_snapshot_outlives_its_volume(cloud: Cloud) -> None:
    volume = cloud.post(f"{BLOCK}/volumes", name="v", from_empty={"size": 10 * GB})["id"]
    snapshot = cloud.post(f"{BLOCK}/snapshots", name="s", volume_id=volume)
    assert snapshot["parent_volume"] == {"id": volume, "name": "v", "type": "sbs_5k", "status": "available"}
    cloud.delete(f"{BLOCK}/volumes/{volume}")
    assert cloud.get(f"{BLOCK}/snapshots/{snapshot['id']}")["parent_volume"]["name"] == "v"
    twin = cloud.post(f"{BLOCK}/volumes", name="w", from_snapshot={"snapshot_id": snapshot["id"], "size": None})
    assert (twin["size"], twin["parent_snapshot_id"]) == (10 * GB, snapshot["id"])
    small = {"from_snapshot": {"snapshot_id": snapshot["id"], "size": GB}}
    assert cloud.ask("POST", f"{BLOCK}/volumes", small).wrong == ["from_snapshot.size"]
    assert ids(cloud.get(f"{BLOCK}/snapshots", volume_id=volume)["snapshots"]) == [snapshot["id"]]
    cloud.delete(f"{BLOCK}/snapshots/{snapshot['id']}")
    assert cloud.ask("GET", f"{BLOCK}/snapshots/{snapshot['id']}").body["resource"] == "snapshot"


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, ["from_empty"]),
        ({"from_empty": {"size": 1}, "from_snapshot": {"snapshot_id": NOWHERE}}, ["from_empty"]),
        ({"from_empty": {"size": 0}}, ["size"]),
        ({"from_empty": {"size": 2**63}}, ["from_empty.size"]),
        ({"from_empty": {"size": GB}, "perf_iops": 1}, ["perf_iops"]),
        ({"from_snapshot": {"snapshot_id": "x"}}, ["from_snapshot.snapshot_id"]),
    ],
)
def test_a_wrong_block_volume_is_refused(cloud: Cloud, body: dict[str, Any], wrong: list[str]) -> None:
    answer = cloud.ask("POST", f"{BLOCK}/volumes", body)
    assert (answer.status, answer.wrong) == (400, wrong)


# images


def test_an_image_holds_its_snapshots(cloud: Cloud) -> None:
    volume = cloud.post(f"{BLOCK}/volumes", name="v", from_empty={"size": 10 * GB})["id"]
    root = cloud.post(f"{BLOCK}/snapshots", name="r", volume_id=volume)["id"]
    local = cloud.post(VOLUMES, name="l", size=5 * GB)["volume"]["id"]
    extra = cloud.post(SNAPSHOTS, name="e", volume_id=local)["snapshot"]["id"]
    body = {"name": "i", "arch": "x86_64", "root_volume": root, "extra_volumes": {"1": {"id": extra}}}
    answer = cloud.ask("POST", IMAGES, body)
    assert answer.status == 201
    image = answer.body["image"]
    assert image["root_volume"] == {"id": root, "name": "", "volume_type": "sbs_snapshot", "size": 0}
    assert image["extra_volumes"]["1"] == {"id": extra, "name": "e", "volume_type": "l_ssd", "size": 5 * GB}
    assert cloud.get(f"{BLOCK}/snapshots/{root}")["status"] == "in_use"
    for held in (f"{BLOCK}/snapshots/{root}", f"{SNAPSHOTS}/{extra}"):
        assert cloud.ask("DELETE", held).status == 412
    assert cloud.patch(f"{IMAGES}/{image['id']}", name="mine-j", public=True, tags=["t"])["image"]["public"]
    assert ids(cloud.get(IMAGES, name="mine-j")["images"]) == [image["id"]]
    cloud.delete(f"{IMAGES}/{image['id']}")
    assert cloud.get(f"{BLOCK}/snapshots/{root}")["references"] == []
    cloud.delete(f"{SNAPSHOTS}/{extra}")


def test_the_vendors_images_are_read_by_all_and_changed_by_none(cloud: Cloud) -> None:
    [local] = cloud.get(
        f"{MARKETPLACE}/local-images", image_label="ubuntu_jammy", zone="fr-par-1", type="instance_local"
    )["local_images"]
    image = cloud.get(f"{IMAGES}/{local['id']}")["image"]
    assert (image["name"], image["public"], image["root_volume"]["volume_type"]) == (
        "Ubuntu 22.04 Jammy Jellyfish",
        True,
        "l_ssd",
    )
    for method in ("PATCH", "DELETE"):
        assert cloud.ask(method, f"{IMAGES}/{local['id']}", {}).status == 403
    assert cloud.ask("GET", f"{IMAGES.replace('fr-par-1', 'nl-ams-1')}/{local['id']}").status == 404
    listed = cloud.get(IMAGES, public="true", arch="arm64", per_page=100)["images"]
    assert listed
    assert {one["arch"] for one in listed} == {"arm64"}
    assert cloud.get(IMAGES, public="false")["images"] == []


# what can be bought


def test_server_types_are_listed_by_name_and_page(cloud: Cloud) -> None:
    first = cloud.ask("GET", f"{INSTANCE}/products/servers", query={"page": 1})
    total = int(first.headers["x-total-count"])
    names = list(first.body["servers"])
    assert (len(names), total > 100) == (50, True)
    for page in range(2, -(-total // 50) + 1):
        names += cloud.get(f"{INSTANCE}/products/servers", page=page)["servers"]
    assert names == sorted(names)
    assert len(names) == total
    assert first.body["servers"]["DEV1-S"]["volumes_constraint"] == {"min_size": 0, "max_size": 20 * GB}
    some = cloud.get(f"{INSTANCE}/products/servers/availability")["servers"]
    assert set(some) <= set(names)
    assert set(cloud.get(f"{INSTANCE}/products/volumes")["volumes"]) == {"l_ssd", "scratch"}


@pytest.mark.parametrize("zone", ZONES)
def test_every_zone_has_types_and_images_for_servers_and_nodes(cloud: Cloud, zone: str) -> None:
    body = {"commercial_type": "PRO2-XXS", "image": "ubuntu_noble"}
    made = cloud.post(f"/instance/v1/zones/{zone}/servers", body)["server"]
    assert (made["zone"], made["image"]["zone"]) == (zone, zone)
    assert "PRO2-XXS" in cloud.get(f"/instance/v1/zones/{zone}/products/servers", per_page=100, page=1)["servers"] or (
        "PRO2-XXS" in cloud.get(f"/instance/v1/zones/{zone}/products/servers", per_page=100, page=2)["servers"]
    )


def test_the_marketplace_needs_no_key(cloud: Cloud) -> None:
    images = cloud.ask("GET", f"{MARKETPLACE}/images", key=None, query={"include_eol": "false"}).body
    assert (len(images["images"]), images["total_count"] > 20) == (20, True)
    names = [one["name"] for one in images["images"]]
    assert names == sorted(names)
    one = images["images"][0]
    assert cloud.get(f"{MARKETPLACE}/images/{one['id']}") == one
    [version] = cloud.get(f"{MARKETPLACE}/versions", image_id=one["id"])["versions"]
    assert cloud.get(f"{MARKETPLACE}/versions/{version['id']}") == version
    listed = cloud.get(f"{MARKETPLACE}/local-images", version_id=version["id"], zone="nl-ams-1")["local_images"]
    assert {i["label"] for i in listed} == {one["label"]}
    assert cloud.get(f"{MARKETPLACE}/local-images/{listed[0]['id']}") == listed[0]
    arm = cloud.get(f"{MARKETPLACE}/local-images", version_id=version["id"], zone="nl-ams-1", arch="arm64")
    assert [i for i in listed if i["arch"] == "arm64"] == arm["local_images"] != []


def test_local_images_are_of_one_label_in_one_zone(cloud: Cloud) -> None:
    query = {"image_label": "ubuntu_jammy", "zone": "pl-waw-1", "type": "instance_sbs", "order_by": "type_asc"}
    listed = cloud.get(f"{MARKETPLACE}/local-images", **query)["local_images"]
    assert sorted(i["arch"] for i in listed) == ["arm64", "x86_64"]
    assert {(i["zone"], i["type"], i["label"]) for i in listed} == {("pl-waw-1", "instance_sbs", "ubuntu_jammy")}
    for wrong in ({}, {"image_label": "a", "image_id": NOWHERE}, query | {"zone": "mars"}, query | {"order_by": "x"}):
        assert cloud.ask("GET", f"{MARKETPLACE}/local-images", query=wrong).status == 400
    assert cloud.get(f"{MARKETPLACE}/local-images", image_label="nothing")["total_count"] == 0


def test_an_old_label_keeps_its_list_of_types(cloud: Cloud) -> None:
    def types(label: str, type_: str) -> list[list[str]]:
        query = {"image_label": label, "zone": "fr-par-1", "type": type_}
        return [
            i["compatible_commercial_types"] for i in cloud.get(f"{MARKETPLACE}/local-images", **query)["local_images"]
        ]

    [bionic], [jammy] = types("ubuntu_bionic", "instance_local"), types("ubuntu_jammy", "instance_local")
    assert ("GPU-3070-S" in bionic, "GPU-3070-S" in jammy) == (True, False)
    assert {len(t) for t in types("debian_bullseye", "instance_sbs")} == {20, 96}
    assert {len(t) for t in types("debian_bookworm", "instance_sbs")} == {26, 104}


def test_the_dashboard_counts(cloud: Cloud) -> None:
    server(cloud, volumes={"0": {"volume_type": "l_ssd", "size": 10 * GB}})
    cloud.post(f"{INSTANCE}/ips")
    counts = cloud.get(f"{INSTANCE}/dashboard")["dashboard"]
    assert (counts["servers_count"], counts["running_servers_count"], counts["servers_by_types"]) == (
        1,
        0,
        {"DEV1-S": 1},
    )
    assert (counts["volumes_l_ssd_total_size"], counts["ips_unused"]) == (10 * GB, 1)
    assert cloud.get(SERVERS.replace("fr-par-1", "fr-par-2"))["servers"] == []


def test_the_price_list_names_every_type_of_a_zone(cloud: Cloud) -> None:
    path = "/product-catalog/v2alpha1/public-catalog/products"
    listed = cloud.get(path, zone="fr-par-1", product_types="instance", page_size=1000)
    names = [product["properties"]["instance"]["offer_id"] for product in listed["products"]]
    assert len(names) == listed["total_count"] == len(set(names))
    assert {"DEV1-S", "PRO2-XXS"} <= set(names)
    assert cloud.get(path, product_types="dedibox")["products"] == []
