"""A server's ports in Private Networks. A port (NIC) keeps its addresses while no server has it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hideaway.cloud import addressing
from hideaway.cloud.change import Change
from hideaway.cloud.network import Attachment, Ip, PrivateNetwork
from hideaway.cloud.servers import PrivateNic, Server

NIC = "instance_private_nic"


def join_network(
    change: Change, server: Server, network: PrivateNetwork, *, ips: Sequence[Ip] = (), tags: Sequence[str] = ()
) -> PrivateNic:
    """Put a server into a Private Network: with these booked addresses, and a new one of each family not among them."""
    nic = _new(change, network, server.project_id, server.zone, server, ips, tags)
    return change.begin(nic, "syncing", "available")


def make_nic(
    change: Change, network: PrivateNetwork, zone: str, *, ips: Sequence[Ip] = (), tags: Sequence[str] = ()
) -> PrivateNic:
    """Keep a NIC that no server has, with addresses as `join_network` gives them."""
    nic = _new(change, network, network.project_id, zone, None, ips, tags)
    change.ledger.put(nic)
    return nic


def _new(
    change: Change,
    network: PrivateNetwork,
    project_id: str,
    zone: str,
    server: Server | None,
    ips: Sequence[Ip],
    tags: Sequence[str],
) -> PrivateNic:
    mac = change.ids.mac()
    id_ = change.ids.uuid()
    attachment = Attachment(type=NIC, id=id_, mac_address=mac.upper(), name=server.name if server else None)
    held = [addressing.attach(change, ip, attachment) for ip in ips]
    for v6 in (False, True):
        if not any(ip.is_ipv6 == v6 for ip in held):
            held.append(addressing.book(change, network, v6=v6, attachment=attachment, project_id=project_id))
    return PrivateNic(
        id=id_,
        organization_id=network.organization_id,
        project_id=project_id,
        created_at=change.now,
        updated_at=change.now,
        zone=zone,
        server_id=server.id if server else "",
        private_network_id=network.id,
        mac_address=mac.lower(),
        ipam_ip_ids=[ip.id for ip in sorted(held, key=lambda ip: ip.is_ipv6)],
        tags=list(tags),
    )


def plug(change: Change, nic: PrivateNic, server: Server) -> PrivateNic:
    """Give a NIC that nobody has to a server."""
    name_addresses(change, nic, server.name)
    return change.begin(msgspec.structs.replace(nic, server_id=server.id), "syncing", "available")


def unplug(change: Change, nic: PrivateNic) -> PrivateNic:
    """Take a NIC from its server; it keeps its addresses."""
    name_addresses(change, nic, None)
    kept = nic.changed(change.now, server_id="", state="available", pending=None)
    change.ledger.put(kept)
    return kept


def name_addresses(change: Change, nic: PrivateNic, name: str | None) -> None:
    """A Private Network's names follow its servers' names."""
    for ip in change.ledger.find(Ip, ref=nic.id):
        if ip.attachment is not None and ip.attachment.id == nic.id:
            renamed = msgspec.structs.replace(ip.attachment, name=name)
            change.ledger.put(ip.changed(change.now, attachment=renamed))


def leave_network(change: Change, nic: PrivateNic) -> None:
    """Take a server out of a Private Network. Addresses that a user booked stay the user's."""
    addressing.release_from(change, nic.id)
    change.ledger.remove(nic)
