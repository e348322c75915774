"""What an organization may see of the data plane, and what people call it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from hideaway.api.call import Call
from hideaway.base.errors import PlainError, invalid
from hideaway.cloud.documents import KINDS
from hideaway.fabric.model import EDGE, Fabric, Host, Port
from hideaway.fabric.seen import Count, Hop, Trace

HIDDEN = "another organization's"


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
        self.names = {host.id: host.name for host in self.hosts} | {EDGE: "the edge", "uplink": "the uplink"}

    def host(self, key: str) -> Host:
        """The host with this id or name. Raises PlainError with the names that there are."""
        found = Fabric(hosts=self.hosts).host(key)
        if found is None:
            names = ", ".join(sorted(h.name for h in self.hosts)) or "none"
            raise PlainError(404, f"no host is called {key!r}; there are: {names}", "not_found")
        return found

    def place(self, key: str, argument: str) -> tuple[Host, Port | None]:
        """The host, and the port where one is named: HOST, HOST:INTERFACE, or the id of a resource that is a port (a
        NIC, a gateway's attachment). Raises PlainError with the hosts that there are, InvalidArguments with the ports.
        """
        named = ((h, p) for h in self.hosts for p in h.ports if key in _ids(p) and key != h.id)
        if (found := next(named, None)) is not None:
            return found
        host_key, _, interface = key.partition(":")
        host = self.host(host_key)
        port = next((p for p in host.ports if p.name == interface), None)
        if interface and port is None:
            there = ", ".join(p.name for p in host.ports) or "none"
            raise invalid(argument, f"{host.name} has no interface {interface!r}; there are: {there}")
        return host, port

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
