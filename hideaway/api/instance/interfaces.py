"""instance/v2alpha1: private NICs under their newer name. The Terraform provider uses them so since 2.81."""

from __future__ import annotations

from typing import Any

from hideaway.api.call import Call
from hideaway.api.instance.nics import free_addresses, join
from hideaway.api.instance.shared import Tokens, here, tokened
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Tags
from hideaway.cloud.interfaces import leave_network, make_nic
from hideaway.cloud.network import PrivateNetwork
from hideaway.cloud.servers import PrivateNic, Server

STATUSES = {"syncing": "attaching", "syncing_error": "error"}
"""instance/v1's state -> v2alpha1's status, where they differ."""


class CreateInterface(Body, frozen=True, kw_only=True):
    private_network_id: str
    project_id: str | None = None
    server_id: str | None = None
    ip_ids: list[str] | None = None
    tags: Tags | None = None


class UpdateInterface(Body, frozen=True, kw_only=True):
    tags: Tags | None = None


class ListInterfaces(Tokens, frozen=True, kw_only=True):
    private_network_ids: list[str] | None = None
    server_ids: list[str] | None = None
    tags: list[str] | None = None


def view(nic: PrivateNic) -> dict[str, Any]:
    return {
        "id": nic.id,
        "private_network_id": nic.private_network_id,
        "project_id": nic.project_id,
        "server_id": nic.server_id,
        "security_group_id": "",
        "mac_address": nic.mac_address,
        "status": STATUSES.get(nic.state, nic.state),
        "ip_ids": nic.ipam_ip_ids,
        "tags": nic.tags,
        "created_at": nic.created_at,
        "updated_at": nic.updated_at,
    }


def create(call: Call, body: CreateInterface) -> dict[str, Any]:
    """For a server, or for nobody yet."""
    ip_ids, tags = body.ip_ids or [], body.tags or []
    if body.server_id:
        server = here(call, Server, body.server_id, "server_id", body.project_id or None)
        call.project(server.project_id, PrivateNic.resource)
        return view(join(call, server, body.private_network_id, ip_ids, tags, "ip_ids"))
    network = call.refer(PrivateNetwork, body.private_network_id, "private_network_id", project_id=body.project_id)
    call.project(network.project_id, PrivateNic.resource)
    ips = free_addresses(call, network, ip_ids, "ip_ids")
    return view(make_nic(call.change, network, call.place, ips=ips, tags=tags))


def _own(call: Call) -> PrivateNic:
    return call.own(PrivateNic, param="private_network_interface_id")


def get(call: Call) -> dict[str, Any]:
    return view(_own(call))


def list_(call: Call, query: ListInterfaces) -> dict[str, Any]:
    special = {
        "private_network_ids": lambda n, wanted: n.private_network_id in wanted,
        "server_ids": lambda n, wanted: n.server_id in wanted,
    }
    return tokened("private_network_interfaces", call.visible(PrivateNic), query, view, special)


def update(call: Call, body: UpdateInterface) -> dict[str, Any]:
    nic = _own(call)
    if body.tags is not None:
        nic = nic.changed(call.change.now, tags=body.tags)
        call.change.ledger.put(nic)
    return view(nic)


def delete(call: Call) -> None:
    leave_network(call.change, _own(call))


BASE = "/zones/{zone}/private-network-interfaces"
ONE = BASE + "/{private_network_interface_id}"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=CreateInterface, records=False),
    Route(method="GET", path=BASE, handler=list_, query=ListInterfaces),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateInterface),
    Route(method="DELETE", path=ONE, handler=delete, status=204, records=False),
]
