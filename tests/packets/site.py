"""A small cloud for packet tests, made through the API: networks, servers in them, gateways, and what they say."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any

import httpx

from tests.cloud_under_test import Cloud

REGION, ZONE = "fr-par", "fr-par-1"
VPCS, NETWORKS = f"/vpc/v2/regions/{REGION}/vpcs", f"/vpc/v2/regions/{REGION}/private-networks"
SERVERS, IPS = f"/instance/v1/zones/{ZONE}/servers", f"/ipam/v1/regions/{REGION}/ips"
GATEWAYS, ATTACHMENTS = f"/vpc-gw/v2/zones/{ZONE}/gateways", f"/vpc-gw/v2/zones/{ZONE}/gateway-networks"


class Site:
    """Makes resources with the owner's key and waits until the data plane has them."""

    def __init__(self, cloud: Cloud):
        self.cloud = cloud
        self.http: httpx.Client = cloud.http()
        self.networks: dict[str, str] = {}

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request that must be answered well."""
        answer = self.http.request(method, path, json=body)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def vpc(self, name: str, routing: bool = True) -> str:
        id_: str = self.call("POST", VPCS, {"name": name, "enable_routing": routing})["id"]
        return id_

    def network(self, name: str, vpc: str | None = None) -> str:
        id_: str = self.call("POST", NETWORKS, {"name": name, **({"vpc_id": vpc} if vpc else {})})["id"]
        return id_

    def server(self, name: str, *networks: str, public: bool = False) -> str:
        """A server that runs, with a NIC in each of these networks."""
        body = {"name": name, "commercial_type": "DEV1-S", "image": "ubuntu_jammy", "dynamic_ip_required": public}
        id_: str = self.call("POST", SERVERS, body)["server"]["id"]
        for network in networks:
            self.call("POST", f"{SERVERS}/{id_}/private_nics", {"private_network_id": network})
        self.call("POST", f"{SERVERS}/{id_}/action", {"action": "poweron"})
        return id_

    def gateway(self, name: str, network: str) -> str:
        """A gateway that serves a network; the id of its attachment."""
        gateway = self.call("POST", GATEWAYS, {"name": name, "type": "VPC-GW-S"})["id"]
        self.until(lambda: self.call("GET", f"{GATEWAYS}/{gateway}")["status"], "running")
        body = {"gateway_id": gateway, "private_network_id": network, "push_default_route": True}
        id_: str = self.call("POST", ATTACHMENTS, {**body, "enable_masquerade": True})["id"]
        self.until(lambda: self.call("GET", f"{ATTACHMENTS}/{id_}")["status"], "ready")
        return id_

    def settled(self) -> None:
        """Wait until all that is wanted is there."""
        self.until(lambda: self.call("GET", "/hideaway/v1/health")["settled"], True)

    def addresses(self, network: str, name: str) -> tuple[str, str]:
        """What IPAM says that a resource has in a network: IPv4 and IPv6."""
        ips = self.call("GET", f"{IPS}?private_network_id={network}&resource_name={name}")["ips"]
        found = sorted((ip["is_ipv6"], ip["address"].partition("/")[0]) for ip in ips if ip["resource"]["name"] == name)
        assert [v6 for v6, _ in found] == [False, True], ips
        return found[0][1], found[1][1]

    def run(self, host: str, *command: str, timeout: float = 30) -> str:
        """What a command that must succeed prints inside a host."""
        done = self.cloud.run(host, *command, timeout=timeout)
        assert done.returncode == 0, (host, command, done.stdout, done.stderr)
        return done.stdout

    def tries(self, host: str, *command: str) -> bool:
        """Whether a command succeeds inside a host."""
        try:
            return self.cloud.run(host, *command).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def until(self, seen: Callable[[], object], wanted: object, seconds: float = 20) -> None:
        """Wait for what must come in the end."""
        deadline = time.monotonic() + seconds
        while (last := seen()) != wanted:
            assert time.monotonic() < deadline, f"{last!r}, not {wanted!r}"
            time.sleep(0.05)
