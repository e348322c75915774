"""DHCP and names of a Private Network are dnsmasq: what never changes while it runs is in its arguments, the rest in
files that it reads again on SIGHUP."""

from __future__ import annotations

import ipaddress
import signal
from collections import defaultdict
from collections.abc import Iterator

from hideaway.backends.linux.services.base import Place, Program, announced
from hideaway.fabric.services import Hop, Lease, Names, Observed, Record

LEASES, OPTIONS, RECORDS, SERVERS, PID, GIVEN = "bookings", "options", "names", "servers", "pid", "leases"
MTU = 1500  # bytes, as every link of the world
LONGEST_OPTION = 255  # bytes (RFC 2132)
ON_LINK = "0.0.0.0"
"""How DHCP spells that there is no next hop (RFC 3442)."""

QUIET = (
    "--keep-in-foreground",
    "--conf-file=/dev/null",  # else Debian's own
    "--user=",  # it stays who it is: there is nobody else in a user namespace
    "--group=",
    "--no-resolv",
    "--no-hosts",
    "--no-poll",
    "--log-facility=/dev/null",  # a hundred lines each time that it is told; why it cannot start it says all the same
)
NAMES = ("--cache-size=0", "--bogus-priv", "--domain-needed")
"""Nothing is remembered, so that no answer is older than the bookings."""
DHCP = ("--dhcp-authoritative", "--no-ping", "--dhcp-ignore-names")
"""Authoritative: it knows all leases, so one that it has forgotten is renewed, and a stranger's is refused."""


def program(_host: str, names: Names, place: Place) -> Program:
    """dnsmasq in the foreground, on the one interface."""
    files = {
        LEASES: _leases(names),
        OPTIONS: _options(names, place.names),
        RECORDS: _records(names),
        SERVERS: _servers(names),
    }
    return Program(
        argv=announced(place.folder / PID, "dnsmasq", *QUIET, *NAMES, *DHCP, *_where(names), *_paths(place)),
        files={name: "".join(f"{line}\n" for line in lines).encode() for name, lines in files.items()},
        reload=signal.SIGHUP,
    )


def _where(names: Names) -> Iterator[str]:
    """The interface, and the subnets, which it serves although its own IPv4 address is in none of them."""
    yield from ("--bind-dynamic", f"--interface={names.device}", "--except-interface=lo")
    for network in map(ipaddress.ip_network, names.networks):
        first = network.network_address
        if network.version == 6:
            yield f"--dhcp-range={first},static,{network.prefixlen},{names.lease}"
        else:
            yield f"--shared-network={names.device},{first}"
            yield f"--dhcp-range={first},static,{network.netmask},{network.broadcast_address},{names.lease}"


def _paths(place: Place) -> Iterator[str]:
    """Whole paths: it leaves the folder that it was started in."""
    yield f"--pid-file={place.folder / PID}"
    yield f"--dhcp-leasefile={place.folder / GIVEN}"
    yield f"--dhcp-hostsfile={place.folder / LEASES}"
    yield f"--dhcp-optsfile={place.folder / OPTIONS}"
    yield f"--addn-hosts={place.folder / RECORDS}"
    yield f"--servers-file={place.folder / SERVERS}"


def _leases(names: Names) -> Iterator[str]:
    """DHCP hands out one address of each family to a MAC."""
    for lease in names.leases:
        yield ",".join((lease.mac, *_one_of_each(lease), *filter(None, [lease.name])))


def _one_of_each(lease: Lease) -> Iterator[str]:
    yield from [a for a in lease.addresses if ":" not in a][:1]
    yield from [f"[{a}]" for a in lease.addresses if ":" in a][:1]


def _options(names: Names, others: str) -> Iterator[str]:
    """others: who knows the names that it refuses, "" for nobody."""
    gateways = [hop.via for hop in names.hops if hop.destination == "0.0.0.0/0"]
    # Without a value it is not sent at all; dnsmasq would name itself.
    yield ",".join(("option:router", *gateways[:1]))
    yield f"option:mtu,{MTU}"
    yield f"option:domain-name,{names.domain}"
    yield f"option:domain-search,{names.domain}"
    yield f"option6:domain-search,{names.domain}"
    for prefix, servers in (
        ("option", [*(s for s in names.servers if ":" not in s), *filter(None, [others])]),
        ("option6", [f"[{s}]" for s in names.servers if ":" in s]),
    ):
        if servers:
            yield ",".join((f"{prefix}:dns-server", *servers))
    hops = _fitting([hop for hop in names.hops if ":" not in hop.destination])
    if hops:
        # Who understands it does not look at `router` (RFC 3442), so it has the default route, too.
        yield ",".join(("option:classless-static-route", *(f"{h.destination},{h.via or ON_LINK}" for h in hops)))


def _fitting(hops: list[Hop]) -> list[Hop]:
    """The routes that one option has room for: some thirty."""
    found, left = [], LONGEST_OPTION
    for hop in hops:
        left -= 5 + (ipaddress.ip_network(hop.destination).prefixlen + 7) // 8
        if left >= 0:
            found.append(hop)
    return found


def _records(names: Names) -> Iterator[str]:
    """Lines as in /etc/hosts. An address leads back to the first name of each of its lines."""
    by_address: dict[str, list[Record]] = defaultdict(list)
    for record in names.records:
        by_address[record.address].append(record)
    for address, records in by_address.items():
        first, *more = [r.name for r in records if r.reverse] or [records[0].name]
        yield " ".join((address, first, *(r.name for r in records if not r.reverse and r.name != first)))
        yield from (f"{address} {name}" for name in more)


def _servers(names: Names) -> Iterator[str]:
    """Whom to ask for what: nobody for its own, which are then unknown at once."""
    yield f"server=/{names.domain}/"
    for zone in names.zones:
        if zone.domain:
            yield f"server=/{zone.domain}/{zone.server}"
        for network in zone.networks:
            yield f"rev-server={network},{zone.server}"


def outgrown(names: Names, place: Place) -> bool:
    """Whether an address that was given away is now another's: dnsmasq would keep it for who has it, up to an hour.

    Then it begins without any memory of leases, which it needs none of: it knows who may have what.
    """
    try:
        before, given = (place.folder / LEASES).read_text(), (place.folder / GIVEN).read_text()
    except FileNotFoundError:  # it did not run yet; or was to begin anew, and the server ended before it was told
        return True
    after = _owners("\n".join(_leases(names)))
    moved = {address for address, mac in _owners(before).items() if after.get(address) != mac}
    if not moved.intersection(given.split()):
        return False
    (place.folder / GIVEN).unlink(missing_ok=True)
    return True


def _owners(bookings: str) -> dict[str, str]:
    """Address -> the MAC that it is booked for, of lines of bookings."""
    found = {}
    for line in bookings.splitlines():
        mac, *fields = line.split(",")
        found.update({field.strip("[]"): mac for field in fields if "." in field or ":" in field})
    return found


def look(_names: Names, place: Place) -> Observed:
    """Ready once it has written its process id, as it does when it listens."""
    if (place.folder / PID).exists():
        return Observed(ready=True)
    return Observed(ready=False, reason="dnsmasq does not run (yet)")
