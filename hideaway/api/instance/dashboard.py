"""How much of everything there is in a zone."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hideaway.api.call import Call
from hideaway.api.instance.shared import Page, owned_by
from hideaway.api.listing import select
from hideaway.api.pipeline import Route
from hideaway.cloud.servers import PlacementGroup, PrivateNic, SecurityGroup, Server, ServerIp
from hideaway.cloud.volumes import Image, Snapshot, Volume


def dashboard(call: Call, query: Page) -> dict[str, Any]:
    def all_of(type_: Any) -> list[Any]:
        return select(call.visible(type_), query, owned_by(query))

    servers, ips, volumes = all_of(Server), all_of(ServerIp), all_of(Volume)
    local = [v for v in volumes if v.volume_type == "l_ssd"]
    flexible = [ip for ip in ips if not ip.dynamic]
    counts = {
        "volumes_count": len(volumes),
        "running_servers_count": sum(s.state == "running" for s in servers),
        "servers_by_types": dict(Counter(s.commercial_type for s in servers)),
        "images_count": len(all_of(Image)),
        "snapshots_count": len(all_of(Snapshot)),
        "servers_count": len(servers),
        "ips_count": len(flexible),
        "security_groups_count": len(all_of(SecurityGroup)),
        "ips_unused": sum(ip.server_id is None for ip in flexible),
        "volumes_l_ssd_count": len(local),
        "volumes_l_ssd_total_size": sum(v.size for v in local),
        "volumes_b_ssd_count": 0,
        "volumes_b_ssd_total_size": 0,
        "private_nics_count": len(all_of(PrivateNic)),
        "placement_groups_count": len(all_of(PlacementGroup)),
        "volumes_scratch_count": sum(v.volume_type == "scratch" for v in volumes),
    }
    return {"dashboard": counts}


ROUTES = [Route(method="GET", path="/zones/{zone}/dashboard", handler=dashboard, query=Page)]
