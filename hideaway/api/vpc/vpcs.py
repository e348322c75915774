"""VPCs. Each project has a default one in every region; routing joins a VPC's networks and is never switched off."""

from __future__ import annotations

from typing import Any, Literal

from hideaway.api.call import Call, answer
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Name, Tags, given
from hideaway.base.errors import PreconditionFailed
from hideaway.cloud.network import Acl, IngressRule, PrivateNetwork, Vpc, VpcConnector
from hideaway.cloud.network import Route as CustomRoute

Order = Literal["created_at_asc", "created_at_desc", "name_asc", "name_desc"]


class CreateVpc(Body, frozen=True, kw_only=True):
    name: Name | None = None
    project_id: str | None = None
    tags: Tags | None = None
    enable_routing: bool | None = None
    enable_transitivity: bool | None = None


class UpdateVpc(Body, frozen=True, kw_only=True):
    name: Name | None = None
    tags: Tags | None = None


class ListVpcs(Listing, frozen=True, kw_only=True):
    order_by: Order | None = None
    name: str | None = None
    tags: list[str] | None = None
    is_default: bool | None = None
    routing_enabled: bool | None = None
    object_storage_private_access_enabled: bool | None = None


def view(call: Call, vpc: Vpc) -> dict[str, Any]:
    """A VPC's answer. Mid-2026's recordings, and the provider, call Object Storage's private access s3_integration."""
    return answer(
        vpc,
        private_network_count=len(call.change.ledger.find(PrivateNetwork, ref=vpc.id)),
        s3_integration_enabled=vpc.object_storage_private_access_enabled,
    )


def create(call: Call, body: CreateVpc) -> dict[str, Any]:
    """enable_routing is accepted and always answered true (scaleway.md; every recording that sends false)."""
    vpc = Vpc(
        **call.common(body.project_id, Vpc.resource),
        name=body.name or f"vpc-{call.change.ids.word()}",
        region=call.region,
        tags=body.tags or [],
        transitivity_enabled=bool(body.enable_transitivity),
    )
    call.change.ledger.put(vpc)
    return view(call, vpc)


def get(call: Call) -> dict[str, Any]:
    return view(call, call.own(Vpc, param="vpc_id"))


def list_(call: Call, query: ListVpcs) -> dict[str, Any]:
    return listing("vpcs", call.visible(Vpc), query, lambda v: view(call, v))


def update(call: Call, body: UpdateVpc) -> dict[str, Any]:
    return _change(call, **given(body))


def _change(call: Call, **fields: Any) -> dict[str, Any]:
    """Change the VPC of the path; one that is so already keeps its updated_at."""
    vpc = call.own(Vpc, param="vpc_id")
    if any(getattr(vpc, name) != value for name, value in fields.items()):
        vpc = vpc.changed(call.change.now, **fields)
        call.change.ledger.put(vpc)
    return view(call, vpc)


def enable_routing(call: Call) -> dict[str, Any]:
    return _change(call, routing_enabled=True)


def enable_custom_routes_propagation(call: Call) -> dict[str, Any]:
    return _change(call, custom_routes_propagation_enabled=True)


def delete(call: Call) -> None:
    """Refused for a project's default VPC, and while anything is left in it. Its network ACLs go with it."""
    vpc = call.own(Vpc, param="vpc_id")
    ledger = call.change.ledger
    if vpc.is_default:
        raise PreconditionFailed("unknown_precondition", "the default VPC cannot be deleted", Vpc.resource, vpc.id)
    left = {
        "Private Networks": ledger.find(PrivateNetwork, ref=vpc.id),
        "custom routes": ledger.find(CustomRoute, ref=vpc.id),
        "ingress rules": ledger.find(IngressRule, ref=vpc.id),
        # Another VPC's connector to this one does not keep it: it becomes an orphan.
        "VPC connectors": [c for c in ledger.find(VpcConnector, ref=vpc.id) if c.vpc_id == vpc.id],
    }
    what = ", ".join(name for name, documents in left.items() if documents)
    if what:
        raise PreconditionFailed("resource_still_in_use", f"VPC still has {what}", Vpc.resource, vpc.id)
    for acl in ledger.find(Acl, ref=vpc.id):
        ledger.remove(acl)
    ledger.remove(vpc)


BASE = "/regions/{region}/vpcs"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=CreateVpc),
    Route(method="GET", path=BASE, handler=list_, query=ListVpcs),
    Route(method="GET", path=BASE + "/{vpc_id}", handler=get),
    Route(method="PATCH", path=BASE + "/{vpc_id}", handler=update, body=UpdateVpc),
    Route(method="DELETE", path=BASE + "/{vpc_id}", handler=delete, status=204),
    Route(method="POST", path=BASE + "/{vpc_id}/enable-routing", handler=enable_routing, records=False),
    Route(
        method="POST",
        path=BASE + "/{vpc_id}/enable-custom-routes-propagation",
        handler=enable_custom_routes_propagation,
        records=False,
    ),
]
