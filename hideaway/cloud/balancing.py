"""What can be done to Load Balancers: making, moving addresses, attaching, changing, deleting. Arguments come valid."""

from __future__ import annotations

import ipaddress
from typing import Any

import msgspec

from hideaway.base.errors import Conflict, PreconditionFailed, TransientState
from hideaway.cloud.addressing import attach, book, take_public
from hideaway.cloud.balancers import (
    Backend,
    Certificate,
    Frontend,
    Lb,
    LbAcl,
    LbInstance,
    LbIp,
    LbPrivateNetwork,
    LbRoute,
)
from hideaway.cloud.change import Change
from hideaway.cloud.network import Attachment, Ip, PrivateNetwork
from hideaway.cloud.places import region_of
from hideaway.cloud.quotas import RESOURCE_NETWORKS

ATTACHMENT_TYPE = "lb_server"
TO_CREATING = 0.1  # of its creation is over when it passes from to_create to creating (recorded: 0.2 s of 2.7 s)


def default_reverse(address: str, zone: str) -> str:
    """An address's default reverse name (recorded: 51-159-24-8.lb.fr-par.scw.cloud, for IPv6 its 32 nibbles)."""
    if ":" in address:
        name = ipaddress.ip_address(address).reverse_pointer.removesuffix(".ip6.arpa")
    else:
        name = address.replace(".", "-")
    return f"{name}.lb.{region_of(zone)}.scw.cloud"


def make_ip(change: Change, ip: LbIp, *, v6: bool = False) -> LbIp:
    """Keep a new address: the public address that it stands for, and its reverse name where it has none."""
    address = take_public(change, ip, v6=v6)
    made = msgspec.structs.replace(ip, ip_address=address, reverse=ip.reverse or default_reverse(address, ip.zone))
    change.ledger.put(made)
    return made


def make_lb(change: Change, lb: Lb, ips: list[LbIp], *, v4: bool, v6: bool) -> Lb:
    """Begin a Load Balancer with these free addresses, and a new one of each family that is asked for.

    Without any it is a private one. Raises PreconditionFailed when an address is another Load Balancer's.
    """
    for ip in ips:
        hold_ip(change, ip, lb)
    for wanted, is_v6 in ((v4, False), (v6, True)):
        if wanted:
            make_ip(change, LbIp(**change.of(lb), zone=lb.zone, ip_address="", lb_id=lb.id), v6=is_v6)
    instance = LbInstance(**change.of(lb), zone=lb.zone, lb_id=lb.id)
    change.begin(instance, "unknown", "ready")
    now, ready_at = change.now.timestamp(), change.due(lb.kind)
    begun = msgspec.structs.replace(lb, ready_at=ready_at)
    kept = begun.toward(change.now, "to_create", "creating", now + (ready_at - now) * TO_CREATING)
    change.ledger.put(kept)
    return kept


def hold_ip(change: Change, ip: LbIp, lb: Lb | None) -> LbIp:
    """Give an address to a Load Balancer, or (None) take it back. Raises PreconditionFailed when another has it."""
    if lb is not None and ip.lb_id not in (None, lb.id):
        raise PreconditionFailed("resource_still_in_use", "the IP is attached to a Load Balancer", ip.resource, ip.id)
    kept = ip.changed(change.now, lb_id=lb.id if lb else None)
    change.ledger.put(kept)
    return kept


def configurable(lb: Lb) -> Lb:
    """The Load Balancer, unless it is being deleted: then raises TransientState."""
    if lb.going:
        raise TransientState(lb.resource, lb.id, lb.status)
    return lb


def reconfigure(change: Change, lb: Lb) -> None:
    """Let a Load Balancer take up a change of its configuration: its instance is pending meanwhile (recorded)."""
    for instance in change.ledger.find(LbInstance, ref=lb.id):
        if instance.pending is None:
            change.begin(instance, "pending", "ready")


def update_lb(change: Change, lb: Lb, **fields: Any) -> Lb:
    """Change what a Load Balancer is called and how it is set; IPAM knows it by its name."""
    kept = lb.changed(change.now, **fields)
    change.ledger.put(kept)
    if kept.name != lb.name:
        for network in change.ledger.find(LbPrivateNetwork, ref=lb.id):
            for ip in (change.ledger.get(Ip, id_) for id_ in network.ipam_ids):
                if ip is not None and ip.attachment is not None:
                    attach(change, ip, msgspec.structs.replace(ip.attachment, name=kept.name))
    reconfigure(change, kept)
    return kept


def migrate_lb(change: Change, lb: Lb, type_: str) -> Lb:
    """Begin to change a ready Load Balancer's type. Raises TransientState while it changes otherwise."""
    if lb.status != "ready":
        raise TransientState(lb.resource, lb.id, lb.status)
    return change.begin(msgspec.structs.replace(lb, type=type_), "migrating", "ready")


def delete_lb(change: Change, lb: Lb, *, and_ips: bool) -> Lb:
    """Begin to delete a Load Balancer with all that it has; and_ips: its public addresses, too."""
    return change.retire(msgspec.structs.replace(configurable(lb), release_ip=and_ips), "to_delete")


def attach_network(change: Change, network: LbPrivateNetwork, lb: Lb, private: PrivateNetwork, ip: Ip | None, *,
                   address: str | None = None) -> LbPrivateNetwork:  # fmt: skip
    """Begin to attach a Load Balancer to a Private Network, at this booked address, this free one, or the lowest free.

    Raises Conflict when it is attached there already, QuotasExceeded when it is attached to eight networks,
    InvalidArguments naming `address` for one that cannot be had.
    """
    present = change.ledger.find(LbPrivateNetwork, ref=lb.id)
    if any(other.private_network_id == private.id for other in present):
        raise Conflict(network.resource, private.id, "the Load Balancer is already attached to this Private Network")
    RESOURCE_NETWORKS.leaves_room(len(present))
    attachment = Attachment(type=ATTACHMENT_TYPE, id=lb.id, mac_address=change.ids.mac(), name=lb.name)
    if ip is None:
        held = book(change, private, attachment=attachment, address=address)
    else:
        held = attach(change, ip, attachment)
    reconfigure(change, lb)
    return change.begin(msgspec.structs.replace(network, ipam_ids=[held.id]), "pending", "ready")


def detach_network(change: Change, network: LbPrivateNetwork, lb: Lb) -> None:
    """Begin to take a Load Balancer out of a Private Network."""
    change.retire(network, "pending")
    reconfigure(change, lb)


def keep_frontend(change: Change, frontend: Frontend) -> Frontend:
    """Keep a frontend, new or changed. Raises Conflict when another of its Load Balancer has its port."""
    for other in change.ledger.find(Frontend, ref=frontend.lb_id):
        if other.inbound_port == frontend.inbound_port and other.id != frontend.id:
            message = f"port {frontend.inbound_port} is another frontend's of this Load Balancer"
            raise Conflict(frontend.resource, other.id, message)
    change.ledger.put(frontend)
    return frontend


def remove_frontend(change: Change, frontend: Frontend) -> None:
    """Delete a frontend with its ACLs (recorded) and routes."""
    for type_ in (LbAcl, LbRoute):
        for document in change.ledger.find(type_, ref=frontend.id):
            change.ledger.remove(document)
    change.ledger.remove(frontend)


def remove_unused(change: Change, document: Backend | Certificate) -> None:
    """Delete a backend or a certificate. Raises PreconditionFailed while a frontend or a route uses it (assumed)."""
    users = [*change.ledger.find(Frontend, ref=document.id), *change.ledger.find(LbRoute, ref=document.id)]
    if users:
        what = "frontend" if isinstance(users[0], Frontend) else "route"
        raise PreconditionFailed(
            "resource_still_in_use", f"it is used by the {what} {users[0].id}", document.resource, document.id
        )
    change.ledger.remove(document)
