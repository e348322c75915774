"""Looking at packets in a world: sending one and following it, and reading what the rules have counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from hideaway.backends.linux import names, world
from hideaway.backends.linux.following import Followed, Story
from hideaway.backends.linux.meaning import Meanings
from hideaway.backends.linux.ruleset import listed
from hideaway.base.errors import HideawayError
from hideaway.fabric.aims import on_the_way
from hideaway.fabric.model import Fabric, Host
from hideaway.fabric.seen import Count, Packet, Trace

PATIENCE = 2.0
"""Seconds that an answer is waited for."""


class Run(Protocol):
    """Runs argv in a namespace of the world to its end: status, stdout, stderr."""

    def __call__(
        self, namespace: str, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 60
    ) -> dict[str, Any]: ...


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What inside/trace.py is told."""

    source: str
    namespaces: tuple[str, ...]
    tracking: tuple[str, ...]
    target: str
    protocol: str
    port: int
    patience: float


def order(fabric: Fabric, source: Host, packet: Packet, patience: float) -> Order:
    """Where to follow a packet that a host sends, and what to send."""
    hosts = on_the_way(fabric, source, packet.target)
    tracking = [names.namespace(h.id) for h in hosts if h.gateway is not None]  # who translates
    return Order(
        source=names.namespace(source.id),
        namespaces=(names.EDGE_NAMESPACE, names.UPLINK_NAMESPACE, *(names.namespace(h.id) for h in hosts)),
        tracking=(names.EDGE_NAMESPACE, *tracking),
        target=packet.target,
        protocol=packet.protocol,
        port=packet.target_port,
        patience=patience,
    )


def follow(run: Run, fabric: Fabric, source: Host, told: Order) -> Trace:
    """Send the packet and tell what became of it. Raises HideawayError when it cannot be followed."""
    argv, stdin = world.program("trace"), msgspec.json.encode(told).decode()
    done = run("", argv, stdin=stdin, timeout=told.patience + 20)
    if done["status"] != 0:
        raise HideawayError(f"the packet cannot be followed: {_last_line(done['stderr'])}")
    followed = msgspec.json.decode(done["stdout"], type=Followed)
    packet = Packet(
        source=followed.source,
        target=told.target,
        protocol=told.protocol,
        source_port=0 if told.protocol == "icmp" else followed.source_port,
        target_port=told.port,
    )
    return Story(fabric, followed, lambda *asked: no_way(run, *asked)).tell(source, packet)


def no_way(run: Run, namespace: str, target: str, source: str, device: str) -> str:
    """Why the kernel of a namespace knows no way to an address, "" where it does: of what comes by a device, or of
    its own."""
    comes = ["from", source, "iif", device] if device else []
    done = run(namespace, ["ip", "route", "get", target, *comes])
    return "" if done["status"] == 0 else _last_line(done["stderr"]).removeprefix("RTNETLINK answers: ")


def counts(run: Run, fabric: Fabric) -> tuple[Count, ...]:
    """What every rule of the Fabric's has met, in the order in which they are met: the edge's, then each host's."""
    meanings = Meanings(fabric)
    ruled = (h for h in fabric.hosts if h.gateway or h.router or h.redirects or h.dhcp_dropped)
    hosts = sorted(names.namespace(h.id) for h in ruled)
    found = []
    for namespace in (names.EDGE_NAMESPACE, *hosts):
        done = run(namespace, ["nft", "-a", "list", "ruleset"])
        if done["status"] == 0:  # else the host has just gone
            rules = (meanings.count(namespace, rule) for rule in listed(done["stdout"]) if rule.packets is not None)
            found += [count for count in rules if count is not None]
    return tuple(found)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "nothing was said"
