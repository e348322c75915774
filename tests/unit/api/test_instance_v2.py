"""instance/v2alpha1: the same cloud as instance/v1's, in its own spelling."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.api_in_process import Cloud
from tests.invariants import check
from tests.unit.api import instances as it

V2 = it.INSTANCE2
SERVERS, GROUPS, RULES, TEMPLATES = (
    V2 + "/servers",
    V2 + "/security-groups",
    V2 + "/security-group-rules",
    V2 + "/templates",
)
BOOT = {"volume_type": "sbs", "new_volume": {"name": "root", "image_label": "ubuntu_jammy", "tags": ["t"]}}
GB = 10**9


def make(cloud: Cloud, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = cloud.post(SERVERS, {"name": "s", "server_type": "DEV1-S", "volumes": [BOOT]} | fields)
    return made


# servers


def test_a_server_is_the_same_in_both_versions(cloud: Cloud) -> None:
    ips = [{"new_ip": {"type": "zonal_ipv4", "tags": ["a"]}}, {"new_ip": {"type": "zonal_ipv6"}}]
    local = {"volume_type": "l_ssd", "new_volume": {"name": "data", "size": 10 * GB}}
    made = make(cloud, tags=["x"], volumes=[BOOT, local], public_network_interface={"ips": ips})
    assert (made["status"], made["server_type"], made["architecture"]) == ("stopped", "DEV1-S", "x86_64")
    assert [v["volume_type"] for v in made["volumes"]] == ["sbs", "l_ssd"]
    assert made["boot_volume_id"] == made["volumes"][0]["id"]
    assert [ip["default"] for ip in made["public_network_interface"]["ips"]] == [True, False]
    assert "placement_group_id" not in made, "what is unset is left out"
    old = it.read(cloud, made["id"])
    assert old["image"]["name"] == "Ubuntu 22.04 Jammy Jellyfish"
    assert {old["volumes"]["0"]["id"], old["volumes"]["1"]["id"]} == {v["id"] for v in made["volumes"]}
    assert [ip["ipam_id"] for ip in old["public_ips"]] == [ip["id"] for ip in made["public_network_interface"]["ips"]]
    assert cloud.get(f"{it.BLOCK}/volumes/{made['boot_volume_id']}")["tags"] == ["t"]


def test_actions_and_their_states(cloud: Cloud) -> None:
    one = f"{SERVERS}/{make(cloud)['id']}"
    for action, passing, then in (
        ("start", "starting", "started"), ("pause", "pausing", "paused"), ("reboot", "rebooting", "started"),
        ("stop", "stopping", "stopped"),
    ):  # fmt: skip
        assert cloud.post(f"{one}/{action}", {})["status"] == passing
        assert cloud.get(one)["status"] == then
    for action in ("pause", "reboot", "stop"):
        assert cloud.ask("POST", f"{one}/{action}", {}).status == 412


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"server_type": "NO-SUCH"}, "server_type"),
        ({"volumes": [{"volume_type": "sbs"}]}, "volumes.0"),
        ({"volumes": [{"new_volume": {"size": GB}}]}, "volumes.0.volume_type"),
        (
            {"volumes": [{"volume_type": "sbs", "new_volume": {"image_label": "no_such"}}]},
            "volumes.0.new_volume.image_label",
        ),
        ({"volumes": [{"volume_type": "l_ssd", "new_volume": {"name": "v"}}]}, "volumes.0.new_volume.size"),
        (
            {"volumes": [{"volume_type": "l_ssd", "new_volume": {"size": GB, "perf_iops": 5000}}]},
            "volumes.0.new_volume.perf_iops",
        ),
        ({"volumes": [{"volume_type": "l_ssd", "new_volume": {"size": 900 * GB}}]}, "volumes"),
        ({"public_network_interface": {"ips": [{}]}}, "public_network_interface.ips.0"),
        ({"public_network_interface": {"ips": [{"new_ip": {}}]}}, "public_network_interface.ips.0.new_ip.type"),
    ],
)
def test_what_a_server_cannot_be_made_of(cloud: Cloud, fields: dict[str, Any], wrong: str) -> None:
    before = cloud.dump()
    assert cloud.ask("POST", SERVERS, {"name": "s", "server_type": "DEV1-S"} | fields).wrong == [wrong]
    assert cloud.dump() == before


def test_a_server_is_changed(cloud: Cloud) -> None:
    placement = cloud.post(f"{V2}/placement-groups", name="p")["id"]
    group = cloud.post(GROUPS, name="g")["id"]
    one = f"{SERVERS}/{make(cloud)['id']}"
    changed = cloud.patch(
        one, name="n", tags=["b"], server_type="DEV1-M", placement_group_id=placement, rescue_mode=True, protected=True,
        public_network_interface={"security_group_id": group},
    )  # fmt: skip
    assert (changed["name"], changed["tags"], changed["server_type"]) == ("n", ["b"], "DEV1-M")
    assert (changed["placement_group_id"], changed["rescue_mode"]) == (placement, True)
    assert changed["public_network_interface"]["security_group_id"] == group
    assert cloud.ask("DELETE", one).status == 412, "it is protected"
    assert "placement_group_id" not in cloud.patch(one, placement_group_id="", rescue_mode=False)
    assert cloud.ask("PATCH", one, {"boot_volume_id": it.NOWHERE}).wrong == ["boot_volume_id"]
    cloud.post(one + "/start", {})
    assert cloud.ask("PATCH", one, {"server_type": "DEV1-L"}).status == 412


def test_lists_are_filtered_and_paged_by_tokens(cloud: Cloud) -> None:
    ids = [make(cloud, name=f"s{n}", tags=["a", f"n{n}"])["id"] for n in range(3)]
    first = cloud.get(SERVERS, page_size=2)
    assert [s["id"] for s in first["servers"]] == [ids[2], ids[1]], "the newest first"
    rest = cloud.get(SERVERS, page_size=2, page_token=first["next_page_token"])
    assert ([s["id"] for s in rest["servers"]], rest["total_count"]) == ([ids[0]], 3)
    assert "next_page_token" not in rest
    for query in ({"server_ids": [ids[1]]}, {"tags": ["a", "n1"]}, {"name": "s1"}):
        assert [s["id"] for s in cloud.get(SERVERS, **query)["servers"]] == [ids[1]]
    group = it.read(cloud, ids[0])["security_group"]["id"]
    assert cloud.get(SERVERS, security_group_ids=[group], server_type="DEV1-S")["total_count"] == 3
    assert cloud.get(SERVERS, private_network_ids=[it.NOWHERE])["total_count"] == 0


# what they have


def test_volumes_come_and_go(cloud: Cloud) -> None:
    one = f"{SERVERS}/{make(cloud)['id']}"
    volume = cloud.post(f"{it.BLOCK}/volumes", {"name": "v", "from_empty": {"size": 5 * GB}})["id"]
    wrong = cloud.ask("POST", one + "/attach-volume", {"volume_id": volume, "volume_type": "l_ssd"})
    assert wrong.wrong == ["volume.volume_type"]
    attached = cloud.post(one + "/attach-volume", volume_id=volume, volume_type="sbs", boot_volume=True)
    assert (attached["volumes"][1], attached["boot_volume_id"]) == ({"id": volume, "volume_type": "sbs"}, volume)
    assert len(cloud.post(one + "/detach-volume", volume_id=volume)["volumes"]) == 1
    assert cloud.ask("POST", one + "/detach-volume", {"volume_id": volume}).status == 404


def test_public_addresses_are_attached_moved_and_made_default(cloud: Cloud) -> None:
    one, other = (f"{SERVERS}/{make(cloud)['id']}" for _ in range(2))
    first, second = it.ip(cloud)["ipam_id"], it.ip(cloud)["ipam_id"]
    cloud.post(one + "/attach-ip", ip_id=first, default=False, move_allowed=False)
    both = cloud.post(one + "/attach-ip", ip_id=second, default=True, move_allowed=False)
    assert {ip["id"]: ip["default"] for ip in both["public_network_interface"]["ips"]} == {first: False, second: True}
    assert cloud.get(it.SERVERS)["servers"][1]["public_ip"]["ipam_id"] == second
    back = cloud.post(one + "/set-default-ip", ip_id=first)
    assert [ip["id"] for ip in back["public_network_interface"]["ips"] if ip["default"]] == [first]
    assert cloud.ask("POST", other + "/attach-ip", {"ip_id": first}).status == 412
    moved = cloud.post(other + "/attach-ip", ip_id=first, move_allowed=True)
    assert [ip["id"] for ip in moved["public_network_interface"]["ips"]] == [first]
    assert [ip["id"] for ip in cloud.get(one)["public_network_interface"]["ips"]] == [second]
    assert cloud.ask("POST", one + "/detach-ip", {"ip_id": first}).status == 404
    cloud.post(other + "/set-default-ip", ip_id=first)
    assert cloud.post(other + "/detach-ip", ip_id=first)["public_network_interface"]["ips"] == []
    check(cloud.store.snapshot()[1])


def test_an_address_that_is_ipams_alone_can_be_attached_again(cloud: Cloud) -> None:
    ip = it.ip(cloud)
    cloud.ask("POST", f"{it.IPS}/{ip['id']}/release-to-ipam", {})
    server = make(cloud, public_network_interface={"ips": [{"ipam_ip_id": ip["ipam_id"]}]})
    assert it.read(cloud, server["id"])["public_ip"]["address"] == ip["address"]
    assert cloud.get(f"{it.IPS}/{ip['id']}")["ip"]["server"]["id"] == server["id"]


def test_a_private_interface_stands_without_a_server(cloud: Cloud) -> None:
    network = it.network(cloud)
    nic = cloud.post(f"{V2}/private-network-interfaces", private_network_id=network)
    assert (nic["server_id"], nic["status"], len(nic["ip_ids"])) == ("", "available", 2)
    one = f"{SERVERS}/{make(cloud, name='named')['id']}"
    attached = cloud.post(one + "/attach-private-network-interface", private_network_interface_id=nic["id"])
    assert [n["ip_ids"] for n in attached["private_network_interfaces"]] == [nic["ip_ids"]]
    assert cloud.get(f"{it.IPAM}/{nic['ip_ids'][0]}")["resource"]["name"] == "named"
    again = cloud.ask("POST", one + "/attach-private-network-interface", {"private_network_interface_id": nic["id"]})
    assert again.status == 412
    cloud.post(one + "/detach-private-network-interface", private_network_interface_id=nic["id"])
    assert cloud.get(f"{V2}/private-network-interfaces/{nic['id']}")["ip_ids"] == nic["ip_ids"]
    cloud.delete(f"{V2}/private-network-interfaces/{nic['id']}")
    cloud.delete(f"{it.NETWORKS}/{network}")


def test_a_server_goes_with_what_is_asked_for(cloud: Cloud) -> None:
    network = it.network(cloud)

    def full() -> tuple[str, dict[str, Any]]:
        ips = [{"new_ip": {"type": "zonal_ipv4"}}, {"new_ip": {"type": "zonal_ipv4"}}]
        id_ = make(cloud, public_network_interface={"ips": ips})["id"]
        cloud.post(f"{V2}/private-network-interfaces", private_network_id=network, server_id=id_)
        return f"{SERVERS}/{id_}", cloud.get(f"{SERVERS}/{id_}")

    one, server = full()
    keep, drop = (ip["id"] for ip in server["public_network_interface"]["ips"])
    (nic,) = server["private_network_interfaces"]
    query = {"delete_ip_ids": [drop], "delete_all_volumes": True, "keep_all_private_nics": True}
    assert cloud.ask("DELETE", one, query=query | {"delete_all_ips": True}).wrong == ["ips"]
    assert cloud.ask("DELETE", one, query={"delete_volume_ids": [it.NOWHERE]}).wrong == ["delete_volume_ids"]
    assert cloud.ask("DELETE", one, query=query).status == 204
    assert [cloud.ask("GET", f"{it.IPS}/{id_}").status for id_ in (keep, drop)] == [200, 404]
    assert cloud.ask("GET", f"{it.BLOCK}/volumes/{server['boot_volume_id']}").status == 404
    assert cloud.get(f"{V2}/private-network-interfaces/{nic['id']}")["server_id"] == ""
    cloud.delete(f"{V2}/private-network-interfaces/{nic['id']}")

    one, server = full()
    assert cloud.ask("POST", one + "/stop-and-delete", {}).status == 412, "it is stopped"
    cloud.post(one + "/start", {})
    assert cloud.ask("DELETE", one).status == 412, "it is started"
    assert cloud.post(one + "/stop-and-delete", delete_all_ips=True)["status"] == "stopping"
    assert cloud.ask("GET", one).status == 404
    assert cloud.get(it.IPS)["ips"][0]["id"] == keep
    assert cloud.get(f"{it.BLOCK}/volumes/{server['boot_volume_id']}")["status"] == "available"
    cloud.delete(f"{it.NETWORKS}/{network}")


# security groups


def test_a_group_and_its_rules_in_both_versions(cloud: Cloud) -> None:
    made = cloud.post(GROUPS, name="g", description="d", inbound_default_action="drop", disable_default_rules=True)
    assert (made["stateless"], made["rules"], made["default_rules"]) == (False, [], [])
    assert len(cloud.patch(f"{GROUPS}/{made['id']}", disable_default_rules=False)["default_rules"]) == 6
    inbound = {
        "protocol": "tcp", "direction": "inbound", "action": "accept", "source_ip_range": "192.0.2.0/24",
        "destination_ip_range": "0.0.0.0/0", "destination_ports": {"start": 80, "end": 90},
    }  # fmt: skip
    both = {
        "protocol": "any",
        "direction": "both",
        "action": "drop",
        "source_ip_range": "::/0",
        "destination_ip_range": "::/0",
    }
    added = cloud.post(RULES, security_group_id=made["id"], security_group_rules=[inbound, both])
    assert [r["direction"] for r in added["added_rules"]] == ["inbound", "inbound", "outbound"]
    assert added["added_rules"][0] == inbound | {"id": added["added_rules"][0]["id"], "position": 1}
    old = [r for r in cloud.get(f"{it.GROUPS}/{made['id']}/rules")["rules"] if r["editable"]]
    assert [(r["protocol"], r["ip_range"], r["dest_port_from"], r["dest_port_to"]) for r in old] == [
        ("TCP", "192.0.2.0/24", 80, 90), ("ANY", "::/0", None, None), ("ANY", "::/0", None, None),
    ]  # fmt: skip
    ids = [rule["id"] for rule in added["added_rules"]]
    changed = cloud.patch(f"{RULES}/{ids[0]}", action="drop", destination_ports={"start": 443})
    assert (changed["rules"][0]["action"], changed["rules"][0]["destination_ports"]) == (
        "drop",
        {"start": 443, "end": 443},
    )
    turned = cloud.patch(f"{RULES}/{ids[0]}", direction="outbound")["rules"][0]
    assert (turned["destination_ip_range"], turned["source_ip_range"]) == ("192.0.2.0/24", "0.0.0.0/0")
    assert cloud.ask("DELETE", RULES, {"security_group_rule_ids": ids[1:]}).status == 204
    assert [r["id"] for r in cloud.get(f"{GROUPS}/{made['id']}")["rules"]] == ids[:1]
    assert len(cloud.put(RULES, security_group_id=made["id"], security_group_rules=[both])["rules"]) == 2
    cloud.delete(f"{GROUPS}/{made['id']}")


def test_what_no_rule_can_say_is_refused(cloud: Cloud) -> None:
    group = cloud.post(GROUPS, name="g")["id"]
    rule = {"protocol": "tcp", "direction": "inbound", "action": "accept", "source_ip_range": "0.0.0.0/0"}
    where = "security_group_rules.0."
    for fields, wrong in (
        ({"source_ports": {"start": 1, "end": 2}}, "source_ports"),
        ({"destination_ip_range": "10.0.0.0/8"}, "destination_ip_range"),
        ({"destination_ports": {"start": 9, "end": 2}}, "destination_ports.end"),
        ({"source_ip_range": "nowhere"}, "source_ip_range"),
    ):
        answer = cloud.ask("POST", RULES, {"security_group_id": group, "security_group_rules": [rule | fields]})
        assert answer.wrong == [where + wrong]
    default = cloud.get(f"{GROUPS}/{group}")["default_rules"][0]["id"]
    assert cloud.ask("DELETE", RULES, {"security_group_rule_ids": [default]}).status == 412
    assert cloud.ask("POST", GROUPS, {"name": "g", "stateless": True, "inbound_default_action": "drop"}).wrong == [
        "stateful"
    ]


# templates and user data


def test_a_template_is_answered_as_it_was_recorded(cloud: Cloud) -> None:
    """Lists that are left out are empty, references that are left out are not there."""
    made = cloud.post(TEMPLATES, {"name": "t", "tags": None, "server_type": "GP1-M", "volumes": None})
    assert made == {
        "project_id": cloud.project, "id": made["id"], "name": "t", "tags": [], "server_tags": [],
        "server_type": "GP1-M", "public_ip_v4_count": 0, "public_ip_v6_count": 0, "volumes": [], "filesystem_ids": [],
        "private_networks": [],
        "created_at": made["created_at"], "updated_at": made["updated_at"], "zone": "fr-par-1",
    }  # fmt: skip
    volume = {
        "volume_type": "sbs",
        "name": "v",
        "tags": None,
        "size": 20 * GB,
        "image_label": "ubuntu_jammy",
        "perf_iops": None,
    }
    changed = cloud.patch(
        f"{TEMPLATES}/{made['id']}", server_type="POP2-HM-8C-64G", update_volumes={"volumes": [volume]},
        update_private_networks={"private_networks": None}, public_ip_v6_count=1,
    )  # fmt: skip
    assert changed["volumes"] == [
        {"volume_type": "sbs", "name": "v", "tags": [], "size": 20 * GB, "image_label": "ubuntu_jammy"}
    ]
    assert cloud.get(TEMPLATES, template_ids=[made["id"]])["total_count"] == 1
    assert cloud.patch(f"{TEMPLATES}/{made['id']}", update_volumes={})["volumes"] == []


def test_a_server_is_made_of_a_template(cloud: Cloud) -> None:
    network, group = it.network(cloud), cloud.post(GROUPS, name="g")["id"]
    template = cloud.post(
        TEMPLATES, name="t", server_type="DEV1-S", server_tags=["of-template"], public_ip_v4_count=1,
        security_group_id=group,
        volumes=[{"volume_type": "sbs", "name": "root", "image_label": "ubuntu_jammy"}],
        private_networks=[{"private_network_id": network}],
    )  # fmt: skip
    one = f"{TEMPLATES}/{template['id']}"
    content = base64.b64encode(b"#cloud-config").decode()
    assert cloud.ask("PUT", one + "/user-data/cloud-init", {"content": content}).status == 204
    assert cloud.ask("GET", one + "/check").status == 204
    server = cloud.post(one + "/create-server", name="made")
    assert (server["tags"], server["public_network_interface"]["security_group_id"]) == (["of-template"], group)
    assert len(server["public_network_interface"]["ips"]) == 1
    assert server["private_network_interfaces"][0]["private_network_id"] == network
    data = f"{SERVERS}/{server['id']}/user-data"
    assert cloud.get(data + "/cloud-init") == {"key": "cloud-init", "content": content}
    assert cloud.ask("GET", f"{it.SERVERS}/{server['id']}/user_data/cloud-init").raw == b"#cloud-config"
    assert cloud.get(data) == {"keys": ["cloud-init"], "total_count": 1}
    assert cloud.ask("PUT", data + "/x", {"content": "no base64!"}).wrong == ["content"]
    assert cloud.ask("GET", data + "/x").status == 404


def test_a_template_of_what_is_gone_is_not_usable(cloud: Cloud) -> None:
    group = cloud.post(GROUPS, name="g")["id"]
    template = cloud.post(TEMPLATES, name="t", server_type="DEV1-S", security_group_id=group)["id"]
    cloud.delete(f"{GROUPS}/{group}")
    before = cloud.dump()
    assert cloud.ask("GET", f"{TEMPLATES}/{template}/check").status == 404
    assert cloud.ask("POST", f"{TEMPLATES}/{template}/create-server", {"name": "s"}).status == 404
    unknown = [{"volume_type": "sbs", "image_label": "no_such"}]
    other = cloud.post(TEMPLATES, name="t", server_type="DEV1-S", volumes=unknown)["id"]
    assert cloud.ask("GET", f"{TEMPLATES}/{other}/check").wrong == ["volumes.0.new_volume.image_label"]
    cloud.delete(f"{TEMPLATES}/{other}")
    assert (
        cloud.ask("POST", TEMPLATES, {"name": "t", "server_type": "DEV1-S", "filesystem_ids": [it.NOWHERE]}).status
        == 404
    )
    assert cloud.dump() == before


# storage, and what there is


def test_local_volumes_and_snapshots(cloud: Cloud) -> None:
    volume = cloud.post(f"{V2}/volumes", name="v", size=10 * GB, volume_type="l_ssd")
    assert (volume["status"], volume["size"]) == ("available", 10 * GB)
    assert "server_id" not in volume
    snapshot = cloud.post(f"{V2}/snapshots", name="s", base_volume_id=volume["id"], public=True)
    assert (snapshot["status"], snapshot["public"], snapshot["base_volume_id"]) == ("creating", True, volume["id"])
    one = f"{V2}/snapshots/{snapshot['id']}"
    assert cloud.get(one)["status"] == "available"
    assert cloud.post(one + "/export-to-object-storage", bucket="b", object_key="k")["status"] == "exporting"
    assert cloud.patch(one, public=False)["public"] is False
    twin = cloud.post(f"{V2}/volumes", name="w", base_snapshot_id=snapshot["id"])
    assert (twin["size"], twin["volume_type"]) == (10 * GB, "l_ssd")
    imported = cloud.post(
        f"{V2}/snapshots/import-from-object-storage", name="i", bucket="b", object_key="k", size=2 * GB
    )
    assert (imported["size"], imported["status"]) == (2 * GB, "creating")
    assert cloud.get(f"{V2}/snapshots", base_volume_id=volume["id"])["total_count"] == 1
    assert cloud.patch(f"{V2}/volumes/{twin['id']}", name="x")["name"] == "x"
    assert [kind["name"] for kind in cloud.get(f"{V2}/volume-types")["volume_types"]] == ["l_ssd", "scratch"]


def test_types_and_counts(cloud: Cloud) -> None:
    kinds, query = [], {}
    while True:
        page = cloud.get(f"{V2}/server-types", page_size=50, **query)
        kinds += page["server_types"]
        if "next_page_token" not in page:
            break
        query = {"page_token": page["next_page_token"]}
    assert len(kinds) == page["total_count"] > 50
    by_name = {kind["name"]: kind for kind in kinds}
    assert (by_name["DEV1-S"]["vcpu_count"], by_name["DEV1-S"]["limits"]["l_ssd_size"]) == (2, 20 * GB)
    assert "gpu_info" not in by_name["DEV1-S"]
    assert [k["gpu_info"]["manufacturer"] for k in kinds if k["gpu_count"]] != []
    make(cloud)
    it.ip(cloud)
    counts = cloud.get(f"{V2}/resource-counts", project_id=cloud.project)
    assert (counts["servers"], counts["servers_by_type"], counts["unused_flexible_ips"]) == (1, {"DEV1-S": 1}, 1)
    wrong = cloud.ask(
        "GET", f"{V2}/resource-counts", query={"project_id": cloud.project, "organization_id": cloud.project}
    )
    assert wrong.wrong == ["project_identifier"]
