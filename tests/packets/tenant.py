"""A tenant of a running cloud: makes networks, Instances and gateways through the vendor's routes, and probes them."""

from __future__ import annotations

import contextlib
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from hideaway.cli.demo.probes import Hosts, until
from tests.cloud_under_test import Cloud

REGION, ZONE = "fr-par", "fr-par-1"
VPC, INSTANCE = f"/vpc/v2/regions/{REGION}", f"/instance/v1/zones/{ZONE}"
GATEWAY, IPAM = f"/vpc-gw/v2/zones/{ZONE}", f"/ipam/v1/regions/{REGION}"
PROBE = "198.18.9.9"
SECONDS = 10
"""How long a change may take to reach packets in these tests: generous, for machines with other things to do."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """An Instance: nics are the ids of its NICs by Private Network, addresses (v4, v6) of each."""

    id: str
    name: str
    nics: dict[str, str] = {}
    addresses: dict[str, tuple[str, str]] = {}

    def v4(self, network: str) -> str:
        return self.addresses[network][0]

    def v6(self, network: str) -> str:
        return self.addresses[network][1]


class Program:
    """A program inside a host that talks by lines."""

    def __init__(self, process: subprocess.Popen[str]):
        self.process = process

    def line(self) -> str:
        """The next line that it prints, "" when it has ended."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tell(self, word: str) -> str:
        """Tell it a line; what it prints then."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        return self.line()


class Tenant:
    """What a test does, in one line each. Every call must succeed."""

    def __init__(self, running: Cloud):
        self.cloud = running
        self.connect()

    def connect(self) -> None:
        """Speak with the cloud where it is now."""
        self.http = self.cloud.http()
        self.hosts = Hosts(self.cloud.url, self.cloud.owner["secret_key"])

    def close(self) -> None:
        self.hosts.close()
        self.http.close()

    def call(self, method: str, path: str, **body: Any) -> Any:
        """The answer to a request that must succeed."""
        answer = self.http.request(method, path, json=body if method != "GET" else None)
        assert answer.status_code < 300, (method, path, body, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def settled(self) -> None:
        """Wait until the data plane is all that is wanted."""
        said = until(lambda: self.http.get("/hideaway/v1/health").json()["settled"], 30)
        assert said is not None, self.http.get("/hideaway/v1/health").json()

    def vpc(self, name: str) -> str:
        return str(self.call("POST", f"{VPC}/vpcs", name=name)["id"])

    def network(self, name: str, *subnets: str, vpc: str | None = None, **more: Any) -> str:
        body = {"name": name, "subnets": list(subnets) or None, "vpc_id": vpc, **more}
        return str(self.call("POST", f"{VPC}/private-networks", **body)["id"])

    def subnets(self, network: str) -> tuple[str, str]:
        """The IPv4 and the IPv6 subnet of a Private Network."""
        listed = [s["subnet"] for s in self.call("GET", f"{VPC}/private-networks/{network}")["subnets"]]
        return next(s for s in listed if ":" not in s), next(s for s in listed if ":" in s)

    def instance(self, name: str, *networks: str, public: bool = False, listen: bool = True, **more: Any) -> Machine:
        """A running Instance with a NIC in each network; it answers on PORT with its caller's address."""
        body = {"name": name, "commercial_type": "DEV1-S", "image": "ubuntu_jammy", "dynamic_ip_required": public}
        server = self.call("POST", f"{INSTANCE}/servers", **{**body, **more})["server"]["id"]
        nics = {n: self._nic(server, n) for n in networks}
        self.call("POST", f"{INSTANCE}/servers/{server}/action", action="poweron")
        self.running(server)
        self.settled()
        if listen:
            self.hosts.listen(name)
        machine = Machine(
            id=server, name=name, nics=nics, addresses={n: self._addresses(nic) for n, nic in nics.items()}
        )
        if listen and networks:
            assert self.soon(lambda: self.hosts.call(name, machine.v4(networks[0])) is not None)
        return machine

    def _nic(self, server: str, network: str) -> str:
        made = self.call("POST", f"{INSTANCE}/servers/{server}/private_nics", private_network_id=network)
        return str(made["private_nic"]["id"])

    def _addresses(self, nic: str) -> tuple[str, str]:
        ips = self.call("GET", f"{IPAM}/ips?resource_id={nic}")["ips"]
        both = {ip["is_ipv6"]: ip["address"].partition("/")[0] for ip in ips}
        return both[False], both[True]

    def running(self, server: str) -> None:
        assert self.soon(lambda: self.server(server)["state"] == "running"), self.server(server)

    def server(self, id_: str) -> Any:
        return self.call("GET", f"{INSTANCE}/servers/{id_}")["server"]

    def public(self, server: str) -> list[str]:
        """A server's public addresses."""
        return [ip["address"] for ip in self.server(server)["public_ips"]]

    def gateway(self, name: str, **more: Any) -> tuple[str, str]:
        """A running Public Gateway: its id and its address."""
        body = {"name": name, "type": "VPC-GW-S", "enable_smtp": False, "enable_bastion": False, **more}
        made = self.call("POST", f"{GATEWAY}/gateways", **body)
        self.gateway_runs(made["id"])
        return made["id"], made["ipv4"]["address"]

    def gateway_runs(self, gateway: str) -> None:
        assert self.soon(lambda: self.call("GET", f"{GATEWAY}/gateways/{gateway}")["status"] == "running")

    def attach(self, gateway: str, network: str, **more: Any) -> str:
        """A gateway's attachment to a network, ready; its id."""
        made = self.call("POST", f"{GATEWAY}/gateway-networks", gateway_id=gateway, private_network_id=network, **more)
        path = f"{GATEWAY}/gateway-networks/{made['id']}"
        assert self.soon(lambda: self.call("GET", path)["status"] == "ready")
        self.gateway_runs(gateway)
        self.settled()
        return str(made["id"])

    def detach(self, attachment: str) -> None:
        self.call("DELETE", f"{GATEWAY}/gateway-networks/{attachment}")
        path = f"{GATEWAY}/gateway-networks/{attachment}"
        assert self.soon(lambda: self.http.get(path).status_code == 404)
        self.settled()

    def ask(self, machine: str, address: str, port: int | None = None) -> str | None:
        """What a host reads at an address: its own address as it arrived there. None when nothing answers."""
        return self.hosts.call(machine, address) if port is None else self.hosts.call(machine, address, port)

    def leaves_with(self, machine: str) -> str | None:
        """The address that a host is seen with on the internet."""
        return self.hosts.call(machine, PROBE, 80, http=True)

    def python(self, machine: str, code: str, *arguments: str) -> str:
        """What a program prints that must succeed."""
        done = self.hosts.run(machine, sys.executable, "-S", "-c", code, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextlib.contextmanager
    def program(self, machine: str, code: str, *arguments: str) -> Iterator[Program]:
        """A Python program that goes on in a host for the length of a with, or until it is stuck."""
        with self.command(machine, sys.executable, "-S", "-c", code, *arguments) as program:
            yield program

    @contextlib.contextmanager
    def command(self, machine: str, *argv: str) -> Iterator[Program]:
        """The same of any program."""
        argv = tuple(self.hosts.argv(machine, ["timeout", "100", *argv]))
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            yield Program(process)
        finally:
            process.kill()
            process.communicate()

    @contextlib.contextmanager
    def serving(self, machine: str, code: str, *arguments: str) -> Iterator[Program]:
        """The same of a program that prints `up` once it listens."""
        with self.program(machine, code, *arguments) as program:
            assert program.line() == "up"
            yield program

    def quiet(self, program: Program, word: str, seconds: float = 2.0) -> None:
        """Tell a program something that it does not answer: what it is connected to is cut off."""
        assert program.process.stdin is not None
        assert program.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            program.process.stdin.write(f"{word}\n")
            program.process.stdin.flush()
        readable, _, _ = select.select([program.process.stdout], [], [], seconds)
        assert not readable or program.line() == ""

    def inside(self, machine: str, *argv: str) -> str:
        done = self.hosts.run(machine, *argv)
        assert done.returncode == 0, (argv, done.stderr)
        return done.stdout

    def soon(self, condition: Callable[[], bool], seconds: float = SECONDS) -> bool:
        return until(condition, seconds) is not None
