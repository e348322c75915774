"""Endpoints as requests ask for them: a public one, or one in a Private Network, its address IPAM's choice or not."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from hideaway.api.call import Call
from hideaway.api.shapes import Body, Nothing
from hideaway.base.errors import invalid
from hideaway.cloud.databasing import Wanted
from hideaway.cloud.network import PrivateNetwork


class PrivateNetworkSpec(Body, frozen=True, kw_only=True):
    private_network_id: str
    service_ip: str | None = None
    ipam_config: Nothing | None = None


class EndpointSpec(Body, frozen=True, kw_only=True):
    load_balancer: Nothing | None = None
    private_network: PrivateNetworkSpec | None = None


class ReplicaEndpointSpec(Body, frozen=True, kw_only=True):
    direct_access: Nothing | None = None
    private_network: PrivateNetworkSpec | None = None


def wanted(call: Call, spec: EndpointSpec | ReplicaEndpointSpec, project_id: str, argument: str) -> Wanted:
    """What a spec asks for. Raises InvalidArguments, NotFound for a network of another region or project.

    In a Private Network it is service_ip or ipam_config, not both; with neither, IPAM chooses, as with ipam_config.
    """
    public = spec.load_balancer if isinstance(spec, EndpointSpec) else spec.direct_access
    inside = spec.private_network
    kinds = "load_balancer" if isinstance(spec, EndpointSpec) else "direct_access"
    if (public is None) == (inside is None):
        raise invalid(argument, f"give either {kinds} or private_network")
    if inside is None:
        return Wanted(argument=argument)
    here = f"{argument}.private_network"
    network = call.refer(PrivateNetwork, inside.private_network_id, f"{here}.private_network_id", project_id=project_id)
    if inside.service_ip and inside.ipam_config is not None:
        raise invalid(here, "give either service_ip or ipam_config")
    address = fixed(inside.service_ip, f"{here}.service_ip") if inside.service_ip else None
    return Wanted(network=network, service_ip=address, argument=argument)


def several(
    call: Call, specs: Sequence[EndpointSpec | ReplicaEndpointSpec], project_id: str, argument: str
) -> list[Wanted]:
    """What specs ask for: at most one of each kind, as every instance has. Raises as `wanted` does."""
    found = [wanted(call, spec, project_id, f"{argument}.{i}") for i, spec in enumerate(specs)]
    if sum(w.network is None for w in found) > 1 or sum(w.network is not None for w in found) > 1:
        raise invalid(argument, "there may be one public endpoint and one in a Private Network")
    return found


def fixed(text: str, argument: str) -> str:
    """An IPv4 address in CIDR form. Raises InvalidArguments."""
    try:
        address = ipaddress.IPv4Interface(text)
    except ValueError:
        raise invalid(argument, f"{text[:64]!r} is no IPv4 address in CIDR form", "format") from None
    if not address.ip.is_private:
        raise invalid(argument, f"{address.ip} is no private address")
    return str(address)
