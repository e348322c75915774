"""What can be bought, and how much of everything there is, in v2alpha1."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hideaway.api.call import Call
from hideaway.api.instance.shared import Tokens, by_token, present
from hideaway.api.instance.storage import MAX_VOLUMES
from hideaway.api.instance.v2.views import ARCHITECTURES
from hideaway.api.listing import select
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Query
from hideaway.base.errors import invalid
from hideaway.cloud.server_types import ServerType, offered, server_type
from hideaway.cloud.servers import PlacementGroup, PrivateNic, SecurityGroup, Server, ServerIp
from hideaway.cloud.templates import Template
from hideaway.cloud.volumes import Image, Snapshot, Volume

MAX_IPS = 10  # assumed: five of each family


class OfWhom(Query, frozen=True, kw_only=True):
    organization_id: str | None = None
    project_id: str | None = None


def server_types(call: Call, query: Tokens) -> dict[str, Any]:
    """The zone's types by name. Nothing runs out here."""
    return by_token("server_types", list(offered(call.place).values()), query, type_view)


def type_view(kind: ServerType) -> dict[str, Any]:
    gpu = kind.gpu_info
    return present(
        name=kind.name,
        vcpu_count=kind.ncpus,
        gpu_count=kind.gpu,
        memory=kind.ram,
        architecture=ARCHITECTURES.get(kind.arch, kind.arch),
        limits={
            "private_network_count": kind.capabilities.get("private_network") or 0,
            "file_system_count": kind.capabilities.get("max_file_systems") or 0,
            "private_network_bandwidth": kind.network.get("sum_internal_bandwidth") or 0,
            "block_bandwidth": kind.block_bandwidth,
            "internet_bandwidth": kind.network.get("sum_internet_bandwidth") or 0,
            "l_ssd_size": kind.volumes_constraint.max_size,
            "scratch_size": kind.scratch_storage_max_size or 0,
            "scratch_volumes_count": kind.scratch_storage_max_volumes_count or 0,
            "ip_count": MAX_IPS,
            "volume_count": MAX_VOLUMES,
        },
        gpu_info={n: gpu[f"gpu_{n}"] for n in ("manufacturer", "name", "memory")} if gpu else None,
        availability="available",
        end_of_service=kind.end_of_service,
    )


def counts(call: Call, query: OfWhom) -> dict[str, Any]:
    """How much of everything the caller may see in the zone."""
    if query.organization_id and query.project_id:
        raise invalid("project_identifier", "at most one of organization_id and project_id can be set")

    def all_of(type_: Any) -> list[Any]:
        return select(call.visible(type_), query)

    servers, volumes = all_of(Server), all_of(Volume)
    local = [volume for volume in volumes if volume.volume_type == "l_ssd"]
    flexible = [ip for ip in all_of(ServerIp) if not ip.dynamic]
    types = Counter(server.commercial_type for server in servers)
    with_gpu = sum(count for name, count in types.items() if (kind := server_type(name)) and kind.gpu)
    return {
        "servers": len(servers),
        "gpu_servers": with_gpu,
        "servers_by_type": dict(types),
        "security_groups": len(all_of(SecurityGroup)),
        "placement_groups": len(all_of(PlacementGroup)),
        "snapshots": len(all_of(Snapshot)),
        "volumes": len(volumes),
        "volumes_l_ssd": len(local),
        "volumes_l_ssd_total_size": sum(volume.size for volume in local),
        "volumes_scratch": len(volumes) - len(local),
        "private_network_interfaces": len(all_of(PrivateNic)),
        "templates": len(all_of(Template)),
        "flexible_ips": len(flexible),
        "unused_flexible_ips": sum(ip.server_id is None for ip in flexible),
        "images": len(all_of(Image)),
    }


ROUTES = [
    Route(method="GET", path="/zones/{zone}/server-types", handler=server_types, query=Tokens),
    Route(method="GET", path="/zones/{zone}/resource-counts", handler=counts, query=OfWhom),
]
