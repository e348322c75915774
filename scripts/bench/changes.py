"""How soon changes reach the packets, in a cloud of 500 hosts: one is answered, and then a packet passes or none."""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from tests.cloud_under_test import Cloud, cloud
from tests.many import populate
from tests.packets.tenant import GATEWAY, INSTANCE, PROBE, VPC, Tenant

HOSTS, VPCS, NETWORKS = 500, 4, 5
IPAM = "/ipam/v1/regions/fr-par"
CHANGES = 200  # of filters, and as many of the rest together
PORT, MAPPED = 30080, 6000
QUIET = 0.1  # seconds without a packet after which packets count as dropped
GAP = 0.001  # seconds between probes
PATIENCE = 60.0

# Ends when its input is closed: killing what entered a host's namespaces would leave the program inside running.
_WHILE_OPEN = """
import os, socket, sys, threading, time
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
"""
# Prints when each datagram arrives: one clock serves all namespaces.
_LISTENER = """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", int(sys.argv[1])))
print("listening", flush=True)
while True:
    s.recv(64)
    print(time.monotonic(), flush=True)
"""
# Sends a datagram each GAP seconds, each from a new source port, so that no established flow helps it.
_PROBER = """
print("sending", flush=True)
while True:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try: s.sendto(b"x", (sys.argv[1], int(sys.argv[2])))
        except OSError: pass  # while there is no way there
    time.sleep(float(sys.argv[3]))
"""
# Asks the network's resolver for a name all the time, and says when the answer changes, and what it is then.
_ASKER = """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("169.254.169.254", 53))
s.settimeout(1)
name = b"".join(bytes([len(part)]) + part.encode() for part in sys.argv[1].split("."))
question = bytes([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]) + name + bytes([0, 0, 1, 0, 1])
known = None
while True:
    try: s.send(question); answer = s.recv(512)
    except OSError: continue
    address = socket.inet_ntoa(answer[-4:]) if answer[7] else "none"
    if address != known: print(time.monotonic(), address, flush=True)
    known = address
    time.sleep(float(sys.argv[2]))
"""


class Toggle(msgspec.Struct, frozen=True, kw_only=True):
    """Two changes that let packets from a host through to an address of another's, and stop them. Off to begin with."""

    what: str
    source: str
    target: str
    address: str
    port: int
    on: Callable[[], object]
    off: Callable[[], object]


def measure() -> list[tuple[str, str]]:
    """(what, figure), the figures in ms after the answer: median, 99th of a hundred, and most."""
    print(f"changes: {HOSTS} hosts", flush=True)
    flags = ("--data-plane", "linux", "--heartbeat-interval", "10", "--linger", "0")
    with tempfile.TemporaryDirectory() as folder, cloud(Path(folder), *flags) as running:
        with running.http() as http:
            populate(http, hosts=HOSTS, vpcs=VPCS, networks=NETWORKS)
        _until(lambda: running.get("/hideaway/v1/health")["settled"])
        tenant = Tenant(running)
        try:
            filters, rest = _filter(tenant), _rest(tenant)
            rows = [
                (
                    f"{CHANGES} changes of a security group that {HOSTS // 2} hosts have",
                    _times(running, filters, CHANGES),
                )
            ]
            share = CHANGES // (len(rest) + 1)
            times = {toggle.what: _times(running, toggle, share) for toggle in rest}
            times["name of a booked address"] = _names(running, tenant, share)
        finally:
            tenant.close()
    rows.append((f"{CHANGES} other changes", [each for found in times.values() for each in found]))
    rows += list(times.items())
    return [(f"{what}, answered to the first or last packet, {HOSTS} hosts", _said(found)) for what, found in rows]


def _filter(tenant: Tenant) -> Toggle:
    group = tenant.call("GET", f"{INSTANCE}/security_groups?project_default=true")["security_groups"][0]["id"]
    tenant.call("PATCH", f"{INSTANCE}/security_groups/{group}", inbound_default_policy="drop")
    server = tenant.call("GET", f"{INSTANCE}/servers?name=many-0")["servers"][0]
    rules = f"{INSTANCE}/security_groups/{group}/rules"
    made: list[str] = []
    rule = {
        "protocol": "UDP", "direction": "inbound", "action": "accept", "ip_range": "0.0.0.0/0", "editable": True,
        "dest_port_from": PORT, "position": 1,
    }  # fmt: skip
    return Toggle(
        what="security group",
        source="internet",
        target=server["id"],
        address=server["public_ips"][0]["address"],
        port=PORT,
        on=lambda: made.append(tenant.call("POST", rules, **rule)["rule"]["id"]),
        off=lambda: tenant.call("DELETE", f"{rules}/{made.pop()}"),
    )


def _rest(tenant: Tenant) -> list[Toggle]:
    networks = tenant.call("GET", f"{VPC}/private-networks?name=many-0-")["private_networks"]
    here, there = sorted(networks, key=lambda n: str(n["name"]))[:2]
    group = tenant.call("POST", f"{INSTANCE}/security_groups", name="open", inbound_default_policy="accept")[
        "security_group"
    ]
    inner = tenant.instance("inner", here["id"], listen=False, security_group=group["id"])
    other = tenant.instance("other", there["id"], listen=False, security_group=group["id"])
    gateway, outside = tenant.gateway("changes")
    attached = tenant.attach(gateway, here["id"], enable_masquerade=False, push_default_route=False)
    attachment = f"{GATEWAY}/gateway-networks/{attached}"
    return [
        _translation(tenant, gateway, outside, inner.id, inner.v4(here["id"])),
        _acl(tenant, here["vpc_id"], inner.id, other.id, other.v4(there["id"])),
        _flexible(tenant, other.id),
        Toggle(
            what="default route and masquerade",
            source=inner.id,
            target="internet",
            address=PROBE,
            port=PORT,
            on=lambda: _when_ready(tenant, "PATCH", attachment, enable_masquerade=True, push_default_route=True),
            off=lambda: _when_ready(tenant, "PATCH", attachment, enable_masquerade=False, push_default_route=False),
        ),
    ]


def _translation(tenant: Tenant, gateway: str, outside: str, target: str, address: str) -> Toggle:
    made: list[str] = []
    body = {
        "gateway_id": gateway, "public_port": MAPPED, "private_ip": address, "private_port": PORT, "protocol": "udp"
    }  # fmt: skip
    return Toggle(
        what="port translation",
        source="internet",
        target=target,
        address=outside,
        port=MAPPED,
        on=lambda: made.append(_when_ready(tenant, "POST", f"{GATEWAY}/pat-rules", **body)["id"]),
        off=lambda: _when_ready(tenant, "DELETE", f"{GATEWAY}/pat-rules/{made.pop()}"),
    )


def _acl(tenant: Tenant, vpc: str, source: str, target: str, address: str) -> Toggle:
    path = f"{VPC}/vpcs/{vpc}/acl-rules"

    def set_(policy: str) -> None:
        tenant.call("PUT", path, rules=[], is_ipv6=False, default_policy=policy)

    set_("drop")
    return Toggle(
        what="network ACL",
        source=source,
        target=target,
        address=address,
        port=PORT,
        on=lambda: set_("accept"),
        off=lambda: set_("drop"),
    )


def _flexible(tenant: Tenant, server: str) -> Toggle:
    ip = tenant.call("POST", f"{INSTANCE}/ips", type="routed_ipv4")["ip"]
    return Toggle(
        what="flexible IP",
        source="internet",
        target=server,
        address=ip["address"],
        port=PORT,
        on=lambda: tenant.call("PATCH", f"{INSTANCE}/ips/{ip['id']}", server=server),
        off=lambda: tenant.call("PATCH", f"{INSTANCE}/ips/{ip['id']}", server=None),
    )


def _when_ready(tenant: Tenant, method: str, path: str, **body: Any) -> Any:
    """The answer to a request, once it is not refused because of a change that is under way."""
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = tenant.http.request(method, path, json=body or None)
        if answer.status_code < 300:
            return answer.json() if answer.content else None
        if answer.status_code != 409 or time.monotonic() > deadline:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        time.sleep(0.01)


def _times(running: Cloud, toggle: Toggle, changes: int) -> list[float]:
    """Seconds from the answer to the first packet that passes, and to the last one, in turn."""
    found = []
    with _probing(running, toggle) as arrivals:
        for _ in range(changes // 2):
            arrivals.clear()
            toggle.on()
            changed = time.monotonic()
            _until(lambda: bool(arrivals))
            found.append(arrivals[0] - changed)
            time.sleep(QUIET)
            toggle.off()
            changed = time.monotonic()
            _until(lambda: time.monotonic() - max(changed, arrivals[-1]) > QUIET)  # noqa: B023  # called within the round
            found.append(max(0.0, arrivals[-1] - changed))
    return found


def _names(running: Cloud, tenant: Tenant, changes: int) -> list[float]:
    """Seconds from a booking's answer to the name's, and from the answer that takes it back to none."""
    network = tenant.call("GET", f"{VPC}/private-networks?name=many-1-0")["private_networks"][0]
    held = tenant.call("GET", f"{IPAM}/ips?private_network_id={network['id']}&resource_type=instance_private_nic")[
        "ips"
    ]
    asker = _inside(running, held[0]["resource"]["name"], _ASKER, f"booked.{network['name']}.internal", str(GAP))
    resource = {"mac_address": "02:00:5E:00:00:01", "name": "booked"}
    found = []
    assert asker.stdout is not None
    assert asker.stdin is not None
    try:
        assert asker.stdout.readline().endswith(" none\n")
        for _ in range(changes // 2):
            ip = tenant.call("POST", f"{IPAM}/ips", source={"private_network_id": network["id"]}, resource=resource)
            changed = time.monotonic()
            found.append(max(0.0, float(asker.stdout.readline().split()[0]) - changed))
            tenant.call("POST", f"{IPAM}/ips/{ip['id']}/detach", resource=resource)
            changed = time.monotonic()
            found.append(max(0.0, float(asker.stdout.readline().split()[0]) - changed))
            tenant.call("DELETE", f"{IPAM}/ips/{ip['id']}")
    finally:
        asker.stdin.close()
        asker.wait(10)
    return found


@contextlib.contextmanager
def _probing(running: Cloud, toggle: Toggle) -> Iterator[list[float]]:
    """Send datagrams for as long as the block runs; when those that pass arrived."""
    arrivals: list[float] = []
    listener = _inside(running, toggle.target, _LISTENER, str(toggle.port if toggle.port != MAPPED else PORT))
    prober = _inside(running, toggle.source, _PROBER, toggle.address, str(toggle.port), str(GAP))
    assert listener.stdout is not None
    assert prober.stdout is not None

    def collect() -> None:
        assert listener.stdout is not None
        for line in listener.stdout:
            arrivals.append(float(line))

    try:
        assert listener.stdout.readline() == "listening\n"
        assert prober.stdout.readline() == "sending\n"
        threading.Thread(target=collect, daemon=True).start()
        time.sleep(QUIET)
        assert not arrivals, f"{toggle.what}: packets pass before anything lets them"
        yield arrivals
    finally:
        for process in (prober, listener):
            assert process.stdin is not None
            process.stdin.close()
            process.wait(10)


def _inside(running: Cloud, host: str, code: str, *arguments: str) -> subprocess.Popen[str]:
    argv = running.inside(host, [sys.executable, "-S", "-u", "-c", _WHILE_OPEN + code, *arguments])
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _said(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    p99 = ordered[math.ceil(0.99 * len(ordered)) - 1]
    return f"{median(ordered) * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, most {ordered[-1] * 1000:.0f} ms"


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {PATIENCE:.0f} s")
        time.sleep(0.002)
