"""vpc/v2: routes, network ACLs, connectors and ingress rules."""

from __future__ import annotations

from typing import Any

import pytest

from hideaway.cloud.gateways import Gateway, GatewayNetwork
from hideaway.cloud.network import Attachment, Ip
from tests.api_in_process import Cloud

BASE = "/vpc/v2/regions/fr-par"
IPS = "/ipam/v1/regions/fr-par/ips"


def made_gateway(cloud: Cloud, network: dict[str, Any], *, push: bool = True) -> str:
    """Put a gateway's attachment into the store, as vpc-gw/v2 would; returns its id."""
    common = {
        "organization_id": cloud.owner.organization_id,
        "project_id": cloud.project,
        "created_at": cloud.clock.now(),
        "updated_at": cloud.clock.now(),
        "zone": "fr-par-1",
    }
    with cloud.store.transaction() as ledger:
        gateway = Gateway(id=cloud.ids.uuid(), name="gw", status="running", **common)
        attached = GatewayNetwork(
            id=cloud.ids.uuid(),
            gateway_id=gateway.id,
            private_network_id=network["id"],
            push_default_route=push,
            status="ready",
            **common,
        )
        booked = cloud_ip(cloud, network, Attachment(type="vpc_gateway_network", id=attached.id, name="gw"))
        for document in (gateway, attached, booked):
            ledger.put(document)
    return attached.id


def cloud_ip(cloud: Cloud, network: dict[str, Any], attachment: Attachment) -> Ip:
    subnet = network["subnets"][0]
    return Ip(
        id=cloud.ids.uuid(),
        organization_id=cloud.owner.organization_id,
        project_id=cloud.project,
        created_at=cloud.clock.now(),
        updated_at=cloud.clock.now(),
        region="fr-par",
        address=subnet["subnet"].replace(".0/", ".77/"),
        subnet_id=subnet["id"],
        private_network_id=network["id"],
        vpc_id=network["vpc_id"],
        attachment=attachment,
    )


def test_a_custom_route_leads_to_one_next_hop(cloud: Cloud) -> None:
    network = cloud.post(f"{BASE}/private-networks")
    ip = cloud.post(IPS, source={"private_network_id": network["id"]})
    body = {"vpc_id": network["vpc_id"], "destination": "10.9.0.0/24", "description": ""}
    route = cloud.post(f"{BASE}/routes", body | {"nexthop_resource_id": ip["id"], "tags": ["t"]})
    assert route["description"] == "Custom route"
    assert (route["type"], route["is_read_only"], route["nexthop_private_network_id"]) == ("custom", False, None)
    assert cloud.get(f"{BASE}/routes/{route['id']}") == route
    for hops in (
        {},
        {"nexthop_resource_id": ip["id"], "nexthop_vpc_connector_id": cloud.ids.uuid()},
    ):
        assert cloud.ask("POST", f"{BASE}/routes", body | hops).wrong == ["nexthop_resource_id"]
    assert cloud.ask("POST", f"{BASE}/routes", body | {"nexthop_resource_id": cloud.ids.uuid()}).status == 404


def test_a_route_s_hop_is_in_its_vpc(cloud: Cloud) -> None:
    other = cloud.post(f"{BASE}/vpcs", name="other")
    near, far = cloud.post(f"{BASE}/private-networks"), cloud.post(f"{BASE}/private-networks", vpc_id=other["id"])
    ip = cloud.post(IPS, source={"private_network_id": far["id"]})
    body = {"vpc_id": near["vpc_id"], "destination": "10.9.0.0/24"}
    for hop in ({"nexthop_private_network_id": far["id"]}, {"nexthop_resource_id": ip["id"]}):
        assert cloud.ask("POST", f"{BASE}/routes", body | hop).wrong == list(hop)


@pytest.mark.parametrize("destination", ["10.0.0.1/24", "x", "", "fe80::1%1/64", "10.0.0.0/33"])
def test_a_route_s_destination_is_a_network(cloud: Cloud, destination: str) -> None:
    network = cloud.post(f"{BASE}/private-networks")
    body = {"vpc_id": network["vpc_id"], "destination": destination, "nexthop_private_network_id": network["id"]}
    assert cloud.ask("POST", f"{BASE}/routes", body).wrong == ["destination"]


def test_an_unknown_route_is_named_as_the_vendor_does(cloud: Cloud) -> None:
    answer = cloud.ask("GET", f"{BASE}/routes/{cloud.ids.uuid()}")
    assert (answer.status, answer.body["resource"], answer.body["resource_id"]) == (404, "unknown", "")


def test_the_table_lists_subnets_then_gateways_then_custom_routes(cloud: Cloud) -> None:
    network = cloud.post(f"{BASE}/private-networks")
    cloud.clock.advance(1)
    attached = made_gateway(cloud, network)
    cloud.clock.advance(1)
    body = {"vpc_id": network["vpc_id"], "destination": "10.9.0.0/24", "nexthop_resource_id": attached, "tags": ["t"]}
    custom = cloud.post(f"{BASE}/routes", body)
    table = cloud.get(f"{BASE}/routes-with-nexthop", vpc_id=network["vpc_id"])["routes"]
    assert [e["route"]["type"] for e in table] == ["subnet", "subnet", "default", "custom"]
    default, last = table[2], table[3]
    assert default["route"]["nexthop_resource_id"] == attached
    assert (default["nexthop_name"], default["nexthop_resource_type"]) == ("gw", "vpc_gateway_network")
    assert default["nexthop_ip"] is None
    assert cloud.get(f"{BASE}/routes/{default['route']['id']}") == default["route"]
    assert last["route"] == custom
    assert last["nexthop_ip"] == network["subnets"][0]["subnet"].replace(".0/22", ".77")
    for read_only in ("DELETE", "PATCH"):
        assert cloud.ask(read_only, f"{BASE}/routes/{default['route']['id']}", {}).status == 404


def test_the_table_is_filtered(cloud: Cloud) -> None:
    network, other = cloud.post(f"{BASE}/private-networks"), cloud.post(f"{BASE}/private-networks")
    made_gateway(cloud, other)
    hop = {"vpc_id": network["vpc_id"], "nexthop_private_network_id": network["id"]}
    cloud.post(f"{BASE}/routes", hop | {"destination": "10.9.0.0/24", "tags": ["t"]})
    cloud.post(f"{BASE}/routes", hop | {"destination": "10.9.1.0/24", "tags": ["u"]})

    def destinations(**query: Any) -> list[str]:
        return [e["route"]["destination"] for e in cloud.get(f"{BASE}/routes-with-nexthop", **query)["routes"]]

    mine, theirs = ([s["subnet"] for s in n["subnets"]] for n in (network, other))
    assert destinations(nexthop_private_network_id=network["id"]) == [*mine, "10.9.0.0/24", "10.9.1.0/24"]
    assert destinations(is_ipv6=True) == [mine[1], theirs[1]]
    assert destinations(nexthop_resource_type="vpc_gateway_network") == ["0.0.0.0/0"]
    assert destinations(contains="10.9.0.0/23") == ["10.9.0.0/24", "10.9.1.0/24"]
    assert destinations(tags="t", nexthop_private_network_id=network["id"]) == [*mine, "10.9.0.0/24"]
    assert destinations(vpc_id=cloud.ids.uuid()) == []
    assert destinations(order_by="prefix_len_asc", is_ipv6=False)[0] == "0.0.0.0/0"
    assert cloud.ask("GET", f"{BASE}/routes-with-nexthop", query={"contains": "x"}).wrong == ["contains"]


def test_a_new_next_hop_replaces_the_old(cloud: Cloud) -> None:
    network = cloud.post(f"{BASE}/private-networks")
    ip = cloud.post(IPS, source={"private_network_id": network["id"]})
    body = {"vpc_id": network["vpc_id"], "destination": "10.9.0.0/24", "nexthop_private_network_id": network["id"]}
    route = cloud.post(f"{BASE}/routes", body)
    changed = cloud.patch(f"{BASE}/routes/{route['id']}", nexthop_resource_id=ip["id"], description="new")
    assert (changed["nexthop_resource_id"], changed["nexthop_private_network_id"]) == (ip["id"], None)
    assert cloud.patch(f"{BASE}/routes/{route['id']}", tags=["x"])["nexthop_resource_id"] == ip["id"]
    cloud.delete(f"{BASE}/routes/{route['id']}")
    assert cloud.ask("GET", f"{BASE}/routes/{route['id']}").status == 404


def rule(**more: Any) -> dict[str, Any]:
    return {
        "protocol": "TCP", "source": "0.0.0.0/0", "src_port_low": 0, "src_port_high": 0,
        "destination": "10.0.0.0/8", "dst_port_low": 80, "dst_port_high": 80, "action": "accept",
    } | more  # fmt: skip


def test_an_acl_replaces_all_rules_of_its_family(cloud: Cloud) -> None:
    vpc = cloud.post(f"{BASE}/vpcs", name="v")
    path = f"{BASE}/vpcs/{vpc['id']}/acl-rules"
    assert cloud.get(path, is_ipv6=False) == {"rules": [], "default_policy": "accept"}
    set_ = cloud.put(path, rules=[rule(description="web")], is_ipv6=False, default_policy="drop")
    assert set_["rules"] == [rule(description="(Rule scope: client) web")]
    assert cloud.get(path) == set_
    assert cloud.put(path, **set_) == set_  # what was read can be sent back
    assert cloud.get(path, is_ipv6=True)["rules"] == []
    assert cloud.put(path, rules=None, default_policy="accept") == {"rules": [], "default_policy": "accept"}
    cloud.delete(f"{BASE}/vpcs/{vpc['id']}")
    assert cloud.ask("GET", path).body["resource"] == "vpc"


@pytest.mark.parametrize(
    ("change", "argument"),
    [
        ({"source": "10.0.0.1/8"}, "rules.0.source"),
        ({"source": "::/0"}, "rules.0.source"),
        ({"destination": "x"}, "rules.0.destination"),
        ({"dst_port_low": 81}, "rules.0.dst_port_low"),
        ({"dst_port_high": 65536}, "rules.dst_port_high"),
        ({"protocol": "ICMP"}, "rules.0.dst_port_high"),
        ({"protocol": "GRE"}, "rules.protocol"),
        ({"action": "unknown_action"}, "rules.0.action"),
    ],
)
def test_a_wrong_acl_rule_is_named_and_nothing_changes(cloud: Cloud, change: dict[str, Any], argument: str) -> None:
    (vpc,) = cloud.get(f"{BASE}/vpcs")["vpcs"]
    before = cloud.dump()
    refused = cloud.ask(
        "PUT", f"{BASE}/vpcs/{vpc['id']}/acl-rules", {"rules": [rule(**change)], "default_policy": "accept"}
    )
    assert (refused.status, refused.wrong) == (400, [argument])
    assert cloud.dump() == before


def test_an_acl_has_255_rules_at_most(cloud: Cloud) -> None:
    (vpc,) = cloud.get(f"{BASE}/vpcs")["vpcs"]
    path = f"{BASE}/vpcs/{vpc['id']}/acl-rules"
    assert len(cloud.put(path, rules=[rule()] * 255, default_policy="drop")["rules"]) == 255
    too_many = cloud.ask("PUT", path, {"rules": [rule()] * 256, "default_policy": "drop"})
    assert (too_many.status, too_many.body["type"]) == (403, "quotas_exceeded")


def test_two_connectors_that_meet_are_a_peering(cloud: Cloud) -> None:
    a, b = (cloud.post(f"{BASE}/vpcs", name=name) for name in "ab")
    connectors = f"{BASE}/vpc-connectors"
    one = cloud.post(connectors, name="one", vpc_id=a["id"], target_vpc_id=b["id"])
    assert (one["status"], one["peer_info"]) == ("orphan", None)
    two = cloud.post(connectors, name="two", vpc_id=b["id"], target_vpc_id=a["id"])
    assert (two["status"], two["peer_info"]["vpc_name"]) == ("peered", "a")
    assert cloud.get(connectors, status="orphan")["total_count"] == 0
    for vpc in (a, b):
        cloud.post(f"{BASE}/private-networks", vpc_id=vpc["id"], subnets=["10.4.0.0/22"])
    assert cloud.get(f"{connectors}/{one['id']}")["status"] == "conflict"
    overlaps = cloud.get(f"{connectors}/{one['id']}/subnet-overlaps")
    assert [o["target_subnet"] for o in overlaps["subnet_overlaps"]] == ["10.4.0.0/22"]
    again = {"vpc_id": a["id"], "target_vpc_id": b["id"]}
    assert cloud.ask("POST", connectors, again).status == 409
    assert cloud.ask("POST", connectors, again | {"target_vpc_id": a["id"]}).wrong == ["target_vpc_id"]
    cloud.delete(f"{connectors}/{two['id']}")
    assert cloud.get(f"{connectors}/{one['id']}")["status"] == "orphan"
    assert cloud.ask("GET", f"{connectors}/{two['id']}").body["resource"] == "vpc_connector"


def test_ingress_rules_are_kept(cloud: Cloud) -> None:
    network = cloud.post(f"{BASE}/private-networks", subnets=["172.17.80.0/22"])
    body = {
        "vpc_id": network["vpc_id"], "source": "10.0.0.0/24", "nexthop_resource_ip": "172.17.80.2",
        "nexthop_private_network_id": network["id"], "tags": [],
    }  # fmt: skip
    rule_ = cloud.post(f"{BASE}/ingress-rules", body)
    assert rule_["is_ipv6"] is False
    assert cloud.get(f"{BASE}/ingress-rules", is_ipv6=False)["rules"] == [rule_]
    assert cloud.patch(f"{BASE}/ingress-rules/{rule_['id']}", tags=["x"])["tags"] == ["x"]
    assert cloud.ask("POST", f"{BASE}/ingress-rules", body | {"source": "::/0"}).wrong == ["nexthop_resource_ip"]
    assert cloud.ask("DELETE", f"{BASE}/private-networks/{network['id']}").status == 412
    cloud.delete(f"{BASE}/ingress-rules/{rule_['id']}")
    cloud.delete(f"{BASE}/private-networks/{network['id']}")
