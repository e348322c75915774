"""The services of the Fabric as programs: one module a kind, with these functions.

`program(host, service, place) -> Program` is pure: what to run for it. `look(service, place) -> Observed` asks the
program that runs how it fares; it returns at once, and never raises for a program that is just coming up or gone.
`prepare(service, place)`, where a kind has it, is called before the program's files are replaced and it is told;
`outgrown(service, place)` then says whether what runs could not follow, and must be started anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from hideaway.backends.linux.services import database, dnsmasq, haproxy, leases, radvd
from hideaway.backends.linux.services.base import Place, Program
from hideaway.fabric.services import (
    Advertisements,
    AnyService,
    Balancer,
    DatabaseServer,
    LeaseClient,
    Names,
    Observed,
)


class Kind(msgspec.Struct, frozen=True):
    """A module's functions."""

    program: Callable[[str, Any, Place], Program]
    look: Callable[[Any, Place], Observed]
    prepare: Callable[[Any, Place], None] = lambda _service, _place: None
    outgrown: Callable[[Any, Place], bool] = lambda _service, _place: False


KINDS: dict[type, Kind] = {
    Balancer: Kind(haproxy.program, haproxy.look, haproxy.prepare),
    DatabaseServer: Kind(database.program, database.look),
    Names: Kind(dnsmasq.program, dnsmasq.look, outgrown=dnsmasq.outgrown),
    Advertisements: Kind(radvd.program, radvd.look),
    LeaseClient: Kind(leases.program, leases.look),
}
"""A service's type -> what runs it."""


def program(host: str, service: AnyService, place: Place) -> Program:
    """What to run on a host for a service."""
    return KINDS[type(service)].program(host, service, place)


def look(service: AnyService, place: Place) -> Observed:
    """How what runs for a service fares."""
    return KINDS[type(service)].look(service, place)


def prepare(service: AnyService, place: Place) -> None:
    """What is to be done before a program's files are replaced."""
    KINDS[type(service)].prepare(service, place)


def outgrown(service: AnyService, place: Place) -> bool:
    """Whether a program that could be told of a change must be started anew for this one."""
    return KINDS[type(service)].outgrown(service, place)
