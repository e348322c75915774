"""Public addresses of servers in v2alpha1: it names them by what IPAM calls them."""

from __future__ import annotations

from typing import Literal

from hideaway.api.call import Call
from hideaway.api.shapes import Body, Tags
from hideaway.base.errors import NotFound, PreconditionFailed, invalid
from hideaway.cloud.network import Ip
from hideaway.cloud.public_ips import PUBLIC_IP, adopt, make_public_ip
from hideaway.cloud.servers import Server, ServerIp


class NewIp(Body, frozen=True, kw_only=True):
    type: Literal["zonal_ipv4", "zonal_ipv6", "unknown_ip_type"] | None = None
    tags: Tags | None = None


def public_ip(call: Call, server: Server, id_: str | None, new: NewIp | None, where: str) -> ServerIp:
    """A free address for a server: a reserved one by its id, or a new one. Raises InvalidArguments for none or both."""
    if bool(id_) == (new is not None):
        raise invalid(where, "one of ipam_ip_id and new_ip is required", "required")
    if new is None:
        return free_ip(reserved_ip(call, server, id_ or "", f"{where}.ipam_ip_id"))
    if new.type in (None, "unknown_ip_type"):
        raise invalid(f"{where}.new_ip.type", "zonal_ipv4 or zonal_ipv6", "required")
    return make_public_ip(
        call.change,
        organization_id=server.organization_id,
        project_id=server.project_id,
        zone=server.zone,
        v6=new.type == "zonal_ipv6",
        tags=new.tags or [],
    )


def reserved_ip(call: Call, server: Server, id_: str, argument: str) -> ServerIp:
    """A public address of the server's zone and project that IPAM knows. Raises NotFound, PreconditionFailed."""
    listed = call.refer(Ip, id_, argument, project_id=server.project_id)
    if listed.zone_of != server.zone:
        raise NotFound(Ip.resource, id_)
    if listed.attachment is not None and listed.attachment.type != PUBLIC_IP:
        raise PreconditionFailed("resource_still_in_use", "the address is attached already", Ip.resource, listed.id)
    return adopt(call.change, listed)


def free_ip(ip: ServerIp) -> ServerIp:
    """The address itself. Raises PreconditionFailed for one that a server has."""
    if ip.server_id:
        raise PreconditionFailed("resource_still_in_use", "the address is attached already", ip.resource, ip.id)
    return ip
