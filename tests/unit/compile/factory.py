"""Makes documents tersely, for tests of what reads them: identifiers, times and addresses are counted, never random.

A `Cloud` holds a ledger; each method puts documents into it and returns the one that matters. Defaults are the API's.
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from hideaway.cloud.databases import Database, Endpoint
from hideaway.cloud.documents import GONE, Document, Pending
from hideaway.cloud.gateways import Gateway, GatewayIp, GatewayNetwork, PatRule
from hideaway.cloud.kubernetes import Access, Cluster, Node, Pool
from hideaway.cloud.memory import MemoryLedger
from hideaway.cloud.network import Acl, AclRule, Attachment, Ip, PrivateNetwork, Route, Subnet, Vpc
from hideaway.cloud.places import region_of
from hideaway.cloud.servers import PrivateNic, SecurityGroup, SecurityRule, Server, ServerIp
from hideaway.compile import compile_fabric
from hideaway.fabric.model import Fabric, Filter, Host

START = datetime(2026, 1, 1, tzinfo=UTC)
ORGANIZATION = "00000000-0000-4000-8000-00000000000a"
PROJECT = "00000000-0000-4000-8000-00000000000b"

D = TypeVar("D", bound=Document)


def rule(ip_range: str = "0.0.0.0/0", **fields: Any) -> SecurityRule:
    """A rule of a security group: inbound TCP accept, unless fields say otherwise."""
    defaults = {"id": "rule", "protocol": "TCP", "direction": "inbound", "action": "accept"}
    return SecurityRule(ip_range=ip_range, **{**defaults, **fields})


class Cloud:
    """A small cloud in memory."""

    def __init__(self, region: str = "fr-par"):
        self.region, self.zone = region, f"{region}-1"
        self.ledger = MemoryLedger()
        self.made = 0
        self._free: dict[str, int] = {}
        self._publics = {False: 0, True: 0}

    # what all share

    def id(self) -> str:
        """The next identifier."""
        self.made += 1
        return f"{self.made:08x}-0000-4000-8000-{self.made:012x}"

    def put(self, type_: type[D], **fields: Any) -> D:
        """Put a document of a type, a second younger than the one before it, and return it."""
        id_ = fields.pop("id", None) or self.id()
        at = START + timedelta(seconds=self.made)
        owner = {"organization_id": ORGANIZATION, "project_id": PROJECT, "created_at": at, "updated_at": at}
        document = type_(**{"id": id_, **owner, **fields})
        self.ledger.put(document)
        return document

    def change(self, document: D, **fields: Any) -> D:
        """Put a document again with other fields, and return it."""
        changed = msgspec.structs.replace(document, **fields)
        self.ledger.put(changed)
        return changed

    def delete(self, document: D) -> D:
        """Begin to delete a document: it stays, on its way out."""
        return self.change(document, pending=Pending(GONE, 0.0))

    def fabric(self) -> Fabric:
        """What the cloud compiles to."""
        return compile_fabric(self.ledger)

    def host(self, document: Document) -> Host:
        """The compiled host of a document; an error when there is none."""
        found = next((h for h in self.fabric().hosts if h.id == document.id), None)
        assert found is not None, f"no host for {document.kind} {document.id}"
        return found

    def filter(self, id_: str) -> Filter:
        """The compiled filter with this id."""
        return next(f for f in self.fabric().filters if f.id == id_)

    def public(self, v6: bool = False) -> str:
        """The next public address."""
        self._publics[v6] += 1
        number = self._publics[v6]
        return f"2001:2:0:{number + 0x1000:x}::1" if v6 else str(ipaddress.ip_address("198.18.16.0") + number)

    # networks

    def vpc(self, **fields: Any) -> Vpc:
        return self.put(Vpc, **{"name": "vpc", "region": self.region, **fields})

    def network(self, vpc: Vpc | None = None, *subnets: str, **fields: Any) -> PrivateNetwork:
        """A Private Network with these subnets, or the next free /22 and /64."""
        vpc = vpc or self.vpc()
        number = len(self.ledger.find(PrivateNetwork))
        wanted = subnets or (f"172.16.{number * 4}.0/22", f"fd46:78ab:30b8:{number:x}::/64")
        defaults = {"name": f"pn-{number}", "region": vpc.region, "vpc_id": vpc.id}
        return self.put(
            PrivateNetwork, **{**defaults, "subnets": [Subnet(id=self.id(), subnet=s) for s in wanted], **fields}
        )

    def ip(self, network: PrivateNetwork, v6: bool = False, attachment: Attachment | None = None) -> Ip:
        """IPAM's next address in a network: from the second on, as the first is the router's."""
        subnet = next(s for s in network.subnets if (":" in s.subnet) == v6)
        self._free[subnet.id] = self._free.get(subnet.id, 1) + 1
        net = ipaddress.ip_network(subnet.subnet)
        return self.put(
            Ip,
            region=network.region,
            address=f"{net.network_address + self._free[subnet.id]}/{net.prefixlen}",
            is_ipv6=v6,
            subnet_id=subnet.id,
            private_network_id=network.id,
            vpc_id=network.vpc_id,
            attachment=attachment,
        )

    def route(self, vpc: Vpc, destination: str, resource: Document, network: PrivateNetwork | None = None) -> Route:
        """A custom route by a resource (a NIC, a server, an attachment of a gateway)."""
        return self.put(
            Route,
            region=vpc.region,
            vpc_id=vpc.id,
            destination=destination,
            nexthop_resource_id=resource.id,
            nexthop_private_network_id=network.id if network else None,
        )

    def acl(self, vpc: Vpc, *rules: AclRule, v6: bool = False, default: str = "accept") -> Acl:
        return self.put(
            Acl,
            id=f"{vpc.id}/{'v6' if v6 else 'v4'}",
            region=vpc.region,
            vpc_id=vpc.id,
            is_ipv6=v6,
            default_policy=default,
            rules=list(rules),
        )

    # servers

    def group(self, *rules: SecurityRule, **fields: Any) -> SecurityGroup:
        return self.put(SecurityGroup, **{"zone": self.zone, "name": "group", "rules": list(rules), **fields})

    def server(self, *networks: PrivateNetwork, public: bool = False, v6: bool = False, **fields: Any) -> Server:
        """A running server with a NIC in each network, and a public address of each family that is asked for."""
        defaults = {"zone": self.zone, "name": "server", "hostname": "server", "commercial_type": "DEV1-M"}
        server = self.put(Server, **{**defaults, "state": "running", **fields})
        if public:
            self.public_ip(server)
        if v6:
            self.public_ip(server, v6=True)
        for network in networks:
            self.nic(server, network)
        return server

    def public_ip(self, server: Server | None, v6: bool = False) -> ServerIp:
        return self.put(
            ServerIp,
            zone=server.zone if server else self.zone,
            type="routed_ipv6" if v6 else "routed_ipv4",
            address=self.public(v6),
            server_id=server.id if server else None,
        )

    def nic(self, server: Server, network: PrivateNetwork) -> PrivateNic:
        """A NIC with an address of each family that the network has."""
        id_, mac = self.id(), f"02:00:00:AA:BB:{self.made % 256:02X}"
        families = sorted({":" in s.subnet for s in network.subnets})
        attachment = Attachment(type="instance_private_nic", id=id_, mac_address=mac)
        ips = [self.ip(network, v6, attachment).id for v6 in families]
        return self.put(
            PrivateNic,
            id=id_,
            zone=server.zone,
            server_id=server.id,
            private_network_id=network.id,
            mac_address=mac,
            ipam_ip_ids=ips,
        )

    # gateways

    def gateway(self, **fields: Any) -> Gateway:
        """A running Public Gateway with a public address."""
        zone = fields.get("zone", self.zone)
        ip = self.put(GatewayIp, zone=zone, address=self.public())
        defaults = {"zone": zone, "name": "gateway", "status": "running", "ip_id": ip.id}
        gateway = self.put(Gateway, **{**defaults, **fields})
        self.change(ip, gateway_id=gateway.id)
        return gateway

    def attach(self, gateway: Gateway, network: PrivateNetwork, **fields: Any) -> GatewayNetwork:
        """Attach a gateway to a network."""
        id_ = self.id()
        ip = self.ip(network, attachment=Attachment(type="vpc_gateway_network", id=id_))
        defaults = {"zone": gateway.zone, "gateway_id": gateway.id, "private_network_id": network.id}
        more = {"ipam_ip_id": ip.id, "mac_address": "02:00:00:CC:DD:EE", "status": "ready"}
        return self.put(GatewayNetwork, **{**defaults, **more, "id": id_, **fields})

    def pat(self, gateway: Gateway, public_port: int, private_ip: str, private_port: int, **fields: Any) -> PatRule:
        ports = {"public_port": public_port, "private_ip": private_ip, "private_port": private_port}
        return self.put(PatRule, zone=gateway.zone, gateway_id=gateway.id, **ports, **fields)

    # Kubernetes

    def cluster(self, network: PrivateNetwork | None, acl: str | None = "0.0.0.0/0", **fields: Any) -> Cluster:
        """A ready cluster whose API lets in one range (None: no rule at all)."""
        defaults = {"region": self.region, "name": "cluster", "status": "ready", "version": "1.35.0"}
        private = network.id if network else None
        cluster = self.put(Cluster, **{**defaults, "address": self.public(), "private_network_id": private, **fields})
        if acl:
            self.access(cluster, ip=acl)
        return cluster

    def access(self, cluster: Cluster, **fields: Any) -> Access:
        return self.put(Access, region=cluster.region, cluster_id=cluster.id, **fields)

    def pool(self, cluster: Cluster, **fields: Any) -> Pool:
        defaults = {"region": cluster.region, "cluster_id": cluster.id, "name": "pool", "version": cluster.version}
        more = {"node_type": "DEV1-M", "zone_of": self.zone, "status": "ready"}
        return self.put(Pool, **{**defaults, **more, **fields})

    def node(self, pool: Pool, network: PrivateNetwork, group: SecurityGroup | None = None) -> Server:
        """A node and its server, which is returned: with a public address unless its pool is fully isolated."""
        id_ = self.id()
        name = f"scw-{pool.name}-{self.made}"
        server = self.server(
            network,
            public=not pool.public_ip_disabled,
            zone=pool.zone_of,
            name=name,
            node_id=id_,
            security_group_id=group.id if group else "",
        )
        self.put(
            Node,
            id=id_,
            region=region_of(pool.zone_of),
            cluster_id=pool.cluster_id,
            pool_id=pool.id,
            name=name,
            status="ready",
            server_id=server.id,
        )
        return server

    # databases

    def database(self, *networks: PrivateNetwork, public: bool = False, **fields: Any) -> Database:
        """A ready database with an endpoint in each network, and a load-balancer endpoint when public."""
        endpoints = []
        for network in networks:
            ip = self.ip(network, attachment=Attachment(type="rdb_instance", id=f"{self.made:08x}-endpoint"))
            address = ip.address.split("/")[0]
            inside = {"private_network_id": network.id, "service_ip": ip.address, "ipam_id": ip.id}
            endpoints.append(Endpoint(id=self.id(), port=5432, ip=address, **inside))
        if public:
            endpoints.append(Endpoint(id=self.id(), port=5432, ip=self.public()))
        defaults = {"region": self.region, "name": "database", "engine": "PostgreSQL-15", "node_type": "DB-DEV-S"}
        return self.put(Database, **{**defaults, "status": "ready", "listed_endpoints": endpoints, **fields})


def document_cluster() -> Cloud:
    """The mission document's cluster: two controlled nodes, two fully isolated ones in another zone behind a gateway,
    and an Instance and a database beside them, in one Private Network."""
    cloud = Cloud()
    network = cloud.network()
    cluster = cloud.cluster(network, name="open-pn-test")
    groups = [
        cloud.group(name=f"kubernetes {cluster.id}", zone=zone, inbound_default_policy="drop")
        for zone in ("fr-par-1", "fr-par-2")
    ]
    open_port = rule(protocol="UDP", dest_port_from=500)
    groups[0] = cloud.change(groups[0], rules=[open_port])
    controlled = cloud.pool(cluster, name="controlled", zone_of="fr-par-1")
    isolated = cloud.pool(cluster, name="isolated", zone_of="fr-par-2", public_ip_disabled=True)
    for pool, group in ((controlled, groups[0]), (isolated, groups[1])):
        for _ in range(2):
            cloud.node(pool, network, group)
    cloud.attach(cloud.gateway(name="egress"), network)
    cloud.server(network, public=True, v6=True, name="bastion", security_group_id=cloud.group(name="default").id)
    cloud.database(network, name="pn-rdb")
    return cloud
