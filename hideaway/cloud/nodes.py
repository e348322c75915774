"""What is done to clusters, pools and nodes. A node is an Instance: these operations make and remove its server, too.

Arguments are valid when they come here; the API refuses the others.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from hideaway.cloud import external, instances, interfaces, public_ips
from hideaway.cloud.addressing import take_public
from hideaway.cloud.balancing import delete_lb
from hideaway.cloud.change import Change
from hideaway.cloud.images import node_image
from hideaway.cloud.kubeconfig import make_authority
from hideaway.cloud.kubernetes import Access, Cluster, Node, Pool, balancers_of
from hideaway.cloud.network import PrivateNetwork
from hideaway.cloud.node_groups import group_of, live_nodes, live_pools
from hideaway.cloud.node_types import commercial
from hideaway.cloud.places import REGIONS
from hideaway.cloud.server_types import server_type
from hideaway.cloud.servers import SecurityGroup, Server, ServerIp
from hideaway.cloud.volumes import BlockVolume

EVERYBODY = "0.0.0.0/0"
NAME_LENGTH = 46  # of every recorded node's name


# clusters


def make_cluster(change: Change, cluster: Cluster) -> Cluster:
    """Begin a cluster: its control plane's address, its authority and token, and an ACL that lets everybody in."""
    certificate, key = make_authority(change.now)
    address = take_public(change, cluster)
    change.ledger.put(
        Access(
            **change.of(cluster),
            region=cluster.region,
            cluster_id=cluster.id,
            ip=EVERYBODY,
        )
    )
    made = msgspec.structs.replace(
        cluster, address=address, ca_certificate=certificate, ca_key=key, admin_token=change.ids.token(64)
    )
    return change.begin(made, "creating", "ready")


def upgrade_cluster(change: Change, cluster: Cluster, version: str, *, pools: bool) -> Cluster:
    """Begin to bring a control plane, and (pools) all its pools at once, to a version."""
    if pools:
        for pool in live_pools(change.ledger, cluster):
            upgrade_pool(change, pool, version)
    latest = change.need(Cluster, cluster.id)
    return change.begin(msgspec.structs.replace(latest, version=version), "updating", "ready")


def retire_cluster(change: Change, cluster: Cluster, *, with_additional_resources: bool = False) -> Cluster:
    """Begin to delete a cluster: its nodes' servers and the security groups made for it go at once.

    with_additional_resources: its Private Network goes with it, where nothing else is in that, and the volumes and Load
    Balancers whose names begin with its id. A group that a user made, or that a server of the user's is in, stays.
    """
    for pool in change.ledger.find(Pool, ref=cluster.id):
        retire_pool(change, pool)
    cluster = change.need(Cluster, cluster.id)
    for id_ in cluster.made_groups:
        group = change.ledger.get(SecurityGroup, id_)
        if group is not None and not change.ledger.find(Server, ref=id_):
            change.ledger.remove(group)
    if with_additional_resources:
        _remove_volumes(change, cluster)
        for lb in balancers_of(change.ledger, cluster):
            if not lb.going:
                delete_lb(change, lb, and_ips=True)
    return change.retire(msgspec.structs.replace(cluster, takes_network_along=with_additional_resources))


def _remove_volumes(change: Change, cluster: Cluster) -> None:
    """Forget the block volumes of the cluster's region that are named after it and that no server has any more."""
    for zone in REGIONS[cluster.region]:
        for volume in change.ledger.find(BlockVolume, project=cluster.project_id, locality=zone):
            if volume.name.startswith(cluster.id) and not volume.references:
                change.ledger.remove(volume)


# pools


def make_pool(change: Change, cluster: Cluster, pool: Pool) -> Pool:
    """Begin a pool with all its nodes; a control plane that slept for want of a pool wakes."""
    change.begin(pool, "scaling", "ready")
    for _ in range(pool.size):
        make_node(change, cluster, change.need(Pool, pool.id))
    latest = change.need(Cluster, cluster.id)
    if latest.status == "pool_required":
        change.begin(latest, "updating", "ready")
    return change.need(Pool, pool.id)


def resize(change: Change, pool: Pool, size: int) -> Pool:
    """Begin to give a pool this many nodes; the youngest go first (every recorded scale down)."""
    cluster = change.need(Cluster, pool.cluster_id)
    nodes = live_nodes(change.ledger, pool)
    for node in nodes[size:][::-1]:
        remove_node(change, node)
    for _ in range(size - len(nodes)):
        make_node(change, cluster, change.need(Pool, pool.id))
    latest = change.need(Pool, pool.id)
    return change.begin(msgspec.structs.replace(latest, size=size), "scaling", "ready")


def upgrade_pool(change: Change, pool: Pool, version: str) -> Pool:
    """Begin to bring a pool to a version: every node is replaced (as recorded)."""
    kept = change.begin(msgspec.structs.replace(pool, version=version), "upgrading", "ready")
    for node in live_nodes(change.ledger, pool):
        if not node.external:
            _swap(change, node)
    return change.need(Pool, kept.id)


def retire_pool(change: Change, pool: Pool) -> Pool:
    """Begin to delete a pool with all its nodes."""
    for node in live_nodes(change.ledger, pool):
        remove_node(change, node)
    external.shut_out(change, pool.id)
    latest = change.need(Pool, pool.id)
    return latest if latest.status == "deleting" else change.retire(latest)


def pool_status(nodes: Iterable[Node]) -> str:
    """What a pool's status is by its nodes: scaling while one comes or restarts, warning when one is not well."""
    statuses = {n.status for n in nodes if n.status != "deleting"}
    if statuses & {"creating", "starting", "registering", "rebooting", "upgrading"}:
        return "scaling"
    return "ready" if statuses <= {"ready"} else "warning"


# nodes


def node_name(cluster: str, pool: str, node_id: str) -> str:
    """A node's name, always 46 characters: scw-<cluster>-<pool>-<the node's id without dashes, as far as it fits>.

    Names that leave fewer than 6 characters for the id are cut, each by its share (recorded: 17 and 19 become 16 and
    18), and what no host name may hold becomes a dash.
    """
    first, second = _host_part(cluster), _host_part(pool)
    room = NAME_LENGTH - len("scw---") - 6
    if len(first) + len(second) > room:
        share = max(1, len(first) * room // (len(first) + len(second)))
        first, second = first[:share], second[: room - share]
    return f"scw-{first}-{second}-{node_id.replace('-', '')}"[:NAME_LENGTH]


def _host_part(name: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower()) or "x"


def make_node(change: Change, cluster: Cluster, pool: Pool) -> Node:
    """Begin a node: its server, with a port in the Private Network and (unless disabled) public addresses.

    The pool then names the group in force. Raises InvalidArguments when the Private Network is full.
    """
    group = group_of(change, cluster, pool)
    if pool.security_group_id != group.id:
        pool = msgspec.structs.replace(pool, security_group_id=group.id, own_security_group=False)
        change.ledger.put(pool)
    id_ = change.ids.uuid()
    server = _make_server(change, cluster, pool, id_)
    addresses = [] if pool.public_ip_disabled else _give_addresses(change, cluster, server)
    network = change.ledger.get(PrivateNetwork, pool.private_network_id or cluster.private_network_id or "")
    if network is not None:
        interfaces.join_network(change, server, network)
    node = Node(
        id=id_,
        organization_id=cluster.organization_id,
        project_id=cluster.project_id,
        created_at=change.now,
        updated_at=change.now,
        region=cluster.region,
        cluster_id=cluster.id,
        pool_id=pool.id,
        name=server.name,
        public_ip_v4=addresses[0] if addresses else "",
        provider_id=f"scaleway://instance/{server.zone}/{server.id}",
        server_id=server.id,
        version=pool.version,
    )
    instances.power_on(change, server)
    return change.begin(node, "creating", "ready")


def _make_server(change: Change, cluster: Cluster, pool: Pool, node_id: str) -> Server:
    name = commercial(pool.node_type)
    type_, image = server_type(name), node_image(pool.zone_of, name)
    tags = [f"kapsule={cluster.id}", f"pool={pool.id}", f"pool-name={pool.name}"]
    tags += [f"runtime={pool.container_runtime}", "managed=true", *pool.tags, f"node={node_id}"]
    return instances.make_server(
        change,
        organization_id=cluster.organization_id,
        project_id=cluster.project_id,
        zone=pool.zone_of,
        name=node_name(cluster.name, pool.name, node_id),
        commercial_type=name,
        arch=type_.arch if type_ else "x86_64",
        image_id=image.id if image else None,
        tags=tags,
        security_group_id=pool.security_group_id,
        placement_group_id=pool.placement_group_id,
        node_id=node_id,
        root_volume=instances.root_volume_of(pool.root_volume_type, pool.root_volume_size),
    )


def _give_addresses(change: Change, cluster: Cluster, server: Server) -> list[str]:
    """A public IPv4 address and an IPv6 one (every recorded node's server has both), tagged as the vendor tags them."""
    given = []
    for v6 in (False, True):
        ip = public_ips.make_public_ip(
            change,
            organization_id=server.organization_id,
            project_id=server.project_id,
            zone=server.zone,
            v6=v6,
            tags=[f"kapsule={cluster.id}", f"node-name={server.name}"],
        )
        given.append(public_ips.attach_public_ip(change, server, ip).address or "")
    return given


def remove_node(change: Change, node: Node) -> Node:
    """Begin to delete a node; its server, addresses and volumes go at once."""
    gone = node if node.status == "deleting" else change.retire(node)
    server = change.ledger.get(Server, node.server_id) if node.server_id else None
    if server is not None:
        ips = change.ledger.find(ServerIp, ref=server.id)
        instances.remove_server(change, server)
        for ip in ips:
            latest = change.ledger.get(ServerIp, ip.id)
            if latest is not None:
                public_ips.release_ip(change, latest)
    external.shut_out(change, node.id)
    return gone


def replace_node(change: Change, node: Node) -> Node:
    """Begin to put a new node in the place of one; returns the one that goes."""
    gone = _swap(change, node)
    change.begin(change.need(Pool, node.pool_id), "scaling", "ready")
    return gone


def _swap(change: Change, node: Node) -> Node:
    pool = change.need(Pool, node.pool_id)
    make_node(change, change.need(Cluster, node.cluster_id), pool)
    return remove_node(change, node)


def drop_node(change: Change, node: Node) -> Node:
    """Begin to delete a node and make its pool one smaller."""
    gone = remove_node(change, node)
    pool = change.need(Pool, node.pool_id)
    change.begin(msgspec.structs.replace(pool, size=max(0, pool.size - 1)), "scaling", "ready")
    return gone


def reboot_node(change: Change, node: Node) -> Node:
    """Begin to restart a node's server."""
    server = change.ledger.get(Server, node.server_id) if node.server_id else None
    if server is not None:
        instances.reboot(change, server)
    return change.begin(node, "rebooting", "ready")


def mark_ready(change: Change, node: Node) -> Node:
    """Keep a node as ready: its heartbeat arrived."""
    kept = node.healthy(change.now)
    change.ledger.put(kept)
    return kept


def mark_not_ready(change: Change, node: Node, reason: str) -> Node:
    """Keep a node as not ready, and why, in plain words."""
    kept = node.silent(change.now, reason)
    change.ledger.put(kept)
    return kept
