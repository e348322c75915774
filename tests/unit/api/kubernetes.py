"""Short ways to clusters and pools, for the tests of k8s/v1."""

from __future__ import annotations

from typing import Any

from tests.api_in_process import Cloud

K8S = "/k8s/v1/regions/fr-par"
CLUSTERS = f"{K8S}/clusters"
NETWORKS = "/vpc/v2/regions/fr-par/private-networks"
GROUPS = "/instance/v1/zones/{}/security_groups"
SERVERS = "/instance/v1/zones/{}/servers"
VERSION = "1.35.3"


def network(cloud: Cloud, **fields: Any) -> Any:
    return cloud.post(NETWORKS, name="pn", **fields)


def cluster(cloud: Cloud, **fields: Any) -> Any:
    """A Kapsule cluster at rest, in a network of its own unless fields name one."""
    if "private_network_id" not in fields:
        fields["private_network_id"] = network(cloud)["id"]
    made = cloud.post(CLUSTERS, {"name": "mine", "version": VERSION, "cni": "cilium", **fields})
    return cloud.get(f"{CLUSTERS}/{made['id']}")


def pool(cloud: Cloud, cluster_id: str, **fields: Any) -> Any:
    """A pool of one DEV1-M at rest, unless fields say otherwise."""
    made = cloud.post(f"{CLUSTERS}/{cluster_id}/pools", {"name": "p", "node_type": "DEV1-M", "size": 1, **fields})
    return cloud.get(f"{K8S}/pools/{made['id']}")


def nodes(cloud: Cloud, cluster_id: str, **query: Any) -> list[Any]:
    found: list[Any] = cloud.get(f"{CLUSTERS}/{cluster_id}/nodes", **query)["nodes"]
    return found


def server_of(cloud: Cloud, node: Any) -> Any:
    """The Instance that a node is, found by its provider_id (scaleway://instance/<zone>/<id>)."""
    zone, id_ = node["provider_id"].removeprefix("scaleway://instance/").split("/")
    return cloud.get(f"{SERVERS.format(zone)}/{id_}")["server"]


def make_group(cloud: Cloud, zone: str, name: str, **fields: Any) -> Any:
    return cloud.post(GROUPS.format(zone), {"name": name, "stateful": True, **fields})["security_group"]


def groups(cloud: Cloud, zone: str, name: str) -> list[Any]:
    listed = cloud.get(GROUPS.format(zone))["security_groups"]
    return [g for g in listed if g["name"] == name]
