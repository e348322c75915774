"""Private Networks: an automatic /22 and /64 unless asked for otherwise, emptied before they are deleted."""

from __future__ import annotations

from typing import Any

from hideaway.api.call import Call, answer
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Name, Tags, given
from hideaway.base.errors import PreconditionFailed
from hideaway.cloud.addressing import subnets_for
from hideaway.cloud.network import Ip, PrivateNetwork, Vpc


class CreateNetwork(Body, frozen=True, kw_only=True):
    name: Name | None = None
    project_id: str | None = None
    tags: Tags | None = None
    subnets: list[str] | None = None
    vpc_id: str | None = None
    default_route_propagation_enabled: bool | None = None


class UpdateNetwork(Body, frozen=True, kw_only=True):
    name: Name | None = None
    tags: Tags | None = None
    default_route_propagation_enabled: bool | None = None


class ListNetworks(Listing, frozen=True, kw_only=True):
    name: str | None = None
    tags: list[str] | None = None
    private_network_ids: list[str] | None = None
    vpc_id: str | None = None
    dhcp_enabled: bool | None = None


def view(network: PrivateNetwork) -> dict[str, Any]:
    times = {"created_at": network.created_at, "updated_at": network.updated_at}
    owners = {
        "project_id": network.project_id,
        "private_network_id": network.id,
        "vpc_id": network.vpc_id,
        "region": network.region,
    }
    return answer(network, subnets=[{"id": s.id, **times, "subnet": s.subnet, **owners} for s in network.subnets])


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
    special = {"private_network_ids": lambda n, ids: n.id in ids}
    return listing("private_networks", call.visible(PrivateNetwork), query, view, special=special)


def update(call: Call, body: UpdateNetwork) -> dict[str, Any]:
    network = call.own(PrivateNetwork, param="private_network_id").changed(call.change.now, **given(body))
    call.change.ledger.put(network)
    return view(network)


def delete(call: Call) -> None:
    """Refused while anything is attached: "must be empty to be deleted" (scaleway.md)."""
    network = call.own(PrivateNetwork, param="private_network_id")
    if call.change.ledger.find(Ip, ref=network.id):
        raise PreconditionFailed(
            "resource_still_in_use", "Private Network must be empty to be deleted", network.resource, network.id
        )
    call.change.ledger.remove(network)


BASE = "/regions/{region}/private-networks"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=CreateNetwork, records=False),
    Route(method="GET", path=BASE, handler=list_, query=ListNetworks),
    Route(method="GET", path=BASE + "/{private_network_id}", handler=get),
    Route(method="PATCH", path=BASE + "/{private_network_id}", handler=update, body=UpdateNetwork),
    Route(method="DELETE", path=BASE + "/{private_network_id}", handler=delete, status=204, records=False),
]
