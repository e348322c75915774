"""Custom resources: what is no Scaleway resource but has a booked address, known by its MAC address."""

from __future__ import annotations

from typing import Any

from hideaway.api.call import Call
from hideaway.api.ipam.ips import BASE, CustomResource, custom, view
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body
from hideaway.base.errors import PreconditionFailed, invalid
from hideaway.cloud.addressing import attach as give
from hideaway.cloud.network import Ip


class AttachIp(Body, frozen=True, kw_only=True):
    resource: CustomResource


class DetachIp(Body, frozen=True, kw_only=True):
    resource: CustomResource


class MoveIp(Body, frozen=True, kw_only=True):
    from_resource: CustomResource
    to_resource: CustomResource | None = None


def attach(call: Call, body: AttachIp) -> dict[str, Any]:
    ip = _private(call)
    if ip.attachment is not None:
        raise PreconditionFailed("resource_still_in_use", "the IP is attached already", ip.resource, ip.id)
    return view(give(call.change, ip, custom(ip, body.resource, "resource")))


def detach(call: Call, body: DetachIp) -> dict[str, Any]:
    ip = _private(call)
    _check(ip, body.resource, "resource")
    return view(give(call.change, ip, None))


def move(call: Call, body: MoveIp) -> dict[str, Any]:
    """To another custom resource; to none means that it is detached (recorded)."""
    ip = _private(call)
    _check(ip, body.from_resource, "from_resource")
    to = custom(ip, body.to_resource, "to_resource") if body.to_resource else None
    return view(give(call.change, ip, to))


def _private(call: Call) -> Ip:
    ip = call.own(Ip, param="ip_id")
    if ip.subnet_id is None:
        raise invalid("ip_id", "only the IPs of Private Networks can be attached to custom resources")
    return ip


def _check(ip: Ip, resource: CustomResource, argument: str) -> None:
    """Raise unless the address is attached to this custom resource."""
    if ip.attachment is None or ip.attachment.type != "custom":
        raise PreconditionFailed("unknown_precondition", "the IP is attached to no custom resource", ip.resource, ip.id)
    if custom(ip, resource, argument).mac_address != ip.attachment.mac_address:
        raise invalid(f"{argument}.mac_address", "the IP is attached to another resource")


ROUTES = [
    Route(method="POST", path=BASE + "/{ip_id}/attach", handler=attach, body=AttachIp),
    Route(method="POST", path=BASE + "/{ip_id}/detach", handler=detach, body=DetachIp),
    Route(method="POST", path=BASE + "/{ip_id}/move", handler=move, body=MoveIp),
]
