"""hideaway's own routes that show packets: where one goes, what the rules have met, how to look into a host's port."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Literal

import msgspec

from hideaway.api.call import Call
from hideaway.api.pipeline import Later, Route
from hideaway.api.shapes import Body, Name, Query
from hideaway.base.errors import PlainError, invalid
from hideaway.cloud.documents import KINDS
from hideaway.fabric.aims import aim
from hideaway.fabric.model import EDGE, Fabric, Host, Port
from hideaway.fabric.seen import Count, Hop, Packet, Trace
from hideaway.server.rights import owner_only

HIDDEN = "another organization's"
PATIENCE, LONGEST = 2.0, 30.0
"""Seconds that an answer is waited for, and may be."""


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What these routes need of a data plane."""

    trace: Callable[[str, Packet, float], Trace]
    counts: Callable[[], tuple[Count, ...]]
    capture: Callable[[str, str], list[str]]


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
        found = view.port(body.port)
        if found is not None:
            host, interface = found
        else:
            key, _, interface = body.port.partition(":")
            host = view.host(key)
            names = [port.name for port in host.ports]
            if interface not in ("", "lo", "any", *names):
                there = ", ".join(names) or "none"
                raise invalid("port", f"{host.name} has no interface {interface!r}; there are: {there}")
        interface = interface or "any"
        return Captured(host=host.name, interface=interface, argv=sight.capture(host.id, interface))

    def _view(self, call: Call) -> View:
        owner_only(call, "packets")
        return View(call, self.fabric())

    def _sight(self) -> Sight:
        if self.sight is None:
            raise PlainError(412, "there is no data plane here: no packet flows", "precondition_failed")
        return self.sight


class View:
    """What the caller's organization may see of packets: its own hosts and rules, and those that are nobody's.

    labels: why an element is there (`<kind>:<id>`) -> the name of that resource, of those that may be seen. All is read
    at once: when packets have been followed, the transaction is over.
    """

    def __init__(self, call: Call, fabric: Fabric):
        self.fabric = fabric
        self.labels: dict[str, str] = {}
        for because in set(_reasons(fabric)):
            kind, _, id_ = because.partition(":")
            if kind == "fixed":
                self.labels[because] = id_
            elif kind in KINDS:
                document = call.change.ledger.get(KINDS[kind], id_)
                if document is not None and document.organization_id == call.principal.organization_id:
                    self.labels[because] = document.label
        self.hosts = tuple(host for host in fabric.hosts if host.because in self.labels)
        self.names = {host.id: host.name for host in self.hosts} | {EDGE: "the edge"}

    def host(self, key: str) -> Host:
        """The host with this id or name. Raises PlainError with the names that there are."""
        found = Fabric(hosts=self.hosts).host(key)
        if found is None:
            names = ", ".join(sorted(h.name for h in self.hosts)) or "none"
            raise PlainError(404, f"no host is called {key!r}; there are: {names}", "not_found")
        return found

    def port(self, key: str) -> tuple[Host, str] | None:
        """The host and interface of a resource that is a port: its id (a NIC's, a gateway's attachment's)."""
        return next(((h, p.name) for h in self.hosts for p in h.ports if key in _ids(p) and key != h.id), None)

    def trace(self, trace: Trace) -> Trace:
        """The trace with the resources' names, and without what is another organization's."""
        way, reply = tuple(map(self._hop, trace.way)), tuple(map(self._hop, trace.reply))
        why = trace.why
        for because, label in self.labels.items():
            why = why.replace(f"({because}", f"({_told(because, label)}")
        if any(hop.name == HIDDEN for hop in (*way, *reply)):
            why = f"{trace.outcome} at {HIDDEN}"
        return msgspec.structs.replace(trace, way=way, reply=reply, why=why)

    def _hop(self, hop: Hop) -> Hop:
        if hop.host not in self.names:
            return Hop(host="", name=HIDDEN, role=hop.role, arrived=hop.arrived, left=hop.left)
        return msgspec.structs.replace(hop, rules=tuple(self.counts(hop.rules)))

    def counts(self, counts: Sequence[Count], resource: str | None = None) -> list[Count]:
        """Those that may be seen, with their resources' names; only a resource's, where one is named."""
        seen = [msgspec.structs.replace(c, name=self.labels[c.because]) for c in counts if c.because in self.labels]
        return [c for c in seen if resource is None or resource in (c.name, c.host, _id(c.because), self.names[c.host])]


def _ids(port: Port) -> tuple[str, str]:
    return port.id, _id(port.because)


def _id(because: str) -> str:
    return because.partition(":")[2]


def _told(because: str, label: str) -> str:
    """A resource as a person calls it: security group web (its id)."""
    kind, _, id_ = because.partition(":")
    return f"{kind.rpartition('/')[2].replace('_', ' ')} {label} {id_}"


def _reasons(fabric: Fabric) -> Iterator[str]:
    """Why all elements are there that a packet can meet."""
    yield "fixed:edge"
    for filter_ in fabric.filters:
        yield filter_.because
        yield from (rule.because for rule in filter_.rules)
    for host in fabric.hosts:
        yield host.because
        yield from (forward.because for forward in (host.gateway.forwards if host.gateway else ()))
        yield from (rule.because for rule in (host.router.rules if host.router else ()))
