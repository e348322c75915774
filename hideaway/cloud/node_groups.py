"""Which security group nodes are in: `kubernetes <cluster-id>`, one a zone, or the one that their pool names."""

from __future__ import annotations

from typing import Any

import msgspec

from hideaway.cloud.change import Change
from hideaway.cloud.documents import Ledger
from hideaway.cloud.kubernetes import Cluster, Node, Pool
from hideaway.cloud.servers import SecurityGroup, Server


def live_pools(ledger: Ledger, cluster: Cluster) -> list[Pool]:
    """A cluster's pools that are not on their way out, oldest first."""
    return [p for p in ledger.find(Pool, ref=cluster.id) if p.status != "deleting"]


def live_nodes(ledger: Ledger, pool: Pool) -> list[Node]:
    """A pool's nodes that are not on their way out, oldest first."""
    return [n for n in ledger.find(Node, ref=pool.id) if n.status != "deleting"]


def group_name(cluster: Cluster) -> str:
    """The name that a cluster's security group has in every zone."""
    return f"kubernetes {cluster.id}"


def named_group(ledger: Ledger, cluster: Cluster, zone: str) -> SecurityGroup | None:
    """The oldest group of a zone and the cluster's project that has the cluster's name, whoever made it."""
    found = ledger.find(SecurityGroup, project=cluster.project_id, locality=zone, label=group_name(cluster))
    return found[0] if found else None


def group_in_force(change: Change, cluster: Cluster, zone: str) -> SecurityGroup:
    """The group that a cluster's nodes of a zone are in, unless their pool names another.

    Looked for by name, else made, when the zone's first node is made (issue: one that a client made under that name
    before is the one in force, with no twin); from then on it stays, also under another name.
    """
    present = _present_group(change.ledger, cluster, zone) or named_group(change.ledger, cluster, zone)
    if present is not None:
        return present
    made = SecurityGroup(
        **change.of(cluster),
        zone=zone,
        name=group_name(cluster),
        inbound_default_policy="drop",
        outbound_default_policy="accept",
        stateful=True,
    )
    change.ledger.put(made)
    latest = change.need(Cluster, cluster.id)
    change.ledger.put(msgspec.structs.replace(latest, made_groups=[*latest.made_groups, made.id]))
    return made


def _present_group(ledger: Ledger, cluster: Cluster, zone: str) -> SecurityGroup | None:
    """The group that nodes of a zone are in already."""
    for pool in live_pools(ledger, cluster):
        if pool.zone_of == zone and not pool.own_security_group and live_nodes(ledger, pool):
            return ledger.get(SecurityGroup, pool.security_group_id)
    return None


def group_of(change: Change, cluster: Cluster, pool: Pool) -> SecurityGroup:
    """The group that a pool's next node shall be in: the one that its user chose, else the cluster's."""
    return chosen_group(change.ledger, pool) or group_in_force(change, cluster, pool.zone_of)


def chosen_group(ledger: Ledger, pool: Pool) -> SecurityGroup | None:
    """The group that a pool's user chose; None when there was no choice, or the group is gone."""
    return ledger.get(SecurityGroup, pool.security_group_id) if pool.own_security_group else None


def shown_group(ledger: Ledger, cluster: Cluster, pool: Pool) -> str:
    """The id of the group in force, as the pool's answer names it; "" for a pool without nodes where there is none."""
    if chosen_group(ledger, pool) or live_nodes(ledger, pool):
        return pool.security_group_id
    group = _present_group(ledger, cluster, pool.zone_of) or named_group(ledger, cluster, pool.zone_of)
    return group.id if group else ""


def move_pool(change: Change, cluster: Cluster, pool: Pool, group: SecurityGroup | None) -> Pool:
    """Put all nodes of a pool, and those to come, into this group, or (None) into the cluster's."""
    chosen = group or group_in_force(change, cluster, pool.zone_of)
    moved = pool.changed(change.now, security_group_id=chosen.id, own_security_group=group is not None)
    change.ledger.put(moved)
    for node in live_nodes(change.ledger, moved):
        server = change.ledger.get(Server, node.server_id)
        if server is not None:
            change.ledger.put(server.changed(change.now, security_group_id=chosen.id))
    return moved


def security_groups_differ(ledger: Ledger, cluster: Cluster) -> str | None:
    """Plain words when the groups in force differ between a cluster's zones; None when its nodes are filtered alike."""
    zones = {p.zone_of: p for p in live_pools(ledger, cluster) if not p.own_security_group and live_nodes(ledger, p)}
    groups = {z: g for z, p in sorted(zones.items()) if (g := ledger.get(SecurityGroup, p.security_group_id))}
    if len(groups) < 2:
        return None
    (first, model), *others = groups.items()
    for zone, group in others:
        what = [word for word, of in _ASPECTS if of(group) != of(model)]
        if what:
            return f"the security groups {group_name(cluster)!r} of {first} and {zone} differ in {', '.join(what)}"
    return None


def _rules(group: SecurityGroup, direction: str) -> list[tuple[Any, ...]]:
    chosen = sorted((r for r in group.rules if r.direction == direction), key=lambda r: r.position)
    return [(r.action, r.protocol, r.ip_range, r.dest_port_from, r.dest_port_to) for r in chosen]


_ASPECTS: tuple[tuple[str, Any], ...] = (
    ("statefulness", lambda g: g.stateful),
    ("inbound policy", lambda g: g.inbound_default_policy),
    ("outbound policy", lambda g: g.outbound_default_policy),
    ("default security", lambda g: g.enable_default_security),
    ("inbound rules", lambda g: _rules(g, "inbound")),
    ("outbound rules", lambda g: _rules(g, "outbound")),
)
