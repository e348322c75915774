"""From what the data plane was seen to do to the statuses that the API answers.

Nothing is ready before packets flow: a transition ends when what was compiled from it has been applied, a node's when
its heartbeat crossed the data plane, a pool's when all its nodes are ready.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

from hideaway.cloud.change import Change, settle
from hideaway.cloud.databases import Errand
from hideaway.cloud.documents import GONE, Document
from hideaway.cloud.kubernetes import Node, Pool
from hideaway.cloud.memory import MemoryLedger
from hideaway.cloud.nodes import mark_not_ready, mark_ready, pool_status
from hideaway.fabric.model import Fabric
from hideaway.fabric.services import Observed


def observe(
    change: Change,
    applied: MemoryLedger,
    fabric: Fabric,
    ages: Mapping[str, float],
    services: Mapping[str, Observed],
    *,
    silent_for: float,
    grace: float,
) -> bool:
    """End the transitions that the data plane has carried out and set the nodes' health.

    applied is the ledger that the applied fabric was compiled from; ages are seconds since each host's last heartbeat;
    services is how each host's services fare, by `<host>/<service>`;
    silent_for is how long the world has been watched, grace how long a node may be silent. Returns whether a transition
    that is due still waits for packets.
    """
    beating = {h.source for h in fabric.heartbeats}
    busy = {key.partition("/")[0] for key, service in services.items() if not service.ready}
    outcomes = {id_: how for service in services.values() for id_, how in service.outcomes.items()}
    waiting = False
    # Nodes first: a pool waits for its nodes.
    due = sorted(change.ledger.due(change.now.timestamp(), carried=True), key=lambda d: not isinstance(d, Node))
    for document in due:
        if not document.carried or change.ledger.get(type(document), document.id) != document:
            continue  # what ended just before it took it along, or changed it: then it has a pass of its own
        if applied.get(type(document), document.id) != document:
            waiting = True
        elif isinstance(document, Errand) and document.task:
            how = outcomes.get(document.task)
            waiting |= how is None
            if how is not None:
                change.ledger.put(document.ended(change.now, how.size, how.error))
        elif _carried(change, document, ages, busy, grace):
            settle(change.ledger, document, change.now)
        else:
            waiting = True
    moved = set()
    for node in change.ledger.find(Node):
        if _health(change, node, ages.get(node.server_id), node.server_id in beating, silent_for, grace):
            moved.add(node.pool_id)
    for pool_id in sorted(moved):
        _warn(change, pool_id)
    return waiting


def _carried(change: Change, document: Document, ages: Mapping[str, float], busy: Set[str], grace: float) -> bool:
    """Whether a document that has been applied is what its transition leads to. busy hosts' services are not ready."""
    if document.pending is None or document.pending.to == GONE:
        return True
    if document.host_id in busy:
        return False
    if isinstance(document, Node):
        if not document.server_id:
            return True
        return ages.get(document.server_id, grace) < grace
    if isinstance(document, Pool):
        nodes = change.ledger.find(Node, ref=document.id)
        return all(n.pending is None and n.status == "ready" for n in nodes)
    return True


def _health(change: Change, node: Node, age: float | None, beating: bool, silent_for: float, grace: float) -> bool:
    """A node that was ready and has been silent for the grace period is not ready; one that is heard again is.

    Returns whether it changed. A node without a server here (Kosmos) is not ours to hear.
    """
    if node.pending is not None or not node.server_id:
        return False
    silence = silent_for if age is None else age
    if node.status == "ready" and silence >= grace:
        mark_not_ready(change, node, f"no heartbeat for {grace:g} s" if beating else "its server is not running")
    elif node.status == "not_ready" and age is not None and age < grace:
        mark_ready(change, node)
    else:
        return False
    return True


def _warn(change: Change, pool_id: str) -> None:
    """A pool with a node that is not well warns."""
    pool = change.ledger.get(Pool, pool_id)
    if pool is None or pool.pending is not None:
        return
    status = pool_status(change.ledger.find(Node, ref=pool.id))
    if status in ("ready", "warning") and status != pool.status:
        change.ledger.put(pool.changed(change.now, status=status))
