"""Load Balancers are HAProxy: a master that keeps the sockets, and workers that follow each other without a gap."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from hideaway.backends.linux.channel import connect
from hideaway.backends.linux.services.base import Place, Program
from hideaway.fabric.services import Balancer, Frontend, Observed

CONFIGURATION, STATS = "haproxy.cfg", "stats.sock"
PATIENCE = 1.0  # seconds


def program(_host: str, balancer: Balancer, _place: Place) -> Program:
    """HAProxy in the foreground, with a master that starts new workers on SIGUSR2 and lets old ones finish."""
    return Program(
        argv=("haproxy", "-W", "-db", "-f", CONFIGURATION),
        files={CONFIGURATION: "".join(f"{line}\n" for line in configuration(balancer)).encode()},
        reload=signal.SIGUSR2,
    )


def configuration(balancer: Balancer) -> Iterator[str]:
    """HAProxy's own language."""
    yield "global"
    yield f" stats socket unix@{STATS} mode 600 level admin expose-fd listeners"
    yield "defaults"
    yield " mode tcp"
    yield " timeout connect 5s"
    yield " timeout client 60s"
    yield " timeout server 60s"
    for frontend in balancer.frontends:
        yield from _frontend(frontend)


def _frontend(frontend: Frontend) -> Iterator[str]:
    yield f"listen {frontend.id}"
    yield f" bind :::{frontend.port} v4v6"
    for number, target in enumerate(frontend.targets):
        yield f" server s{number} {target.address}:{target.port}"


def look(_balancer: Balancer, place: Place) -> Observed:
    """Ready once it answers on its own socket."""
    try:
        with connect(place.folder, STATS, PATIENCE) as channel:
            channel.sendall(b"show info\n")
            return Observed(ready=bool(channel.recv(1)))
    except OSError as error:
        return Observed(ready=False, reason=f"HAProxy does not answer: {error}")
