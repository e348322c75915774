"""The steps that lead from one Fabric to another. Each is a frozen value that carries all that its execution needs.

A step says what a host, a segment or the edge shall be, never how one machine does it. SetRules, SetRoutes, SetLink,
SetEdge, SetPulse, KeepVolumes and SetService state a whole and may be repeated; the others change what is there and may
not.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from hideaway.fabric.model import Damage, Filter, Gateway, Heartbeat, Listener, Plug, Port, Redirect, Resolver, Router
from hideaway.fabric.services import AnyService

EDGE_RULES = "whole:edge"
"""The suspect that stands for the edge's filters."""
PULSE = "whole:pulse"
"""The suspect that stands for listeners and heartbeats."""
VOLUMES = "whole:volumes"
"""The suspect that stands for the data that is kept."""


class Step(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One change of the data plane."""

    def doubts(self) -> tuple[str, ...]:
        """What may be half-built when this step was begun and not seen to end (see `suspects`)."""
        raise NotImplementedError


class RemovePort(Step, frozen=True, kw_only=True, tag=True):
    """Take a network interface from a host that stays; its addresses, routes and neighbours go with it."""

    host: str
    port: Port
    damaged: bool = False  # whether it had a damage

    def doubts(self) -> tuple[str, ...]:
        return (self.host,)


class RemoveHost(Step, frozen=True, kw_only=True, tag=True):
    """End a host: its processes, ports and rules. Does nothing where there is no such host."""

    host: str

    def doubts(self) -> tuple[str, ...]:
        return (self.host,)


class RemoveSegment(Step, frozen=True, kw_only=True, tag=True):
    """End a segment. Does nothing where there is no such segment."""

    segment: str

    def doubts(self) -> tuple[str, ...]:
        return (self.segment,)


class AddSegment(Step, frozen=True, kw_only=True, tag=True):
    segment: str

    def doubts(self) -> tuple[str, ...]:
        return (self.segment,)


class AddHost(Step, frozen=True, kw_only=True, tag=True):
    """Make a host without ports. forward_v4, forward_v6: whether it passes on packets that are not for itself.

    metadata: it has a wire to where it is told about itself. plug: it is no machine of the cloud's: what it is inside
    is left alone, and where it has a place already, that is it.
    """

    host: str
    forward_v4: bool = False
    forward_v6: bool = False
    metadata: bool = False
    plug: Plug | None = None

    def doubts(self) -> tuple[str, ...]:
        return (self.host,)


class SetRules(Step, frozen=True, kw_only=True, tag=True):
    """The whole of a host's own rules (a gateway's, a router's, redirects, that DHCP is dropped), and the end of what
    they no longer allow.

    ports are all of the host's; gone are the addresses (CIDR) of ports that it had before and has no more.
    """

    host: str
    gateway: Gateway | None = None
    router: Router | None = None
    ports: tuple[Port, ...] = ()
    listeners: tuple[Listener, ...] = ()
    redirects: tuple[Redirect, ...] = ()
    dhcp_dropped: bool = False
    gone: tuple[str, ...] = ()

    def doubts(self) -> tuple[str, ...]:
        return (rules_of(self.host),)


class AddPort(Step, frozen=True, kw_only=True, tag=True):
    """Make a port. tap: it goes on as a tap device of this name."""

    host: str
    port: Port
    tap: str = ""

    def doubts(self) -> tuple[str, ...]:
        return (self.host,)


class SetLink(Step, frozen=True, kw_only=True, tag=True):
    """The whole of what is wrong with a port's link: None makes it good again, whatever it was. The port stays."""

    host: str
    port: Port
    damage: Damage | None = None

    def doubts(self) -> tuple[str, ...]:
        return (links_of(self.host),)


class ChangePort(Step, frozen=True, kw_only=True, tag=True):
    """Give a network interface that stays other addresses: new ones are there before old ones go."""

    host: str
    old: Port
    new: Port

    @property
    def gone(self) -> tuple[str, ...]:
        """The addresses (CIDR) that it has no more."""
        return tuple(a for a in self.old.addresses if a not in self.new.addresses)

    @property
    def come(self) -> tuple[str, ...]:
        """The addresses (CIDR) that it did not have before."""
        return tuple(a for a in self.new.addresses if a not in self.old.addresses)

    def doubts(self) -> tuple[str, ...]:
        return (self.host,)


class Way(msgspec.Struct, frozen=True, order=True, kw_only=True, gc=False):
    """A route in the words of its host. device is the port's name; rank orders ways of one destination, 0 first.

    via "": the destination is on the link.
    """

    destination: str
    via: str
    device: str
    rank: int = 0


class SetRoutes(Step, frozen=True, kw_only=True, tag=True):
    """The whole of a host's routes; stale ones are there and go.

    afresh: what is there is not known; all goes before the whole is set.
    """

    host: str
    ways: tuple[Way, ...] = ()
    stale_ways: tuple[Way, ...] = ()
    afresh: bool = False

    def doubts(self) -> tuple[str, ...]:
        return (routes_of(self.host),)


class Place(msgspec.Struct, frozen=True, order=True, kw_only=True, gc=False):
    """Where a host meets a segment. device is the port's name."""

    host: str
    device: str


class Neighbour(msgspec.Struct, frozen=True, order=True, kw_only=True, gc=False):
    """Who has an address on a segment: the owner's port, and its mac where it has one set."""

    address: str
    host: str
    port: str
    mac: str = ""


class SetNeighbours(Step, frozen=True, kw_only=True, tag=True):
    """What is known at places of a segment, of which those of a host's own addresses are not for it.

    whole: that is all; else it comes to what is known there already, and addresses that are stale go.
    """

    segment: str
    places: tuple[Place, ...]
    neighbours: tuple[Neighbour, ...] = ()
    stale: tuple[str, ...] = ()
    whole: bool = False

    def doubts(self) -> tuple[str, ...]:
        return (neighbours_of(self.segment),)


class SetResolver(Step, frozen=True, kw_only=True, tag=True):
    """Whom a host's programs ask for names."""

    host: str
    resolver: Resolver

    def doubts(self) -> tuple[str, ...]:
        return (resolver_of(self.host),)


class PublicPort(msgspec.Struct, frozen=True, order=True, kw_only=True, gc=False):
    """A port on the public internet, as the edge sees it. filter is a Filter's id, "" for none."""

    host: str
    port: str
    addresses: tuple[str, ...]
    filter: str = ""


class SetEdge(Step, frozen=True, kw_only=True, tag=True):
    """The whole of the edge's rules: who owns which address and which filter stands before which port.

    Established connections that the filters now refuse, and those of addresses that nobody owns, are cut.
    """

    ports: tuple[PublicPort, ...] = ()
    filters: tuple[Filter, ...] = ()

    def doubts(self) -> tuple[str, ...]:
        return (EDGE_RULES,)


class ChangeEdge(Step, frozen=True, kw_only=True, tag=True):
    """What changes of the edge's rules: takes effect as a whole, and leads to the very rules that SetEdge would state.

    gone are ports as they were and are no more, ports those that are new or differ; filters are new ones and those that
    differ, each in full; dropped are the ids of those that go. affected are all ports that another filter stands before
    now, and judges are these filters: established connections of affected ports and of addresses that are gone are
    judged anew, all others are let be.
    """

    gone: tuple[PublicPort, ...] = ()
    ports: tuple[PublicPort, ...] = ()
    filters: tuple[Filter, ...] = ()
    dropped: tuple[str, ...] = ()
    affected: tuple[PublicPort, ...] = ()
    judges: tuple[Filter, ...] = ()

    def doubts(self) -> tuple[str, ...]:
        return (EDGE_RULES,)


class Served(msgspec.Struct, frozen=True, order=True, kw_only=True, gc=False):
    """A small service that the data plane itself answers on a host."""

    host: str
    port: int
    what: str


class SetPulse(Step, frozen=True, kw_only=True, tag=True):
    """All listeners and all heartbeats."""

    listeners: tuple[Served, ...] = ()
    heartbeats: tuple[Heartbeat, ...] = ()

    def doubts(self) -> tuple[str, ...]:
        return (PULSE,)


class KeepVolumes(Step, frozen=True, kw_only=True, tag=True):
    """All volumes whose data is kept; that of others is gone for ever."""

    volumes: tuple[str, ...] = ()

    def doubts(self) -> tuple[str, ...]:
        return (VOLUMES,)


class StopService(Step, frozen=True, kw_only=True, tag=True):
    """End a program of a host that stays. Does nothing where it does not run. at_once: kill it, and all it started."""

    host: str
    service: str
    at_once: bool = False

    def doubts(self) -> tuple[str, ...]:
        return (service_of(self.host, self.service),)


class SetService(Step, frozen=True, kw_only=True, tag=True):
    """The whole of what a program of a host shall do: it is started, or told, without a pause where it can do so."""

    host: str
    service: AnyService

    def doubts(self) -> tuple[str, ...]:
        return (service_of(self.host, self.service.id),)


AnyStep = (
    RemovePort
    | RemoveHost
    | RemoveSegment
    | AddSegment
    | AddHost
    | SetRules
    | AddPort
    | ChangePort
    | SetRoutes
    | SetNeighbours
    | SetLink
    | SetResolver
    | SetEdge
    | ChangeEdge
    | SetPulse
    | KeepVolumes
    | StopService
    | SetService
)


def rules_of(host: str) -> str:
    """The suspect that stands for a host's rules only."""
    return f"whole:rules:{host}"


def routes_of(host: str) -> str:
    """The suspect that stands for a host's routes only."""
    return f"whole:routes:{host}"


def neighbours_of(segment: str) -> str:
    """The suspect that stands for what hosts on a segment know of each other."""
    return f"whole:neighbours:{segment}"


def links_of(host: str) -> str:
    """The suspect that stands for what is wrong with a host's links, and no more."""
    return f"whole:links:{host}"


def resolver_of(host: str) -> str:
    """The suspect that stands for a host's resolver only."""
    return f"whole:resolver:{host}"


def service_of(host: str, service: str) -> str:
    """The suspect that stands for one program of a host."""
    return f"whole:service:{host}/{service}"


def suspects(steps: Iterable[Step]) -> frozenset[str]:
    """What is in doubt from the moment when these steps begin until all of them ended.

    A host's or segment's id: it may be half-built or half-removed, is removed and built anew. rules_of, routes_of,
    neighbours_of, links_of, resolver_of, service_of, EDGE_RULES, PULSE: that whole may be the old or the new one, or in
    between; it is stated again.
    """
    return frozenset(doubt for step in steps for doubt in step.doubts())


def structural(suspect: str) -> bool:
    """Whether a suspect is a host's or segment's id, to be removed and built anew."""
    return not suspect.startswith("whole:")
