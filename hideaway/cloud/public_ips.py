"""Public addresses of servers: made, attached, taken, given back; IPAM lists each under the same id."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

import msgspec

from hideaway.cloud import addressing
from hideaway.cloud.change import Change
from hideaway.cloud.network import Attachment, Ip
from hideaway.cloud.places import region_of
from hideaway.cloud.servers import Server, ServerIp

PUBLIC_IP = "instance_ip"


def make_public_ip(
    change: Change,
    *,
    organization_id: str,
    project_id: str,
    zone: str,
    v6: bool = False,
    dynamic: bool = False,
    tags: Sequence[str] = (),
) -> ServerIp:
    """Keep a new public address that nobody has: an IPv4, or an IPv6 /64. IPAM lists it under the same id."""
    id_ = change.ids.uuid()
    common: dict[str, Any] = {
        "id": id_,
        "organization_id": organization_id,
        "project_id": project_id,
        "created_at": change.now,
        "updated_at": change.now,
        "tags": list(tags),
    }
    ip = ServerIp(**common, zone=zone, type="routed_ipv6" if v6 else "routed_ipv4", dynamic=dynamic, ipam_id=id_)
    address = addressing.take_public(change, ip, v6=v6)
    prefix = str(ipaddress.ip_network(f"{address}/64", strict=False)) if v6 else None
    ip = msgspec.structs.replace(ip, address=None if v6 else address, prefix=prefix)
    change.ledger.put(ip)
    change.ledger.put(
        Ip(
            **common,
            region=region_of(zone),
            address=prefix or f"{address}/32",
            is_ipv6=v6,
            zone_of=zone,
            attachment=Attachment(type=PUBLIC_IP, id=id_),
            booked=True,
        )
    )
    return ip


def give_public_ip(
    change: Change, server: Server, *, v6: bool = False, dynamic: bool = False, tags: Sequence[str] = ()
) -> ServerIp:
    """Make a public address and attach it to a server."""
    ip = make_public_ip(
        change,
        organization_id=server.organization_id,
        project_id=server.project_id,
        zone=server.zone,
        v6=v6,
        dynamic=dynamic,
        tags=tags,
    )
    return attach_public_ip(change, server, ip)


def attach_public_ip(change: Change, server: Server, ip: ServerIp) -> ServerIp:
    """Give a public address to a server. Of an IPv6 /64 the server makes its address from its MAC (SLAAC)."""
    _no_default(change, ip)
    address = ip.address if ip.prefix is None else slaac(ip.prefix, server.mac_address)
    kept = ip.changed(change.now, server_id=server.id, address=address)
    change.ledger.put(kept)
    return kept


def take_public_ip(change: Change, ip: ServerIp) -> ServerIp:
    """Take a public address from its server; the address stays the project's."""
    _no_default(change, ip)
    kept = ip.changed(change.now, server_id=None, address=ip.address if ip.prefix is None else None)
    change.ledger.put(kept)
    return kept


def _no_default(change: Change, ip: ServerIp) -> None:
    """An address that is leaving its server is not the one that was chosen as its first any more."""
    server = change.ledger.get(Server, ip.server_id) if ip.server_id else None
    if server is not None and server.default_ip_id == ip.id:
        change.ledger.put(server.changed(change.now, default_ip_id=None))


def release_ip(change: Change, ip: ServerIp) -> None:
    """Give a public address back."""
    _no_default(change, ip)
    first = str(ipaddress.ip_network(ip.prefix)[1]) if ip.prefix else ip.address
    addressing.give_back_public(change, first)
    listed = change.ledger.get(Ip, ip.ipam_id)
    if listed is not None:
        change.ledger.remove(listed)
    change.ledger.remove(ip)


def slaac(prefix: str, mac: str) -> str:
    """The address that a port with this MAC makes of an IPv6 /64 (modified EUI-64, RFC 4291)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
    network = ipaddress.IPv6Network(prefix)
    return str(network.network_address + int.from_bytes(identifier, "big"))


def leave_to_ipam(change: Change, ip: ServerIp) -> None:
    """Let a public address be no server's; it stays the project's, in IPAM alone (instance/v1's release-to-ipam)."""
    _no_default(change, ip)
    listed = change.need(Ip, ip.ipam_id)
    change.ledger.put(listed.changed(change.now, attachment=None, attached_at=None))
    change.ledger.remove(ip)


def adopt(change: Change, listed: Ip) -> ServerIp:
    """The public address of IPAM as one that a server can have, again: what `leave_to_ipam` undid."""
    known = change.ledger.get(ServerIp, listed.id)
    if known is not None:
        return known
    ip = ServerIp(
        id=listed.id,
        organization_id=listed.organization_id,
        project_id=listed.project_id,
        created_at=listed.created_at,
        updated_at=change.now,
        zone=listed.zone_of or "",
        type="routed_ipv6" if listed.is_ipv6 else "routed_ipv4",
        address=None if listed.is_ipv6 else listed.host,
        prefix=listed.address if listed.is_ipv6 else None,
        tags=listed.tags,
        ipam_id=listed.id,
    )
    change.ledger.put(ip)
    attachment = Attachment(type=PUBLIC_IP, id=ip.id)
    change.ledger.put(listed.changed(change.now, attachment=attachment, attached_at=change.now))
    return ip
