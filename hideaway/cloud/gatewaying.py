"""What can be done to Public Gateways: making, attaching, changing, deleting. Arguments come here valid."""

from __future__ import annotations

import msgspec

from hideaway.base.errors import Conflict, PreconditionFailed, TransientState
from hideaway.cloud.addressing import attach, book, release_from, reverse_name, take_public
from hideaway.cloud.change import Change
from hideaway.cloud.gateways import Gateway, GatewayIp, GatewayNetwork, PatRule
from hideaway.cloud.logging_in import enabled_keys
from hideaway.cloud.network import Attachment, Ip, PrivateNetwork
from hideaway.cloud.quotas import RESOURCE_NETWORKS

ATTACHMENT_TYPE = "vpc_gateway_network"
MEMBERS = {"tcp": {"tcp"}, "udp": {"udp"}, "both": {"tcp", "udp"}}
"""The transport protocols that a port translation's protocol stands for."""


def make_ip(change: Change, ip: GatewayIp) -> GatewayIp:
    """Keep a new address, and give it the public address and the reverse name that it is to have."""
    address = take_public(change, ip)
    made = msgspec.structs.replace(ip, address=address, reverse=reverse_name(address))
    change.ledger.put(made)
    return made


def make_gateway(change: Change, gateway: Gateway, ip: GatewayIp | None) -> Gateway:
    """Begin a gateway with this free address, or with a new one.

    Raises PreconditionFailed when the address is another gateway's.
    """
    if ip is None:
        new = GatewayIp(
            **change.of(gateway),
            zone=gateway.zone,
            address="",
        )
        ip = make_ip(change, new)
    elif ip.gateway_id is not None:
        raise PreconditionFailed("resource_still_in_use", "the IP is attached to a gateway", ip.resource, ip.id)
    # Its own times stay as they are: the recordings' updated_at is that of its creation.
    change.ledger.put(msgspec.structs.replace(ip, gateway_id=gateway.id))
    return change.begin(refreshed(change, msgspec.structs.replace(gateway, ip_id=ip.id)), "allocating", "running")


def move_ip(change: Change, ip: GatewayIp, gateway: Gateway | None) -> GatewayIp:
    """Attach an address to a gateway that has none, or (None) detach it from its own.

    Raises PreconditionFailed when the address or the gateway is taken, TransientState while the gateway changes.
    """
    if gateway is None:
        old = change.ledger.get(Gateway, ip.gateway_id or "")
        if old is not None:
            settled(old)
            change.begin(msgspec.structs.replace(old, ip_id=None), "configuring", "running")
        moved = ip.changed(change.now, gateway_id=None)
    elif gateway.id == ip.gateway_id:
        return ip
    else:
        settled(gateway)
        if ip.gateway_id is not None:
            raise PreconditionFailed("resource_still_in_use", "the IP is attached to a gateway", ip.resource, ip.id)
        if gateway.ip_id is not None:
            message = "the gateway has an IP already; detach it first"
            raise PreconditionFailed("resource_still_in_use", message, gateway.resource, gateway.id)
        change.begin(msgspec.structs.replace(gateway, ip_id=ip.id), "configuring", "running")
        moved = ip.changed(change.now, gateway_id=gateway.id)
    change.ledger.put(moved)
    return moved


def delete_gateway(change: Change, gateway: Gateway, *, delete_ip: bool) -> Gateway:
    """Begin to delete a gateway, and with it its attachments and port translations (assumed: no recording shows it)."""
    for network in change.ledger.find(GatewayNetwork, ref=gateway.id):
        change.retire(network, "detaching")
    for rule in change.ledger.find(PatRule, ref=gateway.id):
        change.ledger.remove(rule)
    return change.retire(msgspec.structs.replace(gateway, delete_ip=delete_ip))


def upgrade_gateway(change: Change, gateway: Gateway, type_: str, bandwidth: int) -> Gateway:
    """Begin to make a gateway this type, with the newest software; its service is interrupted (contract)."""
    version = gateway.can_upgrade_to or gateway.version
    if (type_, version) == (gateway.type, gateway.version):
        return gateway
    upgraded = gateway.changed(
        change.now, type=type_, bandwidth=bandwidth, version=version, can_upgrade_to=None, boots=gateway.boots + 1
    )
    return change.begin(upgraded, "configuring", "running")


def refreshed(change: Change, gateway: Gateway) -> Gateway:
    """A gateway whose bastion knows the keys that its project has now."""
    return msgspec.structs.replace(gateway, ssh_keys=enabled_keys(change.ledger, gateway.project_id))


def settled(gateway: Gateway) -> None:
    """Raise TransientState while a gateway is on its way from one state to another (recorded for attaching)."""
    if gateway.status not in ("running", "stopped", "failed"):
        raise TransientState(gateway.resource, gateway.id, gateway.status)


def attach_network(
    change: Change, gateway: Gateway, network: GatewayNetwork, private: PrivateNetwork, ip: Ip | None
) -> GatewayNetwork:
    """Begin to attach a gateway to a Private Network, at this booked address or a new one.

    Raises TransientState while the gateway changes (recorded), Conflict when it is attached there already,
    QuotasExceeded when it is attached to eight networks.
    """
    settled(gateway)
    present = change.ledger.find(GatewayNetwork, ref=gateway.id)
    for other in present:
        if other.private_network_id == private.id:
            raise Conflict(other.resource, other.id, "the gateway is already attached to this Private Network")
    RESOURCE_NETWORKS.leaves_room(len(present))
    mac = change.ids.mac()
    attachment = Attachment(type=ATTACHMENT_TYPE, id=network.id, mac_address=mac, name=gateway.name)
    held = book(change, private, attachment=attachment) if ip is None else attach(change, ip, attachment)
    change.begin(gateway, "configuring", "running")
    return change.begin(msgspec.structs.replace(network, ipam_ip_id=held.id, mac_address=mac), "created", "ready")


def reconfigure_network(
    change: Change, network: GatewayNetwork, *, masquerade: bool, default_route: bool, ip: Ip | None
) -> GatewayNetwork:
    """Begin to change an attachment; the gateway stays running (recorded).

    ip: the booked address that it shall have from now on, None for the one it has. Raises TransientState.
    """
    if network.status != "ready":
        raise TransientState(network.resource, network.id, network.status)
    held = network.ipam_ip_id
    if ip is not None and ip.id != held:
        gateway = change.need(Gateway, network.gateway_id)
        release_from(change, network.id)
        # Recorded: IPAM then knows no MAC address of the resource.
        held = attach(change, ip, Attachment(type=ATTACHMENT_TYPE, id=network.id, name=gateway.name)).id
    changed = msgspec.structs.replace(
        network, masquerade_enabled=masquerade, push_default_route=default_route, ipam_ip_id=held
    )
    return change.begin(changed, "configuring", "ready")


def rename_gateway(change: Change, gateway: Gateway) -> None:
    """Tell IPAM the name of a gateway, which names its addresses' resources."""
    for network in change.ledger.find(GatewayNetwork, ref=gateway.id):
        for ip in change.ledger.find(Ip, ref=network.id):
            if ip.attachment is not None and ip.attachment.id == network.id:
                attach(change, ip, msgspec.structs.replace(ip.attachment, name=gateway.name))


def keep_rule(change: Change, rule: PatRule) -> PatRule:
    """Keep a port translation, new or changed. Raises Conflict when another has its port and protocol."""
    for other in change.ledger.find(PatRule, ref=rule.gateway_id):
        same = other.public_port == rule.public_port and MEMBERS[other.protocol] & MEMBERS[rule.protocol]
        if same and other.id != rule.id:
            raise Conflict(rule.resource, other.id, f"public port {rule.public_port} is translated already")
    change.ledger.put(rule)
    return rule
