"""Who knows whom on a segment: written down, so that no host asks and the machine's neighbour tables cannot overflow.

Everybody knows everybody, up to a number of hosts; beyond it, whoever passes packets on knows everybody and the others
know their next hops, and ask for the rest. So a segment is looked at as one, and a step says what many hosts learn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from functools import lru_cache

import msgspec

from hideaway.fabric.model import EDGE, Fabric, Host, Port
from hideaway.plan.steps import Neighbour, Place, SetNeighbours

EVERYBODY = 256
"""Hosts on a segment up to which all know all. There are the square of it of entries: 65,000 a family at 256."""


class View(msgspec.Struct, frozen=True):
    """A segment. hops: for each place there, the addresses that its host must know, None where it knows everybody."""

    entries: dict[str, Neighbour] = {}
    hops: dict[Place, frozenset[str] | None] = {}

    def known(self, place: Place) -> dict[str, Neighbour]:
        """What is known at a place: address -> who has it. A host's own addresses are not among it."""
        hops = self.hops[place]
        found = self.entries if hops is None else {a: self.entries[a] for a in sorted(hops & self.entries.keys())}
        return {address: each for address, each in found.items() if each.host != place.host}


def links(of: Set[str] | None, *fabrics: Fabric) -> set[str]:
    """The segments that hosts with these ids have ports on in any of the Fabrics; those that all have, for None."""
    hosts = (host for fabric in fabrics for host in fabric.hosts if of is None or host.id in of)
    return {port.link for host in hosts for port in host.ports if port.link != EDGE}


def views(fabric: Fabric, segments: Set[str]) -> dict[str, View]:
    """These segments, by id; what has no port on it is left out."""
    there: dict[str, list[tuple[Host, Port]]] = defaultdict(list)
    for host in fabric.hosts:
        for port in host.ports:
            if port.link in segments:
                there[port.link].append((host, port))
    return {segment: _view(ports) for segment, ports in there.items()}


def _view(ports: list[tuple[Host, Port]]) -> View:
    entries: dict[str, Neighbour] = {}
    hops: dict[Place, frozenset[str] | None] = {}
    everybody = len({host.id for host, _ in ports}) <= EVERYBODY
    for host, port in ports:
        for address in map(bare, port.addresses):
            entries.setdefault(address, Neighbour(address=address, host=host.id, port=port.id, mac=port.mac))
        if host.plug is not None:  # it asks, as anybody does whom nobody programs
            continue
        vias = frozenset(route.via or route.destination for route in host.routes if route.port == port.id)
        # Whoever has a whole network on the link beside its own addresses serves everybody there.
        serves = any("/" in via and not _alone(via) for via in vias)
        all_ = everybody or host.gateway is not None or host.router is not None or serves
        hops[Place(host=host.id, device=port.name)] = None if all_ else frozenset(map(bare, vias))
    return View(entries, hops)


def changes(segment: str, old: View, new: View, fresh: Set[str], doubted: bool) -> Iterator[SetNeighbours]:
    """What leads from one view to the other. fresh: hosts that have a new port on it, and so know nobody by that port;
    doubted: what anybody knows there is not known."""
    learned = tuple(each for address, each in new.entries.items() if old.entries.get(address) != each)
    stale = tuple(sorted(old.entries.keys() - new.entries.keys()))
    anew, going_on = [], []
    for place, hops in new.hops.items():
        begins = doubted or place.host in fresh or place not in old.hops
        if hops is not None:
            before, after = {} if begins else old.known(place), new.known(place)
            if doubted or before != after:
                gone = tuple(sorted(before.keys() - after.keys()))
                yield _step(segment, [place], after, stale=gone, whole=doubted)
        elif begins or old.hops[place] is not None:
            anew.append(place)
        else:
            going_on.append(place)
    if anew and (doubted or any(each.host != place.host for place in anew for each in new.entries.values())):
        yield _step(segment, anew, new.entries, stale=() if doubted else stale, whole=doubted)
    for place in going_on:
        mine = _taken_over(place, old, new)
        if mine:
            yield _step(segment, [place], {}, stale=mine)
    if going_on and (learned or stale):
        yield _step(segment, going_on, {each.address: each for each in learned}, stale=stale)


def _taken_over(place: Place, old: View, new: View) -> tuple[str, ...]:
    """Addresses that a host knew somebody else to have and has itself now: nobody tells it so."""
    own = (a for a, each in new.entries.items() if each.host == place.host)
    return tuple(sorted(a for a in own if a in old.entries and old.entries[a].host != place.host))


def _step(
    segment: str,
    places: list[Place],
    entries: Mapping[str, Neighbour],
    stale: tuple[str, ...] = (),
    whole: bool = False,
) -> SetNeighbours:
    neighbours = tuple(sorted(entries.values()))
    return SetNeighbours(segment=segment, places=tuple(sorted(places)), neighbours=neighbours, stale=stale, whole=whole)


@lru_cache(maxsize=1 << 16)
def bare(address: str) -> str:
    """An address without its prefix length."""
    return address.partition("/")[0]


def _alone(network: str) -> bool:
    """Whether a network is one address."""
    return network.endswith("/128" if ":" in network else "/32")
