"""Nodes: looked at, restarted, replaced, deleted. They are made by their pools."""

from __future__ import annotations

from typing import Any, Literal

from hideaway.api.call import Call, answer
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Listing, Query
from hideaway.base.errors import PreconditionFailed, TransientState
from hideaway.cloud import nodes
from hideaway.cloud.kubernetes import Cluster, Node

TRANSIENT = ("creating", "starting", "registering", "rebooting", "upgrading", "deleting")


NodeStatus = Literal[
    "unknown",
    "creating",
    "not_ready",
    "ready",
    "deleting",
    "deleted",
    "locked",
    "rebooting",
    "creation_error",
    "upgrading",
    "starting",
    "registering",
]


class ListNodes(Listing, frozen=True, kw_only=True):
    pool_id: str | None = None
    name: str | None = None
    status: NodeStatus | None = None


class DeleteNode(Query, frozen=True, kw_only=True):
    """skip_drain has no effect, as the contract says: nothing is drained here."""

    skip_drain: bool | None = None
    replace: bool | None = None


def view(node: Node) -> dict[str, Any]:
    fields = answer(node)
    del fields["organization_id"], fields["project_id"]
    return fields


def get(call: Call) -> dict[str, Any]:
    return view(call.own(Node, param="node_id"))


def list_(call: Call, query: ListNodes) -> dict[str, Any]:
    cluster = call.own(Cluster, param="cluster_id")
    return listing("nodes", call.change.ledger.find(Node, ref=cluster.id), query, view)


def _managed(call: Call) -> Node:
    """The node of the path, a server of the cloud's own. Raises TransientState while it comes or goes."""
    node = call.own(Node, param="node_id")
    if node.status in TRANSIENT:
        raise TransientState(Node.resource, node.id, node.status)
    if node.external:
        raise PreconditionFailed("unknown_precondition", "an external node is not managed here", "node", node.id)
    return node


def reboot(call: Call) -> dict[str, Any]:
    node = _managed(call)
    if not node.server_id:
        raise PreconditionFailed("unknown_precondition", "its server was deleted: replace the node", "node", node.id)
    return view(nodes.reboot_node(call.change, node))


def replace(call: Call) -> dict[str, Any]:
    return view(nodes.replace_node(call.change, _managed(call)))


def delete(call: Call, query: DeleteNode) -> dict[str, Any]:
    """The pool becomes one smaller, unless the node is to be replaced."""
    node = call.own(Node, param="node_id")
    if node.status == "deleting":
        raise TransientState(Node.resource, node.id, node.status)
    if query.replace and not node.external:
        return view(nodes.replace_node(call.change, node))
    return view(nodes.drop_node(call.change, node))


REGION = "/regions/{region}"
ONE = REGION + "/nodes/{node_id}"
ROUTES = [
    Route(method="GET", path=REGION + "/clusters/{cluster_id}/nodes", handler=list_, query=ListNodes),
    Route(method="GET", path=ONE, handler=get),
    Route(method="POST", path=ONE + "/reboot", handler=reboot, records=False),
    Route(method="POST", path=ONE + "/replace", handler=replace, records=False),
    Route(method="DELETE", path=ONE, handler=delete, query=DeleteNode, records=False),
]
