"""Private Networks and their subnets: an automatic /22 and /64 unless asked for otherwise, emptied before deleted."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from hideaway.api.call import Call, answer
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Name, Tags, given
from hideaway.cloud.addressing import subnets_for
from hideaway.cloud.network import PrivateNetwork, Vpc
from hideaway.cloud.private_networks import remove

MAX_SUBNETS = 10  # assumed: a bound, so that no body makes the server search for long
Cidrs = Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=MAX_SUBNETS)]


class CreateNetwork(Body, frozen=True, kw_only=True):
    name: Name | None = None
    project_id: str | None = None
    tags: Tags | None = None
    subnets: Cidrs | None = None
    vpc_id: str | None = None
    default_route_propagation_enabled: bool | None = None


class UpdateNetwork(Body, frozen=True, kw_only=True):
    name: Name | None = None
    tags: Tags | None = None
    default_route_propagation_enabled: bool | None = None


class ListNetworks(Listing, frozen=True, kw_only=True):
    order_by: Literal["created_at_asc", "created_at_desc", "name_asc", "name_desc"] | None = None
    name: str | None = None
    tags: list[str] | None = None
    private_network_ids: list[str] | None = None
    vpc_id: str | None = None
    dhcp_enabled: bool | None = None
    object_storage_private_access_enabled: bool | None = None


class ListSubnets(Listing, frozen=True, kw_only=True):
    order_by: Literal["created_at_asc", "created_at_desc"] | None = None
    subnet_ids: list[str] | None = None
    vpc_id: str | None = None


class SubnetView(msgspec.Struct, frozen=True, kw_only=True):
    """A subnet as it is answered: its times and owners are its network's."""

    id: str
    created_at: datetime
    updated_at: datetime
    subnet: str
    project_id: str
    private_network_id: str
    vpc_id: str
    region: str


def subnet_views(network: PrivateNetwork) -> list[SubnetView]:
    return [
        SubnetView(
            id=s.id,
            created_at=network.created_at,
            updated_at=network.updated_at,
            subnet=s.subnet,
            project_id=network.project_id,
            private_network_id=network.id,
            vpc_id=network.vpc_id,
            region=network.region,
        )
        for s in network.subnets
    ]


def view(network: PrivateNetwork) -> dict[str, Any]:
    """A network's answer. has_s3_integration: the name of mid-2026's recordings (see `vpcs.view`)."""
    return answer(
        network, subnets=subnet_views(network), has_s3_integration=network.has_object_storage_private_access
    )  # fmt: skip


def create(call: Call, body: CreateNetwork) -> dict[str, Any]:
    common = call.common(body.project_id, PrivateNetwork.resource)
    if body.vpc_id:
        vpc = call.refer(Vpc, body.vpc_id, "vpc_id", project_id=common["project_id"])
    else:
        owned = call.change.ledger.find(Vpc, project=common["project_id"], locality=call.region)
        vpc = next(v for v in owned if v.is_default)
    network = PrivateNetwork(
        **common,
        name=body.name or f"pn-{call.change.ids.word()}",
        region=call.region,
        vpc_id=vpc.id,
        tags=body.tags or [],
        subnets=subnets_for(call.change, vpc.id, body.subnets),
        default_route_propagation_enabled=bool(body.default_route_propagation_enabled),
    )
    call.change.ledger.put(network)
    return view(network)


def get(call: Call) -> dict[str, Any]:
    return view(call.own(PrivateNetwork, param="private_network_id"))


def list_(call: Call, query: ListNetworks) -> dict[str, Any]:
    special = {
        "private_network_ids": lambda n, ids: n.id in ids,
        "object_storage_private_access_enabled": lambda n, wanted: n.has_object_storage_private_access == wanted,
    }
    return listing("private_networks", call.visible(PrivateNetwork), query, view, special=special)


def update(call: Call, body: UpdateNetwork) -> dict[str, Any]:
    network = call.own(PrivateNetwork, param="private_network_id").changed(call.change.now, **given(body))
    call.change.ledger.put(network)
    return view(network)


def enable_dhcp(call: Call) -> dict[str, Any]:
    """DHCP is on from the start (every recording says so) and cannot be turned off, so this changes nothing."""
    return get(call)


def delete(call: Call) -> None:
    """Refused while anything is attached: "must be empty to be deleted" (scaleway.md)."""
    remove(call.change, call.own(PrivateNetwork, param="private_network_id"))


def list_subnets(call: Call, query: ListSubnets) -> dict[str, Any]:
    organization = query.organization_id
    networks = [n for n in call.visible(PrivateNetwork) if organization in (None, n.organization_id)]
    special = {"subnet_ids": lambda s, ids: s.id in ids, "organization_id": lambda s, _: True}
    return listing("subnets", [s for n in networks for s in subnet_views(n)], query, _itself, special=special)


def _itself(subnet: SubnetView) -> SubnetView:
    return subnet


BASE = "/regions/{region}/private-networks"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=CreateNetwork, records=False),
    Route(method="GET", path=BASE, handler=list_, query=ListNetworks),
    Route(method="GET", path=BASE + "/{private_network_id}", handler=get),
    Route(method="PATCH", path=BASE + "/{private_network_id}", handler=update, body=UpdateNetwork, records=False),
    Route(method="DELETE", path=BASE + "/{private_network_id}", handler=delete, status=204, records=False),
    Route(method="POST", path=BASE + "/{private_network_id}/enable-dhcp", handler=enable_dhcp),
    Route(method="GET", path="/regions/{region}/subnets", handler=list_subnets, query=ListSubnets),
]
