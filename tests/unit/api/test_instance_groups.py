"""instance/v1: security groups and their rules, flexible addresses, placement groups."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api_in_process import Cloud
from tests.unit.api.instances import (
    GROUPS,
    INSTANCE2,
    IPAM,
    IPS,
    NOWHERE,
    PLACEMENT,
    SERVERS,
    group,
    ids,
    ip,
    read,
    running,
    server,
)

OPEN: dict[str, Any] = {"protocol": "TCP", "direction": "inbound", "action": "accept", "ip_range": "0.0.0.0/0"}


def rules(cloud: Cloud, id_: str) -> list[dict[str, Any]]:
    """The rules that a user made."""
    return [rule for rule in cloud.get(f"{GROUPS}/{id_}/rules")["rules"] if rule["editable"]]


# groups


def test_a_group_is_answered_as_the_vendor_answers_it(cloud: Cloud) -> None:
    answer = cloud.ask("POST", GROUPS, {"name": "g", "inbound_default_policy": "drop", "enable_default_security": True})
    assert answer.status == 201
    made = answer.body["security_group"]
    assert (made["inbound_default_policy"], made["outbound_default_policy"]) == ("drop", "accept")
    assert (made["description"], made["servers"], made["tags"], made["state"]) == (None, [], [], "available")
    assert (made["stateful"], made["project_default"], made["organization_default"]) == (True, False, False)
    fixed = cloud.get(f"{GROUPS}/{made['id']}/rules")["rules"]
    assert [(r["ip_range"], r["dest_port_from"], r["position"], r["editable"]) for r in fixed] == [
        (net, port, n + 3 * m, False)
        for m, net in enumerate(["0.0.0.0/0", "::/0"])
        for n, port in enumerate([25, 465, 587], 1)
    ]
    cloud.patch(f"{GROUPS}/{made['id']}", enable_default_security=False)
    assert cloud.get(f"{GROUPS}/{made['id']}/rules")["rules"] == []


def test_a_change_is_in_force_once_the_state_says_so(cloud: Cloud) -> None:
    id_ = group(cloud)["id"]
    assert cloud.patch(f"{GROUPS}/{id_}", stateful=False, tags=["t"])["security_group"]["state"] == "syncing"
    now = cloud.get(f"{GROUPS}/{id_}")["security_group"]
    assert (now["state"], now["stateful"], now["tags"]) == ("available", False, ["t"])
    assert cloud.patch(f"{GROUPS}/{id_}", stateful=False)["security_group"]["state"] == "available"


def test_a_group_that_drops_inbound_by_default_is_stateful(cloud: Cloud) -> None:
    assert cloud.ask("POST", GROUPS, {"name": "g", "inbound_default_policy": "drop", "stateful": False}).wrong == [
        "stateful"
    ]
    id_ = cloud.ask("POST", GROUPS, {"name": "g", "stateful": False}).body["security_group"]["id"]
    assert cloud.ask("PATCH", f"{GROUPS}/{id_}", {"inbound_default_policy": "drop"}).wrong == ["stateful"]
    assert cloud.get(f"{GROUPS}/{id_}")["security_group"]["inbound_default_policy"] == "accept"


def test_each_project_has_one_default_group(cloud: Cloud) -> None:
    first = server(cloud)["security_group"]
    assert first["name"] == "Default security group"
    assert server(cloud)["security_group"] == first
    [default] = cloud.get(GROUPS, project_default="true")["security_groups"]
    assert (default["id"], default["description"]) == (first["id"], "Auto generated security group.")
    mine = group(cloud, project_default=True)
    assert server(cloud)["security_group"]["id"] == mine["id"]
    assert ids(cloud.get(GROUPS, project_default="true")["security_groups"]) == [mine["id"]]


def test_a_group_in_use_is_not_deleted(cloud: Cloud) -> None:
    id_ = group(cloud)["id"]
    made = server(cloud, security_group=id_)
    assert cloud.get(f"{GROUPS}/{id_}")["security_group"]["servers"] == [{"id": made["id"], "name": "s"}]
    before = cloud.dump()
    answer = cloud.ask("DELETE", f"{GROUPS}/{id_}")
    assert (answer.status, answer.body["precondition"]) == (412, "resource_still_in_use")
    assert cloud.dump() == before
    cloud.patch(f"{SERVERS}/{made['id']}", security_group={"id": group(cloud)["id"], "name": "g"})
    cloud.delete(f"{GROUPS}/{id_}")
    assert cloud.ask("GET", f"{GROUPS}/{id_}").body["resource"] == "instance_security_group"


def test_groups_are_found_by_name_tags_and_project(cloud: Cloud) -> None:
    one, two = group(cloud, name="one", tags=["a"])["id"], group(cloud, name="two")["id"]
    assert ids(cloud.get(GROUPS)["security_groups"]) == [two, one]
    assert ids(cloud.get(GROUPS, name="on")["security_groups"]) == [one]
    assert ids(cloud.get(GROUPS, tags="a")["security_groups"]) == [one]
    assert ids(cloud.get(GROUPS, project=NOWHERE)["security_groups"]) == []


# rules


def test_rules_are_set_all_at_once_and_numbered(cloud: Cloud) -> None:
    id_ = group(cloud)["id"]
    wanted = [
        OPEN | {"dest_port_from": 80, "dest_port_to": None, "position": 0, "editable": None, "id": None},
        OPEN | {"protocol": "ICMP", "ip_range": "8.8.8.8/32", "action": "drop"},
        OPEN | {"direction": "outbound", "ip_range": "2002::1234/128", "dest_port_from": 443},
        OPEN | {"ip_range": "2002:0:0:1234::/64", "dest_port_from": 8000, "dest_port_to": 8100},
    ]
    answered = cloud.put(f"{GROUPS}/{id_}/rules", rules=wanted)["rules"]
    assert [r["position"] for r in answered] == [1, 2, 3, 4, 5, 6, 1, 2, 3, 4]
    now = rules(cloud, id_)
    assert [r["ip_range"] for r in now] == ["0.0.0.0/0", "8.8.8.8", "2002::1234", "2002:0:0:1234::/64"]
    assert [(r["dest_port_from"], r["dest_port_to"]) for r in now] == [
        (80, None),
        (None, None),
        (443, None),
        (8000, 8100),
    ]
    kept = cloud.put(f"{GROUPS}/{id_}/rules", rules=[wanted[1] | {"id": now[1]["id"]}])["rules"]
    assert kept[-1]["id"] == now[1]["id"]
    cloud.put(f"{GROUPS}/{id_}/rules", rules=[])
    assert rules(cloud, id_) == []


def test_a_rule_is_added_moved_changed_and_taken_away(cloud: Cloud) -> None:
    id_ = group(cloud)["id"]
    base = f"{GROUPS}/{id_}/rules"
    assert cloud.ask("POST", base, OPEN | {"dest_port_from": 22}).status == 201
    second = cloud.post(base, OPEN | {"dest_port_from": 80})["rule"]
    first = cloud.post(base, OPEN | {"dest_port_from": 443, "position": 1})["rule"]
    assert [r["dest_port_from"] for r in rules(cloud, id_)] == [443, 22, 80]
    assert (first["position"], second["position"]) == (1, 2)
    changed = cloud.patch(f"{base}/{second['id']}", dest_port_from=0, action="drop", position=1)["rule"]
    assert (changed["dest_port_from"], changed["action"], changed["position"]) == (None, "drop", 1)
    assert cloud.get(f"{base}/{second['id']}")["rule"] == changed
    cloud.delete(f"{base}/{second['id']}")
    assert [r["dest_port_from"] for r in rules(cloud, id_)] == [443, 22]
    assert [r["position"] for r in rules(cloud, id_)] == [1, 2]
    assert cloud.ask("DELETE", f"{base}/{second['id']}").status == 404


def test_the_default_rules_are_read_and_not_changed(cloud: Cloud) -> None:
    base = f"{GROUPS}/{group(cloud)['id']}/rules"
    fixed = cloud.get(f"{GROUPS}/default/rules")["rules"]
    assert cloud.get(f"{base}/{fixed[0]['id']}")["rule"] == fixed[0]
    for method, body in (("PATCH", {"action": "accept"}), ("DELETE", None)):
        assert cloud.ask(method, f"{base}/{fixed[0]['id']}", body).status == 412
    cloud.put(base, rules=fixed)
    assert cloud.get(base)["rules"] == fixed


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"protocol": "GRE"}, ["protocol"]),
        ({"direction": None}, ["direction"]),
        ({"action": "unknown_action"}, ["action"]),
        ({"ip_range": "1.2.3.4/33"}, ["ip_range"]),
        ({"ip_range": "everywhere", "protocol": None}, ["protocol", "ip_range"]),
        ({"dest_port_to": 80}, ["dest_port_from"]),
        ({"dest_port_from": 80, "dest_port_to": 79}, ["dest_port_to"]),
        ({"dest_port_from": 65536}, ["dest_port_from"]),
        ({"dest_port_from": -1}, ["dest_port_from"]),
        ({"position": 2**70}, ["position"]),
    ],
)
def test_a_wrong_rule_is_refused_with_all_that_is_wrong(cloud: Cloud, fields: dict[str, Any], wrong: list[str]) -> None:
    id_ = group(cloud)["id"]
    before = cloud.dump()
    answer = cloud.ask("POST", f"{GROUPS}/{id_}/rules", OPEN | fields)
    assert (answer.status, answer.wrong) == (400, wrong)
    assert cloud.ask("PUT", f"{GROUPS}/{id_}/rules", {"rules": [OPEN, OPEN | fields]}).status == 400
    assert cloud.dump() == before


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"protocol": "ICMP", "dest_port_from": 80}, (None, None)),
        ({"protocol": "ANY", "dest_port_from": 80, "dest_port_to": 90}, (None, None)),
        ({"protocol": "UDP", "dest_port_from": 80, "dest_port_to": 80}, (80, None)),
        ({"protocol": "TCP", "dest_port_from": 80, "dest_port_to": 90}, (80, 90)),
    ],
)
def test_ports_that_say_nothing_are_null(
    cloud: Cloud, fields: dict[str, Any], kept: tuple[int | None, int | None]
) -> None:
    id_ = group(cloud)["id"]
    made = cloud.post(f"{GROUPS}/{id_}/rules", OPEN | fields)["rule"]
    assert (made["dest_port_from"], made["dest_port_to"]) == kept
    changed = cloud.patch(f"{GROUPS}/{id_}/rules/{made['id']}", protocol="ICMP")["rule"]
    assert (changed["protocol"], changed["dest_port_from"], changed["dest_port_to"]) == ("ICMP", None, None)


# addresses


def test_an_address_is_made_attached_moved_and_given_back(cloud: Cloud) -> None:
    answer = cloud.ask("POST", IPS, {"tags": ["t"]})
    assert answer.status == 201
    made = answer.body["ip"]
    assert (made["type"], made["prefix"], made["reverse"], made["server"]) == ("routed_ipv4", None, None, None)
    assert (made["state"], made["tags"], made["ipam_id"]) == ("detached", ["t"], made["id"])
    one, two = server(cloud, name="one"), server(cloud, name="two")
    base = f"{IPS}/{made['address']}"
    assert cloud.patch(base, server=one["id"])["ip"]["server"] == {"id": one["id"], "name": "one"}
    assert cloud.patch(base, server=two["id"], reverse="a.example")["ip"]["reverse"] == "a.example"
    assert read(cloud, one["id"])["public_ips"] == []
    assert read(cloud, two["id"])["public_ip"]["address"] == made["address"]
    assert cloud.patch(base, tags=[])["ip"]["state"] == "attached"
    assert cloud.patch(base, server=None, reverse=None)["ip"] == made | {"tags": []}
    cloud.delete(f"{IPS}/{made['id']}")
    gone = cloud.ask("GET", base)
    assert (gone.status, gone.body["resource_id"]) == (404, f"{made['address']}/32")


def test_an_ipv6_prefix_gives_its_server_an_address_made_of_its_mac(cloud: Cloud) -> None:
    made = ip(cloud, type="routed_ipv6")
    assert made["address"] is None
    assert made["prefix"].endswith("::/64")
    holder = server(cloud, public_ips=[made["id"]])
    [address] = holder["public_ips"]
    assert (address["family"], address["netmask"], address["provisioning_mode"]) == ("inet6", "64", "slaac")
    assert address["address"].startswith(made["prefix"].removesuffix("::/64"))
    assert ":dc00:" in address["address"]
    assert cloud.get(f"{IPS}/{made['id']}")["ip"]["address"] is None


def test_ipam_lists_a_flexible_address_under_the_same_id(cloud: Cloud) -> None:
    made = ip(cloud)
    listed = cloud.get(f"{IPAM}/{made['ipam_id']}")
    assert (listed["address"], listed["zone"]) == (f"{made['address']}/32", "fr-par-1")
    cloud.delete(f"{IPS}/{made['id']}")
    assert cloud.ask("GET", f"{IPAM}/{made['ipam_id']}").status == 404


def test_addresses_are_found_by_type_name_and_tags(cloud: Cloud) -> None:
    four, six = ip(cloud, tags=["a"]), ip(cloud, type="routed_ipv6")
    running(cloud, dynamic_ip_required=True)
    assert ids(cloud.get(IPS)["ips"]) == [six["id"], four["id"]]
    assert ids(cloud.get(IPS, type="routed_ipv6")["ips"]) == [six["id"]]
    assert ids(cloud.get(IPS, name=four["address"])["ips"]) == [four["id"]]
    assert ids(cloud.get(IPS, tags="a")["ips"]) == [four["id"]]


# placement groups


def test_placement_groups_in_both_versions_are_the_same(cloud: Cloud) -> None:
    base2 = INSTANCE2 + "/placement-groups"
    made = cloud.post(base2, name="p", policy_type="low_latency", project_id=cloud.project, tags=[])
    assert (made["policy_type"], made["zone"]) == ("low_latency", "fr-par-1")
    one = cloud.patch(f"{PLACEMENT}/{made['id']}", policy_mode="enforced")["placement_group"]
    assert (one["policy_mode"], one["policy_type"], one["policy_respected"]) == ("enforced", "low_latency", True)
    renamed = cloud.patch(f"{base2}/{made['id']}", name="q", policy_type="unknown_policy_type")
    assert (renamed["name"], renamed["policy_type"]) == ("q", "low_latency")
    assert ids(cloud.get(PLACEMENT, name="q")["placement_groups"]) == [made["id"]]
    assert ids(cloud.get(base2, name="q")["placement_groups"]) == [made["id"]]
    one_server, other = server(cloud)["id"], server(cloud, placement_group=made["id"])["id"]
    assert ids(cloud.put(f"{PLACEMENT}/{made['id']}/servers", servers=[one_server])["servers"]) == [one_server]
    assert read(cloud, other)["placement_group"] is None
    cloud.delete(f"{base2}/{made['id']}")
    assert read(cloud, one_server)["placement_group"] is None
    assert cloud.ask("GET", f"{base2}/{made['id']}").body["resource"] == "instance_placement_group"
