"""Private NICs: a server's ports in Private Networks, as instance/v1 has them."""

from __future__ import annotations

from typing import Any

from hideaway.api.call import Call
from hideaway.api.instance.shared import Page, listed
from hideaway.api.instance.views import nic_view
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Tags
from hideaway.base.errors import Conflict, NotFound, PreconditionFailed, invalid
from hideaway.cloud.interfaces import join_network, leave_network
from hideaway.cloud.network import Ip, PrivateNetwork
from hideaway.cloud.quotas import RESOURCE_NETWORKS
from hideaway.cloud.servers import PrivateNic, Server

MAX_NICS = RESOURCE_NETWORKS.limit  # of a server: also capabilities.private_network of every server type


class CreateNic(Body, frozen=True, kw_only=True):
    private_network_id: str
    tags: Tags | None = None
    ip_ids: list[str] | None = None
    ipam_ip_ids: list[str] | None = None


class UpdateNic(Body, frozen=True, kw_only=True):
    tags: Tags | None = None


class ListNics(Page, frozen=True, kw_only=True):
    tags: list[str] | None = None


def join(call: Call, server: Server, network_id: str, ip_ids: list[str], tags: list[str], argument: str) -> PrivateNic:
    """Put a server into a Private Network of its region, with these booked addresses. For both versions of the API."""
    network = call.refer(PrivateNetwork, network_id, "private_network_id", project_id=server.project_id)
    check_room(call, server, network.id)
    return join_network(call.change, server, network, ips=free_addresses(call, network, ip_ids, argument), tags=tags)


def check_room(call: Call, server: Server, network_id: str) -> None:
    """Raises Conflict for a server that is in the network already, QuotasExceeded for one with too many NICs."""
    present = call.change.ledger.find(PrivateNic, ref=server.id)
    if any(nic.private_network_id == network_id for nic in present):
        raise Conflict(PrivateNic.resource, server.id, "the server is in this Private Network already")
    RESOURCE_NETWORKS.leaves_room(len(present))


def free_addresses(call: Call, network: PrivateNetwork, ip_ids: list[str], argument: str) -> list[Ip]:
    """Booked addresses of a network that nothing has, one of each family at most."""
    ips = [call.refer(Ip, id_, argument) for id_ in dict.fromkeys(ip_ids)]
    for ip in ips:
        if ip.private_network_id != network.id:
            raise invalid(argument, f"address {ip.address} is not of the Private Network {network.id}")
        if ip.attachment is not None:
            raise PreconditionFailed(
                "resource_still_in_use", f"address {ip.address} is attached already", Ip.resource, ip.id
            )
    if len({ip.is_ipv6 for ip in ips}) != len(ips):
        raise invalid(argument, "one IPv4 and one IPv6 address at most")
    return ips


def _nic(call: Call) -> PrivateNic:
    """The NIC of the path: by its id, or by its MAC address."""
    server = call.own(Server, param="server_id")
    wanted = call.params["private_nic_id"].lower()
    for nic in call.change.ledger.find(PrivateNic, ref=server.id):
        if wanted in (nic.id, nic.mac_address):
            return call.own(PrivateNic, nic.id)
    raise NotFound(PrivateNic.resource, wanted)


def create(call: Call, body: CreateNic) -> dict[str, Any]:
    server = call.own(Server, param="server_id")
    ids = [*(body.ipam_ip_ids or []), *(body.ip_ids or [])]
    return {"private_nic": nic_view(join(call, server, body.private_network_id, ids, body.tags or [], "ipam_ip_ids"))}


def list_(call: Call, query: ListNics) -> dict[str, Any]:
    server = call.own(Server, param="server_id")
    return listed(call, "private_nics", call.change.ledger.find(PrivateNic, ref=server.id), query, nic_view)


def get(call: Call) -> dict[str, Any]:
    return {"private_nic": nic_view(_nic(call))}


def update(call: Call, body: UpdateNic) -> dict[str, Any]:
    """Answers the NIC itself, unlike the other calls (the SDKs' contract)."""
    nic = _nic(call)
    if body.tags is not None:
        nic = nic.changed(call.change.now, tags=body.tags)
        call.change.ledger.put(nic)
    return nic_view(nic)


def delete(call: Call) -> None:
    leave_network(call.change, _nic(call))


BASE = "/zones/{zone}/servers/{server_id}/private_nics"
ONE = BASE + "/{private_nic_id}"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=CreateNic, status=201, records=False),
    Route(method="GET", path=BASE, handler=list_, query=ListNics),
    Route(method="GET", path=ONE, handler=get, raw_ids=True),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateNic, raw_ids=True),
    Route(method="DELETE", path=ONE, handler=delete, status=204, raw_ids=True, records=False),
]
