"""Faults that a user wishes for are done to packets, survive what is restarted, and are mended when taken back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud_under_test import Cloud, cloud
from tests.packets import dhcp
from tests.packets.inside import PYTHON
from tests.packets.site import ATTACHMENTS, GATEWAYS, REGION, SERVERS, ZONE, Site

pytestmark = pytest.mark.packets

GRACE = 3.0
FLAGS = ("--data-plane", "linux", "--heartbeat-interval", "0.3", "--heartbeat-grace", str(GRACE), "--linger", "30")
FAULTS = "/hideaway/v1/faults"
CLUSTERS = f"/k8s/v1/regions/{REGION}/clusters"
LBS, LB_IPS = f"/lb/v1/zones/{ZONE}/lbs", f"/lb/v1/zones/{ZONE}/ips"
PROBE = "198.18.9.9"
MARK = ("ip", "address", "add", "10.99.0.1/32", "dev", "lo")
"""What root changes in a host: gone when the host is built anew."""
GREET = """
import socket
s = socket.create_server(("", 8000)); print("up", flush=True)
while True:
    c, _ = s.accept(); c.sendall(b"hello"); c.close()
"""
HEAR = """
import socket, sys
s = socket.create_connection((sys.argv[1], 80), 2); s.settimeout(2); print(s.recv(9).decode())
"""


class Struck(Site):
    """A network with a gateway and two servers, one of them in another zone and public."""

    def __init__(self, running: Cloud):
        super().__init__(running)
        self.net = self.network("net")
        self.attachment = self.gateway("gate", self.net)
        self.gateway_id: str = self.call("GET", f"{ATTACHMENTS}/{self.attachment}")["gateway_id"]
        self.one = self.server("one", self.net)
        self.open = self.server("open", self.net, public=True)
        self.settled()
        self.inside, _ = self.addresses(self.net, "one")

    def fault(self, **wish: Any) -> str:
        """A fault that stands; its id."""
        id_: str = self.call("POST", FAULTS, wish)["id"]
        return id_

    def mend(self) -> None:
        self.call("DELETE", FAULTS)
        self.settled()

    def pings(self, host: str, address: str, patience: int = 1) -> bool:
        return self.tries(host, "ping", "-n", "-c", "1", "-W", str(patience), address)

    def marked(self) -> bool:
        done = self.cloud.run("one", "ip", "address", "show", "dev", "lo")
        return done.returncode != 0 or "10.99.0.1" in done.stdout

    def leaves(self) -> bool:
        """Whether the isolated server reaches the internet."""
        return self.pings("one", PROBE)

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "hideaway.cli", *arguments[:2], "--state", str(self.cloud.state), *arguments[2:]]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    def trace(self, source: str, target: str, **more: Any) -> dict[str, Any]:
        said: dict[str, Any] = self.call("POST", "/hideaway/v1/trace", {"source": source, "target": target, **more})
        return said


@pytest.fixture(scope="module")
def running(packets: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Struck]:
    with cloud(tmp_path_factory.mktemp("faults"), *FLAGS) as started:
        yield Struck(started)


@pytest.fixture
def site(running: Struck) -> Iterator[Struck]:
    try:
        yield running
    finally:
        running.mend()


def test_a_killed_gateway_takes_its_network_off_the_internet(site: Struck) -> None:
    assert site.leaves()
    site.fault(harm="kill", target="gate")
    site.until(site.leaves, False)
    assert site.pings("open", site.inside), "within the network all is well"
    path = f"{GATEWAYS}/{site.gateway_id}"
    site.until(lambda: site.call("GET", path)["status"], "failed")
    said = site.trace("one", "internet", port=80, seconds=1)
    assert said["outcome"] == "lost"
    assert "no host has" in said["why"]
    site.mend()
    site.until(site.leaves, True)
    site.until(lambda: site.call("GET", path)["status"], "running")


def test_a_killed_server_is_gone_with_all_that_ran(site: Struck) -> None:
    site.run("one", *MARK)
    site.fault(harm="kill", target=site.one)
    site.until(lambda: site.pings("open", site.inside), False)
    assert site.http.post("/hideaway/v1/exec", json={"host": "one", "command": ["true"]}).status_code == 404
    site.mend()
    site.until(lambda: site.pings("open", site.inside), True)
    assert not site.marked()


def test_a_kill_that_is_over_at_once_is_a_power_cycle(site: Struck) -> None:
    site.run("one", *MARK)
    assert site.call("POST", FAULTS, {"harm": "kill", "target": "one", "once": True})["id"] == ""
    site.until(site.marked, False)
    site.until(lambda: site.pings("open", site.inside), True)
    assert site.call("GET", FAULTS)["total_count"] == 0


def test_a_cut_link_by_host_and_interface_and_by_resource(site: Struck) -> None:
    site.fault(harm="cut", target="open:ens5")
    site.until(lambda: site.pings("open", site.inside), False)
    assert site.pings("open", PROBE), "its public link is whole"
    said = site.trace("one", "open", seconds=1)
    assert said["outcome"] == "lost"
    assert "the link of open ens5 is cut (hideaway/fault:" in said["why"]
    site.mend()
    site.until(lambda: site.pings("open", site.inside), True)
    site.fault(harm="cut", target=site.attachment)
    site.until(site.leaves, False)
    site.mend()
    site.until(site.leaves, True)


def test_a_late_link_and_what_takes_its_place(site: Struck) -> None:
    def took() -> float:
        done = site.cloud.run("open", "ping", "-n", "-c", "2", "-i", "0.3", "-W", "5", site.inside)
        return float(done.stdout.rpartition("= ")[2].partition("/")[0]) if done.returncode == 0 else 0.0

    first = site.fault(harm="delay", target="one", delay=120)
    site.until(lambda: took() >= 240, True)
    assert site.fault(harm="delay", target="one", delay=1, loss=100) == first, "one fault of a kind at a place"
    site.until(lambda: site.pings("open", site.inside), False)
    site.call("DELETE", f"{FAULTS}/{first}")
    site.until(lambda: 0 < took() < 120, True)


def test_a_lost_zone(site: Struck) -> None:
    other = "fr-par-2"
    body = {"name": "far", "commercial_type": "DEV1-S", "image": "ubuntu_jammy"}
    servers = SERVERS.replace(ZONE, other)
    far = site.call("POST", servers, body)["server"]["id"]
    site.call("POST", f"{servers}/{far}/private_nics", {"private_network_id": site.net})
    site.call("POST", f"{servers}/{far}/action", {"action": "poweron"})
    site.settled()
    site.until(lambda: site.pings("far", site.inside), True)
    site.fault(harm="zone", target=ZONE)
    site.settled()
    assert not site.pings("far", site.inside)
    assert site.http.post("/hideaway/v1/exec", json={"host": "one", "command": ["true"]}).status_code == 404
    assert site.run("far", "true") == ""
    site.mend()
    site.until(lambda: site.pings("far", site.inside), True)
    site.until(site.leaves, True)


def test_dropped_dhcp_leaves_names_alone(site: Struck) -> None:
    assert dhcp.lease(site.cloud, "one", "ens5")["ip"] == site.inside
    site.fault(harm="dhcp", target="net")
    site.settled()
    assert dhcp.lease(site.cloud, "one", "ens5") == {}
    assert site.inside in site.run("open", "getent", "ahostsv4", "one.net.internal")
    site.mend()
    site.until(lambda: dhcp.lease(site.cloud, "one", "ens5").get("ip"), site.inside)


def test_nodes_follow_what_is_broken(site: Struck) -> None:
    version = site.call("GET", f"/k8s/v1/regions/{REGION}/versions")["versions"][0]["name"]
    pool = {"name": "p", "node_type": "DEV1-M", "size": 2, "public_ip_disabled": True, "zone": ZONE}
    body = {"name": "c", "version": version, "cni": "cilium", "private_network_id": site.net, "pools": [pool]}
    made = site.call("POST", CLUSTERS, body)

    def nodes() -> dict[str, str]:
        listed = site.call("GET", f"{CLUSTERS}/{made['id']}/nodes")["nodes"]
        return {node["name"]: node["status"] for node in listed}

    site.until(lambda: sorted(nodes().values()), ["ready", "ready"], 40)
    first, second = sorted(nodes())
    site.fault(harm="kill", target=first)
    site.until(lambda: nodes(), {first: "not_ready", second: "ready"}, GRACE + 20)
    site.mend()
    site.until(lambda: nodes(), {first: "ready", second: "ready"}, GRACE + 20)
    site.fault(harm="cut", target=f"{second}:ens5")
    site.until(lambda: nodes(), {first: "ready", second: "not_ready"}, GRACE + 20)
    site.fault(harm="kill", target="gate")
    site.until(lambda: nodes(), {first: "not_ready", second: "not_ready"}, GRACE + 20)
    status = site.cli("status", "--json")
    assert status.returncode == 1
    assert "gate is killed" in status.stdout
    assert "hideaway fault clear" in status.stdout
    site.mend()
    site.until(lambda: nodes(), {first: "ready", second: "ready"}, GRACE + 20)


def test_by_the_command_line(site: Struck) -> None:
    made = site.cli("fault", "kill", "gate")
    assert made.returncode == 0, made.stderr
    id_ = made.stdout.split()[0]
    assert "gate is killed" in made.stdout
    assert id_ in site.cli("fault", "list").stdout
    site.until(site.leaves, False)
    assert site.cli("fault", "clear", id_).returncode == 0
    site.until(site.leaves, True)
    late = site.cli("fault", "delay", "one:ens5", "--ms", "20", "--jitter", "5", "--loss", "1")
    assert "the link of one:ens5 is late by 20 ms, and up to 5 ms more, loses 1 %" in late.stdout
    assert site.cli("fault", "clear", "--all").returncode == 0
    assert site.call("GET", FAULTS)["faults"] == []
    assert site.cli("fault", "clear").returncode == 2
    wrong = site.cli("fault", "cut", "nobody")
    assert wrong.returncode == 1
    assert "no host is called 'nobody'" in wrong.stderr


def test_faults_survive_the_server_and_the_world_and_end_with_a_reset(packets: None, tmp_path: Path) -> None:
    with cloud(tmp_path, *FLAGS) as started:
        site = Site(started)
        net = site.network("net")
        for name in ("a", "b", "c"):
            site.server(name, net)
        site.settled()
        b, c = site.addresses(net, "b")[0], site.addresses(net, "c")[0]
        site.call("POST", FAULTS, {"harm": "kill", "target": "b"})
        site.call("POST", FAULTS, {"harm": "delay", "target": "c", "delay": 150})

        def reached(address: str) -> bool:
            return Site(started).tries("a", "ping", "-n", "-c", "1", "-W", "2", address)

        def late() -> bool:
            done = started.run("a", "ping", "-n", "-c", "1", "-W", "5", c)
            return done.returncode == 0 and float(done.stdout.partition("time=")[2].split()[0]) >= 300

        site.until(lambda: (reached(b), late()), (False, True))
        started.kill()
        started.start()
        assert (reached(b), late()) == (False, True), "the world lives on, faults and all"
        started.stop()
        started.start()
        again = Site(started)
        again.settled()
        again.until(lambda: (reached(b), late()), (False, True))
        assert {f["harm"] for f in again.call("GET", FAULTS)["faults"]} == {"kill", "delay"}
        again.call("POST", "/hideaway/v1/reset")
        assert again.call("GET", FAULTS)["faults"] == []


def test_a_killed_balancer_and_its_program(site: Struck) -> None:
    argv = site.cloud.inside("one", [*PYTHON, GREET])
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "up\n"
        try:
            _balanced(site)
        finally:
            server.kill()


def _balanced(site: Struck) -> None:
    ip = site.call("POST", LB_IPS, {})
    lb = site.call("POST", LBS, {"name": "lb", "type": "LB-S", "ip_id": ip["id"]})["id"]
    path = f"{LBS}/{lb}"
    site.until(lambda: site.call("GET", path)["status"], "ready")
    site.call("POST", f"{path}/private-networks/{site.net}/attach", {})
    backend = {"name": "b", "forward_protocol": "tcp", "forward_port": 8000, "server_ip": [site.inside]}
    check = {"port": 8000, "check_max_retries": 1, "tcp_config": {}}
    made = site.call("POST", f"{path}/backends", {**backend, "health_check": check})
    site.call("POST", f"{path}/frontends", {"name": "f", "inbound_port": 80, "backend_id": made["id"]})

    def said() -> str:
        return site.cloud.run("internet", *PYTHON, HEAR, ip["ip_address"]).stdout.strip()

    site.until(said, "hello", 30)
    site.fault(harm="kill", target="lb", program=True)
    site.until(said, "")
    site.until(lambda: site.call("GET", path)["status"], "error")
    assert site.pings("internet", ip["ip_address"]), "the machine answers, its program does not"
    site.mend()
    site.until(said, "hello")
    site.until(lambda: site.call("GET", path)["status"], "ready")
    site.call("POST", FAULTS, {"harm": "kill", "target": "lb", "program": True, "once": True})
    site.until(said, "hello")
    site.fault(harm="kill", target=lb)
    site.until(lambda: site.pings("internet", ip["ip_address"]), False)
    site.mend()
    site.until(said, "hello", 30)
