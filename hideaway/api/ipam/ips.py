"""Addresses: booking, listing, tagging and releasing them."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal

import msgspec

from hideaway.api.call import Call, answer
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Tags, given
from hideaway.base.errors import NotFound, PreconditionFailed, invalid
from hideaway.base.ids import is_uuid
from hideaway.cloud.addressing import attach, book, give_back_public
from hideaway.cloud.network import Attachment, Ip, PrivateNetwork, Reverse

Text = Annotated[str, msgspec.Meta(max_length=255)]
ResourceType = Literal[
    "unknown_type", "custom", "instance_server", "instance_ip", "instance_private_nic", "lb_server", "fip_ip",
    "vpc_gateway", "vpc_gateway_network", "k8s_node", "k8s_cluster", "rdb_instance", "redis_cluster",
    "baremetal_server", "baremetal_private_nic", "llm_deployment", "mgdb_instance", "apple_silicon_server",
    "apple_silicon_private_nic", "serverless_container", "serverless_function", "vpn_gateway", "ddl_datalab",
    "kafka_cluster", "bgp_endpoint", "scbl_sedb_cluster", "dtwh_deployment", "sedb_cluster", "msgq_cluster",
    "edge_vpc_endpoint", "dviz_cluster", "nats_cluster",
]  # fmt: skip
Order = Literal[
    "created_at_desc", "created_at_asc", "updated_at_desc", "updated_at_asc", "attached_at_desc", "attached_at_asc",
    "ip_address_desc", "ip_address_asc", "mac_address_desc", "mac_address_asc",
]  # fmt: skip
SOURCES = ("zonal", "regional", "private_network_id", "subnet_id", "vpc_id")
_MAC = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")
_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_HOSTNAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*\.?")


class Source(Body, frozen=True, kw_only=True):
    zonal: str | None = None
    regional: bool | None = None
    private_network_id: str | None = None
    subnet_id: str | None = None
    vpc_id: str | None = None


class CustomResource(Body, frozen=True, kw_only=True):
    """Something that is no Scaleway resource (a virtual machine on bare metal), known by its MAC address."""

    mac_address: Text
    name: Text | None = None


class BookIp(Body, frozen=True, kw_only=True):
    source: Source
    project_id: str | None = None
    is_ipv6: bool | None = None
    address: Text | None = None
    tags: Tags | None = None
    resource: CustomResource | None = None


class ReverseBody(Body, frozen=True, kw_only=True):
    hostname: Text
    address: Text | None = None


class UpdateIp(Body, frozen=True, kw_only=True):
    tags: Tags | None = None
    reverses: Annotated[list[ReverseBody], msgspec.Meta(max_length=100)] | None = None


class ReleaseSet(Body, frozen=True, kw_only=True):
    ip_ids: Annotated[list[str], msgspec.Meta(max_length=1000)] | None = None


class ListIps(Listing, frozen=True, kw_only=True):
    order_by: Order | None = None
    zonal: str | None = None
    regional: bool | None = None
    private_network_id: str | None = None
    subnet_id: str | None = None
    source_vpc_id: str | None = None
    vpc_id: str | None = None
    attached: bool | None = None
    resource_name: str | None = None
    resource_id: str | None = None
    resource_ids: list[str] | None = None
    resource_type: ResourceType | None = None
    resource_types: list[ResourceType] | None = None
    mac_address: str | None = None
    tags: list[str] | None = None
    is_ipv6: bool | None = None
    ip_ids: list[str] | None = None


def _attached(ip: Ip, name: str) -> Any:
    return getattr(ip.attachment, name) if ip.attachment else None


def _of_types(ip: Ip, wanted: list[str]) -> bool:
    known = [type_ for type_ in wanted if type_ != "unknown_type"]
    return not known or _attached(ip, "type") in known


FILTERS: dict[str, Any] = {
    "zonal": lambda ip, zone: ip.zone_of == zone,
    "regional": lambda ip, wanted: not wanted or (ip.subnet_id is None and ip.zone_of is None),
    "source_vpc_id": lambda ip, wanted: ip.vpc_id == wanted,
    "attached": lambda ip, wanted: (ip.attachment is not None) == wanted,
    "resource_name": lambda ip, wanted: wanted.lower() in (_attached(ip, "name") or "").lower(),
    "resource_id": lambda ip, wanted: _attached(ip, "id") == wanted,
    "resource_ids": lambda ip, wanted: _attached(ip, "id") in wanted,
    "resource_type": lambda ip, wanted: _attached(ip, "type") == wanted,
    "resource_types": _of_types,
    "mac_address": lambda ip, wanted: (ip.mac_address or "").lower() == wanted.lower(),
    "ip_ids": lambda ip, wanted: ip.id in wanted,
}


def view(ip: Ip) -> dict[str, Any]:
    """An address as it is answered: where it is from, and what it is attached to."""
    shown = answer(
        ip,
        source={"subnet_id": ip.subnet_id} if ip.subnet_id else {"zonal": ip.zone_of},
        resource=ip.attachment,
        zone=ip.zone_of,
    )
    del shown["organization_id"]
    return shown


def create(call: Call, body: BookIp) -> dict[str, Any]:
    """Book an address in a Private Network or in one subnet of it: nothing else can be booked."""
    network, subnet_id = _source(call, body.source)
    if body.project_id and body.project_id.lower() != network.project_id:
        raise invalid("project_id", "must be the project of the Private Network")
    call.project(network.project_id, Ip.resource)
    v6 = bool(body.is_ipv6) or _subnet_is_v6(network, subnet_id) or ":" in (body.address or "")
    ip = book(
        call.change,
        network,
        v6=v6,
        address=body.address or None,
        tags=body.tags,
        booked=True,
        subnet_id=subnet_id,
    )
    if body.resource is not None:
        ip = attach(call.change, ip, custom(ip, body.resource, "resource"))
    return view(ip)


def _source(call: Call, source: Source) -> tuple[PrivateNetwork, str | None]:
    given_ = [name for name in SOURCES if getattr(source, name)]
    if len(given_) != 1 or given_[0] not in ("private_network_id", "subnet_id"):
        raise invalid("source", "give exactly one of private_network_id and subnet_id: only there can IPs be booked")
    if source.private_network_id:
        return call.refer(PrivateNetwork, source.private_network_id, "source.private_network_id"), None
    wanted = source.subnet_id or ""
    if not is_uuid(wanted):
        raise invalid("source.subnet_id", "value must be a valid UUID", "format")
    for network in call.visible(PrivateNetwork, ref=wanted.lower()):
        if any(s.id == wanted.lower() for s in network.subnets):
            return network, wanted.lower()
    raise NotFound("subnet", wanted)


def _subnet_is_v6(network: PrivateNetwork, subnet_id: str | None) -> bool:
    return any(s.id == subnet_id and ":" in s.subnet for s in network.subnets)


def custom(ip: Ip, resource: CustomResource, argument: str) -> Attachment:
    """A custom resource as an attachment: recorded with the address's own id, and the MAC in capitals."""
    if not _MAC.fullmatch(resource.mac_address):
        raise invalid(f"{argument}.mac_address", "value must be a MAC address", "format")
    if resource.name and not _HOSTNAME.fullmatch(resource.name):
        raise invalid(f"{argument}.name", "value must be a host name", "format")
    return Attachment(type="custom", id=ip.id, mac_address=resource.mac_address.upper(), name=resource.name or None)


def get(call: Call) -> dict[str, Any]:
    return view(call.own(Ip, param="ip_id"))


def list_(call: Call, query: ListIps) -> dict[str, Any]:
    query = _bare(query)
    narrow = query.resource_id or query.subnet_id or query.private_network_id or query.source_vpc_id or query.vpc_id
    ips = call.visible(Ip, **({"ref": narrow} if narrow else {}))
    return listing("ips", ips, query, view, special=FILTERS, default_order="created_at_desc")


def _bare(query: ListIps) -> ListIps:
    """The query with identifiers alone: the provider's list of IPs sends its own, `fr-par/<uuid>`."""
    names = ("private_network_id", "subnet_id", "vpc_id", "source_vpc_id", "resource_id")
    asked = {name: value for name in names if (value := getattr(query, name))}
    return msgspec.structs.replace(query, **{n: v.rpartition("/")[2].lower() for n, v in asked.items()})


def update(call: Call, body: UpdateIp) -> dict[str, Any]:
    ip = call.own(Ip, param="ip_id")
    fields = given(body, "reverses")
    if body.reverses is not None:
        fields["reverses"] = [_reverse(ip, r, f"reverses.{n}") for n, r in enumerate(body.reverses)]
    ip = ip.changed(call.change.now, **fields)
    call.change.ledger.put(ip)
    return view(ip)


def _reverse(ip: Ip, reverse: ReverseBody, where: str) -> Reverse:
    """A reverse name, of an address in the subnet of the IP."""
    if not _HOSTNAME.fullmatch(reverse.hostname):
        raise invalid(f"{where}.hostname", "value must be a host name", "format")
    if not reverse.address:
        return Reverse(hostname=reverse.hostname)
    try:
        address = ipaddress.ip_address(reverse.address.replace("%", "no scope here"))
    except ValueError:
        raise invalid(f"{where}.address", "value must be an IP address", "format") from None
    if address not in ipaddress.ip_network(ip.address, strict=False):
        raise invalid(f"{where}.address", "the address is not in the subnet of the IP")
    return Reverse(hostname=reverse.hostname, address=str(address))


def release(call: Call, ip: Ip) -> None:
    """Give a booked address back. Refused while anything has it. A public one can be taken anew."""
    if ip.attachment is not None:
        raise PreconditionFailed(
            "resource_still_in_use", f"the IP is attached to a resource: {ip.attachment.type}", ip.resource, ip.id
        )
    if ip.zone_of:
        give_back_public(call.change, str(ipaddress.ip_network(ip.address)[1]) if ip.is_ipv6 else ip.host)
    call.change.ledger.remove(ip)


def delete(call: Call) -> None:
    release(call, call.own(Ip, param="ip_id"))


def release_set(call: Call, body: ReleaseSet) -> None:
    """All of them, or (when one is refused) none."""
    if not body.ip_ids:
        raise invalid("ip_ids", "value is required", "required")
    if not all(is_uuid(i) for i in body.ip_ids):
        raise invalid("ip_ids", "values must be valid UUIDs", "format")
    for id_ in dict.fromkeys(i.lower() for i in body.ip_ids):
        release(call, call.own(Ip, id_))


BASE = "/regions/{region}/ips"
ROUTES = [
    Route(method="POST", path=BASE, handler=create, body=BookIp),
    Route(method="GET", path=BASE, handler=list_, query=ListIps),
    Route(method="GET", path=BASE + "/{ip_id}", handler=get),
    Route(method="PATCH", path=BASE + "/{ip_id}", handler=update, body=UpdateIp),
    Route(method="DELETE", path=BASE + "/{ip_id}", handler=delete, status=204),
    Route(method="POST", path="/regions/{region}/ip-sets/release", handler=release_set, body=ReleaseSet, status=204),
]
