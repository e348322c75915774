"""Machines that were not made through the API and are plugged into a Private Network, known to IPAM by their MAC."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from hideaway.base.errors import PreconditionFailed
from hideaway.cloud.addressing import attach, book, release
from hideaway.cloud.change import Change
from hideaway.cloud.documents import GONE, Document, Ledger
from hideaway.cloud.network import Attachment, Ip, PrivateNetwork

CUSTOM = "custom"
"""What IPAM calls the type of what is no resource of the vendor's."""


class Machine(Document, frozen=True, kw_only=True):
    """status: attaching, attached, detaching.

    netns: the network namespace of the machine outside that it is, with what tells it from a later one there; tap: the
    tap device that its cable ends in. With neither it has a namespace of the world's. dhcp: hideaway runs its clients.
    """

    kind: ClassVar[str] = "hideaway/machine"
    resource: ClassVar[str] = "machine"
    carried: ClassVar[bool] = True

    name: str
    region: str
    private_network_id: str
    mac_address: str
    netns: str = ""
    netns_identity: str = msgspec.field(default="", name="_netns_identity")
    tap: str = ""
    dhcp: bool = True
    status: str = "attaching"

    @property
    def leaving(self) -> bool:
        return self.pending is not None and self.pending.to == GONE

    @property
    def refs(self) -> tuple[str, ...]:
        return (self.private_network_id,)


def addresses(ledger: Ledger, private_network_id: str, mac_address: str) -> list[Ip]:
    """What IPAM holds in a network for a MAC, oldest first."""
    held = (ip for ip in ledger.find(Ip, ref=private_network_id) if ip.private_network_id == private_network_id)
    return [ip for ip in held if (ip.mac_address or "").lower() == mac_address.lower()]


def plug_in(change: Change, machine: Machine, network: PrivateNetwork) -> Machine:
    """Book an address of each family that none is booked of for its MAC yet, and keep the machine.

    Raises PreconditionFailed where the MAC is a resource's, InvalidArguments or QuotasExceeded as `book` does.
    """
    held = addresses(change.ledger, network.id, machine.mac_address)
    for ip in held:
        if ip.attachment is not None and ip.attachment.type != CUSTOM:
            owner = f"{machine.mac_address} is another resource's ({ip.attachment.type})"
            raise PreconditionFailed("unknown_precondition", owner, "ip", ip.id)
    for v6 in (False, True):
        if not any(ip.is_ipv6 == v6 for ip in held) and any((":" in s.subnet) == v6 for s in network.subnets):
            ip = book(change, network, v6=v6)
            # As recorded of custom resources: the address's own id, and the MAC in capitals.
            resource = Attachment(type=CUSTOM, id=ip.id, mac_address=machine.mac_address.upper(), name=machine.name)
            attach(change, ip, resource)
    return change.begin(machine, "attaching", "attached")


def unplug(change: Change, machine: Machine) -> Machine:
    """Give back its addresses, but for those that a user booked, and begin to take its cable."""
    for ip in addresses(change.ledger, machine.private_network_id, machine.mac_address):
        if not ip.booked:
            release(change, ip)
    return change.retire(machine, "detaching")
