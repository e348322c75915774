"""The document's own examples, word for word, by the vendor's own clients."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import SHARED
from tests.clients.inventory import changes, everything
from tests.clients.terraform import Terraform
from tests.cloud_under_test import Cloud

DOCUMENT = Path(__file__).parent / "document"
AS_WRITTEN = (DOCUMENT / "main.tf").read_text()
FOR_TODAY = AS_WRITTEN.replace(
    "pn_id = scaleway_vpc_private_network.kapsule.id\n",
    "pn_id = scaleway_vpc_private_network.kapsule.id\nenable_ipam = true\n",
)

_ANSWER = """
import socket, sys
kind = socket.SOCK_DGRAM if sys.argv[1] == "udp" else socket.SOCK_STREAM
s = socket.socket(socket.AF_INET, kind)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", int(sys.argv[2])))
print("listening", flush=True)
if sys.argv[1] == "udp":
    data, peer = s.recvfrom(100)
    s.sendto(data, peer)
else:
    s.listen()
    s.accept()[0].sendall(b"hello")
"""
_ASK = """
import socket, sys
kind = socket.SOCK_DGRAM if sys.argv[1] == "udp" else socket.SOCK_STREAM
s = socket.socket(socket.AF_INET, kind)
s.settimeout(1)
try:
    s.connect((sys.argv[2], int(sys.argv[3])))
    s.send(b"hello")
    print(s.recv(100).decode())
except OSError as error:
    print(type(error).__name__)
"""


def test_the_examples_here_are_the_documents() -> None:
    document = SHARED / "mission-document.txt"
    if not document.exists():
        pytest.skip("the document is not on this machine")
    text = document.read_text()
    assert AS_WRITTEN.strip() in text
    assert (DOCUMENT / "endpoint.sh").read_text().strip() in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("provider", "configuration"), [("2.37.0", AS_WRITTEN), ("", FOR_TODAY)], ids=["2.37.0", "today"]
)
def test_terraform(any_cloud: Cloud, tmp_path: Path, provider: str, configuration: str) -> None:
    """apply succeeds, a second plan is empty, destroy leaves no resource."""
    before = everything(any_cloud)
    terraform = Terraform(any_cloud, tmp_path / "tf", configuration, provider)
    terraform.apply()
    terraform.plans_nothing()
    made = terraform.resources()
    cluster_id = made["scaleway_k8s_cluster.kapsule"]["id"].split("/")[1]
    node = any_cloud.get(f"/k8s/v1/regions/fr-par/clusters/{cluster_id}/nodes")["nodes"][0]
    assert made["scaleway_instance_security_group.kapsule"]["name"] == f"kubernetes {cluster_id}"
    groups = any_cloud.get("/instance/v1/zones/fr-par-1/security_groups", name=f"kubernetes {cluster_id}")
    assert len(groups["security_groups"]) == 1, "the group made before the pool is the one in force, with no twin"
    if any_cloud.data_plane == "linux":
        answers = {
            (p, port): reaches(any_cloud, node, p, port) for p, port in [("udp", 500), ("tcp", 500), ("udp", 501)]
        }
        assert answers == {("udp", 500): True, ("tcp", 500): False, ("udp", 501): False}
    terraform.destroy()
    assert changes(before, everything(any_cloud)) == {}


def reaches(cloud: Cloud, node: dict[str, str], protocol: str, port: int) -> bool:
    """Whether the internet reaches a port of a node, on which something listens."""
    command = cloud.inside(node["name"], ["python3", "-c", _ANSWER, protocol, str(port)])
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as listener:
        assert listener.stdout is not None
        assert listener.stdout.readline() == "listening\n"
        said = cloud.run("internet", "python3", "-c", _ASK, protocol, node["public_ip_v4"], str(port)).stdout.strip()
        listener.kill()
    return said == "hello"


def test_curl(records_cloud: Cloud, tmp_path: Path) -> None:
    """The document's call, its host replaced and nothing else, answers with a new endpoint that IPAM knows."""
    with records_cloud.http() as http:
        network = http.post("/vpc/v2/regions/fr-par/private-networks", json={"name": "pn"}).json()
        database = http.post(
            "/rdb/v1/regions/fr-par/instances",
            json={
                "name": "db", "engine": "PostgreSQL-15", "node_type": "DB-DEV-S", "user_name": "username",
                "password": "thiZ_is_v&ry_s3cret", "is_ha_cluster": False, "disable_backup": True,
            },
        ).json()  # fmt: skip
    script = (DOCUMENT / "endpoint.sh").read_text()
    script = script.replace("https://api.scaleway.com", records_cloud.url).replace(
        "<PRIVATE_NETWORK_ID>", network["id"]
    )
    environment = {
        "PATH": os.environ["PATH"],
        "REGION": "fr-par",
        "INSTANCE_ID": database["id"],
        "SCW_SECRET_KEY": records_cloud.owner["secret_key"],
    }
    done = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=30, check=True
    )
    import json

    endpoint = json.loads(done.stdout)
    assert endpoint["private_network"]["private_network_id"] == network["id"]
    booked = records_cloud.get("/ipam/v1/regions/fr-par/ips", private_network_id=network["id"], is_ipv6=False)["ips"]
    assert [ip["address"] for ip in booked] == [endpoint["private_network"]["service_ip"]]
    assert booked[0]["resource"]["id"] == database["id"]
    listed = records_cloud.get(f"/rdb/v1/regions/fr-par/instances/{database['id']}")["endpoints"]
    assert endpoint["id"] in [e["id"] for e in listed]
