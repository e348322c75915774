"""What holds of every cloud between any two requests, whatever was asked of it: a walk through all documents.

`check(ledger)` for a snapshot of a store, `check_store(path)` for the file of a server, also one that runs or was
killed. A kind of document that is added later is walked without a change here: each field whose name ends in `_id` or
`_ids` must lead to something that is kept, unless MAY_OUTLIVE says why not.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from hideaway.base.ids import is_uuid
from hideaway.cloud.addressing import PublicAddress, StaticAddress
from hideaway.cloud.balancers import Backend, Frontend, Lb, LbAcl, LbIp, LbPrivateNetwork, LbRoute
from hideaway.cloud.databases import Database, ReadReplica
from hideaway.cloud.documents import GONE, KINDS, Document
from hideaway.cloud.gateways import Gateway, GatewayIp, GatewayNetwork
from hideaway.cloud.identity import Project, Scim
from hideaway.cloud.kubernetes import Cluster, Node, Pool
from hideaway.cloud.memory import MemoryLedger
from hideaway.cloud.network import Ip, PrivateNetwork, Vpc
from hideaway.cloud.node_groups import live_nodes
from hideaway.cloud.quotas import NETWORK_RESOURCES, RESOURCE_NETWORKS
from hideaway.cloud.servers import PrivateNic, SecurityGroup, Server, ServerIp
from hideaway.cloud.volumes import BlockVolume, Volume
from hideaway.store import Store

D = TypeVar("D", bound=Document)

MAY_OUTLIVE = {
    ("block/snapshot", "volume_id"): "a snapshot outlives its volume",
    ("block/snapshot", "product_resource_id"): "as the volume's reference does",
    ("block/volume", "parent_snapshot_id"): "a volume outlives the snapshot that it was made of",
    ("block/volume", "kms_key_id"): "a key of a product that is not served",
    ("iam/api_key", "default_project_id"): "a key outlives its default project",
    ("iam/jwt", "issuer_id"): "a session outlives who made it for another",
    ("iam/log", "bearer_id"): "a log tells of what is gone",
    ("iam/log", "resource_id"): "a log tells of what is gone",
    ("iam/policy", "project_ids"): "a rule may name a project that is gone: it then allows nothing",
    ("iam/user", "account_root_user_id"): "the account behind a user is no document",
    ("instance/server", "image_id"): "the vendor's images are no documents; a server outlives its own image",
    ("instance/server", "password_key_id"): "a server outlives the SSH key",
    **{
        ("instance/template", name): "a template names what may be gone when a server is made of it"
        for name in (
            "security_group_id",
            "placement_group_id",
            "base_snapshot_id",
            "private_network_id",
            "filesystem_ids",
            "windows_rdp_ssh_key_id",
        )
    },
    ("rdb/backup", "instance_id"): "a backup outlives its instance",
    ("rdb/snapshot", "instance_id"): "a snapshot outlives its instance",
    ("vpc/connector", "target_vpc_id"): "a connector to a VPC that is gone is an orphan, and says so",
    ("vpc/route", "nexthop_resource_id"): "a route outlives its next hop, and leads nowhere",
}
"""What a field may refer to that is not there (any more), by the document's kind and the field, and why."""


def check(ledger: MemoryLedger) -> None:
    """Fail with all that does not hold."""
    wrong = faults(ledger)
    assert wrong == [], "\n".join(wrong)


def check_store(path: Path) -> MemoryLedger:
    """`check` what a store's file holds, and what its indices say; returns it."""
    store = Store(path)
    try:
        db = store._db
        db.execute("BEGIN")  # one moment's view, also of a store that is being written
        _, ledger = store.snapshot()
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        kept = {(d.kind, d.id): d for d in documents(ledger)}
        rows = set(db.execute("SELECT kind, id, ref FROM refs").fetchall())
        assert rows == {(d.kind, d.id, ref) for d in kept.values() for ref in d.refs}
        columns = "kind, id, organization, project, locality, label, carried, due"
        for kind, id_, *said in db.execute(f"SELECT {columns} FROM documents").fetchall():
            d = kept[kind, id_]
            due = d.pending.due if d.pending else None
            assert said == [d.organization_id, d.project_id, d.locality, d.label, int(d.carried), due], (kind, id_)
    finally:
        store.close()
    check(ledger)
    return ledger


def faults(ledger: MemoryLedger) -> list[str]:
    """All that does not hold, a line each."""
    return [fault for rule in RULES for fault in rule(ledger)]


def documents(ledger: MemoryLedger) -> list[Document]:
    return [d for type_ in KINDS.values() for d in ledger.find(type_)]


def counts(ledger: MemoryLedger) -> dict[str, int]:
    """How many documents there are of each kind: to compare before and after."""
    return dict(Counter(d.kind for d in documents(ledger)))


def _named(document: Document) -> str:
    return f"{document.kind} {document.id}"


# references


def references(document: Document) -> Iterator[tuple[str, str]]:
    """Every (field, identifier) in a document, at any depth, by which it refers to something."""
    for name, value in _fields(msgspec.to_builtins(document)):
        if name.endswith(("_id", "_ids")) and isinstance(value, str) and is_uuid(value):
            yield name.lstrip("_"), value.lower()


def _fields(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _fields(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _fields(inner, name)
    else:
        yield name, value


def everything_referred_to_is_there(ledger: MemoryLedger) -> Iterator[str]:
    kept = documents(ledger)
    known = {d.id for d in kept} | {s.id for n in ledger.find(PrivateNetwork) for s in n.subnets}
    known |= {d.organization_id for d in kept if isinstance(d, Project)}
    for document in kept:
        if document.pending is not None and document.pending.to == GONE:
            continue  # on its way out: what was its own may be gone before it
        for field, id_ in references(document):
            if id_ not in known and (document.kind, field) not in MAY_OUTLIVE:
                yield f"{_named(document)}: its {field} {id_} is not there"


def owners_agree(ledger: MemoryLedger) -> Iterator[str]:
    """What belongs to a project belongs to the project's organization."""
    owner = {p.id: p.organization_id for p in ledger.find(Project)}
    for document in documents(ledger):
        if document.project_id and owner.get(document.project_id) != document.organization_id:
            yield f"{_named(document)}: its project {document.project_id} is none of its organization's"


# addresses


def private_addresses_are_booked_once(ledger: MemoryLedger) -> Iterator[str]:
    taken: dict[tuple[str, str], str] = {}
    holders: dict[str, set[str]] = {}
    for ip in ledger.find(Ip):
        if ip.private_network_id is None:
            continue
        where = (ip.private_network_id, ip.host)
        if where in taken:
            yield f"{ip.host} of network {ip.private_network_id} is both {taken[where]} and {_named(ip)}"
        taken[where] = _named(ip)
        network = ledger.get(PrivateNetwork, ip.private_network_id)
        subnet = next((s.subnet for s in network.subnets if s.id == ip.subnet_id), None) if network else None
        if subnet is None or ipaddress.ip_address(ip.host) not in ipaddress.ip_network(subnet):
            yield f"{_named(ip)}: {ip.address} is outside its subnet {subnet}"
        if ip.attachment is not None:
            holders.setdefault(ip.private_network_id, set()).add(ip.attachment.id)
    for static in ledger.find(StaticAddress):
        if (static.private_network_id, static.host) in taken:
            yield f"{static.host} is static and {taken[static.private_network_id, static.host]}"
    for network_id, held in holders.items():
        if len(held) > NETWORK_RESOURCES.limit:
            yield f"{len(held)} resources are in network {network_id}"


def subnets_keep_clear(ledger: MemoryLedger) -> Iterator[str]:
    """Of each other, within a VPC; and a network is in its VPC's region and project."""
    for vpc in ledger.find(Vpc):
        networks = ledger.find(PrivateNetwork, ref=vpc.id)
        subnets = sorted(
            (ipaddress.ip_network(s.subnet) for n in networks for s in n.subnets), key=lambda s: (s.version, s)
        )
        for one, other in pairwise(subnets):
            if one.version == other.version and one.overlaps(other):
                yield f"{one} overlaps {other} in {_named(vpc)}"
        yield from (f"{_named(n)} is not in its VPC's region" for n in networks if n.region != vpc.region)


def attached_addresses_know_their_resource(ledger: MemoryLedger) -> Iterator[str]:
    """The resource of each attached address stands, and says itself that it has the address."""
    for ip in ledger.find(Ip):
        if ip.attachment is None or ip.attachment.type == "custom":
            if ip.attachment is None and not ip.booked:
                yield f"{_named(ip)}: nobody booked it and nobody has it"
            continue
        holding = {i.id for i in _holders(ledger, ip.attachment.type, ip.attachment.id, ip)}
        if ip.id not in holding:
            yield f"{_named(ip)}: {ip.attachment.type} {ip.attachment.id} does not have it"


def _holders(ledger: MemoryLedger, type_: str, id_: str, ip: Ip) -> Iterable[Ip]:
    """The address itself, when the resource says that it has it."""
    if type_ == "instance_private_nic":
        nic = ledger.get(PrivateNic, id_)
        has = nic is not None and ip.id in nic.ipam_ip_ids and nic.private_network_id == ip.private_network_id
    elif type_ == "vpc_gateway_network":
        network = ledger.get(GatewayNetwork, id_)
        has = network is not None and (network.ipam_ip_id, network.private_network_id) == (ip.id, ip.private_network_id)
    elif type_ == "lb_server":
        has = any(ip.id in n.ipam_ids for n in ledger.find(LbPrivateNetwork, ref=id_) if n.lb_id == id_)
    elif type_ == "rdb_instance":
        owners = [*ledger.find(Database), *ledger.find(ReadReplica)]
        has = any(e.ipam_id == ip.id for o in owners for e in (*o.listed_endpoints, *o.leaving_endpoints))
    elif type_ == "instance_ip":
        has = (found := ledger.get(ServerIp, id_)) is not None and found.ipam_id == ip.id
    else:
        raise AssertionError(f"no rule here knows what a {type_} is: add it")
    return [ip] if has else []


def what_has_an_address_has_it_in_ipam(ledger: MemoryLedger) -> Iterator[str]:
    """The other way round: each booking that a resource names is attached to it."""
    wanted: list[tuple[Document, str, str]] = []
    for nic in ledger.find(PrivateNic):
        wanted += [(nic, id_, nic.id) for id_ in nic.ipam_ip_ids]
    wanted += [(n, n.ipam_ip_id, n.id) for n in ledger.find(GatewayNetwork)]
    for network in ledger.find(LbPrivateNetwork):
        wanted += [(network, id_, network.lb_id) for id_ in network.ipam_ids]
    for database in ledger.find(Database):
        wanted += [(database, e.ipam_id, database.id) for e in database.listed_endpoints if e.ipam_id]
    for document, ip_id, holder in wanted:
        ip = ledger.get(Ip, ip_id)
        if ip is None or ip.attachment is None or ip.attachment.id != holder:
            yield f"{_named(document)}: its address {ip_id} is {ip and ip.attachment}"


def public_addresses_are_one_s_own(ledger: MemoryLedger) -> Iterator[str]:
    """Each public address in use is taken by whom it serves, and what is taken is in use."""
    used: list[tuple[str, Document]] = []
    for ip in ledger.find(ServerIp):
        first = str(ipaddress.ip_network(ip.prefix)[1]) if ip.prefix else ip.address or ""
        used.append((first, ip))
    for listed in ledger.find(Ip):
        if listed.zone_of and ledger.get(ServerIp, listed.id) is None:  # IPAM's alone, since instance/v1 released it
            used.append((str(ipaddress.ip_network(listed.address)[1]) if listed.is_ipv6 else listed.host, listed))
    used += [(g.address, g) for g in ledger.find(GatewayIp)]
    used += [(b.ip_address, b) for b in ledger.find(LbIp)]
    used += [(c.address, c) for c in ledger.find(Cluster)]
    for owner in (*ledger.find(Database), *ledger.find(ReadReplica)):
        endpoints = (*owner.listed_endpoints, *owner.leaving_endpoints)
        used += [(e.ip, owner) for e in endpoints if e.private_network_id is None]
    for address, times in Counter(a for a, _ in used).items():
        if times > 1:
            yield f"public address {address} is used {times} times"
        if ledger.get(PublicAddress, address) is None:
            yield f"public address {address} is used and not taken"
    everywhere = {a for a, _ in used}
    yield from (
        f"public address {p.id} is taken and not used" for p in ledger.find(PublicAddress) if p.id not in everywhere
    )


def addresses_of_the_link_are_unique(ledger: MemoryLedger) -> Iterator[str]:
    """MAC addresses, within a Private Network."""
    seen = Counter((n.private_network_id, n.mac_address.lower()) for n in ledger.find(PrivateNic))
    seen += Counter((n.private_network_id, n.mac_address.lower()) for n in ledger.find(GatewayNetwork) if n.mac_address)
    yield from (
        f"MAC address {mac} is {times} times in {network}" for (network, mac), times in seen.items() if times > 1
    )


# both sides of what is joined


def volumes_agree(ledger: MemoryLedger) -> Iterator[str]:
    """A server names its volumes, and each of them the server; no volume is two servers'."""
    for server in ledger.find(Server):
        for slot, id_ in server.volumes.items():
            local, block = ledger.get(Volume, id_), ledger.get(BlockVolume, id_)
            users = [local.server_id] if local else [r.product_resource_id for r in block.references] if block else []
            if users != [server.id]:
                yield f"{_named(server)}: its volume {id_} in slot {slot} is used by {users}"
    for volume in ledger.find(Volume):
        if volume.server_id and not _has(ledger, volume.server_id, volume.id):
            yield f"{_named(volume)}: server {volume.server_id} does not have it"
    for block in ledger.find(BlockVolume):
        for reference in block.references:
            if not _has(ledger, reference.product_resource_id, block.id):
                yield f"{_named(block)}: server {reference.product_resource_id} does not have it"
        if block.pending is None and (block.status == "in_use") != bool(block.references):
            yield f"{_named(block)}: it is {block.status} with {len(block.references)} references"


def _has(ledger: MemoryLedger, server_id: str, volume_id: str) -> bool:
    server = ledger.get(Server, server_id)
    return server is not None and volume_id in server.volumes.values()


def servers_are_whole(ledger: MemoryLedger) -> Iterator[str]:
    """A server is in a group of its project and zone, has a NIC once a network, and eight at most; its addresses and
    NICs are in its zone."""
    for server in ledger.find(Server):
        group = ledger.get(SecurityGroup, server.security_group_id)
        if group is None or (group.project_id, group.zone) != (server.project_id, server.zone):
            yield f"{_named(server)}: its group {server.security_group_id} is none of its project and zone"
        networks = [n.private_network_id for n in ledger.find(PrivateNic, ref=server.id)]
        if len(set(networks)) != len(networks) or len(networks) > RESOURCE_NETWORKS.limit:
            yield f"{_named(server)}: it is in {networks}"
    for part in (*ledger.find(PrivateNic), *(i for i in ledger.find(ServerIp) if i.server_id)):
        owner = ledger.get(Server, part.server_id or "")
        if owner is not None and owner.zone != part.zone:
            yield f"{_named(part)} is not in its server's zone"


def gateways_agree(ledger: MemoryLedger) -> Iterator[str]:
    for gateway in ledger.find(Gateway):
        ip = ledger.get(GatewayIp, gateway.ip_id) if gateway.ip_id else None
        if gateway.ip_id and (ip is None or ip.gateway_id != gateway.id):
            yield f"{_named(gateway)}: its address {gateway.ip_id} is {ip and ip.gateway_id}'s"
        networks = [n.private_network_id for n in ledger.find(GatewayNetwork, ref=gateway.id)]
        if len(set(networks)) != len(networks) or len(networks) > RESOURCE_NETWORKS.limit:
            yield f"{_named(gateway)}: it is attached to {networks}"
    for ip in ledger.find(GatewayIp):
        holder = ledger.get(Gateway, ip.gateway_id) if ip.gateway_id else None
        if holder is not None and holder.ip_id != ip.id:
            yield f"{_named(ip)}: gateway {ip.gateway_id} has {holder.ip_id}"


def balancers_agree(ledger: MemoryLedger) -> Iterator[str]:
    """A Load Balancer's parts are joined to parts of the same one."""
    for document in (*ledger.find(Frontend), *ledger.find(LbRoute), *ledger.find(LbAcl)):
        for type_, field in ((Backend, "backend_id"), (Frontend, "frontend_id")):
            part = ledger.get(type_, getattr(document, field, ""))
            if part is not None and part.lb_id != document.lb_id:  # type: ignore[attr-defined]
                yield f"{_named(document)}: its {field} is another Load Balancer's"
    for lb in ledger.find(Lb):
        ports = [f.inbound_port for f in ledger.find(Frontend, ref=lb.id)]
        if len(set(ports)) != len(ports):
            yield f"{_named(lb)}: two frontends have one port: {ports}"


def clusters_agree(ledger: MemoryLedger) -> Iterator[str]:
    """A pool has as many nodes as it says; a node and its server name each other; a server that is a node has one."""
    for pool in ledger.find(Pool):
        cluster = ledger.get(Cluster, pool.cluster_id)
        kosmos = cluster is not None and cluster.type.startswith("multicloud")
        live = live_nodes(ledger, pool)
        if pool.status != "deleting" and not kosmos and len(live) != pool.size:
            yield f"{_named(pool)}: it has {len(live)} nodes and says {pool.size}"
    for node in ledger.find(Node):
        server = ledger.get(Server, node.server_id) if node.server_id else None
        if node.server_id and node.status != "deleting" and (server is None or server.node_id != node.id):
            yield f"{_named(node)}: its server {node.server_id} is {server and server.node_id}'s"
    for server in ledger.find(Server):
        if server.node_id and ledger.get(Node, server.node_id) is None:
            yield f"{_named(server)}: it is the node {server.node_id}, which is not there"


def defaults_stand_once(ledger: MemoryLedger) -> Iterator[str]:
    """Each project has one default VPC in a region and one default security group, at most, in a zone."""
    vpcs = Counter((v.project_id, v.region) for v in ledger.find(Vpc) if v.is_default)
    groups = Counter((g.project_id, g.zone) for g in ledger.find(SecurityGroup) if g.project_default)
    yield from (f"{where} has {n} default VPCs" for where, n in vpcs.items() if n > 1)
    yield from (f"{where} has {n} default security groups" for where, n in groups.items() if n > 1)
    yield from (f"project {p.id} has no default VPC" for p in ledger.find(Project) if not vpcs[p.id, "fr-par"])


def single_things_are_single(ledger: MemoryLedger) -> Iterator[str]:
    """Identifiers are unique over all kinds, but for those that are the same thing seen twice."""
    same = {"instance/ip", "ipam/ip"}, {"account/project", "iam/organization"}
    kinds: dict[str, set[str]] = {}
    for document in documents(ledger):
        kinds.setdefault(document.id, set()).add(document.kind)
    for id_, of in kinds.items():
        if len(of) > 1 and of not in same and Scim.kind not in of and not id_.startswith("SCW"):
            yield f"{id_} is {sorted(of)}"


RULES = (
    everything_referred_to_is_there,
    owners_agree,
    private_addresses_are_booked_once,
    subnets_keep_clear,
    attached_addresses_know_their_resource,
    what_has_an_address_has_it_in_ipam,
    public_addresses_are_one_s_own,
    addresses_of_the_link_are_unique,
    volumes_agree,
    servers_are_whole,
    gateways_agree,
    balancers_agree,
    clusters_agree,
    defaults_stand_once,
    single_things_are_single,
)
