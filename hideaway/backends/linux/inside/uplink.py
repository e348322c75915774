"""The uplink: from the world's uplink namespace through the machine to the real internet. Runs outside (outsider.py).

With root, where the machine forwards packets, it is a veth and translation by the kernel: the rules are in a table that
belongs to a process (`flags owner`), so the kernel takes them away with it, and the link goes with the world. Otherwise
it is `pasta`, which makes connections of its own for each of the world's. Neither changes a setting of the machine, and
nothing stays behind, however it ends.

What is the machine's own stays closed: packets to its addresses are dropped on their way, and whenever those change.
Special and private ranges are dropped at the edge already (rules.py).
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import ipaddress
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from . import namespaces
from .programs import say_fault
from .relay import Reactor
from .resolver import Resolver

WORLD = "/proc/1/root/run/netns"
UPLINK, EDGE = f"{WORLD}/uplink", f"{WORLD}/edge"
LOG = "pasta.log"
OUT = "out"
"""What the uplink namespace calls its way outside."""
INNER_V4, OUTER_V4 = "169.254.43.2", "169.254.43.1"
INNER_V6, OUTER_V6 = "fd43::2", "fd43::1"
RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR = 0x10, 0x100
PATIENCE, SETTLED = 20.0, 1.0  # seconds


class Failed(Exception):
    """A program that was needed failed; the text says what it said."""


def main() -> None:
    """Arguments: --world ID, --resolver ADDRESS, and --nat where the kernel may do it. Runs until it is killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--world", required=True)
    parser.add_argument("--resolver", required=True)
    parser.add_argument("--nat", action="store_true")
    arguments = parser.parse_args()
    try:
        _run(arguments.world, arguments.resolver, arguments.nat and _forwards("ipv4/ip_forward"))
    except (Failed, OSError, subprocess.SubprocessError) as error:
        say_fault("uplink", str(error))
        sys.exit(f"uplink: {error}")


def _run(world: str, resolver: str, nat: bool) -> None:
    """Until it fails."""
    reactor = Reactor()
    _close_to(_own())  # before there is any way
    process = _translate(world) if nat else _pasta()
    changed = _notices()
    names = Resolver(reactor, EDGE, resolver)
    ended = os.pidfd_open(process.pid)
    reactor.hear(ended, select.EPOLLIN, lambda _events: _ended(process))
    reactor.hear(changed.fileno(), select.EPOLLIN, lambda _events: _again(changed))
    well = time.monotonic() + SETTLED
    while True:
        reactor.turn(10.0 if not well else max(0.0, well - time.monotonic()))
        if well and time.monotonic() > well:
            say_fault("uplink", "")
            well = 0.0
        names.sweep()


def _ended(process: subprocess.Popen[bytes]) -> None:
    said = ""
    with contextlib.suppress(OSError), open(LOG) as file:
        said = "; ".join(line.strip() for line in file.readlines()[-3:])
    raise Failed(f"{process.args!r} ended with status {process.wait()}: {said}")


# What is the machine's own


def _notices() -> socket.socket:
    """Tells when an address comes or goes."""
    channel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)
    channel.bind((0, RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR))
    return channel


def _again(changed: socket.socket) -> None:
    try:
        while changed.recv(1 << 16):
            pass
    except OSError:  # no more of it; or too much of it, which says the same
        pass
    _close_to(_own())


def _own() -> list[str]:
    """All addresses of the machine."""
    links: list[dict[str, Any]] = json.loads(_ran(["ip", "-j", "address", "show"]) or "[]")
    return sorted({each["local"] for link in links for each in link.get("addr_info", ()) if "local" in each})


def _close_to(addresses: list[str]) -> None:
    """Let nothing through to these addresses, in one step."""
    lines = []
    for name, v6 in (("machine4", False), ("machine6", True)):
        lines.append(f"flush set inet uplink {name}")
        if found := [a for a in addresses if (":" in a) is v6]:
            lines.append(f"add element inet uplink {name} {{ {', '.join(found)} }}")
    _ran([*_inside(), "nft", "-f", "-"], "".join(f"{line}\n" for line in lines))


# By connections of its own


def _pasta() -> subprocess.Popen[bytes]:
    """pasta. Nothing of it leads inwards, no address of the world's stands for the machine's loopback."""
    argv = ["pasta", "--foreground", "--quiet", "--log-file", os.path.abspath(LOG)]
    argv += ["--netns", _near(UPLINK), "--netns-only", "--no-netns-quit"]
    argv += ["--ns-ifname", OUT, "--config-net", "--no-map-gw", "--mtu", "1500"]
    argv += ["--no-dhcp", "--no-dhcpv6", "--no-ra", "--dns", "none"]
    argv += ["--address", INNER_V4, "--netmask", "30", "--gateway", OUTER_V4]
    argv += ["--address", INNER_V6, "--gateway", OUTER_V6]
    for option in ("--tcp-ports", "--udp-ports", "--tcp-ns", "--udp-ns"):
        argv += [option, "none"]
    if os.geteuid() == 0 and _is_machines_root():
        argv += ["--runas", "0:0"]  # it keeps two capabilities in all; as nobody it could not enter the namespace
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL)


def _near(namespace: str) -> str:
    """Where pasta may find a namespace: it gives its rights away before it looks, those to look into /proc/1 first."""
    place = os.path.abspath("uplink.netns")
    with contextlib.suppress(OSError):
        namespaces.detach(place)
    os.close(os.open(place, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o400))
    namespaces.mount(namespace, place, flags=namespaces.MS_BIND)  # seen by what is outside only
    return place


def _is_machines_root() -> bool:
    """Whether uid 0 here is uid 0 outside."""
    with open("/proc/self/uid_map") as file:
        return file.read().split()[:2] == ["0", "0"]


# By translation


def _translate(world: str) -> subprocess.Popen[bytes]:
    """A veth to the uplink namespace, and a table of the machine's that lives as long as the process returned."""
    link = f"hideaway{hashlib.blake2s(world.encode(), digest_size=3).hexdigest()}"
    outer, inner, outer_v6, inner_v6 = _ends(world)
    if not _forwards("ipv6/conf/all/forwarding"):
        outer_v6 = inner_v6 = ""
    subprocess.run(["ip", "link", "delete", link], capture_output=True, check=False, timeout=PATIENCE)
    _ran(["ip", "-batch", "-"], "".join(f"{line}\n" for line in _outer_lines(link, outer, outer_v6)))
    lines = _inner_lines(outer, inner, outer_v6, inner_v6)
    _ran([*_inside(), "ip", "-batch", "-"], "".join(f"{line}\n" for line in lines))
    # Interactive, nft keeps its socket open, and with it the table.
    process = subprocess.Popen(["nft", "-i"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert process.stdin is not None
    process.stdin.write("".join(f"{line}\n" for line in _table(link, inner, inner_v6)).encode())
    process.stdin.flush()
    return process


def _ends(world: str) -> tuple[str, str, str, str]:
    """The addresses of the link's ends: another /30 of 169.254.128.0/17 for each world, and none that is in use."""
    taken = [ipaddress.ip_address(a) for a in _own() if ":" not in a]
    start = int.from_bytes(hashlib.blake2s(world.encode(), digest_size=4).digest(), "big")
    for step in range(64):
        place = (start + step) % (1 << 13)
        network = ipaddress.IPv4Network((int(ipaddress.IPv4Address("169.254.128.0")) + 4 * place, 30))
        if not any(address in network for address in taken):
            return str(network[1]), str(network[2]), f"fd43:0:0:{place:x}::1", f"fd43:0:0:{place:x}::2"
    raise Failed("no free network is left in 169.254.128.0/17")


def _outer_lines(link: str, outer: str, v6: str) -> Iterator[str]:
    yield f"link add {link} type veth peer name {OUT} netns {UPLINK}"
    yield f"address add {outer}/30 dev {link}"
    if v6:
        yield f"address add {v6}/64 dev {link} nodad"
    yield f"link set {link} up"


def _inner_lines(outer: str, inner: str, outer_v6: str, v6: str) -> Iterator[str]:
    yield f"address add {inner}/30 dev {OUT}"
    if v6:
        yield f"address add {v6}/64 dev {OUT} nodad"
    yield f"link set {OUT} up"
    yield f"route replace default via {outer} dev {OUT}"
    if v6:
        yield f"route replace ::/0 via {outer_v6} dev {OUT}"


def _table(link: str, inner: str, v6: str) -> Iterator[str]:
    """Out and back again: not to the machine itself, and nothing begins towards the world."""
    table = f"inet {link}"
    yield f"add table {table} {{ flags owner; }}"
    for chain, hook in (
        ("input", "filter hook input priority -10"),
        ("forward", "filter hook forward priority -10"),
        ("output", "filter hook output priority -10"),
        ("postrouting", "nat hook postrouting priority srcnat"),
    ):
        yield f"add chain {table} {chain} {{ type {hook}; policy accept; }}"
    yield f'add rule {table} input iifname "{link}" meta l4proto != ipv6-icmp drop'
    yield f'add rule {table} input iifname "{link}" icmpv6 type != {{ nd-neighbor-solicit, nd-neighbor-advert }} drop'
    for chain in ("forward", "output"):
        yield f'add rule {table} {chain} oifname "{link}" ct state new drop'
    yield f"add rule {table} postrouting ip saddr {inner} masquerade"
    if v6:
        yield f"add rule {table} postrouting ip6 saddr {v6} masquerade"


def _forwards(name: str) -> bool:
    """Whether the machine passes packets on already: this is never switched for the world."""
    try:
        with open(f"/proc/sys/net/{name}") as file:
            return file.read().strip() != "0"
    except OSError:
        return False


def _inside() -> list[str]:
    return ["nsenter", f"--net={UPLINK}", "--"]


def _ran(argv: list[str], said: str = "") -> str:
    done = subprocess.run(argv, input=said, capture_output=True, text=True, check=False, timeout=PATIENCE)
    if done.returncode != 0:
        raise Failed(f"{' '.join(argv)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout
