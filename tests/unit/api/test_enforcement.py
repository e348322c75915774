"""IAM decides on every product alike: who may read sees, who may write changes, and for all others nothing is there.

Each product's representative routes are tried with every kind of key; what a key shall be able to do follows from its
policy alone, by one function (`Bearer.reads`, `Bearer.writes`), and no product has a rule of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from hideaway.cloud.quotas import QUOTAS, RESOURCE_NETWORKS
from tests.api_in_process import Answer, Cloud

IAM = "/iam/v1alpha1"
REGION, ZONE = "regions/fr-par", "zones/fr-par-1"
VPCS, NETWORKS = f"/vpc/v2/{REGION}/vpcs", f"/vpc/v2/{REGION}/private-networks"
SERVERS, GATEWAYS = f"/instance/v1/{ZONE}/servers", f"/vpc-gw/v2/{ZONE}/gateways"
LBS = f"/lb/v1/{ZONE}/lbs"
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEEYrzDOZmhItdKaDAEqJQ4ORS2GyBMtBozYsK5kiXXX"


class Thing(msgspec.Struct, frozen=True):
    """A product's representative resource: where it is listed and made, and its sets of permissions.

    inside: what the vendor wraps one in. change: the body of an update, by this method. scope: where its sets go.
    """

    full: str
    read: str
    path: str
    key: str
    body: Callable[[Cloud, str], dict[str, Any]]
    change: dict[str, Any]
    method: str = "PATCH"
    inside: str = ""
    one: str = ""
    organization: bool = False

    def id_of(self, answer: Any) -> str:
        made = answer[self.inside] if self.inside else answer
        return str(made.get("access_key") or made["id"])

    def at(self, id_: str) -> str:
        return f"{self.one or self.path}/{id_}"


def named(**more: Any) -> Callable[[Cloud, str], dict[str, Any]]:
    return lambda cloud, project: {"name": "thing", "project_id": project, "project": project} | more


def booking(cloud: Cloud, project: str) -> dict[str, Any]:
    network = cloud.post(NETWORKS, project_id=project)
    return {"project_id": project, "source": {"private_network_id": network["id"]}}


def cluster(cloud: Cloud, project: str) -> dict[str, Any]:
    network = cloud.post(NETWORKS, project_id=project)
    version = cloud.get(f"/k8s/v1/{REGION}/versions")["versions"][0]["name"]
    body = {
        "name": "thing",
        "type": "kapsule",
        "cni": "cilium",
        "version": version,
        "private_network_id": network["id"],
    }
    return body | {"project_id": project}


DATABASE = {
    "engine": "PostgreSQL-15", "node_type": "DB-DEV-S", "user_name": "u", "password": "Password-1234567",
    "is_ha_cluster": False, "disable_backup": True, "volume_type": "lssd",
}  # fmt: skip
NAME = {"name": "changed"}
THINGS = {
    "vpc": Thing("VPCFullAccess", "VPCReadOnly", VPCS, "vpcs", named(), NAME),
    "private network": Thing("PrivateNetworksFullAccess", "PrivateNetworksReadOnly", NETWORKS, "private_networks",
                             named(), NAME),
    "ipam": Thing("IPAMFullAccess", "IPAMReadOnly", f"/ipam/v1/{REGION}/ips", "ips", booking, {"tags": ["changed"]}),
    "instance": Thing("InstancesFullAccess", "InstancesReadOnly", SERVERS, "servers",
                      named(commercial_type="DEV1-S", image="debian_bookworm"), NAME, inside="server"),
    "security group": Thing("InstancesFullAccess", "InstancesReadOnly", f"/instance/v1/{ZONE}/security_groups",
                            "security_groups", named(), NAME, inside="security_group"),
    "block": Thing("BlockStorageFullAccess", "BlockStorageReadOnly", f"/block/v1/{ZONE}/volumes", "volumes",
                   named(from_empty={"size": 10**10}, perf_iops=5000), NAME),
    "gateway": Thing("VPCGatewayFullAccess", "VPCGatewayReadOnly", GATEWAYS, "gateways", named(type="VPC-GW-S"), NAME),
    "load balancer": Thing("LoadBalancersFullAccess", "LoadBalancersReadOnly", LBS, "lbs", named(type="LB-S"), NAME,
                           method="PUT"),
    "database": Thing("RelationalDatabasesFullAccess", "RelationalDatabasesReadOnly", f"/rdb/v1/{REGION}/instances",
                      "instances", named(**DATABASE), NAME),
    "cluster": Thing("KubernetesFullAccess", "KubernetesReadOnly", f"/k8s/v1/{REGION}/clusters", "clusters", cluster,
                     NAME),
    "ssh key": Thing("SSHKeysFullAccess", "SSHKeysReadOnly", f"{IAM}/ssh-keys", "ssh_keys",
                     named(public_key=ED25519), NAME),
    "application": Thing("IAMManager", "IAMReadOnly", f"{IAM}/applications", "applications",
                         lambda *_: {"name": "thing"}, NAME, organization=True),
    "project": Thing("ProjectManager", "ProjectReadOnly", "/account/v3/projects", "projects",
                     lambda *_: {"name": "thing"}, NAME, organization=True),
}  # fmt: skip


class Bearer(msgspec.Struct, frozen=True):
    """A kind of key: the sets of its policy's rule, where the rule holds, and for whom."""

    sets: tuple[str, ...] = ("full",)  # full or read: the thing's own
    scope: str = "project"  # project, other, both, organization, nowhere
    through: str = "application"  # application, group, user
    condition: str = ""
    holds: bool = True

    def reads(self, thing: Thing) -> bool:
        everything = "AllProductsFullAccess" in self.sets or "AllProductsReadOnly" in self.sets
        fits = bool({"full", "read", thing.full, thing.read} & set(self.sets)) or (
            everything and not thing.organization
        )
        there = self.scope == "organization" or (self.scope in ("project", "both") and not thing.organization)
        return fits and there and self.holds

    def writes(self, thing: Thing) -> bool:
        return self.reads(thing) and bool({"full", thing.full, "AllProductsFullAccess"} & set(self.sets))


BEARERS = {
    "no policy": Bearer(sets=("full",), scope="nowhere"),
    "read only, in the project": Bearer(sets=("read",)),
    "full, in the project": Bearer(),
    "full, in another project": Bearer(scope="other"),
    "full, in both projects": Bearer(scope="both"),
    "read only, in the organization": Bearer(sets=("read",), scope="organization"),
    "full, in the organization": Bearer(scope="organization"),
    "full, through a group": Bearer(through="group"),
    "full, through a group in the organization": Bearer(through="group", scope="organization"),
    "full, as a user": Bearer(through="user"),
    "full, where a condition holds": Bearer(condition='request.ip == "127.0.0.1"'),
    "full, where a condition fails": Bearer(condition='inIpRange(request.ip, "10.0.0.0/8")', holds=False),
    "full, in time": Bearer(condition='request.time < timestamp("2030-01-01T00:00:00Z")', scope="organization"),
    "full, too late": Bearer(condition='request.time < timestamp("2025-01-01T00:00:00Z")', holds=False),
    "full, for another client": Bearer(condition='request.user_agent.startsWith("terraform")', holds=False),
    "another product's": Bearer(sets=("DomainsDNSFullAccess", "ObjectStorageFullAccess")),
    "all products, read only": Bearer(sets=("AllProductsReadOnly",)),
    "all products": Bearer(sets=("AllProductsFullAccess",), scope="organization"),
}


class Stage(Cloud):
    """A cloud with two projects, and one of each thing in the first."""

    def __init__(self) -> None:
        super().__init__()
        self.home = self.post("/account/v3/projects", name="home")["id"]
        self.other = self.post("/account/v3/projects", name="other")["id"]
        self.things = {name: t.id_of(self.post(t.path, t.body(self, self.home))) for name, t in THINGS.items()}
        self.get(VPCS)  # ends the last transitions

    def key(self, bearer: Bearer, thing: Thing) -> str:
        """The secret of a new key of this kind."""
        sets = [{"full": thing.full, "read": thing.read}.get(one, one) for one in bearer.sets]
        scopes: dict[str, dict[str, Any]] = {
            "project": {"project_ids": [self.home]},
            "other": {"project_ids": [self.other]},
            "both": {"project_ids": [self.other, self.home]},
            "organization": {"organization_id": self.owner.organization_id},
        }
        if bearer.through == "user":
            name = f"u{self.ids.word()}{self.ids.below(10**6)}"
            who = {"user_id": self.post(f"{IAM}/users", member={"email": f"{name}@e.com", "username": name})["id"]}
        else:
            who = {"application_id": self.post(f"{IAM}/applications", name="bearer")["id"]}
        holder = who
        if bearer.through == "group":
            group = self.post(f"{IAM}/groups", name="g")["id"]
            self.post(f"{IAM}/groups/{group}/add-member", who)
            holder = {"group_id": group}
        if bearer.scope != "nowhere":
            rule = {"permission_set_names": sets, "condition": bearer.condition} | scopes[bearer.scope]
            self.post(f"{IAM}/policies", holder | {"rules": [rule]})
        return str(self.post(f"{IAM}/api-keys", who | {"default_project_id": self.home})["secret_key"])


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


def denied(answer: Answer) -> None:
    assert (answer.status, answer.body["type"]) == (403, "permissions_denied"), answer


@pytest.mark.parametrize("kind", BEARERS)
@pytest.mark.parametrize("name", THINGS)
def test_a_policy_alone_decides(stage: Stage, name: str, kind: str) -> None:
    thing, bearer, id_ = THINGS[name], BEARERS[kind], stage.things[name]
    if thing.organization and bearer.scope in ("project", "other", "both") and "AllProductsReadOnly" not in bearer.sets:
        bearer = msgspec.structs.replace(bearer, sets=("AllProductsFullAccess",))  # its own sets go with no project
    if "read" in bearer.sets and bearer.scope == "organization" and thing.organization:
        assert bearer.reads(thing)
    key = stage.key(bearer, thing)

    listed = stage.ask("GET", thing.path, key=key, query={"page_size": 100})
    assert listed.status == 200
    there = [i for i in listed.body[thing.key] if (i.get("id") or i.get("access_key")) == id_]
    assert len(there) == bearer.reads(thing)
    if not bearer.reads(thing):
        assert all(i["project_id"] == stage.other for i in listed.body[thing.key] if "project_id" in i)

    got = stage.ask("GET", thing.at(id_), key=key)
    changed = stage.ask(thing.method, thing.at(id_), thing.change, key=key)
    made = stage.ask("POST", thing.path, thing.body(stage, stage.home), key=key)
    if bearer.reads(thing):
        assert got.status == 200, got
    else:
        denied(got)
    if not bearer.writes(thing):
        denied(changed)
        denied(stage.ask("DELETE", thing.at(id_), key=key))
        # What it needs to be made of may be no more to be known than the project it would be made in.
        assert made.status in (403, 404), made
        return
    assert 200 <= changed.status < 300, changed
    assert 200 <= made.status < 300, made
    stage.get(VPCS)
    gone = stage.ask("DELETE", thing.at(thing.id_of(made.body)), key=key)
    assert 200 <= gone.status < 300, gone


def project_key(stage: Stage, *sets: str, project: str) -> str:
    application = stage.post(f"{IAM}/applications", name="a")["id"]
    rule = {"permission_set_names": list(sets), "project_ids": [project]}
    stage.post(f"{IAM}/policies", application_id=application, rules=[rule])
    body = {"application_id": application, "default_project_id": project}
    return str(stage.post(f"{IAM}/api-keys", body)["secret_key"])


def test_what_a_key_may_not_read_is_not_there_to_be_referred_to(stage: Stage) -> None:
    """Its own resources and another project's, joined in every way that the products have."""
    vpc, network = stage.things["vpc"], stage.things["private network"]
    ip = stage.things["ipam"]
    key = project_key(stage, "AllProductsFullAccess", project=stage.other)

    def mine(path: str, inside: str = "", **body: Any) -> str:
        answer = stage.ask(
            "POST", path, body | {"name": "mine", "project_id": stage.other, "project": stage.other}, key=key
        )
        assert answer.status in (200, 201), answer
        return str((answer.body[inside] if inside else answer.body)["id"])

    own_vpc, own_network, lb = mine(VPCS), mine(NETWORKS), mine(LBS, type="LB-S")
    server = mine(SERVERS, "server", commercial_type="DEV1-S", image="debian_bookworm")
    gateway = mine(GATEWAYS, type="VPC-GW-S")
    stage.get(VPCS)
    version = stage.get(f"/k8s/v1/{REGION}/versions")["versions"][0]["name"]
    cluster = {"name": "c", "type": "kapsule", "cni": "cilium", "version": version, "project_id": stage.other}
    database = DATABASE | {"name": "d", "project_id": stage.other}
    inside = {"private_network": {"private_network_id": network, "ipam_config": {}}}
    routes = f"/vpc/v2/{REGION}/routes"
    hop = {"nexthop_private_network_id": own_network, "destination": "10.9.0.0/24"}
    group = stage.things["security group"]
    requests: list[tuple[str, dict[str, Any]]] = [
        (NETWORKS, {"vpc_id": vpc, "project_id": stage.other}),
        (routes, hop | {"vpc_id": vpc}),
        (routes, {"vpc_id": own_vpc, "destination": "10.9.0.0/24", "nexthop_private_network_id": network}),
        (routes, {"vpc_id": own_vpc, "destination": "10.9.0.0/24", "nexthop_resource_id": stage.things["instance"]}),
        (routes, {"vpc_id": own_vpc, "destination": "10.9.0.0/24", "nexthop_resource_id": ip}),
        (f"/vpc/v2/{REGION}/vpc-connectors", {"vpc_id": own_vpc, "target_vpc_id": vpc}),
        (f"/vpc/v2/{REGION}/vpc-connectors", {"vpc_id": vpc, "target_vpc_id": own_vpc}),
        (f"/ipam/v1/{REGION}/ips", {"source": {"private_network_id": network}}),
        (f"{SERVERS}/{server}/private_nics", {"private_network_id": network}),
        (f"{SERVERS}/{server}/private_nics", {"private_network_id": own_network, "ipam_ip_ids": [ip]}),
        (SERVERS, {"name": "s", "commercial_type": "DEV1-S", "image": "debian_bookworm", "security_group": group}),
        (f"/vpc-gw/v2/{ZONE}/gateway-networks", {"gateway_id": gateway, "private_network_id": network}),
        (f"{LBS}/{lb}/attach-private-network", {"private_network_id": network}),
        (f"/k8s/v1/{REGION}/clusters", cluster | {"private_network_id": network}),
        (f"/rdb/v1/{REGION}/instances", database | {"init_endpoints": [inside]}),
        (f"/block/v1/{ZONE}/snapshots", {"volume_id": stage.things["block"], "name": "s", "project_id": stage.other}),
    ]
    before = stage.dump()
    for path, body in requests:
        answer = stage.ask("POST", path, body, key=key)
        assert answer.status == 404, f"{path} {body}: {answer}"
        assert answer.body.get("type") == "not_found" or path.startswith(LBS), answer  # lb/v1 says it its own way
    assert stage.dump() == before


def test_one_product_s_key_may_refer_to_what_it_needs_of_another(stage: Stage) -> None:
    """A CI user who may make clusters alone makes one in a Private Network of its project."""
    key = project_key(stage, "KubernetesFullAccess", project=stage.home)
    body = cluster(stage, stage.home)
    assert stage.ask("POST", THINGS["cluster"].path, body, key=key).status == 200
    denied(stage.ask("GET", f"{NETWORKS}/{body['private_network_id']}", key=key))
    denied(stage.ask("DELETE", f"{NETWORKS}/{body['private_network_id']}", key=key))


def test_lists_count_only_what_a_key_may_see(stage: Stage) -> None:
    key = project_key(stage, "AllProductsReadOnly", project=stage.other)
    for thing in THINGS.values():
        if not thing.organization:
            seen = stage.ask("GET", thing.path, key=key).body
            count = seen.get("total_count", len(seen[thing.key]))
            assert count == len(seen[thing.key])
            assert {i.get("project_id", i.get("project")) for i in seen[thing.key]} <= {stage.other}


def test_a_rule_counts_while_its_moment_lasts() -> None:
    cloud = Cloud()
    application = cloud.post(f"{IAM}/applications", name="a")["id"]
    condition = 'request.time > timestamp("2026-01-01T01:00:00Z") && request.time < timestamp("2026-01-01T02:00:00Z")'
    rule = {"permission_set_names": ["LoadBalancersFullAccess"], "project_ids": [cloud.project], "condition": condition}
    cloud.post(f"{IAM}/policies", application_id=application, rules=[rule])
    expires = "2026-01-01T03:00:00Z"
    key = cloud.post(f"{IAM}/api-keys", application_id=application, expires_at=expires)["secret_key"]
    statuses = []
    for _ in range(4):
        statuses.append(cloud.ask("POST", LBS, {"name": "l", "type": "LB-S"}, key=key).status)
        cloud.clock.advance(3600 + 1)
    assert statuses == [403, 200, 403, 401]
    cloud.close()


# quotas


def exceeded(answer: Answer, name: str) -> None:
    """Assert the vendor's document for a quota that is listed, at its limit."""
    assert (answer.status, answer.body["type"]) == (403, "quotas_exceeded"), answer
    assert answer.body["message"]
    quota = next(q for q in QUOTAS if q.name == name)
    assert answer.body["details"] == [{"resource": name, "quota": quota.limit, "current": quota.limit}]


def test_every_quota_that_refuses_is_listed(cloud: Cloud) -> None:
    listed = cloud.get(f"{IAM}/quota")["quota"]
    assert {q["name"]: q["limit"] for q in listed} == {q.name: q.limit for q in QUOTAS}
    for quota in listed:
        assert cloud.get(f"{IAM}/quota/{quota['name']}") == quota
        assert quota["limits"] == [{"global": True, "limit": quota["limit"]}]
        assert quota["pretty_name"]
        assert quota["description"]


def test_a_resource_is_in_eight_networks_at_most(cloud: Cloud) -> None:
    server = cloud.post(SERVERS, name="s", commercial_type="DEV1-S", image="debian_bookworm")["server"]["id"]
    gateway = cloud.post(GATEWAYS, type="VPC-GW-S", name="g")["id"]
    lb = cloud.post(LBS, name="l", type="LB-S")["id"]
    answers: list[list[Answer]] = []
    for _ in range(RESOURCE_NETWORKS.limit + 1):
        body = {"private_network_id": cloud.post(NETWORKS)["id"]}
        answers.append(
            [
                cloud.ask("POST", f"{SERVERS}/{server}/private_nics", body),
                cloud.ask("POST", f"/vpc-gw/v2/{ZONE}/gateway-networks", body | {"gateway_id": gateway}),
                cloud.ask("POST", f"{LBS}/{lb}/attach-private-network", body),
            ]
        )
    assert {a.status for row in answers[:-1] for a in row} <= {200, 201}
    for refused in answers[-1]:
        exceeded(refused, RESOURCE_NETWORKS.name)


def test_an_acl_has_255_rules_at_most(cloud: Cloud) -> None:
    vpc = cloud.post(VPCS)["id"]
    rule = {"protocol": "TCP", "source": "10.0.0.0/8", "destination": "0.0.0.0/0", "action": "accept"}
    body = {"default_policy": "drop", "rules": [rule] * 255}
    assert cloud.ask("PUT", f"{VPCS}/{vpc}/acl-rules", body).status == 200
    refused = cloud.ask("PUT", f"{VPCS}/{vpc}/acl-rules", body | {"rules": [rule] * 256})
    assert (refused.status, refused.body["type"]) == (403, "quotas_exceeded")
    assert len(cloud.get(f"{VPCS}/{vpc}/acl-rules", is_ipv6=False)["rules"]) == 255
