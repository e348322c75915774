"""Which addresses are free: subnets within a VPC, addresses within a subnet, addresses on the public internet."""

from __future__ import annotations

import hashlib
import ipaddress
from functools import lru_cache
from typing import ClassVar

from hideaway.base.errors import Fault, InvalidArguments, invalid
from hideaway.cloud.change import Change
from hideaway.cloud.documents import Document
from hideaway.cloud.network import Attachment, Ip, PrivateNetwork, Subnet, Vpc
from hideaway.cloud.quotas import NETWORK_RESOURCES

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

AUTOMATIC_V4 = ipaddress.ip_network("172.16.0.0/12")
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


class StaticAddress(Document, frozen=True, kw_only=True):
    """An address that a resource uses in a Private Network without IPAM knowing of it, as the vendor's databases may.

    Its id is `network/address`. IPAM hands it out to nobody else, where it lies within the network's subnets.
    """

    kind: ClassVar[str] = "hideaway/static_address"

    region: str
    private_network_id: str
    host: str

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.private_network_id,)


def subnets_for(change: Change, vpc_id: str, wanted: list[str] | None) -> list[Subnet]:
    """The subnets of a new Private Network: those that were asked for, and an automatic one of each family left out.

    Raises InvalidArguments naming `subnets` once for each wanted one that is malformed, reserved, of a wrong size or
    overlapping another of the VPC. The vendor gives every network one /22 and one /64 at least. An automatic subnet
    keeps clear of all the organization's networks in the region while it can, so that VPCs can be peered (recorded:
    a new VPC's first network does not get the first /22).
    """
    vpc = change.need(Vpc, vpc_id)
    near = change.ledger.find(PrivateNetwork, organization=vpc.organization_id, locality=vpc.region)
    chosen: list[Network] = []
    faults: list[Fault] = []
    taken = [ipaddress.ip_network(t) for t in _subnets(near, vpc_id)] if wanted else []
    for text in wanted or []:
        try:
            chosen.append(_clear(parse_subnet(text), [*taken, *chosen]))
        except InvalidArguments as error:
            faults.extend(error.faults)
    if faults:
        raise InvalidArguments(*faults)
    everywhere = _subnets(near)
    if not any(n.version == 4 for n in chosen):
        free = _free_v4(everywhere) or _free_v4(_subnets(near, vpc_id))
        if free is None:
            raise invalid("subnets", "no /22 is free in this VPC")
        chosen.insert(0, free)
    if not any(n.version == 6 for n in chosen):
        chosen.append(_free_v6(change, vpc, everywhere))
    return [Subnet(id=change.ids.uuid(), subnet=str(n)) for n in chosen]


def _clear(network: Network, taken: list[Network]) -> Network:
    if any(overlap(network, t) for t in taken):
        raise invalid("subnets", f"subnet {network} overlaps another subnet of the VPC")
    return network


def overlap(one: Network, other: Network) -> bool:
    """Whether two networks share an address."""
    return one.version == other.version and one.overlaps(other)


def inside(network: Network, outer: Network) -> bool:
    """Whether a network is a part of another, or the whole of it."""
    return overlap(network, outer) and network.prefixlen >= outer.prefixlen


def parse_subnet(text: str) -> Network:
    """A subnet that a Private Network may have. Raises InvalidArguments naming `subnets`."""
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise invalid("subnets", f"{text[:64]!r} is not a subnet in CIDR form", "format") from None
    if network.version == 6:
        if not inside(network, PRIVATE_V6) or network.prefixlen != 64:
            raise invalid("subnets", f"{text} is not a /64 within {PRIVATE_V6}")
        return network
    if any(network.overlaps(r) for r in RESERVED):
        raise invalid("subnets", f"{text} overlaps a reserved range")
    if not any(inside(network, p) for p in PRIVATE_V4):
        raise invalid("subnets", f"{text} is not within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
    if not 20 <= network.prefixlen <= 29:
        raise invalid("subnets", f"{text}: the prefix length must be from /20 to /29")
    return network


def _subnets(networks: list[PrivateNetwork], vpc_id: str | None = None) -> list[str]:
    """The subnets of all networks, or of those in one VPC."""
    return [s.subnet for n in networks if vpc_id in (None, n.vpc_id) for s in n.subnets]


def _free_v4(taken: list[str]) -> ipaddress.IPv4Network | None:
    """The lowest /22 of 172.16.0.0/12 that is free of these subnets; None when all 1024 are taken."""
    used = set[int]().union(*map(_blocks, taken))
    free = next((n for n in _blocks(str(AUTOMATIC_V4)) if n not in used), None)
    return None if free is None else ipaddress.IPv4Network((free << 10, 22))


@lru_cache(maxsize=1 << 16)
def _blocks(subnet: str) -> range:
    """The numbers of the /22 that a subnet shares addresses with; none for IPv6.

    Remembered, since every new network asks it of all that its organization has in the region.
    """
    network = ipaddress.ip_network(subnet)
    if network.version == 6:
        return range(0)
    return range(int(network.network_address) >> 10, (int(network.broadcast_address) >> 10) + 1)


def _free_v6(change: Change, vpc: Vpc, taken: list[str]) -> ipaddress.IPv6Network:
    """A free random /64 of the organization's /48 in the VPC's region (recorded: one each, within fd00::/8)."""
    digest = hashlib.sha256(f"{vpc.organization_id} {vpc.region}".encode()).digest()
    prefix = (0xFD << 120) | (int.from_bytes(digest[:5]) << 80)
    while True:
        candidate = ipaddress.IPv6Network((prefix | change.ids.below(0x10000) << 64, 64))
        if str(candidate) not in taken:
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
    subnet_id: str | None = None,
) -> Ip:
    """Book an address in a Private Network: this one, or the lowest free one (IPv4 from .2 on), or a random IPv6 one.

    booked: a user did so, and it stays when its resource goes. subnet_id: only there. Raises InvalidArguments naming
    `address` when it is outside the subnets, reserved or taken, and when no address is left; QuotasExceeded for one
    resource too many in the network.
    """
    held = change.ledger.find(Ip, ref=network.id)
    if attachment is not None:
        _room(held, attachment)
    taken = {ip.host for ip in held} | _static(change, network)
    subnets = [s for s in network.subnets if (":" in s.subnet) == v6 and subnet_id in (None, s.id)]
    subnet, host = _free(change, subnets, taken) if address is None else _wanted(subnets, taken, address)
    ip = Ip(
        id=change.ids.uuid(),
        organization_id=network.organization_id,
        project_id=project_id or network.project_id,
        created_at=change.now,
        updated_at=change.now,
        region=network.region,
        address=f"{host}/{subnet.subnet.partition('/')[2]}",
        is_ipv6=v6,
        subnet_id=subnet.id,
        private_network_id=network.id,
        vpc_id=network.vpc_id,
        attachment=attachment,
        attached_at=change.now if attachment else None,
        booked=booked,
        tags=tags or [],
    )
    change.ledger.put(ip)
    return ip


def _static(change: Change, network: PrivateNetwork) -> set[str]:
    return {static.host for static in change.ledger.find(StaticAddress, ref=network.id)}


def hold_static(change: Change, network: PrivateNetwork, host: str) -> None:
    """Keep an IPv4 address of a Private Network from all others, without IPAM listing it.

    One outside the network's subnets is kept, too, and reaches nobody (recorded: the vendor accepts it). Raises
    InvalidArguments naming `address` when it is reserved or taken.
    """
    taken = {ip.host for ip in change.ledger.find(Ip, ref=network.id)} | _static(change, network)
    wanted = ipaddress.ip_address(host)
    if any(wanted in ipaddress.ip_network(s.subnet) for s in network.subnets):
        _wanted(network.subnets, taken, host)
    elif host in taken:
        raise invalid("address", f"address {host} is already in use")
    change.ledger.put(
        StaticAddress(
            id=f"{network.id}/{host}",
            organization_id=network.organization_id,
            project_id=network.project_id,
            created_at=change.now,
            updated_at=change.now,
            region=network.region,
            private_network_id=network.id,
            host=host,
        )
    )


def release_static(change: Change, private_network_id: str, host: str) -> None:
    """Let a static address be used again."""
    held = change.ledger.get(StaticAddress, f"{private_network_id}/{host}")
    if held is not None:
        change.ledger.remove(held)


def _room(held: list[Ip], attachment: Attachment) -> None:
    """Raise QuotasExceeded where one more resource would be more than a Private Network may hold."""
    resources = {ip.attachment.id for ip in held if ip.attachment}
    if attachment.id not in resources:
        NETWORK_RESOURCES.leaves_room(len(resources))


def _wanted(subnets: list[Subnet], taken: set[str], address: str) -> tuple[Subnet, str]:
    try:
        wanted = ipaddress.ip_address(address.split("/")[0].replace("%", "no scope here"))
    except ValueError:
        raise invalid("address", f"{address[:64]!r} is not an IP address", "format") from None
    for subnet in subnets:
        net = ipaddress.ip_network(subnet.subnet)
        if wanted not in net:
            continue
        if wanted in (net.network_address, net.network_address + 1) or wanted == net.broadcast_address:
            raise invalid("address", f"{wanted} is reserved in {net}")
        if str(wanted) in taken:
            raise invalid("address", f"address {wanted} is already in use")
        return subnet, str(wanted)
    raise invalid("address", f"{address[:64]} is in no subnet of the Private Network")


def _free(change: Change, subnets: list[Subnet], taken: set[str]) -> tuple[Subnet, str]:
    for subnet in subnets:
        net = ipaddress.ip_network(subnet.subnet)
        if net.version == 6:
            while True:
                host = str(net.network_address + (1 << 32) + change.ids.below((1 << 64) - (1 << 33)))
                if host not in taken:
                    return subnet, host
        first = int(net.network_address)
        for offset in range(2, net.num_addresses - 1):
            host = _dotted(first + offset)
            if host not in taken:
                return subnet, host
    raise invalid("private_network_id", "no address is left in the Private Network")


def _dotted(number: int) -> str:
    """An IPv4 address as text; ipaddress takes ten times as long, for each address that is passed over."""
    return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def attach(change: Change, ip: Ip, attachment: Attachment | None) -> Ip:
    """Give a booked address to a resource, or (None) take it back. Raises QuotasExceeded as `book` does."""
    if attachment is not None and ip.private_network_id:
        _room(change.ledger.find(Ip, ref=ip.private_network_id), attachment)
    kept = ip.changed(change.now, attachment=attachment, attached_at=change.now if attachment else None)
    change.ledger.put(kept)
    return kept


def release_from(change: Change, resource_id: str) -> None:
    """Take back all addresses of a resource: a user's bookings stay, the others go."""
    for ip in change.ledger.find(Ip, ref=resource_id):
        if ip.attachment is not None and ip.attachment.id == resource_id:
            release(change, ip)


def release(change: Change, ip: Ip) -> None:
    """Take back one address from its resource: a user's booking stays, another goes."""
    if ip.booked:
        attach(change, ip, None)
    else:
        change.ledger.remove(ip)


def take_public(change: Change, owner: Document, *, v6: bool = False, owner_id: str = "") -> str:
    """A free public address (IPv4, or the ::1 of an IPv6 /64), taken for a document (or for owner_id in its name)."""
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
