"""A cloud with many hosts, made through the API, and a look at whom each of them reaches."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import httpx

from hideaway.backends.linux import LinuxBackend, names
from hideaway.fabric.model import EDGE, Fabric, Role

REGION, ZONE = "fr-par", "fr-par-1"
SERVERS = f"/instance/v1/zones/{ZONE}/servers"
VPC = f"/vpc/v2/regions/{REGION}"


def populate(http: httpx.Client, *, hosts: int, vpcs: int, networks: int) -> dict[str, str]:
    """Instances with a NIC each, in turn in all the Private Networks (networks of them in each VPC, which routes); each
    second one has a public address. Returns the Private Networks' ids -> their VPCs'."""
    made: dict[str, str] = {}
    for vpc in range(vpcs):
        id_ = _post(http, f"{VPC}/vpcs", {"name": f"many-{vpc}", "enable_routing": True})["id"]
        for network in range(networks):
            body = {"name": f"many-{vpc}-{network}", "vpc_id": id_}
            made[_post(http, f"{VPC}/private-networks", body)["id"]] = id_
    for number in range(hosts):
        body = {"name": f"many-{number}", "commercial_type": "DEV1-S", "image": "ubuntu_jammy"}
        server = _post(http, SERVERS, {**body, "dynamic_ip_required": number % 2 == 0})["server"]["id"]
        _post(http, f"{SERVERS}/{server}/private_nics", {"private_network_id": list(made)[number % len(made)]})
        _post(http, f"{SERVERS}/{server}/action", {"action": "poweron"})
    return made


def _post(http: httpx.Client, path: str, body: Any) -> Any:
    answer = http.post(path, json=body)
    assert answer.status_code < 300, f"{path}: {answer.status_code} {answer.text}"
    return answer.json()


def pairs(fabric: Fabric, group_of: dict[str, str]) -> Iterator[tuple[str, str, list[str]]]:
    """(namespace, host's name, addresses that it shall reach): all private ones, of both families, of other Instances
    in networks of the same group."""
    there: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for host in fabric.hosts:
        for port in host.ports if host.role == Role.INSTANCE else ():
            if port.link != EDGE:
                there[group_of[port.link]] += [(host.id, a.partition("/")[0]) for a in port.addresses]
    for host in fabric.hosts:
        if host.role == Role.INSTANCE:
            groups = {group_of[port.link] for port in host.ports if port.link != EDGE}
            others = [a for group in sorted(groups) for id_, a in there[group] if id_ != host.id]
            yield names.namespace(host.id), host.name, others


def unanswered(backend: LinuxBackend, wanted: list[tuple[str, str, list[str]]]) -> dict[str, list[str]]:
    """Host's name -> the addresses that did not answer its ping, of those that it is wanted to reach."""
    python = ["python3", "-I", "-S", "-c", ALL_PAIRS]
    ran = backend.run_in("", python, stdin=json.dumps(wanted), timeout=300)
    assert ran["status"] == 0, ran["stderr"]
    found: dict[str, list[str]] = json.loads(ran["stdout"])
    return found


ALL_PAIRS = """
import ctypes, json, os, select, socket, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)

def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF

def echo(kind, number):
    head = struct.pack("!BBHHH", kind, 0, 0, os.getpid() & 0xFFFF, number)
    return struct.pack("!BBHHH", kind, 0, checksum(head), os.getpid() & 0xFFFF, number)

def ping(v4, v6, targets):
    # A few at a time, so that no queue overflows; what is lost on a busy machine is asked for again.
    left = set(targets)
    for attempt in range(3):
        for start in range(0, len(targets), 50):
            asked = {t for t in targets[start:start + 50] if t in left}
            for target in asked:
                (v6 if ":" in target else v4).sendto(echo(128 if ":" in target else 8, attempt), (target, 0))
            deadline = time.monotonic() + 2
            while asked and time.monotonic() < deadline:
                for ready in select.select([v4, v6], [], [], 0.5)[0]:
                    data, who = ready.recvfrom(256)
                    kind = data[0] if ready is v6 else data[20]
                    if kind == (129 if ready is v6 else 0):
                        asked.discard(who[0]); left.discard(who[0])
        if not left: break
    return sorted(left)

missing = {}
for namespace, name, targets in json.load(sys.stdin):
    with open("/run/netns/" + namespace) as file:
        if libc.setns(file.fileno(), 0x40000000): raise OSError(ctypes.get_errno(), namespace)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as v4:
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as v6:
            left = ping(v4, v6, targets)
    if left: missing[name] = left
print(json.dumps(missing))
"""
