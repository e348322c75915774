"""instance/v2alpha1: private NICs under their newer name. The Terraform provider uses them so since 2.81."""

from __future__ import annotations

from typing import Any

from hideaway.api.call import Call
from hideaway.api.instance.nics import join
from hideaway.api.instance.shared import Tokens, here, tokened
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Tags
from hideaway.base.errors import invalid
from hideaway.cloud.interfaces import leave_network
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
    """With its server: an interface that no server has is not kept here."""
    if not body.server_id:
        raise invalid("server_id", "server_id is required: interfaces without a server are not kept", "required")
    server = here(call, Server, body.server_id, "server_id", body.project_id or None)
    call.project(server.project_id, PrivateNic.resource)
    nic = join(call, server, body.private_network_id, body.ip_ids or [], body.tags or [], "ip_ids")
    return view(nic)


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
