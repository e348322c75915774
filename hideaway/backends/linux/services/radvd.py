"""IPv6 router advertisements are radvd: dnsmasq's cannot tell of routes (RFC 4191)."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from hideaway.backends.linux.services.base import Place, Program, announced
from hideaway.fabric.services import Advertised, Advertisements, Observed

CONFIGURATION, PID = "radvd.conf", "pid"
OFTEN = (10, 30)  # seconds; a machine that asks is answered at once
LIFETIME = 300  # seconds that a route is believed in without another word


def program(_host: str, said: Advertisements, place: Place) -> Program:
    """radvd in the foreground."""
    lines = (line for link in said.links for line in _interface(link))
    paths = ("-C", str(place.folder / CONFIGURATION), "-p", str(place.folder / PID))
    return Program(
        argv=announced(place.folder / PID, "radvd", "-n", "-m", "stderr", *paths),
        files={CONFIGURATION: "".join(f"{line}\n" for line in lines).encode()},
        reload=signal.SIGHUP,
    )


def _interface(link: Advertised) -> Iterator[str]:
    yield f"interface {link.device} {{"
    yield " AdvSendAdvert on;"
    yield " AdvManagedFlag on;"
    yield " AdvOtherConfigFlag on;"
    yield " AdvDefaultLifetime 0;"
    yield f" MinRtrAdvInterval {OFTEN[0]};"
    yield f" MaxRtrAdvInterval {OFTEN[1]};"
    for network in link.networks:
        yield f" prefix {network} {{ AdvOnLink on; AdvAutonomous off; }};"
    for route in link.routes:
        yield f" route {route} {{ AdvRouteLifetime {LIFETIME}; RemoveRoute on; }};"
    yield "};"


def look(_said: Advertisements, place: Place) -> Observed:
    """Ready once it has written its process id."""
    if (place.folder / PID).exists():
        return Observed(ready=True)
    return Observed(ready=False, reason="radvd does not run (yet)")
