"""Machines elsewhere that join a Kosmos pool: a key lets one in; with its first use the machine becomes a record."""

from __future__ import annotations

from typing import Any

from hideaway.cloud.change import Change
from hideaway.cloud.identity import ApiKey, digest
from hideaway.cloud.kubernetes import ExternalNode, Node, Pool


def let_in(change: Change, pool: Pool) -> str:
    """A new secret key for one machine. It is a live key of the organization's that no policy grants anything."""
    secret = change.ids.uuid()
    common: dict[str, Any] = {
        "id": change.ids.access_key(),
        "organization_id": pool.organization_id,
        "created_at": change.now,
        "updated_at": change.now,
    }
    key = ApiKey(
        **common,
        project_id="",
        secret_digest=digest(secret),
        description=f"external node of pool {pool.id}",
        default_project_id=pool.project_id,
    )
    change.ledger.put(key)
    external = ExternalNode(
        **common, project_id=pool.project_id, region=pool.region, cluster_id=pool.cluster_id, pool_id=pool.id
    )
    change.ledger.put(external)
    return secret


def join(change: Change, external: ExternalNode, id_: str, name: str) -> Node:
    """The node of a machine that was let in: made, with this id and name, when it first asks.

    It stays registering: what would run on the machine, and make it ready, is no part of this version.
    """
    known = change.ledger.get(Node, external.node_id) if external.node_id else None
    if known is not None:
        return known
    pool = change.need(Pool, external.pool_id)
    node = Node(
        id=id_,
        organization_id=pool.organization_id,
        project_id=pool.project_id,
        created_at=change.now,
        updated_at=change.now,
        region=pool.region,
        cluster_id=pool.cluster_id,
        pool_id=pool.id,
        name=name,
        status="registering",
        provider_id=f"scaleway://external/{pool.region}/{id_}",
        version=pool.version,
    )
    change.ledger.put(external.changed(change.now, node_id=id_))
    change.ledger.put(node)
    return node


def shut_out(change: Change, id_: str) -> None:
    """Take back the keys of a pool's, or of one node's, external machines."""
    for external in change.ledger.find(ExternalNode, ref=id_):
        key = change.ledger.get(ApiKey, external.id)
        if key is not None:
            change.ledger.remove(key)
        change.ledger.remove(external)
