"""Rules of part 11 on machines that were not made through the API: they ask, are told, and are reached."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud_under_test import Cloud, cloud
from tests.packets import dhcp
from tests.packets.site import IPS, Site

pytestmark = pytest.mark.packets
FLAGS = ("--data-plane", "linux", "--linger", "30")
MACHINES = "/hideaway/v1/machines"
needs_v6 = pytest.mark.skipif(not dhcp.has_v6(), reason="no dhclient: apt-get install isc-dhcp-client")


@pytest.fixture
def site(tmp_path: Path, packets: None) -> Iterator[Site]:
    """Two networks of a VPC that routes, with a server in each and a gateway in the first."""
    with cloud(tmp_path, *FLAGS) as running:
        made = Site(running)
        vpc = made.vpc("vpc")
        made.networks = {"net": made.network("net", vpc), "far": made.network("far", vpc)}
        made.server("web", made.networks["net"])
        made.server("db", made.networks["far"])
        made.gateway("egress", made.networks["net"])
        made.settled()
        yield made


def command(running: Cloud, *words: str) -> str:
    """What a command of hideaway's that must succeed prints."""
    name, *more = words
    argv = [sys.executable, "-m", "hideaway.cli", name, "--state", str(running.state), *more]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def plugged(site: Site, *words: str) -> dict[str, Any]:
    """A machine that `hideaway attach` plugged into `net`."""
    found: dict[str, Any] = json.loads(command(site.cloud, "attach", "net", "--json", *words))
    return found


def held(site: Site, machine: dict[str, Any]) -> list[str]:
    """What IPAM lists for its MAC."""
    ips = site.call("GET", f"{IPS}?mac_address={machine['mac_address']}")["ips"]
    assert {ip["resource"]["type"] for ip in ips} <= {"custom"}
    return sorted((ip["address"] for ip in ips), key=lambda a: ":" in a)


def routes(site: Site, host: str, family: str = "-4") -> set[tuple[str, str]]:
    """A host's routes that lead somewhere: destination and next hop."""
    found = json.loads(site.run(host, "ip", "-j", family, "route", "show"))
    return {(r["dst"], r.get("gateway", "")) for r in found if r.get("protocol") in ("static", "dhcp", "ra")}


def test_a_new_namespace_asks_and_is_as_if_it_had_been_made_through_the_api(site: Site) -> None:
    machine = plugged(site, "--name", "box")
    assert held(site, machine) == machine["addresses"]
    address = machine["addresses"][0].partition("/")[0]
    assert machine["addresses"][0] in site.run("box", "ip", "address", "show", "dev", "ens5")
    assert routes(site, "box") == routes(site, "web")
    assert site.run("box", "cat", "/etc/resolv.conf") == site.run("web", "cat", "/etc/resolv.conf")
    assert site.tries("web", "ping", "-4", "-c1", "-W2", "box"), "by its name"
    assert site.tries("box", "ping", "-4", "-c1", "-W2", "db.far.internal"), "through the router"
    assert site.tries("box", "ping", "-c1", "-W2", "198.18.9.9"), "through the gateway"
    command(site.cloud, "detach", "box")
    site.settled()
    assert held(site, machine) == []
    assert not site.tries("web", "ping", "-c1", "-W1", address)


@needs_v6
def test_it_asks_by_ipv6_and_hears_the_router(site: Site) -> None:
    machine = plugged(site, "--name", "box")
    address = machine["addresses"][1].partition("/")[0]
    site.until(lambda: f"{address}/128" in site.run("box", "ip", "-6", "address", "show", "dev", "ens5"), True)
    networks = {destination for destination, _ in routes(site, "web", "-6")}
    site.until(lambda: {d for d, _ in routes(site, "box", "-6")} >= networks, True, 40)
    # It first looks whether nobody else has the address (RFC 4862), as any machine does.
    site.until(lambda: site.tries("box", "ping", "-6", "-c1", "-W2", "db.far.internal"), True)
    assert site.tries("db", "ping", "-6", "-c1", "-W2", "box.net.internal")


def test_it_stays_plugged_in_over_a_server_and_over_a_world(site: Site) -> None:
    machine = plugged(site, "--name", "box")
    site.http.close()
    site.cloud.kill()
    site.cloud.start()
    site.http = site.cloud.http()
    assert site.tries("web", "ping", "-4", "-c1", "-W2", "box"), "the world lives on"
    os.kill(_keeper(site.cloud), signal.SIGKILL)
    site.until(lambda: _again(site, machine), True, 60)
    assert held(site, machine) == machine["addresses"]


def _keeper(running: Cloud) -> int:
    argv = running.inside("world", ["true"])
    return int(argv[argv.index("--target") + 1])


def _again(site: Site, machine: dict[str, Any]) -> bool:
    try:
        return machine["addresses"][0] in site.run("box", "ip", "address") and site.tries("web", "ping", "-c1", "box")
    except AssertionError:
        return False


def test_an_address_that_goes_to_another_machine_is_given_to_it_at_once(site: Site) -> None:
    first = plugged(site, "--name", "first")
    command(site.cloud, "detach", "first")
    second = plugged(site, "--name", "second")
    assert second["addresses"][0] == first["addresses"][0]
    assert second["mac_address"] != first["mac_address"]
    assert second["addresses"][0] in site.run("second", "ip", "address")


def test_without_a_client_it_asks_when_it_likes(site: Site) -> None:
    machine = plugged(site, "--name", "idle", "--no-dhcp", "--mac", "02:00:5e:10:00:01")
    assert machine["mac_address"] == "02:00:5e:10:00:01"
    assert "172.16" not in site.run("idle", "ip", "-4", "address")
    lease = dhcp.lease(site.cloud, "idle", "ens5")
    assert f"{lease['ip']}/{lease['mask']}" == machine["addresses"][0]
    assert lease["hostname"] == "idle"


def test_a_namespace_of_the_machines_is_plugged_in_and_let_go(site: Site) -> None:
    """By a server that runs as root; an ordinary user's has none of the machine's."""
    if os.geteuid() != 0:
        refused(site, "root", netns="/proc/self/ns/net")
        return
    name = f"hideaway-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    inside = ["ip", "netns", "exec", name]
    try:
        sleeper = subprocess.Popen([*inside, "sleep", "100"])
        plugged(site, "--name", "guest", "--netns", f"/run/netns/{name}", "--dhcp")
        web, _ = site.addresses(site.networks["net"], "web")
        assert subprocess.run([*inside, "ping", "-c1", "-W2", web]).returncode == 0
        assert site.tries("web", "ping", "-4", "-c1", "-W2", "guest")
        assert site.tries("guest", "ping", "-4", "-c1", "-W2", "web"), "hideaway exec enters it"
        os.kill(_keeper(site.cloud), signal.SIGKILL)
        site.until(lambda: _reached(site), True, 60)
        command(site.cloud, "detach", "guest")
        site.settled()
        links = json.loads(subprocess.run([*inside, "ip", "-j", "link"], capture_output=True, check=True).stdout)
        assert [link["ifname"] for link in links] == ["lo"], "nothing of it is left"
        assert sleeper.poll() is None, "and what ran there runs on"
        sleeper.kill()
        sleeper.wait()
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def _reached(site: Site) -> bool:
    try:
        return site.tries("web", "ping", "-4", "-c1", "-W2", "guest")
    except AssertionError:
        return False


def test_a_namespace_that_is_gone_hinders_nobody_else(site: Site) -> None:
    if os.geteuid() != 0:
        refused(site, "root", netns="/run/netns/gone")
        return
    holder = subprocess.Popen(["unshare", "--net", "sleep", "100"])
    site.until(lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != os.readlink("/proc/self/ns/net"), True)
    plugged(site, "--name", "guest", "--netns", f"/proc/{holder.pid}/ns/net")
    holder.kill()
    holder.wait()
    os.kill(_keeper(site.cloud), signal.SIGKILL)
    site.until(lambda: _reaches_db(site), True, 60)
    command(site.cloud, "detach", "guest")
    site.until(lambda: site.call("GET", MACHINES)["machines"], [])


def _reaches_db(site: Site) -> bool:
    try:
        return site.tries("web", "ping", "-4", "-c1", "-W2", "db.far.internal")
    except AssertionError:
        return False


def refused(site: Site, word: str, **what: str) -> None:
    """That this cannot be plugged in here is said, and nothing is booked for it."""
    before = len(site.call("GET", IPS)["ips"])
    answer = site.http.post(MACHINES, json={"network": "net", **what})
    assert answer.status_code == 412
    assert word in answer.text
    assert len(site.call("GET", IPS)["ips"]) == before


def test_who_opens_a_tap_device_is_on_the_network(site: Site) -> None:
    """A virtual machine's first steps: it asks by DHCP, and is offered its address. Where tap devices may be had."""
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        refused(site, "/dev/net/tun", tap="tap0")
        return
    machine = plugged(site, "--name", "vm", "--tap", "tap0")
    said = site.run("vm", sys.executable, "-I", "-S", "-c", GUEST, "tap0", machine["mac_address"])
    assert said.split() == [machine["addresses"][0].partition("/")[0], "169.254.169.254"]


GUEST = """
import fcntl, os, select, socket, struct, sys, time
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH", sys.argv[1].encode(), 0x1002))  # TUNSETIFF: IFF_TAP | IFF_NO_PI
mac = bytes.fromhex(sys.argv[2].replace(":", ""))
options = b"\\x63\\x82\\x53\\x63" + bytes([53, 1, 1, 55, 2, 1, 6, 255])
dhcp = struct.pack("!4BIHH", 1, 1, 6, 0, 4711, 0, 0x8000) + bytes(16) + mac + bytes(10 + 192) + options
udp = struct.pack("!4H", 68, 67, 8 + len(dhcp), 0) + dhcp
head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), b"\\xff" * 4)
total = sum(struct.unpack("!10H", head))
total = (total >> 16) + (total & 0xFFFF)
head = head[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + head[12:]
frame = b"\\xff" * 6 + mac + b"\\x08\\x00" + head + udp
deadline = time.monotonic() + 10
while time.monotonic() < deadline:
    os.write(tap, frame)
    while select.select([tap], [], [], 1)[0]:
        got = os.read(tap, 2048)
        if got[12:14] == b"\\x08\\x00" and got[23] == 17 and got[36:38] == struct.pack("!H", 68):
            print(socket.inet_ntoa(got[58:62]), socket.inet_ntoa(got[26:30]))
            sys.exit()
sys.exit("nobody answered")
"""
