"""What is plugged into a Private Network: booked in IPAM, known by its MAC, given back when it is taken out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api_in_process import Cloud
from tests.unit.server.test_own import NETWORKS, own_cloud, restricted

MACHINES, IPS = "/hideaway/v1/machines", "/ipam/v1/regions/fr-par/ips"
MAC = "02:00:5e:00:00:01"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    made = own_cloud()
    made.post(NETWORKS, name="net")
    yield made
    made.close()


def ips(cloud: Cloud) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cloud.get(IPS)["ips"]
    return found


def test_what_is_plugged_in_has_addresses_in_ipam_as_a_custom_resource(cloud: Cloud) -> None:
    made = cloud.post(MACHINES, network="net", name="box", mac_address=MAC.upper())
    assert (made["name"], made["mac_address"], made["dhcp"]) == ("box", MAC, True)
    assert "netns_identity" not in made
    held = ips(cloud)
    assert sorted(ip["address"] for ip in held) == sorted(made["addresses"])
    assert {ip["is_ipv6"] for ip in held} == {False, True}
    for ip in held:
        assert ip["resource"] == {"type": "custom", "id": ip["id"], "mac_address": MAC.upper(), "name": "box"}
    assert [m["name"] for m in cloud.get(MACHINES)["machines"]] == ["box"]
    assert cloud.get(f"{MACHINES}/box")["id"] == made["id"] == cloud.get(f"{MACHINES}/{made['id']}")["id"]


def test_taken_out_it_gives_its_addresses_back_and_no_others(cloud: Cloud) -> None:
    network = cloud.get(NETWORKS)["private_networks"][0]["id"]
    resource = {"mac_address": MAC, "name": "vm"}
    mine = cloud.post(IPS, source={"private_network_id": network}, address="172.16.0.77", resource=resource)
    made = cloud.post(MACHINES, network=network, name="vm", mac_address=MAC)
    assert made["addresses"][0] == mine["address"], "what was booked for its MAC is its"
    assert len(ips(cloud)) == 2
    assert cloud.ask("DELETE", f"{MACHINES}/vm").status == 200
    assert [ip["id"] for ip in ips(cloud)] == [mine["id"]]
    assert cloud.ask("GET", f"{MACHINES}/vm").status == 404
    assert cloud.get(MACHINES)["machines"] == []


def test_names_and_macs_are_made_up_where_none_is_given(cloud: Cloud) -> None:
    one, two = cloud.post(MACHINES, network="net"), cloud.post(MACHINES, network="net")
    assert one["name"] != two["name"]
    assert one["mac_address"].startswith("02:00:00:")


def test_a_network_with_a_machine_in_it_is_in_use(cloud: Cloud) -> None:
    made = cloud.post(MACHINES, network="net", name="box")
    path = f"{NETWORKS}/{made['private_network_id']}"
    assert cloud.ask("DELETE", path).status == 412
    assert cloud.ask("DELETE", f"{MACHINES}/box").status == 200
    assert cloud.ask("DELETE", path).status == 204


@pytest.mark.parametrize(
    ("body", "status", "wrong"),
    [
        ({"network": "nowhere"}, 404, None),
        ({}, 400, ["network"]),
        ({"network": "net", "name": "no host name"}, 400, ["name"]),
        ({"network": "net", "mac_address": "03:00:00:00:00:01"}, 400, ["mac_address"]),
        ({"network": "net", "mac_address": "zz"}, 400, ["mac_address"]),
        ({"network": "net", "tap": "a/b"}, 400, ["tap"]),
        ({"network": "net", "tap": "uplink"}, 400, ["tap"]),
        ({"network": "net", "tap": "t", "netns": "/x"}, 400, ["tap"]),
        ({"network": "net", "tap": "t", "dhcp": True}, 400, ["dhcp"]),
        ({"network": "net", "netns": "relative"}, 400, ["netns"]),
    ],
)
def test_what_makes_no_sense_is_refused_and_books_nothing(
    cloud: Cloud, body: dict[str, Any], status: int, wrong: list[str] | None
) -> None:
    answer = cloud.ask("POST", MACHINES, body)
    assert answer.status == status, answer.body
    assert wrong is None or answer.wrong == wrong
    assert ips(cloud) == []


def test_a_name_and_a_mac_are_one_machines(cloud: Cloud) -> None:
    cloud.post(MACHINES, network="net", name="box", mac_address=MAC)
    assert cloud.ask("POST", MACHINES, {"network": "net", "name": "box"}).status == 409
    assert cloud.ask("POST", MACHINES, {"network": "net", "mac_address": MAC.upper()}).status == 409
    cloud.post(NETWORKS, name="other")
    assert cloud.ask("POST", MACHINES, {"network": "other", "mac_address": MAC}).status == 200
    cloud.post(NETWORKS, name="net")
    assert cloud.ask("POST", MACHINES, {"network": "net"}).wrong == ["network"], "two have this name"


def test_the_mac_of_a_resource_is_its_own(cloud: Cloud) -> None:
    network = cloud.get(NETWORKS)["private_networks"][0]["id"]
    body = {"name": "s", "commercial_type": "DEV1-S", "image": "ubuntu_jammy", "dynamic_ip_required": False}
    servers = "/instance/v1/zones/fr-par-1/servers"
    server = cloud.ask("POST", servers, body).body["server"]["id"]
    nic = cloud.ask("POST", f"{servers}/{server}/private_nics", {"private_network_id": network}).body["private_nic"]
    answer = cloud.ask("POST", MACHINES, {"network": "net", "mac_address": nic["mac_address"]})
    assert answer.status == 412
    assert "instance_private_nic" in str(answer.body)


def test_machines_are_their_owners_and_namespaces_the_cloud_owners(cloud: Cloud) -> None:
    other = cloud.organization().secret_key
    cloud.post(MACHINES, network="net", name="box")
    assert cloud.ask("GET", f"{MACHINES}/box", key=other).status == 404
    assert cloud.ask("DELETE", f"{MACHINES}/box", key=other).status == 404
    assert cloud.ask("GET", MACHINES, key=other).body["machines"] == []
    assert cloud.ask("POST", MACHINES, {"network": "net"}, key=other).status == 404
    cloud.ask("POST", NETWORKS, {"name": "theirs"}, key=other)
    assert cloud.ask("POST", MACHINES, {"network": "theirs", "netns": "/run/netns/x"}, key=other).status == 403
    assert cloud.ask("POST", MACHINES, {"network": "theirs"}, key=other).status == 200
    weak = restricted(cloud, "VPCFullAccess", project=cloud.project)
    assert cloud.ask("POST", MACHINES, {"network": "net"}, key=weak).status == 403


def test_what_the_data_plane_cannot_is_said_and_books_nothing(cloud: Cloud, tmp_path: Any) -> None:
    """Of a path that is no network namespace; as any user."""
    from hideaway.backends.linux.plugging import examined
    from hideaway.base.errors import Unavailable
    from hideaway.fabric.model import Plug

    file = tmp_path / "file"
    file.write_text("x")
    for path, words in ((file, "no network namespace"), (tmp_path / "none", "no network namespace")):
        with pytest.raises(Unavailable, match=words):
            examined(Plug(place=str(path)), rootless=False)
    with pytest.raises(Unavailable, match="own network"):
        examined(Plug(place="/proc/self/ns/net"), rootless=False)
    with pytest.raises(Unavailable, match="root"):
        examined(Plug(place="/run/netns/x"), rootless=True)
    assert examined(Plug(), rootless=True) == Plug()
