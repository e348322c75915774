"""Which addresses are free: subnets within a VPC, addresses within a subnet, addresses on the public internet."""

from __future__ import annotations

import ipaddress
from typing import ClassVar

import msgspec

from hideaway.base.errors import Fault, InvalidArguments, invalid
from hideaway.cloud.change import Change
from hideaway.cloud.documents import Document
from hideaway.cloud.network import Attachment, Ip, PrivateNetwork, Subnet

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

AUTOMATIC_V4 = ipaddress.ip_network("172.16.0.0/12")
ULA_PREFIX = "fd46:78ab:30b8"  # every automatic /64 in the recordings begins so
PRIVATE_V4 = tuple(ipaddress.ip_network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
PRIVATE_V6 = ipaddress.ip_network("fd00::/8")
RESERVED = tuple(
    ipaddress.ip_network(n)
    for n in ("127.0.0.0/8", "0.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "198.18.0.0/15", "224.0.0.0/4")
)
"""Refused inside Private Networks (scaleway.md, Private network)."""
PUBLIC_V4 = ipaddress.IPv4Network("198.18.0.0/15")
PUBLIC_V6 = ipaddress.IPv6Network("2001:2::/48")
FIRST_PUBLIC_V4 = 0x1000  # 198.18.0.0 to 198.18.15.255 are the edge's own and the probe host's


class PublicAddress(Document, frozen=True, kw_only=True):
    """A public address that is taken. Its id is the address's text; owner is the id of who has it."""

    kind: ClassVar[str] = "hideaway/public_address"

    owner: str

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.owner,)


def subnets_for(change: Change, vpc_id: str, wanted: list[str] | None) -> list[Subnet]:
    """The subnets of a new Private Network: those that were asked for, and an automatic one of each family left out.

    Raises InvalidArguments naming `subnets` when a wanted one is malformed, reserved, too small, or overlaps another
    of the VPC; the vendor gives every network one /22 and one /64 at least.
    """
    taken = [
        ipaddress.ip_network(s.subnet) for n in change.ledger.find(PrivateNetwork, ref=vpc_id) for s in n.subnets
    ]
    chosen: list[Network] = []
    for text in wanted or []:
        network = parse_subnet(text)
        if any(network.version == t.version and network.overlaps(t) for t in (*taken, *chosen)):  # type: ignore[arg-type]
            raise invalid("subnets", f"subnet {text} overlaps another subnet of the VPC")
        chosen.append(network)
    if not any(n.version == 4 for n in chosen):
        chosen.insert(0, free_v4([t for t in taken if t.version == 4]))
    if not any(n.version == 6 for n in chosen):
        chosen.append(free_v6(change, [t for t in taken if t.version == 6]))
    return [Subnet(id=change.ids.uuid(), subnet=str(n)) for n in chosen]


def parse_subnet(text: str) -> Network:
    """A subnet that a Private Network may have. Raises InvalidArguments naming `subnets`."""
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise invalid("subnets", f"{text!r} is not a subnet in CIDR form", "format") from None
    if network.version == 6:
        if not network.subnet_of(PRIVATE_V6) or network.prefixlen != 64:
            raise invalid("subnets", f"{text} is not a /64 within {PRIVATE_V6}")
        return network
    if any(network.overlaps(r) for r in RESERVED):
        raise invalid("subnets", f"{text} overlaps a reserved range")
    if not any(network.subnet_of(p) for p in PRIVATE_V4):
        raise invalid("subnets", f"{text} is not within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
    if not 20 <= network.prefixlen <= 29:
        raise invalid("subnets", f"{text}: the prefix length must be from /20 to /29")
    return network


def free_v4(taken: list[Network]) -> ipaddress.IPv4Network:
    """The lowest free /22 of 172.16.0.0/12. Raises InvalidArguments when all 1024 are taken."""
    used = {n for t in taken for n in _covering_22(t)}
    for candidate in AUTOMATIC_V4.subnets(new_prefix=22):
        if int(candidate.network_address) >> 10 not in used:
            return candidate  # type: ignore[return-value]
    raise invalid("subnets", "no /22 is free in this VPC")


def _covering_22(network: Network) -> range:
    return range(int(network.network_address) >> 10, (int(network.broadcast_address) >> 10) + 1)


def free_v6(change: Change, taken: list[Network]) -> ipaddress.IPv6Network:
    """A free random /64 of the ULA prefix."""
    while True:
        candidate = ipaddress.IPv6Network(f"{ULA_PREFIX}:{change.ids.below(0x10000):x}::/64")
        if candidate not in taken:
            return candidate


def book(
    change: Change,
    network: PrivateNetwork,
    *,
    v6: bool = False,
    address: str | None = None,
    attachment: Attachment | None = None,
    tags: list[str] | None = None,
    booked: bool = False,
    project_id: str | None = None,
) -> Ip:
    """Book an address in a Private Network: this one, or the lowest free one (IPv4 from .2 on), or a random IPv6 one.

    booked: a user did so, and it stays when its resource goes. Raises InvalidArguments naming `address` when it is
    outside the subnets, reserved or taken, and when no address is left.
    """
    subnets = [s for s in network.subnets if (":" in s.subnet) == v6]
    if address is not None:
        subnet, host = _wanted(change, subnets, address)
    else:
        subnet, host = _free(change, subnets)
    ip = Ip(
        id=change.ids.uuid(),
        organization_id=network.organization_id,
        project_id=project_id or network.project_id,
        created_at=change.now,
        updated_at=change.now,
        region=network.region,
        address=f"{host}/{ipaddress.ip_network(subnet.subnet).prefixlen}",
        is_ipv6=v6,
        subnet_id=subnet.id,
        private_network_id=network.id,
        vpc_id=network.vpc_id,
        attachment=attachment,
        booked=booked,
        tags=tags or [],
    )
    change.ledger.put(ip)
    return ip


def _taken(change: Change, subnet: Subnet) -> set[str]:
    return {ip.address.split("/")[0] for ip in change.ledger.find(Ip, ref=subnet.id)}


def _wanted(change: Change, subnets: list[Subnet], address: str) -> tuple[Subnet, str]:
    try:
        wanted = ipaddress.ip_address(address.split("/")[0])
    except ValueError:
        raise invalid("address", f"{address!r} is not an IP address", "format") from None
    for subnet in subnets:
        net = ipaddress.ip_network(subnet.subnet)
        if wanted not in net:
            continue
        if wanted in (net.network_address, net.network_address + 1) or wanted == net.broadcast_address:
            raise invalid("address", f"{wanted} is reserved in {net}")
        if str(wanted) in _taken(change, subnet):
            raise InvalidArguments(Fault("address", "constraint", f"address {wanted} is already in use"))
        return subnet, str(wanted)
    raise invalid("address", f"{address} is in no subnet of the Private Network")


def _free(change: Change, subnets: list[Subnet]) -> tuple[Subnet, str]:
    for subnet in subnets:
        net = ipaddress.ip_network(subnet.subnet)
        taken = _taken(change, subnet)
        if net.version == 6:
            while True:
                host = str(net.network_address + (1 << 32) + change.ids.below((1 << 64) - (1 << 33)))
                if host not in taken:
                    return subnet, host
        for offset in range(2, net.num_addresses - 1):
            host = str(net.network_address + offset)
            if host not in taken:
                return subnet, host
    raise invalid("private_network_id", "no address is left in the Private Network")


def attach(change: Change, ip: Ip, attachment: Attachment | None) -> Ip:
    """Give a booked address to a resource, or (None) take it back."""
    kept = ip.changed(change.now, attachment=attachment)
    change.ledger.put(kept)
    return kept


def release_from(change: Change, resource_id: str) -> None:
    """Take back all addresses of a resource: a user's bookings stay, the others go."""
    for ip in change.ledger.find(Ip, ref=resource_id):
        if ip.attachment is None or ip.attachment.id != resource_id:
            continue
        if ip.booked:
            attach(change, ip, None)
        else:
            change.ledger.remove(ip)


def take_public(change: Change, owner: Document, *, v6: bool = False, owner_id: str = "") -> str:
    """A free public address (IPv4, or the ::1 of a free IPv6 /64), taken for a document (or for owner_id in its name)."""
    while True:
        if v6:
            address = str(PUBLIC_V6.network_address + (change.ids.below(0xFFFE) + 2 << 64) + 1)
        else:
            address = str(PUBLIC_V4.network_address + FIRST_PUBLIC_V4 + change.ids.below(0x20000 - FIRST_PUBLIC_V4 - 1))
        if change.ledger.get(PublicAddress, address) is None:
            break
    change.ledger.put(
        PublicAddress(
            id=address,
            organization_id=owner.organization_id,
            project_id=owner.project_id,
            created_at=change.now,
            updated_at=change.now,
            owner=owner_id or owner.id,
        )
    )
    return address


def give_back_public(change: Change, address: str | None) -> None:
    """Let a public address be taken again."""
    taken = change.ledger.get(PublicAddress, address) if address else None
    if taken is not None:
        change.ledger.remove(taken)


def reverse_name(address: str) -> str:
    """The default reverse name of a public IPv4 address, in the vendor's shape."""
    return "-".join(reversed(address.split("."))) + ".instances.scw.cloud"


