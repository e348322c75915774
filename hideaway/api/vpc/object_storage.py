"""Object Storage's private access of VPCs and their Private Networks. Kept as records: nothing answers there."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Query
from hideaway.api.vpc.vpcs import view
from hideaway.base.errors import NotFound, PreconditionFailed, invalid
from hideaway.cloud.network import PrivateNetwork, Vpc

NetworkIds = Annotated[list[str], msgspec.Meta(max_length=1000)]


class EnableAccess(Query, frozen=True, kw_only=True):
    private_network_ids: NetworkIds | None = None


class AddNetwork(Body, frozen=True, kw_only=True):
    private_network_id: str


class SetNetworks(Body, frozen=True, kw_only=True):
    private_network_ids: NetworkIds | None = None


def _set(call: Call, network: PrivateNetwork, access: bool) -> None:
    if network.has_object_storage_private_access != access:
        call.change.ledger.put(network.changed(call.change.now, has_object_storage_private_access=access))


def _members(call: Call, vpc: Vpc, ids: list[str] | None, argument: str) -> list[PrivateNetwork]:
    found = [call.refer(PrivateNetwork, i, argument) for i in ids or []]
    if any(n.vpc_id != vpc.id for n in found):
        raise invalid(argument, "the Private Network is not in the VPC")
    return found


def _answer(call: Call, vpc: Vpc) -> dict[str, Any]:
    networks = call.change.ledger.find(PrivateNetwork, ref=vpc.id)
    return {
        "vpc_id": vpc.id,
        "private_network_ids": [n.id for n in networks if n.has_object_storage_private_access],
    }


def enable(call: Call, query: EnableAccess) -> dict[str, Any]:
    vpc = call.own(Vpc, param="vpc_id")
    for network in _members(call, vpc, query.private_network_ids, "private_network_ids"):
        _set(call, network, True)
    return _switch(call, vpc, True)


def disable(call: Call) -> dict[str, Any]:
    vpc = call.own(Vpc, param="vpc_id")
    for network in call.change.ledger.find(PrivateNetwork, ref=vpc.id):
        _set(call, network, False)
    return _switch(call, vpc, False)


def _switch(call: Call, vpc: Vpc, on: bool) -> dict[str, Any]:
    kept = vpc.changed(call.change.now, object_storage_private_access_enabled=on)
    call.change.ledger.put(kept)
    return view(call, kept)


def _enabled(call: Call) -> Vpc:
    vpc = call.own(Vpc, param="vpc_id")
    if not vpc.object_storage_private_access_enabled:
        raise PreconditionFailed(
            "attribute_must_be_set", "enable the VPC's Object Storage private access first", Vpc.resource, vpc.id
        )
    return vpc


def add(call: Call, body: AddNetwork) -> dict[str, Any]:
    vpc = _enabled(call)
    for network in _members(call, vpc, [body.private_network_id], "private_network_id"):
        _set(call, network, True)
    return _answer(call, vpc)


def put(call: Call, body: SetNetworks) -> dict[str, Any]:
    vpc = _enabled(call)
    wanted = {n.id for n in _members(call, vpc, body.private_network_ids, "private_network_ids")}
    for network in call.change.ledger.find(PrivateNetwork, ref=vpc.id):
        _set(call, network, network.id in wanted)
    return _answer(call, vpc)


def remove(call: Call) -> None:
    vpc = call.own(Vpc, param="vpc_id")
    network = call.own(PrivateNetwork, param="private_network_id")
    if network.vpc_id != vpc.id or not network.has_object_storage_private_access:
        raise NotFound(network.resource, network.id)
    _set(call, network, False)


BASE = "/regions/{region}/object-storage-private-access/{vpc_id}"
NETWORKS = BASE + "/private-networks"
ROUTES = [
    Route(method="POST", path=BASE + "/enable", handler=enable, query=EnableAccess),
    Route(method="POST", path=BASE + "/disable", handler=disable),
    Route(method="POST", path=NETWORKS, handler=add, body=AddNetwork),
    Route(method="PUT", path=NETWORKS, handler=put, body=SetNetworks),
    Route(method="DELETE", path=NETWORKS + "/{private_network_id}", handler=remove, status=204),
]
