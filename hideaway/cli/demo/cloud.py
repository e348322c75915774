"""The demonstration's cloud: a server of its own, and a cluster built on it with the vendor's Python SDK."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from hideaway.base.errors import HideawayError, Unavailable
from hideaway.server.state import Folder

REGION, ZONE, OTHER_ZONE = "fr-par", "fr-par-1", "fr-par-2"
Tell = Callable[[str], None]


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach the demonstration's cloud, and what it said of its data plane."""

    url: str
    said: str
    data_plane: str
    access_key: str
    secret_key: str
    organization_id: str
    project_id: str


@contextlib.contextmanager
def serving(state: Path, *flags: str) -> Iterator[Access]:
    """A server in a process of its own, on a free port. Raises HideawayError, with what it said, when it stays down."""
    log = state / "server.log"
    argv = [sys.executable, "-m", "hideaway.cli", "up", "--listen", "127.0.0.1:0", "--state", str(state), *flags]
    with log.open("wb") as out:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield _access(state, process, log)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _access(state: Path, process: subprocess.Popen[bytes], log: Path) -> Access:
    folder = Folder(state)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise HideawayError(f"the server ended with status {process.returncode}: {log.read_text().strip()}")
        server, owner = folder.server(), folder.owner()
        if server is not None and owner is not None and server.pid == process.pid:
            return Access(
                url=server.url,
                said=_said(log),
                data_plane=server.data_plane,
                access_key=owner.access_key,
                secret_key=owner.secret_key,
                organization_id=owner.organization_id,
                project_id=owner.project_id,
            )
        time.sleep(0.05)
    raise HideawayError(f"the server did not come up within 30 s: {log.read_text().strip()}")


def _said(log: Path) -> str:
    """The server's line on its data plane, once it has printed it."""
    for _ in range(100):
        for line in log.read_text().splitlines():
            if line.startswith("data plane:"):
                return line
        time.sleep(0.02)
    return ""


class Apis:
    """The vendor's own client, pointed at the demonstration's cloud."""

    def __init__(self, access: Access):
        try:
            from scaleway import Client
            from scaleway.instance.v1.custom_api import InstanceUtilsV1API
            from scaleway.ipam.v1 import IpamV1API
            from scaleway.k8s.v1 import K8SV1API
            from scaleway.vpc.v2 import VpcV2API
            from scaleway.vpcgw.v2 import VpcgwV2API
        except ImportError as error:
            raise Unavailable("the demonstration needs the vendor's SDK: pip install scaleway") from error
        client = Client(
            access_key=access.access_key,
            secret_key=access.secret_key,
            api_url=access.url,
            default_organization_id=access.organization_id,
            default_project_id=access.project_id,
            default_region=REGION,
            default_zone=ZONE,
        )
        self.k8s, self.vpc, self.gateways = K8SV1API(client), VpcV2API(client), VpcgwV2API(client)
        self.instances, self.ipam = InstanceUtilsV1API(client), IpamV1API(client)


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A machine of the demonstration; public is "" for one without a public address."""

    name: str
    private: str
    public: str = ""


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """What was built."""

    network_id: str
    subnet: str
    cluster_id: str
    control_plane: str
    controlled_pool: str
    isolated_pool: str
    controlled: list[Node]
    isolated: list[Node]
    instance: Node
    gateway_id: str
    gateway_address: str
    attachment_id: str
    group_id: str

    @property
    def machines(self) -> list[Node]:
        return [*self.controlled, *self.isolated, self.instance]


def build(apis: Apis, tell: Tell) -> Stage:
    """The document's cluster: a controlled pool of 2 in one zone, an isolated one of 2 in another behind a gateway."""
    tell("a Private Network with an automatic /22")
    network = apis.vpc.create_private_network(name="pn-demo", default_route_propagation_enabled=False)
    tell("a Public Gateway, attached to it")
    gateway = apis.gateways.create_gateway(type_="VPC-GW-S", enable_smtp=False, enable_bastion=False, name="gw-demo")
    _await(lambda: apis.gateways.get_gateway(gateway_id=gateway.id).status, "running")
    attachment = attach(apis, gateway.id, network.id)
    tell("a Kubernetes cluster in it")
    version = apis.k8s.list_versions().versions[0].name
    cluster = apis.k8s.create_cluster(
        type_="kapsule", description="", name="demo", version=version, cni="cilium", private_network_id=network.id
    )
    _await(lambda: apis.k8s.get_cluster(cluster_id=cluster.id).status, "pool_required")
    tell(f"a pool of 2 nodes under controlled isolation, in {ZONE}")
    controlled = _pool(apis, cluster.id, "controlled", ZONE, isolated=False)
    tell(f"a pool of 2 fully isolated nodes, in {OTHER_ZONE}")
    isolated = _pool(apis, cluster.id, "isolated", OTHER_ZONE, isolated=True)
    tell("an Instance beside them")
    instance = _instance(apis, network.id)
    tell("waiting for both pools to be ready")
    for pool_id in (controlled, isolated):
        _await(lambda pool_id=pool_id: apis.k8s.get_pool(pool_id=pool_id).status, "ready")  # type: ignore[misc]
    groups = apis.instances.list_security_groups(name=f"kubernetes {cluster.id}").security_groups
    address = gateway.ipv4.address if gateway.ipv4 else ""
    return Stage(
        network_id=network.id,
        subnet=next(s.subnet for s in network.subnets if ":" not in s.subnet),
        cluster_id=cluster.id,
        control_plane=apis.k8s.get_cluster(cluster_id=cluster.id).cluster_url,
        controlled_pool=controlled,
        isolated_pool=isolated,
        controlled=nodes(apis, cluster.id, controlled, network.id),
        isolated=nodes(apis, cluster.id, isolated, network.id),
        instance=instance,
        gateway_id=gateway.id,
        gateway_address=address,
        attachment_id=attachment,
        group_id=groups[0].id,
    )


def attach(apis: Apis, gateway_id: str, network_id: str) -> str:
    """Attach a gateway to a network with dynamic NAT and its default route; the attachment's id."""
    made = apis.gateways.create_gateway_network(
        gateway_id=gateway_id, private_network_id=network_id, enable_masquerade=True, push_default_route=True
    )
    _await(lambda: apis.gateways.get_gateway_network(gateway_network_id=made.id).status, "ready")
    return str(made.id)


def _pool(apis: Apis, cluster_id: str, name: str, zone: str, *, isolated: bool) -> str:
    pool = apis.k8s.create_pool(
        cluster_id=cluster_id, name=name, node_type="DEV1-M", size=2, zone=zone, autoscaling=False, autohealing=False,
        public_ip_disabled=isolated,
    )  # fmt: skip
    return str(pool.id)


def _instance(apis: Apis, network_id: str) -> Node:
    image = "ubuntu_jammy"
    server = apis.instances.create_server(
        commercial_type="DEV1-S", name="beside", image=image, protected=False, dynamic_ip_required=False
    ).server
    assert server is not None
    apis.instances.create_private_nic(server_id=server.id, private_network_id=network_id)
    apis.instances.server_action(server_id=server.id, action="poweron")
    _await(lambda: apis.instances.get_server(server_id=server.id).server.state, "running")
    return Node(name="beside", private=_private(apis, "beside", network_id))


def nodes(apis: Apis, cluster_id: str, pool_id: str, network_id: str) -> list[Node]:
    """A pool's nodes, with their addresses as the API and IPAM tell them."""
    listed = apis.k8s.list_nodes(cluster_id=cluster_id, pool_id=pool_id).nodes
    return [Node(name=n.name, private=_private(apis, n.name, network_id), public=n.public_ip_v4 or "") for n in listed]


def _private(apis: Apis, name: str, network_id: str) -> str:
    found = apis.ipam.list_i_ps(resource_name=name, private_network_id=network_id, is_ipv6=False).ips
    return str(found[0].address).split("/")[0]


def _await(status: Callable[[], Any], wanted: str, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while (seen := str(status())) != wanted:
        if time.monotonic() > deadline:
            raise HideawayError(f"still {seen}, not {wanted}, after {seconds:.0f} s")
        time.sleep(0.05)
