"""What a server is started with. Plain values, complete and checked: nothing here is looked up again later."""

from __future__ import annotations

import ipaddress
import math
from enum import StrEnum
from pathlib import Path

import msgspec

from hideaway.base.errors import Fault, InvalidArguments
from hideaway.cloud.change import Pace
from hideaway.cloud.founding import Credentials
from hideaway.fabric.doors import DOORS
from hideaway.store import Durability

MEMORY = ":memory:"
LOOPBACK = ipaddress.IPv4Network("127.0.0.0/8")
LONGEST = 7 * 24 * 3600
"""No time that is chosen here is longer, in seconds: the machine's timers have ends, and nan none at all."""


class DataPlane(StrEnum):
    """What carries the packets: the kernel where it can, the kernel or nothing at all, or only records."""

    AUTO = "auto"
    LINUX = "linux"
    NONE = "none"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """All that `serve` needs.

    state is the folder that keeps everything, or None: nothing is kept. owner is what `state.owner_for` settled.
    heartbeat_interval, heartbeat_grace and linger are in seconds: how often a node reports, how long it may be silent
    before it is not ready, and how long the world outlives a server that was killed. doors: the /15 of this
    machine's loopback at which it reaches what is public in the world, "" for none. internet: whether the world
    reaches the real internet through this machine. host_route: a link and a route of this machine's, not doors.
    """

    owner: Credentials
    host: str = "127.0.0.1"
    port: int = 7373
    state: Path | None = None
    data_plane: DataPlane = DataPlane.AUTO
    pace: Pace = Pace.INSTANT
    durability: Durability = Durability.PROCESS
    heartbeat_interval: float = 10.0
    heartbeat_grace: float = 40.0
    linger: float = 60.0
    doors: str = DOORS
    internet: bool = False
    host_route: bool = False

    @property
    def url(self) -> str:
        """Where a client on this machine reaches the API."""
        return url_of(self.host, self.port)

    def check(self) -> Options:
        """These options. Raises InvalidArguments with every fault that the numbers have."""
        faults: list[Fault] = []
        if not 0 <= self.port <= 65535:
            faults.append(Fault("--listen", "constraint", f"port {self.port} is not one of 0 to 65535"))
        for flag, seconds in (
            ("--heartbeat-interval", self.heartbeat_interval),
            ("--heartbeat-grace", self.heartbeat_grace),
            ("--linger", self.linger),
        ):
            if math.isnan(seconds) or seconds > LONGEST:
                faults.append(Fault(flag, "constraint", f"must be {LONGEST} seconds (a week) or less"))
        if self.heartbeat_interval <= 0:
            faults.append(Fault("--heartbeat-interval", "constraint", "must be more than 0 seconds"))
        if self.heartbeat_grace <= self.heartbeat_interval:
            said = f"must be longer than the interval ({self.heartbeat_interval:g} s), else every node is not ready"
            faults.append(Fault("--heartbeat-grace", "constraint", said))
        if self.linger < 0:
            faults.append(Fault("--linger", "constraint", "must be 0 seconds or more"))
        if faults:
            raise InvalidArguments(*faults)
        return self


def doors_network(text: str) -> str:
    """What `--doors` says: a /15 of 127.0.0.0/8, or "" for `none`. Raises InvalidArguments."""
    if text == "none":
        return ""
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        network = ipaddress.IPv4Network("0.0.0.0/0")
    if network.prefixlen != 15 or not network.subnet_of(LOOPBACK) or ipaddress.IPv4Address("127.0.0.1") in network:
        raise InvalidArguments(Fault("--doors", "format", f"{text!r} is neither none nor a /15 as {DOORS} is"))
    return text


def listen_address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, `[V6]:PORT`, `:PORT` or `PORT`. Raises InvalidArguments."""
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise InvalidArguments(Fault("--listen", "format", f"{text!r}: write an IPv6 address as [ADDRESS]:PORT"))
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise InvalidArguments(Fault("--listen", "format", f"{text!r} is not HOST:PORT, e.g. 127.0.0.1:7373"))
    return host or "127.0.0.1", int(port)


def url_of(host: str, port: int) -> str:
    """The address for a client on the same machine; one that listens everywhere is reached over the loopback."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"
