"""instance/v1: servers, what is done to them, what they are listed by."""

from __future__ import annotations

from typing import Any

import pytest

from hideaway.cloud.change import Pace
from tests.api_in_process import Cloud
from tests.unit.api.instances import (
    BLOCK,
    INSTANCE,
    INSTANCE2,
    IPAM,
    IPS,
    NOWHERE,
    PLACEMENT,
    SERVERS,
    VOLUMES,
    act,
    group,
    ids,
    ip,
    network,
    read,
    running,
    server,
)

ON = ["poweroff", "terminate", "reboot", "stop_in_place", "backup"]


# making


def test_a_server_is_answered_as_the_vendor_answers_it(cloud: Cloud) -> None:
    answer = cloud.ask("POST", SERVERS, {"name": "s", "commercial_type": "DEV1-S", "image": "ubuntu_jammy"})
    assert answer.status == 201
    made = answer.body["server"]
    assert (made["state"], made["state_detail"], made["allowed_actions"]) == ("stopped", "", ["poweron", "backup"])
    assert (made["arch"], made["boot_type"], made["hostname"]) == ("x86_64", "local", "s")
    assert (made["organization"], made["project"]) == (cloud.owner.organization_id, cloud.project)
    assert made["image"]["name"] == "Ubuntu 22.04 Jammy Jellyfish"
    assert (made["public_ip"], made["public_ips"], made["private_nics"], made["location"]) == (None, [], [], None)
    assert made["security_group"]["name"] == "Default security group"
    assert made["creation_date"].endswith("+00:00")
    assert made["dns"] == f"{made['id']}.pub.instances.scw.cloud"
    assert list(made["volumes"]) == ["0"]
    assert made["volumes"]["0"]["volume_type"] == "sbs_volume"
    assert read(cloud, made["id"]) == made


def test_the_root_volume_of_a_label_is_a_block_volume_of_ten_gigabytes(cloud: Cloud) -> None:
    made = server(cloud)
    volume = cloud.get(f"{BLOCK}/volumes/{made['volumes']['0']['id']}")
    assert (volume["name"], volume["size"]) == ("Ubuntu 22.04 Jammy Jellyfish_sbs_volume_0", 10 * 10**9)
    assert (volume["status"], volume["references"][0]["product_resource_id"]) == ("in_use", made["id"])


def test_a_local_root_volume_is_made_when_it_is_asked_for(cloud: Cloud) -> None:
    made = server(cloud, volumes={"0": {"volume_type": "l_ssd", "size": 20 * 10**9}})
    root = made["volumes"]["0"]
    assert (root["volume_type"], root["size"], root["server"]) == ("l_ssd", 20 * 10**9, {"id": made["id"], "name": "s"})
    assert cloud.get(f"{VOLUMES}/{root['id']}")["volume"]["state"] == "available"


def test_volumes_that_stand_are_attached_and_new_ones_made(cloud: Cloud) -> None:
    data = cloud.post(f"{BLOCK}/volumes", name="d", from_empty={"size": 10**10})["id"]
    local = cloud.post(VOLUMES, name="l", size=10**9)["volume"]["id"]
    made = server(
        cloud,
        volumes={
            "0": {"volume_type": "l_ssd", "size": 10**10},
            "1": {"id": local, "volume_type": "l_ssd"},
            "2": {"id": data, "volume_type": "sbs_volume"},
            "3": {"size": 10**9, "volume_type": "sbs_volume", "name": "more"},
        },
    )
    assert [made["volumes"][n]["id"] for n in "12"] == [local, data]
    assert cloud.get(f"{BLOCK}/volumes/{made['volumes']['3']['id']}")["name"] == "more"
    taken = cloud.ask("POST", SERVERS, {"commercial_type": "DEV1-S", "volumes": {"0": {"id": data}}})
    assert (taken.status, taken.body["precondition"]) == (412, "resource_still_in_use")


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"commercial_type": "NONSENSE"}, ["commercial_type"]),
        ({"commercial_type": None}, ["commercial_type"]),
        ({"image": "no_such_label"}, ["image"]),
        ({"security_group": "1111"}, ["security_group"]),
        ({"placement_group": "1111"}, ["placement_group"]),
        ({"public_ips": ["x"]}, ["ip"]),
        ({"volumes": {"x": {"size": 10**9}}}, ["volumes.x"]),
        ({"volumes": {"1": {"volume_type": "l_ssd"}}}, ["volumes.1.size"]),
        ({"volumes": {"1": {"volume_type": "floppy", "size": 1}}}, ["volumes.1.volume_type"]),
        ({"volumes": {"1": {"volume_type": "l_ssd", "size": 10**12}}}, ["volumes"]),
        ({"commercial_type": "PLAY2-PICO", "volumes": {"0": {"volume_type": "l_ssd", "size": 10**10}}}, ["volumes"]),
        ({"volumes": {str(n): {"size": 1} for n in range(40)}}, ["volumes"]),
        ({"volumes": {"0": {"size": -1}}}, ["volumes[...].size"]),
        ({"name": "x" * 300}, ["name"]),
        ({"tags": ["x" * 300]}, ["tags"]),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_made(cloud: Cloud, fields: dict[str, Any], wrong: list[str]) -> None:
    before = cloud.dump()
    answer = cloud.ask("POST", SERVERS, {"name": "s", "commercial_type": "DEV1-S", "image": "ubuntu_jammy"} | fields)
    assert answer.status == 400
    assert [name.replace("[...]", "") for name in answer.wrong] == [name.replace("[...]", "") for name in wrong]
    assert cloud.dump() == before


@pytest.mark.parametrize("argument", ["image", "security_group", "placement_group"])
def test_what_is_nowhere_is_not_found_and_nothing_is_made(cloud: Cloud, argument: str) -> None:
    before = cloud.dump()
    answer = cloud.ask("POST", SERVERS, {"commercial_type": "DEV1-S", argument: NOWHERE})
    assert (answer.status, answer.body["resource_id"]) == (404, NOWHERE)
    assert answer.body["resource"] == f"instance_{argument}"
    assert cloud.dump() == before


def test_what_is_elsewhere_is_not_found(cloud: Cloud) -> None:
    elsewhere = cloud.post("/instance/v1/zones/fr-par-2/security_groups", name="g")["security_group"]["id"]
    assert cloud.ask("POST", SERVERS, {"commercial_type": "DEV1-S", "security_group": elsewhere}).status == 404
    id_ = server(cloud)["id"]
    assert cloud.ask("GET", f"/instance/v1/zones/fr-par-2/servers/{id_}").status == 404


# actions


def test_the_life_of_a_server(cloud: Cloud) -> None:
    id_ = server(cloud)["id"]
    task = act(cloud, id_, "poweron")
    assert (task["status"], task["href_result"]) == ("pending", f"/servers/{id_}")
    on = read(cloud, id_)
    assert (on["state"], on["allowed_actions"]) == ("running", ON)
    assert on["location"]["zone_id"] == "fr-par-1"
    act(cloud, id_, "reboot")
    act(cloud, id_, "stop_in_place")
    assert read(cloud, id_)["state"] == "stopped in place"
    act(cloud, id_, "poweron")
    act(cloud, id_, "poweroff")
    off = read(cloud, id_)
    assert (off["state"], off["state_detail"], off["location"]) == ("stopped", "", None)


@pytest.mark.parametrize("action", ["poweroff", "reboot", "stop_in_place", "terminate"])
def test_a_server_at_rest_refuses_what_running_ones_do(cloud: Cloud, action: str) -> None:
    id_ = server(cloud)["id"]
    answer = cloud.ask("POST", f"{SERVERS}/{id_}/action", {"action": action})
    assert (answer.status, answer.body["message"]) == (400, "server should be running")
    assert read(cloud, id_)["state"] == "stopped"


def test_an_unknown_action_is_refused(cloud: Cloud) -> None:
    answer = cloud.ask("POST", f"{SERVERS}/{server(cloud)['id']}/action", {"action": "explode"})
    assert (answer.status, answer.wrong) == (400, ["action"])


def test_a_server_on_its_way_refuses_other_ways() -> None:
    cloud = Cloud(pace=Pace.RECORDED)
    id_ = server(cloud)["id"]
    act(cloud, id_, "poweron")
    on_its_way = read(cloud, id_)
    assert (on_its_way["state"], on_its_way["state_detail"]) == ("starting", "allocating node")
    for answer in (
        cloud.ask("POST", f"{SERVERS}/{id_}/action", {"action": "poweroff"}),
        cloud.ask("DELETE", f"{SERVERS}/{id_}"),
    ):
        assert (answer.status, answer.body["type"]) == (409, "transient_state")
    cloud.clock.advance(60)
    assert read(cloud, id_)["state"] == "running"


def test_deleting_needs_a_stopped_server_and_leaves_its_volumes_and_addresses(cloud: Cloud) -> None:
    kept = ip(cloud)["id"]
    made = running(cloud, public_ips=[kept], volumes={"0": {"volume_type": "l_ssd", "size": 10**10}})
    refused = cloud.ask("DELETE", f"{SERVERS}/{made['id']}")
    assert (refused.status, refused.body["message"]) == (400, "server should be stopped")
    act(cloud, made["id"], "poweroff")
    cloud.delete(f"{SERVERS}/{made['id']}")
    assert cloud.ask("GET", f"{SERVERS}/{made['id']}").status == 404
    assert cloud.get(f"{VOLUMES}/{made['volumes']['0']['id']}")["volume"]["server"] is None
    assert cloud.get(f"{IPS}/{kept}")["ip"]["state"] == "detached"


def test_terminating_takes_local_volumes_and_leaves_block_volumes(cloud: Cloud) -> None:
    made = running(
        cloud,
        volumes={"0": {"volume_type": "l_ssd", "size": 10**10}, "1": {"volume_type": "sbs_volume", "size": 10**9}},
    )
    act(cloud, made["id"], "terminate")
    assert cloud.ask("GET", f"{SERVERS}/{made['id']}").status == 404
    assert cloud.ask("GET", f"{VOLUMES}/{made['volumes']['0']['id']}").status == 404
    block = cloud.get(f"{BLOCK}/volumes/{made['volumes']['1']['id']}")
    assert (block["status"], block["references"]) == ("available", [])
    assert block["last_detached_at"] is not None


def test_a_protected_server_is_neither_deleted_nor_terminated(cloud: Cloud) -> None:
    id_ = server(cloud, protected=True)["id"]
    assert cloud.ask("DELETE", f"{SERVERS}/{id_}").status == 412
    act(cloud, id_, "poweron")
    assert cloud.ask("POST", f"{SERVERS}/{id_}/action", {"action": "terminate"}).status == 412
    cloud.patch(f"{SERVERS}/{id_}", protected=False)
    act(cloud, id_, "terminate")


def test_a_backup_is_an_image_that_servers_can_be_made_of(cloud: Cloud) -> None:
    made = server(
        cloud,
        volumes={"0": {"volume_type": "l_ssd", "size": 10**10}, "1": {"volume_type": "sbs_volume", "size": 10**9}},
    )
    task = cloud.post(f"{SERVERS}/{made['id']}/action", action="backup", name="b")["task"]
    image = cloud.get(f"{INSTANCE}{task['href_result']}")["image"]
    assert (image["name"], image["state"], image["from_server"]) == ("b", "available", made["id"])
    assert image["root_volume"]["volume_type"] == "l_ssd"
    snapshot = cloud.get(f"{BLOCK}/snapshots/{image['extra_volumes']['1']['id']}")
    assert (snapshot["status"], snapshot["references"][0]["product_resource_id"]) == ("in_use", image["id"])
    twin = server(cloud, image=image["id"])
    assert [twin["volumes"][n]["volume_type"] for n in "01"] == ["l_ssd", "sbs_volume"]


# addresses


def test_a_dynamic_address_comes_with_the_start_and_goes_with_the_stop(cloud: Cloud) -> None:
    id_ = server(cloud, dynamic_ip_required=True)["id"]
    assert read(cloud, id_)["public_ips"] == []
    act(cloud, id_, "poweron")
    [address] = read(cloud, id_)["public_ips"]
    assert (address["dynamic"], address["family"]) == (True, "inet")
    assert cloud.get(IPS)["ips"] == []
    act(cloud, id_, "poweroff")
    assert read(cloud, id_)["public_ips"] == []
    act(cloud, id_, "poweron")
    cloud.patch(f"{SERVERS}/{id_}", dynamic_ip_required=False)
    assert read(cloud, id_)["public_ip"] is None


def test_a_server_with_an_ipv4_address_gets_no_dynamic_one(cloud: Cloud) -> None:
    mine = ip(cloud)
    made = running(cloud, dynamic_ip_required=True, public_ips=[mine["id"]])
    assert ids(made["public_ips"]) == [mine["id"]]
    six = running(cloud, dynamic_ip_required=True, public_ips=[ip(cloud, type="routed_ipv6")["id"]])
    assert [a["family"] for a in six["public_ips"]] == ["inet", "inet6"]


def test_only_the_first_ipv4_address_comes_by_dhcp(cloud: Cloud) -> None:
    first, second, six = ip(cloud), ip(cloud), ip(cloud, type="routed_ipv6")
    made = server(cloud, public_ips=[first["id"], second["id"], six["id"]])
    assert [a["provisioning_mode"] for a in made["public_ips"]] == ["dhcp", "manual", "slaac"]
    cloud.patch(f"{IPS}/{made['public_ips'][0]['id']}", server=None)
    assert [a["provisioning_mode"] for a in read(cloud, made["id"])["public_ips"]] == ["dhcp", "slaac"]


def test_an_update_makes_the_addresses_exactly_these(cloud: Cloud) -> None:
    one, two = ip(cloud)["id"], ip(cloud)["id"]
    id_ = server(cloud, public_ips=[one])["id"]
    assert ids(cloud.patch(f"{SERVERS}/{id_}", public_ips=[two])["server"]["public_ips"]) == [two]
    assert cloud.get(f"{IPS}/{one}")["ip"]["server"] is None
    other = server(cloud)["id"]
    assert cloud.ask("PATCH", f"{SERVERS}/{other}", {"public_ips": [two]}).status == 412
    assert cloud.patch(f"{SERVERS}/{id_}", public_ips=[])["server"]["public_ip"] is None


# updates


def test_an_update_changes_what_it_names(cloud: Cloud) -> None:
    made = server(cloud, tags=["a"])
    wanted = group(cloud)["id"]
    changed = cloud.patch(f"{SERVERS}/{made['id']}", name="t", tags=["b"], security_group={"id": wanted})["server"]
    assert (changed["name"], changed["hostname"], changed["tags"]) == ("t", "t", ["b"])
    assert changed["security_group"]["id"] == wanted
    same = cloud.patch(f"{SERVERS}/{made['id']}", name=None, tags=None)["server"]
    assert (same["name"], same["tags"]) == ("t", ["b"])


def test_a_placement_group_is_joined_and_left(cloud: Cloud) -> None:
    one = cloud.post(PLACEMENT, name="p")["placement_group"]["id"]
    id_ = server(cloud, placement_group=one)["id"]
    assert ids(cloud.get(f"{PLACEMENT}/{one}/servers")["servers"]) == [id_]
    assert cloud.patch(f"{SERVERS}/{id_}", tags=["x"])["server"]["placement_group"]["id"] == one
    assert cloud.patch(f"{SERVERS}/{id_}", placement_group=None)["server"]["placement_group"] is None
    wrong = cloud.ask("PATCH", f"{SERVERS}/{id_}", {"placement_group": "1111111"})
    assert wrong.body["details"] == [
        {"argument_name": "placement_group", "reason": "constraint", "help_message": "not a valid value"}
    ]


def test_volumes_are_made_exactly_these(cloud: Cloud) -> None:
    made = server(cloud)
    root = made["volumes"]["0"]["id"]
    data = cloud.post(f"{BLOCK}/volumes", name="d", from_empty={"size": 10**9})["id"]
    both = cloud.patch(f"{SERVERS}/{made['id']}", volumes={"0": {"id": root}, "1": {"id": data}})["server"]["volumes"]
    assert [both[n]["id"] for n in "01"] == [root, data]
    assert cloud.patch(f"{SERVERS}/{made['id']}", volumes={})["server"]["volumes"] == {}
    assert cloud.get(f"{BLOCK}/volumes/{data}")["status"] == "available"
    attached = cloud.post(f"{SERVERS}/{made['id']}/attach-volume", volume_id=data, volume_type="sbs_volume")
    assert attached["server"]["volumes"]["0"]["id"] == data
    assert cloud.post(f"{SERVERS}/{made['id']}/detach-volume", volume_id=data)["server"]["volumes"] == {}
    assert cloud.ask("POST", f"{SERVERS}/{made['id']}/detach-volume", {"volume_id": data}).status == 404


def test_a_server_allows_nothing_while_a_volume_comes(cloud: Cloud) -> None:
    id_ = server(cloud)["id"]
    data = cloud.post(f"{BLOCK}/volumes", name="d", from_empty={"size": 10**9})["id"]
    coming = cloud.post(f"{SERVERS}/{id_}/attach-volume", volume_id=data)["server"]
    assert (coming["volumes"]["1"]["state"], coming["allowed_actions"]) == ("attaching", [])
    there = read(cloud, id_)
    assert (there["volumes"]["1"]["state"], there["allowed_actions"]) == ("available", ["poweron", "backup"])
    same = cloud.patch(f"{SERVERS}/{id_}", volumes={n: {"id": v["id"]} for n, v in there["volumes"].items()})["server"]
    assert same["allowed_actions"] == ["poweron", "backup"]
    local = cloud.post(f"{INSTANCE}/volumes", name="l", volume_type="l_ssd", size=10**10)["volume"]["id"]
    both = cloud.post(f"{SERVERS}/{id_}/attach-volume", volume_id=local)["server"]
    assert (both["volumes"]["2"]["state"], both["allowed_actions"]) == ("available", ["poweron", "backup"])


def test_a_type_changes_only_at_rest(cloud: Cloud) -> None:
    id_ = server(cloud)["id"]
    assert cloud.patch(f"{SERVERS}/{id_}", commercial_type="DEV1-M")["server"]["commercial_type"] == "DEV1-M"
    act(cloud, id_, "poweron")
    assert cloud.ask("PATCH", f"{SERVERS}/{id_}", {"commercial_type": "DEV1-L"}).status == 400
    assert "DEV1-S" in cloud.get(f"{SERVERS}/{id_}/compatible-types")["compatible_types"]


def test_renaming_renames_it_in_the_private_network(cloud: Cloud) -> None:
    id_ = server(cloud)["id"]
    cloud.post(f"{SERVERS}/{id_}/private_nics", private_network_id=network(cloud))
    cloud.patch(f"{SERVERS}/{id_}", name="renamed")
    listed = cloud.get(IPAM, resource_name="renamed")["ips"]
    assert len(listed) == 2


# lists


def test_a_list_is_newest_first_and_paged_by_headers(cloud: Cloud) -> None:
    made = [server(cloud, name=f"s{n}")["id"] for n in range(5)]
    answer = cloud.ask("GET", SERVERS, query={"per_page": 2, "page": 2})
    assert ids(answer.body["servers"]) == [made[2], made[1]]
    assert answer.headers["x-total-count"] == "5"
    assert '</servers?page=3&per_page=2>; rel="next"' in answer.headers["link"]
    assert ids(cloud.get(SERVERS, order="creation_date_asc")["servers"]) == made
    cloud.clock.advance(1)
    cloud.patch(f"{SERVERS}/{made[0]}", tags=["x"])
    assert ids(cloud.get(SERVERS, order="modification_date_desc")["servers"])[0] == made[0]
    assert cloud.ask("GET", SERVERS, query={"order": "sideways"}).wrong == ["order"]


def test_servers_are_found_by_what_they_are_and_have(cloud: Cloud) -> None:
    mine, where = ip(cloud), network(cloud)
    one = running(cloud, name="one", tags=["a", "b"], public_ips=[mine["id"]])
    two = server(cloud, name="two", tags=["a"], commercial_type="DEV1-M")
    nic = cloud.post(f"{SERVERS}/{two['id']}/private_nics", private_network_id=where)["private_nic"]
    private = cloud.get(IPAM, resource_id=nic["id"], is_ipv6=False)["ips"][0]["address"].split("/")[0]

    def found(**query: Any) -> list[str]:
        return [s["name"] for s in cloud.get(SERVERS, order="creation_date_asc", **query)["servers"]]

    assert found() == ["one", "two"]
    assert found(name="ON") == ["one"]
    assert found(tags="a") == ["one", "two"]
    assert found(tags="a,b") == ["one"]
    assert found(commercial_type="DEV1-M") == ["two"]
    assert found(state="running") == ["one"]
    assert found(without_ip="true") == ["two"]
    assert found(with_ip=mine["address"]) == ["one"]
    assert found(private_network=where) == ["two"]
    assert found(private_networks=f"{where},{NOWHERE}") == ["two"]
    assert found(private_nic_mac_address=nic["mac_address"].upper()) == ["two"]
    assert found(private_ip=private) == ["two"]
    assert found(servers=f"{one['id']},{NOWHERE}") == ["one"]
    assert found(project=cloud.project, organization=cloud.owner.organization_id) == ["one", "two"]
    assert found(project=NOWHERE) == []


# user data


def test_user_data_is_kept_as_it_is(cloud: Cloud) -> None:
    base = f"{SERVERS}/{server(cloud)['id']}/user_data"
    assert cloud.ask("PATCH", f"{base}/cloud-init", raw=b"#cloud-config\n\xff").status == 204
    assert cloud.ask("PATCH", f"{base}/a", raw=b"").status == 204
    assert cloud.get(base) == {"user_data": ["a", "cloud-init"]}
    answer = cloud.ask("GET", f"{base}/cloud-init")
    assert (answer.raw, answer.headers["content-type"].split(";")[0]) == (b"#cloud-config\n\xff", "text/plain")
    cloud.delete(f"{base}/a")
    gone = cloud.ask("GET", f"{base}/a")
    assert (gone.status, gone.raw) == (404, b"")
    assert cloud.ask("PATCH", f"{base}/big", raw=b"x" * 200_000).status == 400


# private NICs


def test_a_nic_books_an_address_of_each_family(cloud: Cloud) -> None:
    id_, where = server(cloud)["id"], network(cloud)
    answer = cloud.ask("POST", f"{SERVERS}/{id_}/private_nics", {"private_network_id": where, "tags": ["t"]})
    assert answer.status == 201
    nic = answer.body["private_nic"]
    assert (nic["server_id"], nic["private_network_id"], nic["tags"]) == (id_, where, ["t"])
    assert nic["mac_address"] == nic["mac_address"].lower()
    booked = cloud.get(IPAM, resource_id=nic["id"], resource_type="instance_private_nic")["ips"]
    assert sorted(nic["ipam_ip_ids"]) == sorted(ids(booked))
    assert {b["resource"]["mac_address"] for b in booked} == {nic["mac_address"].upper()}
    assert {b["resource"]["name"] for b in booked} == {"s"}
    assert cloud.get(f"{SERVERS}/{id_}/private_nics/{nic['mac_address']}")["private_nic"]["id"] == nic["id"]
    assert ids(read(cloud, id_)["private_nics"]) == [nic["id"]]
    again = cloud.ask("POST", f"{SERVERS}/{id_}/private_nics", {"private_network_id": where})
    assert (again.status, again.body["type"]) == (409, "conflict")
    cloud.delete(f"{SERVERS}/{id_}/private_nics/{nic['id']}")
    assert cloud.get(IPAM)["ips"] == []


def test_a_nic_takes_a_booked_address_and_gives_it_back(cloud: Cloud) -> None:
    id_, where = server(cloud)["id"], network(cloud)
    booked = cloud.post(IPAM, source={"private_network_id": where})
    nic = cloud.post(f"{SERVERS}/{id_}/private_nics", private_network_id=where, ipam_ip_ids=[booked["id"]])[
        "private_nic"
    ]
    assert nic["ipam_ip_ids"][0] == booked["id"]
    other = server(cloud)["id"]
    taken = {"private_network_id": where, "ipam_ip_ids": [booked["id"]]}
    assert cloud.ask("POST", f"{SERVERS}/{other}/private_nics", taken).status == 412
    act(cloud, id_, "poweron")
    act(cloud, id_, "terminate")
    left = cloud.get(IPAM)["ips"]
    assert [(one["id"], one["resource"]) for one in left] == [(booked["id"], None)]


def test_interfaces_are_the_same_nics_by_another_name(cloud: Cloud) -> None:
    id_, where = server(cloud)["id"], network(cloud)
    base = INSTANCE2 + "/private-network-interfaces"
    made = cloud.post(base, private_network_id=where, server_id=id_, project_id=cloud.project, ip_ids=None, tags=None)
    assert (made["status"], made["security_group_id"], len(made["ip_ids"])) == ("attaching", "", 2)
    assert cloud.get(f"{base}/{made['id']}")["status"] == "available"
    assert ids(cloud.get(base, server_ids=id_, private_network_ids=where)["private_network_interfaces"]) == [made["id"]]
    assert cloud.get(base, server_ids=NOWHERE)["total_count"] == 0
    assert cloud.patch(f"{base}/{made['id']}", tags=["x"])["tags"] == ["x"]
    assert cloud.get(f"{SERVERS}/{id_}/private_nics/{made['id']}")["private_nic"]["tags"] == ["x"]
    cloud.delete(f"{base}/{made['id']}")
    gone = cloud.ask("GET", f"{base}/{made['id']}")
    assert (gone.status, gone.body["resource"]) == (404, "instance_private_nic")


# others


def test_nobody_sees_or_uses_another_organizations(cloud: Cloud) -> None:
    other = cloud.organization().secret_key
    mine, address, where = server(cloud), ip(cloud), network(cloud)
    assert cloud.ask("GET", SERVERS, key=other).body == {"servers": []}
    before = cloud.dump()
    tried: list[tuple[str, str, Any]] = [
        ("GET", f"{SERVERS}/{mine['id']}", None),
        ("PATCH", f"{SERVERS}/{mine['id']}", {"name": "x"}),
        ("DELETE", f"{SERVERS}/{mine['id']}", None),
        ("POST", f"{SERVERS}/{mine['id']}/action", {"action": "poweron"}),
        ("GET", f"{SERVERS}/{mine['id']}/user_data", None),
        ("POST", f"{SERVERS}/{mine['id']}/private_nics", {"private_network_id": where}),
        ("GET", f"{IPS}/{address['id']}", None),
        ("GET", f"{IPS}/{address['address']}", None),
        ("DELETE", f"{IPS}/{address['id']}", None),
        ("POST", IPS, {"server": mine["id"]}),
        ("POST", SERVERS, {"commercial_type": "DEV1-S", "public_ips": [address["id"]]}),
        ("POST", SERVERS, {"commercial_type": "DEV1-S", "security_group": mine["security_group"]["id"]}),
        ("POST", SERVERS, {"commercial_type": "DEV1-S", "volumes": {"0": {"id": mine["volumes"]["0"]["id"]}}}),
        ("POST", SERVERS, {"commercial_type": "DEV1-S", "project": cloud.project}),
        ("POST", INSTANCE2 + "/private-network-interfaces", {"private_network_id": where, "server_id": mine["id"]}),
    ]
    assert {cloud.ask(method, path, body, key=other).status for method, path, body in tried} == {404}
    assert cloud.dump() == before
    assert cloud.ask("GET", SERVERS, key=None).status == 401


def test_what_a_server_gets_must_be_of_its_own_project(cloud: Cloud) -> None:
    other = cloud.post("/account/v3/projects", name="other", organization_id=cloud.owner.organization_id)["id"]
    address, guard, volume = ip(cloud), group(cloud), cloud.post(VOLUMES, name="v", size=10**9)["volume"]
    where, block = network(cloud), cloud.post(f"{BLOCK}/volumes", name="b", from_empty={"size": 10**9})
    theirs = server(cloud, project=other)["id"]
    before = cloud.dump()
    tried: list[tuple[str, str, Any]] = [
        ("POST", SERVERS, {"commercial_type": "DEV1-S", "project": other, "public_ips": [address["id"]]}),
        ("POST", SERVERS, {"commercial_type": "DEV1-S", "project": other, "security_group": guard["id"]}),
        ("POST", SERVERS, {"commercial_type": "DEV1-S", "project": other, "volumes": {"0": {"id": block["id"]}}}),
        ("PATCH", f"{SERVERS}/{theirs}", {"security_group": {"id": guard["id"]}}),
        ("PATCH", f"{SERVERS}/{theirs}", {"public_ips": [address["id"]]}),
        ("POST", f"{SERVERS}/{theirs}/attach-volume", {"volume_id": volume["id"]}),
        ("POST", f"{SERVERS}/{theirs}/private_nics", {"private_network_id": where}),
        ("PATCH", f"{IPS}/{address['id']}", {"server": theirs}),
        ("POST", f"{BLOCK}/snapshots", {"name": "s", "volume_id": block["id"], "project_id": other}),
    ]
    assert {cloud.ask(method, path, body).status for method, path, body in tried} == {404}
    assert cloud.dump() == before


def test_lists_of_the_newer_version_follow_tokens(cloud: Cloud) -> None:
    where = network(cloud)
    made = [
        cloud.post(f"{SERVERS}/{server(cloud)['id']}/private_nics", private_network_id=where)["private_nic"]["id"]
        for _ in range(5)
    ]
    base, seen, token = INSTANCE2 + "/private-network-interfaces", [], ""
    for _ in range(3):
        page = cloud.get(base, page_size=2, page_token=token, order_by="created_at_asc")
        seen += ids(page["private_network_interfaces"])
        token = page.get("next_page_token", "")
    assert (seen, token) == (made, "")
    assert cloud.ask("GET", base, query={"page_token": "x"}).wrong == ["page_token"]
