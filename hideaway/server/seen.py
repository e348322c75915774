"""hideaway's own routes that show packets: where one goes, what the rules have met, how to look into a host's port."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import msgspec

from hideaway.api.call import Call
from hideaway.api.pipeline import Later, Route
from hideaway.api.shapes import Body, Name, Query
from hideaway.base.errors import PlainError, invalid
from hideaway.fabric.aims import aim
from hideaway.fabric.model import EDGE, Fabric
from hideaway.fabric.seen import Count, Packet, Trace
from hideaway.server.rights import owner_only
from hideaway.server.view import View

PATIENCE, LONGEST = 2.0, 30.0
"""Seconds that an answer is waited for, and may be."""


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What these routes need of a data plane."""

    trace: Callable[[str, Packet, float], Trace]
    counts: Callable[[], tuple[Count, ...]]
    capture: Callable[[str, str], list[str]]
    strike: Callable[[str, bool], None]


class Follow(Body, frozen=True, kw_only=True):
    """A packet to send. target is an address, a host's id or name; without a protocol a port means TCP, none a ping."""

    source: Name
    target: Name
    protocol: Literal["tcp", "udp", "icmp"] | None = None
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    ipv6: bool | None = None
    seconds: Annotated[float, msgspec.Meta(gt=0, le=LONGEST)] | None = None


class Flows(Query, frozen=True, kw_only=True):
    """resource: only the rules of the resource with this id or name, or that stand in the host with this one."""

    resource: str | None = None


class Capture(Body, frozen=True, kw_only=True):
    """port: HOST, HOST:INTERFACE, or the id of a resource that is a port (a NIC, a gateway's attachment)."""

    port: Name


class Captured(msgspec.Struct, frozen=True, kw_only=True):
    """Where to look: argv, run on this machine, writes a pcap. interface is `any` for all of the host's."""

    host: str
    interface: str
    argv: list[str]


class Eyes:
    """The handlers. sight is None without a data plane; fabric is what it holds now.

    organization_id: whom the cloud was started for, and who may look at the edge itself.
    """

    def __init__(self, sight: Sight | None, fabric: Callable[[], Fabric], organization_id: str):
        self.sight, self.fabric, self.organization_id = sight, fabric, organization_id

    def routes(self) -> list[Route]:
        return [
            Route(method="POST", path="/hideaway/v1/trace", handler=self.trace, body=Follow),
            Route(method="GET", path="/hideaway/v1/flows", handler=self.flows, query=Flows),
            Route(method="POST", path="/hideaway/v1/capture", handler=self.capture, body=Capture),
        ]

    def trace(self, call: Call, body: Follow) -> Later:
        """Follow one real packet of a host of the caller's, or of the internet's probe host."""
        sight, view = self._sight(), self._view(call)
        source = view.host(body.source)
        target = aim(Fabric(hosts=view.hosts), source, body.target, v6=bool(body.ipv6))
        if target is None:
            family = "IPv6" if body.ipv6 else "IPv4"
            raise invalid("target", f"{body.target!r} is no address, and no host here with an {family} address")
        protocol = body.protocol or ("tcp" if body.port else "icmp")
        if protocol == "icmp" and body.port:
            raise invalid("port", "ICMP has no ports")
        if protocol != "icmp" and not body.port:
            raise invalid("port", f"say to which port of {protocol.upper()}")
        packet = Packet(source="", target=target, protocol=protocol, target_port=body.port or 0)
        patience = body.seconds or PATIENCE
        return Later(lambda: view.trace(sight.trace(source.id, packet, patience)))

    def flows(self, call: Call, query: Flows) -> Later:
        """What each rule of the caller's resources has met."""
        sight, view = self._sight(), self._view(call)
        return Later(lambda: {"flows": view.counts(sight.counts(), query.resource)})

    def capture(self, call: Call, body: Capture) -> Captured:
        """How to look at a port of one of the caller's hosts."""
        sight, view = self._sight(), self._view(call)
        if body.port == EDGE and call.principal.organization_id == self.organization_id:
            return Captured(host=EDGE, interface="any", argv=sight.capture(EDGE, "any"))
        host, port = view.place(body.port, "port")
        interface = port.name if port else "any"
        return Captured(host=host.name, interface=interface, argv=sight.capture(host.id, interface))

    def _view(self, call: Call) -> View:
        owner_only(call, "packets")
        return View(call, self.fabric())

    def _sight(self) -> Sight:
        if self.sight is None:
            raise PlainError(412, "there is no data plane here: no packet flows", "precondition_failed")
        return self.sight
