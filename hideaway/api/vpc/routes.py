"""Custom routes, and a VPC's whole routing table with its next hops."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal

import msgspec

from hideaway.api.call import Call, answer
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route as ApiRoute
from hideaway.api.shapes import Body, Listing, Tags, Text, given
from hideaway.base.errors import NotFound, invalid
from hideaway.base.ids import is_uuid
from hideaway.cloud.addressing import inside
from hideaway.cloud.network import Ip, PrivateNetwork, Route, Vpc, VpcConnector
from hideaway.cloud.routing import Entry, default_routes, table
from hideaway.cloud.servers import Server

Cidr = Annotated[str, msgspec.Meta(max_length=64)]
HOPS = ("nexthop_resource_id", "nexthop_private_network_id", "nexthop_vpc_connector_id")
DEFAULT_DESCRIPTION = "Custom route"  # recorded, where the client sends ""


class CreateRoute(Body, frozen=True, kw_only=True):
    vpc_id: str
    destination: Cidr
    description: Text | None = None
    tags: Tags | None = None
    nexthop_resource_id: str | None = None
    nexthop_private_network_id: str | None = None
    nexthop_vpc_connector_id: str | None = None


class UpdateRoute(Body, frozen=True, kw_only=True):
    description: Text | None = None
    tags: Tags | None = None
    destination: Cidr | None = None
    nexthop_resource_id: str | None = None
    nexthop_private_network_id: str | None = None
    nexthop_vpc_connector_id: str | None = None


class ListRoutes(Listing, frozen=True, kw_only=True):
    order_by: (
        Literal[
            "created_at_asc",
            "created_at_desc",
            "destination_asc",
            "destination_desc",
            "prefix_len_asc",
            "prefix_len_desc",
        ]
        | None
    ) = None
    vpc_id: str | None = None
    nexthop_resource_id: str | None = None
    nexthop_private_network_id: str | None = None
    nexthop_vpc_connector_id: str | None = None
    nexthop_resource_type: str | None = None
    contains: Cidr | None = None
    tags: list[str] | None = None
    is_ipv6: bool | None = None


def view(route: Route) -> dict[str, Any]:
    shown = answer(route)
    del shown["organization_id"], shown["project_id"]
    return shown


def create(call: Call, body: CreateRoute) -> dict[str, Any]:
    vpc = call.refer(Vpc, body.vpc_id, "vpc_id")
    route = Route(
        **call.common(vpc.project_id, "route"),
        region=call.region,
        vpc_id=vpc.id,
        destination=cidr(body.destination, "destination"),
        description=body.description or DEFAULT_DESCRIPTION,
        tags=body.tags or [],
        **_hops(call, vpc, body),
    )
    call.change.ledger.put(route)
    return view(route)


def cidr(text: str, argument: str) -> str:
    """A network in CIDR form, without host bits. Raises InvalidArguments naming the argument."""
    try:
        return str(ipaddress.ip_network(text.replace("%", "no scope here")))
    except ValueError:
        raise invalid(argument, f"{text!r} is not a network in CIDR form", "format") from None


def _hops(call: Call, vpc: Vpc, body: CreateRoute | UpdateRoute) -> dict[str, Any]:
    """Exactly one next hop: a connector, a resource, a Private Network, or the resource in that network (recorded)."""
    chosen = {name: value for name in HOPS if (value := getattr(body, name))}
    if not chosen or ("nexthop_vpc_connector_id" in chosen and len(chosen) > 1):
        raise invalid("nexthop_resource_id", "give exactly one next hop: a resource, a Private Network or a connector")
    if network_id := body.nexthop_private_network_id:
        network = call.refer(PrivateNetwork, network_id, "nexthop_private_network_id")
        if network.vpc_id != vpc.id:
            raise invalid("nexthop_private_network_id", "the Private Network is not in the VPC of the route")
    if connector_id := body.nexthop_vpc_connector_id:
        connector = call.refer(VpcConnector, connector_id, "nexthop_vpc_connector_id")
        if connector.vpc_id != vpc.id:
            raise invalid("nexthop_vpc_connector_id", "the connector is not of the VPC of the route")
    if resource_id := body.nexthop_resource_id:
        _need_resource(call, vpc, resource_id)
    return {name: chosen[name].lower() if name in chosen else None for name in HOPS}


def _need_resource(call: Call, vpc: Vpc, resource_id: str) -> None:
    """Raise unless the resource has an address in the VPC. It need not be in the network that is named (recorded)."""
    if not is_uuid(resource_id):
        raise invalid("nexthop_resource_id", "value must be a valid UUID", "format")
    ledger, wanted = call.change.ledger, resource_id.lower()
    itself = ledger.get(Ip, wanted)
    held = [*ledger.find(Ip, ref=wanted), *([itself] if itself else [])]
    mine = [ip for ip in held if call.principal.may_know(ip, call.area)]
    server = ledger.get(Server, wanted)
    if not mine and (server is None or not call.principal.may_know(server, call.area)):
        raise NotFound("resource", resource_id)
    if server is None and not any(ip.vpc_id == vpc.id for ip in mine):
        raise invalid("nexthop_resource_id", "the resource has no address in the VPC of the route")


def _own(call: Call) -> Route:
    """The custom route of the path. The vendor's 404 for a route names neither it nor its type."""
    try:
        return call.own(Route, param="route_id")
    except NotFound:
        raise NotFound(Route.resource) from None


def get(call: Call) -> dict[str, Any]:
    try:
        return view(_own(call))
    except NotFound:
        wanted = call.params["route_id"].lower()
        for network in call.visible(PrivateNetwork):
            for entry in default_routes(call.change.ledger, network):
                if entry.route.id == wanted:
                    return view(entry.route)
        raise


def update(call: Call, body: UpdateRoute) -> dict[str, Any]:
    """A new next hop replaces the old one."""
    route = _own(call)
    fields = given(body, "destination", *HOPS)
    if body.destination is not None:
        fields["destination"] = cidr(body.destination, "destination")
    if any(getattr(body, name) for name in HOPS):
        fields |= _hops(call, call.change.need(Vpc, route.vpc_id), body)
    route = route.changed(call.change.now, **fields)
    call.change.ledger.put(route)
    return view(route)


def delete(call: Call) -> None:
    call.change.ledger.remove(_own(call))


def list_(call: Call, query: ListRoutes) -> dict[str, Any]:
    """All routes of the VPCs that the caller sees: of subnets, through gateways, and custom ones."""
    vpcs = [v for v in call.visible(Vpc) if query.vpc_id in (None, v.id)]
    if query.contains:
        query = msgspec.structs.replace(query, contains=cidr(query.contains, "contains"))
    special = {
        "vpc_id": lambda e, wanted: e.route.vpc_id == wanted,
        "organization_id": lambda e, wanted: e.route.organization_id == wanted,
        "project_id": lambda e, wanted: e.route.project_id == wanted,
        "contains": lambda e, wanted: inside(e.network, ipaddress.ip_network(wanted)),
        "is_ipv6": lambda e, wanted: (e.network.version == 6) == wanted,
        # Recorded twice: routes that nobody made (and so nobody tagged) pass a filter by tags.
        "tags": lambda e, wanted: e.route.is_read_only or any(tag in e.route.tags for tag in wanted),
        **{name: _same(name) for name in HOPS},
    }
    entries = [entry for vpc in vpcs for entry in table(call.change.ledger, vpc)]
    if query.order_by in (None, "created_at_asc", "created_at_desc"):
        entries.sort(key=lambda e: e.created_at)
    return listing("routes", entries, query, _entry, special=special)


def _same(name: str) -> Any:
    return lambda entry, wanted: getattr(entry.route, name) == wanted


def _entry(entry: Entry) -> dict[str, Any]:
    shown = msgspec.to_builtins(entry)
    return {**shown, "route": view(entry.route)}


BASE = "/regions/{region}/routes"
ROUTES = [
    ApiRoute(method="POST", path=BASE, handler=create, body=CreateRoute, records=False),
    ApiRoute(method="GET", path=BASE + "/{route_id}", handler=get),
    ApiRoute(method="PATCH", path=BASE + "/{route_id}", handler=update, body=UpdateRoute, records=False),
    ApiRoute(method="DELETE", path=BASE + "/{route_id}", handler=delete, status=204, records=False),
    ApiRoute(method="GET", path="/regions/{region}/routes-with-nexthop", handler=list_, query=ListRoutes),
]
