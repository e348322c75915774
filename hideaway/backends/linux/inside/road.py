"""The road: a link from the machine to the edge and a route of the machine's, in the place of doors. Runs outside.

With root only. The machine is at the users' address itself, so whoever works on it reaches all that is public in the
world where it is there. Link, addresses and route go with the world, for the other end of the link does.
"""

from __future__ import annotations

import argparse
import hashlib
import signal
import subprocess
import sys
from collections.abc import Iterator

from .programs import say_fault

EDGE = "/proc/1/root/run/netns/edge"
LINK = "machine"
PATIENCE = 20.0


def main() -> None:
    """Arguments: --world ID, --mac of both ends, and for each family --way USER,EDGE,NETWORK. Runs until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--world", required=True)
    parser.add_argument("--mac", required=True)
    parser.add_argument("--way", action="append", required=True)
    arguments = parser.parse_args()
    link = f"hwroad{hashlib.blake2s(arguments.world.encode(), digest_size=3).hexdigest()}"
    subprocess.run(["ip", "link", "delete", link], capture_output=True, check=False, timeout=PATIENCE)
    ways = [way for way in (each.split(",") for each in arguments.way) if ":" not in way[0] or _speaks_v6()]
    _batch([], _outer(link, arguments.mac, ways))
    _batch(["nsenter", f"--net={EDGE}", "--"], _inner(ways))
    say_fault("road", "")
    signal.pause()


def _outer(link: str, mac: str, ways: list[list[str]]) -> Iterator[str]:
    """The machine's side: a route that stands already is somebody else's, and is left to them."""
    yield f"link add {link} address {mac} type veth peer name {LINK} address {mac} netns {EDGE}"
    for user, _edge, _network in ways:
        yield f"address add {user} dev {link}{' nodad' if ':' in user else ''}"
    yield f"link set {link} up arp off"
    for user, edge, network in ways:
        yield f"route add {network} via {edge} dev {link} onlink src {user}"


def _inner(ways: list[list[str]]) -> Iterator[str]:
    yield f"link set {LINK} up arp off"
    for user, _edge, _network in ways:
        yield f"address flush dev lo to {user}"  # it was the edge's own, for who comes through doors
        yield f"route replace {user} dev {LINK}"


def _speaks_v6() -> bool:
    try:
        with open("/proc/sys/net/ipv6/conf/all/disable_ipv6") as file:
            return file.read().strip() == "0"
    except OSError:
        return False


def _batch(prefix: list[str], lines: Iterator[str]) -> None:
    said = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(
        [*prefix, "ip", "-batch", "-"], input=said, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    if done.returncode != 0:
        say_fault("road", done.stderr.strip())
        sys.exit(f"road: {done.stderr.strip()}")
