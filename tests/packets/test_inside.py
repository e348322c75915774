"""The cloud as its own Instances see it: the API at 198.18.0.1, and what each is told about itself at 169.254.42.42."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from hideaway.backends.linux import LinuxBackend
from tests.cloud_under_test import Cloud, cloud

pytestmark = pytest.mark.packets
ZONE = "/instance/v1/zones/fr-par-1"
FLAGS = ("--data-plane", "linux", "--heartbeat-interval", "0.3", "--heartbeat-grace", "5", "--linger", "30")
PYTHON = [sys.executable, "-I", "-S", "-c"]
V4, V6 = "http://169.254.42.42", "http://[fd00:42::42]"

ASK = """
import http.client, json, sys, urllib.parse
method, url, port, body = sys.argv[1:5]
headers = json.loads(sys.argv[5]) if len(sys.argv) > 5 else {}
at = urllib.parse.urlsplit(url)
source = ("::" if at.hostname.count(":") else "", int(port))
c = http.client.HTTPConnection(at.hostname, at.port or 80, timeout=10, source_address=source)
c.request(method, at.path + ("?" + at.query if at.query else ""), body.encode() or None, headers)
a = c.getresponse()
print(json.dumps([a.status, a.read().decode()]))
"""


def ask(on: Cloud, host: str, method: str, url: str, port: int = 0, body: str = "", **headers: str) -> tuple[int, str]:
    """A request from inside a host, from this source port (0: any above 1023)."""
    done = on.run(host, *PYTHON, ASK, method, url, str(port), body, json.dumps(headers))
    assert done.returncode == 0, done.stderr
    status, text = json.loads(done.stdout)
    return status, text


def root_port(taken: list[int] = [1023]) -> int:  # noqa: B006
    """A source port below 1024, another each time: the last one's connection may linger."""
    taken[0] -= 1
    return taken[0]


def server(http: httpx.Client, name: str, network: str = "", public: bool = False) -> dict[str, Any]:
    """A running Instance."""
    made = http.post(
        f"{ZONE}/servers",
        json={"name": name, "commercial_type": "DEV1-S", "image": "ubuntu_jammy", "dynamic_ip_required": public},
    ).json()["server"]
    if network:
        nic = http.post(f"{ZONE}/servers/{made['id']}/private_nics", json={"private_network_id": network})
        assert nic.status_code < 300, nic.text
    assert http.post(f"{ZONE}/servers/{made['id']}/action", json={"action": "poweron"}).status_code < 300
    deadline = time.monotonic() + 30
    while (found := http.get(f"{ZONE}/servers/{made['id']}").json()["server"])["state"] != "running":
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return dict(found)


class Scene:
    """A public Instance and two isolated ones, in networks of the same subnet in VPCs of their own."""

    def __init__(self, running: Cloud):
        self.cloud = running
        with running.http() as http:
            self.public = server(http, "public", public=True)
            self.networks = []
            for name in ("left", "right"):
                vpc = http.post("/vpc/v2/regions/fr-par/vpcs", json={"name": name}).json()["id"]
                body = {"name": name, "vpc_id": vpc, "subnets": ["172.20.0.0/22"]}
                self.networks.append(http.post("/vpc/v2/regions/fr-par/private-networks", json=body).json()["id"])
            self.isolated = [server(http, f"isolated-{n}", network=id_) for n, id_ in enumerate(self.networks)]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, packets: None) -> Iterator[Scene]:
    with cloud(tmp_path_factory.mktemp("cloud"), *FLAGS) as running:
        yield Scene(running)


def test_each_instance_is_told_about_itself_alone(scene: Scene) -> None:
    """Two isolated ones have the very same address: what they are told follows from the wire that they ask by."""
    for each in (scene.public, *scene.isolated):
        for base in (V4, V6):
            status, text = ask(scene.cloud, each["id"], "GET", f"{base}/conf?format=json")
            told = json.loads(text)
            assert status == 200
            assert (told["id"], told["hostname"], told["zone"]) == (each["id"], each["hostname"], "fr-par-1")
    nics = [each["private_nics"][0]["id"] for each in scene.isolated]
    addresses = [
        scene.cloud.run(each["id"], "ip", "-4", "-o", "addr", "show", "ens5").stdout for each in scene.isolated
    ]
    assert len({a.split()[3] for a in addresses}) == 1
    for each, nic in zip(scene.isolated, nics, strict=True):
        told = json.loads(ask(scene.cloud, each["id"], "GET", f"{V4}/conf?format=json")[1])
        assert [n["id"] for n in told["private_nics"]] == [nic]
        assert (told["public_ip"], told["public_ips_v4"]) == (None, [])


def test_what_is_told_is_true_now(scene: Scene) -> None:
    with scene.cloud.http() as http:
        http.patch(f"{ZONE}/servers/{scene.public['id']}", json={"tags": ["a", "b"], "name": "renamed"})
        key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILmdlCfmSnQB4MXkSU9pnvmRWTzhNXb+8VbbEpnKv2pM me"
        http.post("/iam/v1alpha1/ssh-keys", json={"name": "mine", "public_key": key})
        shown = http.get(f"{ZONE}/servers/{scene.public['id']}").json()["server"]
    told = json.loads(ask(scene.cloud, scene.public["id"], "GET", f"{V4}/conf?format=json")[1])
    assert (told["tags"], told["name"]) == (["a", "b"], "renamed")
    assert told["public_ip"]["address"] == shown["public_ip"]["address"]
    assert [k["key"] for k in told["ssh_public_keys"]] == [key]
    lines = ask(scene.cloud, scene.public["id"], "GET", f"{V4}/conf")[1].splitlines()
    assert f"ID={scene.public['id']}" in lines
    assert "TAGS=2" in lines
    assert "TAGS_1=b" in lines
    assert f"PUBLIC_IP_ADDRESS={shown['public_ip']['address']}" in lines
    assert f"SSH_PUBLIC_KEYS_0_KEY='{key}'" in lines
    assert ask(scene.cloud, scene.public["id"], "GET", f"{V4}/")[0] == 200


def test_user_data_is_for_root_and_is_the_apis(scene: Scene) -> None:
    one = scene.isolated[0]["id"]
    with scene.cloud.http() as http:
        http.patch(f"{ZONE}/servers/{one}/user_data/cloud-init", content=b"#!/bin/sh\necho hello\n")
    where = f"{V4}/user_data/cloud-init"
    assert ask(scene.cloud, one, "GET", where)[0] == 403
    assert ask(scene.cloud, one, "GET", where, root_port()) == (200, "#!/bin/sh\necho hello\n")
    assert ask(scene.cloud, one, "PATCH", f"{V4}/user_data/colour", root_port(), "blue")[0] == 200
    status, keys = ask(scene.cloud, one, "GET", f"{V6}/user_data?format=json", root_port())
    assert (status, json.loads(keys)) == (200, {"user_data": ["cloud-init", "colour"]})
    assert ask(scene.cloud, one, "GET", f"{V4}/user_data", root_port())[1].splitlines()[0] == "USER_DATA=2"
    with scene.cloud.http() as http:
        assert http.get(f"{ZONE}/servers/{one}/user_data/colour").content == b"blue"
    assert ask(scene.cloud, one, "DELETE", f"{V4}/user_data/colour", root_port())[0] == 200
    assert ask(scene.cloud, one, "GET", f"{V4}/user_data/colour", root_port())[0] == 404
    assert ask(scene.cloud, one, "GET", f"{V4}/vendor_data/cloud-init", root_port())[0] == 404
    other = scene.isolated[1]["id"]
    assert json.loads(ask(scene.cloud, other, "GET", f"{V4}/user_data?format=json", root_port())[1]) == {
        "user_data": []
    }


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/conf/../../etc/passwd", "", 404), ("POST", "/conf", "x", 405), ("GET", "/nothing", "", 404),
        ("PATCH", "/user_data/" + "k" * 200, "x", 400), ("PATCH", "/user_data/big", "x" * 100_000, 200),
        ("PATCH", "/user_data/%2e%2e%2f", "x", 200),
    ],
)  # fmt: skip
def test_odd_questions_are_answered(scene: Scene, method: str, path: str, body: str, status: int) -> None:
    assert ask(scene.cloud, scene.public["id"], method, V4 + path, root_port(), body)[0] == status


def test_a_web_server_of_the_instances_own_may_have_port_80(scene: Scene) -> None:
    one = scene.isolated[0]["id"]
    listen = "import socket\ns = socket.create_server(('', 80))\nprint('listening', flush=True)\ninput()"
    with subprocess.Popen(
        scene.cloud.inside(one, [*PYTHON, listen]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as mine:
        assert mine.stdout is not None
        assert mine.stdout.readline() == "listening\n"
        assert json.loads(ask(scene.cloud, one, "GET", f"{V4}/conf?format=json")[1])["id"] == one
        mine.communicate("\n", timeout=10)


def test_no_way_leads_from_one_to_another_by_these_wires(scene: Scene) -> None:
    left, right = (each["id"] for each in scene.isolated)
    scene.cloud.run(right, "ip", "address", "add", "10.9.9.9/32", "dev", "metadata")
    scene.cloud.run(left, "ip", "route", "add", "10.9.9.9", "via", "169.254.42.42", "dev", "metadata", "onlink")
    assert scene.cloud.run(left, "ping", "-c1", "-W1", "10.9.9.9").returncode != 0
    assert scene.cloud.run(left, "ping", "-c1", "-W1", "169.254.42.43").returncode == 0  # that is itself


def test_a_rebooted_instance_is_told_again(scene: Scene) -> None:
    one = scene.isolated[1]["id"]
    scene.cloud.run(one, "ip", "link", "delete", "metadata")
    with scene.cloud.http() as http:
        http.post(f"{ZONE}/servers/{one}/action", json={"action": "reboot"})
        deadline = time.monotonic() + 20
        while http.get(f"{ZONE}/servers/{one}").json()["server"]["state"] != "running":
            assert time.monotonic() < deadline
    assert json.loads(ask(scene.cloud, one, "GET", f"{V4}/conf?format=json")[1])["id"] == one


def test_the_api_is_inside_too(scene: Scene) -> None:
    one, key = scene.public["id"], scene.cloud.owner["secret_key"]
    assert json.loads(ask(scene.cloud, one, "GET", "http://198.18.0.1/hideaway/v1/health")[1])["status"] == "ok"
    status, text = ask(scene.cloud, one, "GET", f"http://198.18.0.1{ZONE}/servers", **{"X-Auth-Token": key})
    assert status == 200
    assert {s["id"] for s in json.loads(text)["servers"]} >= {one}
    assert ask(scene.cloud, one, "GET", f"http://198.18.0.1{ZONE}/servers")[0] == 401


def test_the_api_knows_who_asks_by_the_address_inside(scene: Scene) -> None:
    """A policy's condition on request.ip holds inside the world as outside."""
    owner = scene.cloud.owner
    address = scene.public["public_ip"]["address"]
    with scene.cloud.http() as http:
        application = http.post("/iam/v1alpha1/applications", json={"name": "inside"}).json()["id"]
        rule = {
            "permission_set_names": ["InstancesReadOnly"],
            "project_ids": [owner["project_id"]],
            "condition": f'request.ip == "{address}"',
        }
        policy = {"name": "inside", "application_id": application, "rules": [rule]}
        made = http.post("/iam/v1alpha1/policies", json=policy)
        assert made.status_code < 300, made.text
        key = http.post("/iam/v1alpha1/api-keys", json={"application_id": application}).json()["secret_key"]
    asked = f"http://198.18.0.1{ZONE}/servers/{scene.public['id']}"
    assert ask(scene.cloud, scene.public["id"], "GET", asked, **{"X-Auth-Token": key})[0] == 200
    assert ask(scene.cloud, "internet", "GET", asked, **{"X-Auth-Token": key})[0] == 403


def test_metadata_and_api_are_back_under_the_next_server_and_the_next_world(scene: Scene) -> None:
    one = scene.isolated[0]["id"]
    argv = scene.cloud.inside(one, [*PYTHON, ASK, "GET", f"{V4}/conf?format=json", "0", ""])
    scene.cloud.kill()
    status, text = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout)
    assert (status, json.loads(text)["type"]) == (503, "unavailable")
    scene.cloud.start()
    assert json.loads(ask(scene.cloud, one, "GET", f"{V4}/conf?format=json")[1])["id"] == one
    until_the_api_answers(scene)
    os.kill(LinuxBackend(scene.cloud.state).keeper(), signal.SIGKILL)
    until_the_api_answers(scene)
    assert json.loads(ask(scene.cloud, one, "GET", f"{V4}/conf?format=json")[1])["id"] == one


def until_the_api_answers(scene: Scene) -> None:
    deadline = time.monotonic() + 30
    asked = [*PYTHON, ASK, "GET", "http://198.18.0.1/hideaway/v1/health", "0", ""]
    while True:
        try:
            done = scene.cloud.run("internet", *asked)
            if done.returncode == 0 and json.loads(done.stdout)[0] == 200:
                return
        except (AssertionError, ValueError):
            pass
        assert time.monotonic() < deadline
        time.sleep(0.2)
