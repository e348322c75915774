"""The vendor's command line works on hideaway unchanged, and understands every answer."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from tests.clients.conftest import tool
from tests.cloud_under_test import Cloud

pytestmark = pytest.mark.slow

PASSWORD = "thiZ_is_v&ry_s3cret"


class Scw:
    """scw with a home of its own and the cloud's variables."""

    def __init__(self, cloud: Cloud, home: Path):
        self.program, self.home = tool("scw"), home
        self.environment = {**cloud.environment(), "HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")}

    def run(self, *words: str, fails: bool = False) -> subprocess.CompletedProcess[str]:
        """One command, to its end."""
        done = subprocess.run(
            [self.program, *words], env=self.environment, cwd=self.home, capture_output=True, text=True, timeout=60,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert (done.returncode != 0) == fails, f"scw {' '.join(words)}:\n{done.stdout}\n{done.stderr}"
        return done

    def __call__(self, *words: str) -> Any:
        """What a command prints as JSON."""
        return json.loads(self.run("-o", "json", *words).stdout)


@pytest.fixture
def scw(records_cloud: Cloud, tmp_path: Path) -> Scw:
    return Scw(records_cloud, tmp_path)


@pytest.fixture
def left(records_cloud: Cloud, scw: Scw) -> Callable[[], dict[str, list[str]]]:
    """What is there, by list."""

    def look() -> dict[str, list[str]]:
        lists = {
            "clusters": scw("k8s", "cluster", "list"),
            "networks": scw("vpc", "private-network", "list"),
            "servers": scw("instance", "server", "list", "zone=all"),
            "addresses": scw("ipam", "ip", "list"),
            "public addresses": scw("instance", "ip", "list", "zone=all"),
            "volumes": scw("instance", "volume", "list", "zone=all"),
            "block volumes": scw("block", "volume", "list", "zone=all"),
            "gateways": scw("vpc-gw", "gateway", "list", "zone=all"),
            "databases": scw("rdb", "instance", "list"),
        }
        groups = scw("instance", "security-group", "list", "zone=all")
        lists["groups"] = [g for g in groups if not g["project_default"]]
        return {name: [item["id"] for item in items] for name, items in lists.items()}

    return look


def test_networks(scw: Scw) -> None:
    vpc = scw("vpc", "vpc", "create", "name=v", "tags.0=a")
    network = scw("vpc", "private-network", "create", "name=n", f"vpc-id={vpc['id']}", "subnets.0=10.1.0.0/22")
    assert network["subnets"][0]["subnet"] == "10.1.0.0/22"
    assert len(network["subnets"]) == 2, "an IPv6 subnet comes with it"
    listed = scw("vpc", "private-network", "list", f"vpc-id={vpc['id']}")
    assert [n["id"] for n in listed] == [network["id"]]
    # `get` asks one list of each product that could be attached; those that hideaway does not serve answer 404 to it.
    assert "10.1.0.0/22" in scw.run("vpc", "private-network", "get", network["id"]).stdout
    renamed = scw("vpc", "private-network", "update", network["id"], "name=other")
    assert (renamed["name"], renamed["id"]) == ("other", network["id"])
    assert "vpc" in scw.run("vpc", "vpc", "delete", vpc["id"], fails=True).stderr.lower(), "it is not empty"
    scw.run("vpc", "private-network", "delete", network["id"])
    scw.run("vpc", "vpc", "delete", vpc["id"])
    assert [v["name"] for v in scw("vpc", "vpc", "list")] == ["default"]


def test_every_page_is_read(scw: Scw, records_cloud: Cloud) -> None:
    with records_cloud.http() as http:
        made = [
            http.post("/vpc/v2/regions/fr-par/private-networks", json={"name": f"n{i}"}).json()["id"]
            for i in range(120)
        ]
    assert [n["id"] for n in scw("vpc", "private-network", "list")] == made


def test_a_cluster_without_a_named_network(scw: Scw, left: Callable[[], dict[str, list[str]]]) -> None:
    """scw makes a Private Network itself; deletion with additional resources leaves nothing of all that."""
    before = left()
    version = scw("k8s", "version", "list")[0]["name"]
    cluster = scw(
        "k8s", "cluster", "create", "name=c", f"version={version}", "cni=cilium", "pools.0.name=first",
        "pools.0.node-type=DEV1-M", "pools.0.size=2", "--wait",
    )  # fmt: skip
    assert cluster["status"] == "ready"
    network = scw("vpc", "private-network", "get", cluster["private_network_id"])
    assert network["name"].startswith("pn-")
    assert set(network["tags"]) == {"created-along-with-k8s-cluster", "created-by-cli"}
    pool = scw(
        "k8s", "pool", "create", f"cluster-id={cluster['id']}", "name=second", "node-type=DEV1-M", "size=1",
        "public-ip-disabled=true", "zone=fr-par-2", "--wait",
    )  # fmt: skip
    assert (pool["status"], pool["public_ip_disabled"], pool["zone"]) == ("ready", True, "fr-par-2")
    assert [p["name"] for p in scw("k8s", "pool", "list", f"cluster-id={cluster['id']}")] == ["first", "second"]
    assert scw("k8s", "pool", "update", pool["id"], "size=3", "--wait")["size"] == 3
    nodes = scw("k8s", "node", "list", f"cluster-id={cluster['id']}")
    assert [n["status"] for n in nodes] == ["ready"] * 5
    assert sum(bool(n["public_ip_v4"]) for n in nodes) == 2, "the fully isolated ones have none"
    servers = {s["name"]: s for s in scw("instance", "server", "list", "zone=all")}
    assert set(servers) == {n["name"] for n in nodes}
    assert "fr-par-2" in scw.run("k8s", "pool", "list", f"cluster-id={cluster['id']}").stdout
    scw.run("k8s", "cluster", "delete", cluster["id"], "with-additional-resources=true", "--wait")
    assert left() == before


def test_kubeconfig(scw: Scw) -> None:
    """What scw fetches, and what it installs in a file, are kubeconfigs with the cluster's address and certificate."""
    version = scw("k8s", "version", "list")[0]["name"]
    cluster = scw("k8s", "cluster", "create", "name=c", f"version={version}", "cni=cilium")
    fetched = yaml.safe_load(scw.run("k8s", "kubeconfig", "get", cluster["id"]).stdout)
    scw.run("k8s", "kubeconfig", "install", cluster["id"])
    installed = yaml.safe_load((scw.home / ".kube" / "config").read_text())
    for config in (fetched, installed):
        assert (config["kind"], config["apiVersion"]) == ("Config", "v1")
        context = next(c for c in config["contexts"] if c["name"] == config["current-context"])["context"]
        server = next(c for c in config["clusters"] if c["name"] == context["cluster"])["cluster"]
        assert server["server"].startswith("https://")
        authority = x509.load_pem_x509_certificate(base64.b64decode(server["certificate-authority-data"]))
        assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert next(u for u in config["users"] if u["name"] == context["user"])["user"]["token"]
    scw.run("k8s", "kubeconfig", "uninstall", cluster["id"])
    assert not yaml.safe_load((scw.home / ".kube" / "config").read_text())["clusters"]


def test_a_refused_cluster_says_why(scw: Scw) -> None:
    """Faults are shown with the argument's name, and nothing is left."""
    failed = scw.run("k8s", "cluster", "create", "name=c", "version=9.9.9", "cni=cilium", fails=True)
    assert "version" in failed.stderr
    assert scw("k8s", "cluster", "list") == []
    assert scw("vpc", "private-network", "list") == []
    missing = "11111111-2222-4333-8444-555555555555"
    assert "Cannot find resource 'cluster'" in scw.run("k8s", "cluster", "get", missing, fails=True).stderr


def test_instances(scw: Scw, left: Callable[[], dict[str, list[str]]]) -> None:
    before = left()
    network = scw("vpc", "private-network", "create", "name=n")
    server = scw("instance", "server", "create", "name=s", "type=DEV1-S", "image=ubuntu_jammy", "ip=new", "--wait")
    assert server["state"] == "running"
    address = server["public_ips"][0]["address"]
    assert address in scw.run("instance", "server", "list").stdout
    group = scw("instance", "security-group", "create", "name=g", "inbound-default-policy=drop")["security_group"]
    rule = scw(
        "instance", "security-group", "create-rule", f"security-group-id={group['id']}", "protocol=TCP",
        "direction=inbound", "action=accept", "ip-range=192.0.2.0/24", "dest-port-from=80", "dest-port-to=90",
    )["rule"]  # fmt: skip
    assert (rule["dest_port_from"], rule["dest_port_to"], rule["editable"]) == (80, 90, True)
    shown = scw.run("instance", "security-group", "get", group["id"]).stdout
    assert "192.0.2.0/24" in shown
    assert "80-90" in shown
    scw.run("instance", "server", "update", server["id"], f"security-group-id={group['id']}")
    nic = scw("instance", "private-nic", "create", f"server-id={server['id']}", f"private-network-id={network['id']}")[
        "private_nic"
    ]
    booked = scw("ipam", "ip", "list", f"private-network-id={network['id']}")
    assert {ip["resource"]["id"] for ip in booked} == {nic["id"]}
    assert scw("instance", "server", "stop", server["id"], "--wait")["state"] == "stopped"
    assert scw("instance", "server", "start", server["id"], "--wait")["state"] == "running"
    scw.run("instance", "server", "terminate", server["id"], "with-ip=true", "with-block=true", "--wait")
    scw.run("instance", "security-group", "delete", group["id"])
    scw.run("vpc", "private-network", "delete", network["id"])
    assert left() == before


def test_gateways(scw: Scw, left: Callable[[], dict[str, list[str]]]) -> None:
    before = left()
    network = scw("vpc", "private-network", "create", "name=n")
    gateway = scw("vpc-gw", "gateway", "create", "name=g", "type=VPC-GW-S", "--wait")
    assert gateway["status"] == "running"
    attached = scw(
        "vpc-gw", "gateway-network", "create", f"gateway-id={gateway['id']}", f"private-network-id={network['id']}",
        "enable-masquerade=true", "push-default-route=true", "--wait",
    )  # fmt: skip
    assert (attached["status"], attached["push_default_route"]) == ("ready", True)
    rule = scw(
        "vpc-gw", "pat-rule", "create", f"gateway-id={gateway['id']}", "public-port=2222", "private-ip=172.16.0.9",
        "private-port=22", "protocol=tcp",
    )  # fmt: skip
    assert [r["id"] for r in scw("vpc-gw", "pat-rule", "list")] == [rule["id"]]
    assert network["id"] in scw.run("vpc-gw", "gateway", "get", gateway["id"]).stdout
    scw.run("vpc-gw", "gateway-network", "delete", attached["id"], "--wait")
    scw.run("vpc-gw", "gateway", "delete", gateway["id"], "delete-ip=true")
    scw.run("vpc", "private-network", "delete", network["id"])
    assert left() == before


def test_addresses(scw: Scw) -> None:
    network = scw("vpc", "private-network", "create", "name=n", "subnets.0=10.0.0.0/24")
    source = f"source.private-network-id={network['id']}"
    booked = scw("ipam", "ip", "create", source, "address=10.0.0.77", "tags.0=mine")
    assert booked["address"] == "10.0.0.77/24"
    assert [ip["id"] for ip in scw("ipam", "ip", "list", "attached=false", "tags.0=mine")] == [booked["id"]]
    assert "10.0.0.77" in scw.run("ipam", "ip", "create", source, "address=10.0.0.77", fails=True).stderr
    scw.run("ipam", "ip", "delete", booked["id"])
    assert scw("ipam", "ip", "list") == []


def test_databases(scw: Scw, left: Callable[[], dict[str, list[str]]]) -> None:
    before = left()
    network = scw("vpc", "private-network", "create", "name=n")
    database = scw(
        "rdb", "instance", "create", "name=d", "engine=PostgreSQL-15", "node-type=DB-DEV-S", "user-name=me",
        f"password={PASSWORD}", "is-ha-cluster=false", "disable-backup=true", "--wait",
    )  # fmt: skip
    assert database["status"] == "ready"
    id_ = database["id"]
    scw.run(
        "rdb", "endpoint", "create", id_, f"private-network.private-network-id={network['id']}",
        "private-network.enable-ipam=true", "--wait",
    )  # fmt: skip
    inside = [e for e in scw("rdb", "endpoint", "list", id_) if e.get("private_network")]
    booked = scw("ipam", "ip", "list", f"private-network-id={network['id']}", "is-ipv6=false")
    assert [e["ip"] for e in inside] == [ip["address"].split("/")[0] for ip in booked]
    scw.run("rdb", "database", "create", f"instance-id={id_}", "name=app")
    scw.run("rdb", "user", "create", f"instance-id={id_}", "name=bob", f"password={PASSWORD}", "is-admin=false")
    privilege = (f"instance-id={id_}", "database-name=app", "user-name=bob", "permission=readonly")
    assert scw("rdb", "privilege", "set", *privilege)["permission"] == "readonly"
    assert [u["name"] for u in scw("rdb", "user", "list", f"instance-id={id_}")] == ["bob", "me"]
    scw.run("rdb", "acl", "add", "192.0.2.0/24", f"instance-id={id_}")
    assert "192.0.2.0/24" in [r["ip"] for r in scw("rdb", "acl", "list", f"instance-id={id_}")]
    scw.run("rdb", "instance", "delete", id_, "--wait")
    scw.run("vpc", "private-network", "delete", network["id"])
    assert left() == before


def test_keys_and_policies(scw: Scw, records_cloud: Cloud) -> None:
    """A key that scw makes is one to use, and allows what its application's policies allow."""
    application = scw("iam", "application", "create", "name=reader")
    key = scw("iam", "api-key", "create", f"application-id={application['id']}")
    reader = Scw(records_cloud, scw.home)
    reader.environment |= {"SCW_ACCESS_KEY": key["access_key"], "SCW_SECRET_KEY": key["secret_key"]}
    assert "permission" in reader.run("vpc", "vpc", "create", "name=v", fails=True).stderr.lower()
    project = records_cloud.owner["project_id"]
    scw.run(
        "iam", "policy", "create", "name=p", f"application-id={application['id']}",
        "rules.0.permission-set-names.0=VPCReadOnly", f"rules.0.project-ids.0={project}",
    )  # fmt: skip
    assert [v["name"] for v in reader("vpc", "vpc", "list")] == ["default"]
    assert "permission" in reader.run("vpc", "vpc", "create", "name=v", fails=True).stderr.lower()
    scw.run("iam", "api-key", "delete", key["access_key"])
    assert "denied" in reader.run("vpc", "vpc", "list", fails=True).stderr.lower()
