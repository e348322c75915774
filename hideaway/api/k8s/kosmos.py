"""External nodes of Kosmos pools, as records: a key for a machine elsewhere, and what that machine is told.

Nothing runs on the machine's word yet: the mesh between nodes is no part of this version.
"""

from __future__ import annotations

import base64
from typing import Any

from hideaway.api.call import Call
from hideaway.api.pipeline import Route
from hideaway.base.errors import NotFound, PreconditionFailed, TransientState
from hideaway.cloud import external
from hideaway.cloud.kubernetes import Cluster, ExternalNode, Pool
from hideaway.cloud.node_types import EXTERNAL
from hideaway.cloud.nodes import node_name

METADATA_URL = "http://198.18.0.1/k8s/v1/regions/{}/node-metadata"
"""The API as the world's machines reach it."""
RESOLV_CONF = "/run/systemd/resolve/resolv.conf"


def auth(call: Call) -> dict[str, Any]:
    pool = call.own(Pool, param="pool_id")
    if pool.status == "deleting":
        raise TransientState(Pool.resource, pool.id, pool.status)
    if pool.node_type != EXTERNAL:
        raise PreconditionFailed("unknown_precondition", "the pool's nodes are not external", Pool.resource, pool.id)
    secret = external.let_in(call.change, pool)
    return {"node_secret_key": secret, "metadata_url": METADATA_URL.format(pool.region)}


def metadata(call: Call) -> dict[str, Any]:
    """What the machine whose key this is needs to join; it is a node from now on."""
    entry = call.change.ledger.get(ExternalNode, call.principal.access_key)
    if entry is None or entry.region != call.region:
        raise NotFound("node", "")
    cluster = call.change.need(Cluster, entry.cluster_id)
    pool = call.change.need(Pool, entry.pool_id)
    id_ = call.change.ids.uuid()
    node = external.join(call.change, entry, id_, node_name(cluster.name, pool.name, id_))
    labels = {
        "k8s.scaleway.com/node": node.id,
        "k8s.scaleway.com/pool": pool.id,
        "k8s.scaleway.com/pool-name": pool.name,
    }
    return {
        "id": node.id,
        "name": node.name,
        "cluster_url": cluster.cluster_url,
        "cluster_ca": base64.b64encode(cluster.ca_certificate.encode()).decode(),
        "credential_provider_config": "",
        "pool_version": pool.version,
        "kubelet_config": "",
        "node_labels": labels | pool.labels,
        "node_taints": [{"key": t.key, "value": t.value, "effect": t.effect} for t in pool.taints],
        "provider_id": node.provider_id,
        "resolvconf_path": RESOLV_CONF,
        "template_args": {},
        "has_gpu": False,
        "external_ip": "",
        "repo_uri": "",
        "installer_tags": [],
        "updater_bin_url": "",
        "updater_bin_version": "",
        "updater_bin_path": "",
    }


REGION = "/regions/{region}"
ROUTES = [
    Route(method="POST", path=REGION + "/pools/{pool_id}/external-nodes/auth", handler=auth),
    Route(method="GET", path=REGION + "/node-metadata", handler=metadata),
]
