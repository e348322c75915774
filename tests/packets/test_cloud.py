"""Isolation as its user meets it: a cluster built through the API, and packets sent inside the world.

Every probe is a new connection from a new source port. What a test changes it puts back.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from hideaway.base.tree import Item
from hideaway.cli.demo.cloud import Access, Apis, Node, Stage, attach, build
from hideaway.cli.demo.probes import PORT, Hosts, until
from tests.cloud_under_test import Cloud, cloud

pytestmark = [pytest.mark.packets, pytest.mark.slow]
GRACE = 2.0
FLAGS = ("--data-plane", "linux", "--heartbeat-interval", "0.3", "--heartbeat-grace", str(GRACE), "--linger", "0")


class Scene:
    """A running cluster and the ways to touch it."""

    def __init__(self, running: Cloud):
        owner = running.owner
        self.cloud = running
        self.access = Access(
            url=running.url, said="", data_plane="linux",
            access_key=owner["access_key"], secret_key=owner["secret_key"],
            organization_id=owner["organization_id"], project_id=owner["project_id"],
        )  # fmt: skip
        self.apis = Apis(self.access)
        self.hosts = Hosts(running.url, owner["secret_key"])
        self.stage: Stage = build(self.apis, lambda _: None)
        for machine in self.stage.machines:
            self.hosts.listen(machine.name)
        for machine in self.stage.machines:
            assert until(lambda m=machine: self.hosts.call(m.name, m.private) is not None, 10) is not None  # type: ignore[misc]

    def open(self, port: int = PORT, protocol: str = "TCP") -> str:
        """Add an inbound rule to the cluster's group; its id."""
        rule = self.apis.instances.create_security_group_rule(
            security_group_id=self.stage.group_id, protocol=protocol, direction="inbound", action="accept",
            ip_range="0.0.0.0/0", dest_port_from=port, position=1, editable=True,
        ).rule  # fmt: skip
        assert rule is not None
        return rule.id

    def close(self, rule: str) -> None:
        self.apis.instances.delete_security_group_rule(
            security_group_id=self.stage.group_id, security_group_rule_id=rule
        )

    def from_internet(self, node: Node) -> bool:
        return self.hosts.call("internet", node.public) is not None

    def pool_statuses(self, pool_id: str) -> set[str]:
        listed = self.apis.k8s.list_nodes(cluster_id=self.stage.cluster_id, pool_id=pool_id).nodes
        return {str(n.status) for n in listed}

    def isolated_become(self, status: str) -> bool:
        return until(lambda: self.pool_statuses(self.stage.isolated_pool) == {status}, GRACE + 10) is not None

    def reason(self) -> str:
        """What `hideaway status` says of the isolated pool."""
        with self.cloud.http() as http:
            tree = msgspec.json.decode(http.get("/hideaway/v1/status").content, type=Item)
        (pool,) = [i for i in tree.walk() if i.id == self.stage.isolated_pool]
        return pool.reason


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, packets: None) -> Iterator[Scene]:
    with cloud(tmp_path_factory.mktemp("cloud"), *FLAGS) as running:
        made = Scene(running)
        yield made
        made.hosts.close()


def test_an_edit_of_the_clusters_group_reaches_all_its_nodes_at_once(scene: Scene) -> None:
    assert not any(scene.from_internet(n) for n in scene.stage.controlled)
    rule = scene.open()
    assert until(lambda: all(scene.from_internet(n) for n in scene.stage.controlled), 3) is not None
    scene.close(rule)
    assert until(lambda: not any(scene.from_internet(n) for n in scene.stage.controlled), 3) is not None


def test_what_is_revoked_is_cut(scene: Scene) -> None:
    """An established connection does not outlive the rule that let it in; one that a node opened itself does."""
    node = scene.stage.controlled[0]
    rule = scene.open(31000)
    serve = "import socket\ns=socket.create_server(('',31000))\nc,_=s.accept()\nwhile d:=c.recv(9):\n c.sendall(d)"
    with subprocess.Popen(scene.hosts.argv(node.name, ["python3", "-c", serve])) as server:
        talk = (
            "import socket,sys,time\ns=None\n"
            "for _ in range(50):\n"
            " try:\n  s=socket.create_connection((sys.argv[1],31000),0.3); break\n"
            " except OSError: time.sleep(0.1)\n"
            "s.settimeout(1.5)\ns.sendall(b'a'); print(s.recv(9), flush=True)\n"
            "input()\n"
            "s.sendall(b'b')\ntry: print(s.recv(9), flush=True)\n"
            "except OSError as e: print(type(e).__name__, flush=True)"
        )
        client = subprocess.Popen(
            scene.hosts.argv("internet", ["python3", "-c", talk, node.public]),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert client.stdout is not None
        assert client.stdin is not None
        assert client.stdout.readline() == "b'a'\n"
        scene.close(rule)
        settled(scene)
        client.stdin.write("\n")
        client.stdin.flush()
        assert client.stdout.readline() == "TimeoutError\n"
        client.wait(10)
        server.kill()


def test_a_node_port_is_filtered_before_the_nodes_own_translation(scene: Scene) -> None:
    """What a node forwards (a NodePort's DNAT) passes no input hook of its own: the edge must have dropped it."""
    node, behind = scene.stage.controlled[0], scene.stage.isolated[0]
    rules = (
        "table ip nodeport {\n"
        " chain pre { type nat hook prerouting priority -100;"
        f" tcp dport 30081 dnat to {behind.private}:{PORT};\n }}\n"
        ' chain post { type nat hook postrouting priority 100; oifname "ens*" masquerade;\n }\n}'
    )
    scene.hosts.run(node.name, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    made = scene.hosts.run(node.name, "nft", rules)
    assert made.returncode == 0, made.stderr
    try:
        assert scene.hosts.call("internet", node.public, 30081) is None
        rule = scene.open(30081)
        assert until(lambda: scene.hosts.call("internet", node.public, 30081) is not None, 3) is not None
        scene.close(rule)
        assert until(lambda: scene.hosts.call("internet", node.public, 30081) is None, 3) is not None
    finally:
        scene.hosts.run(node.name, "nft", "delete table ip nodeport")
        scene.hosts.run(node.name, "sysctl", "-qw", "net.ipv4.ip_forward=0")


def test_a_node_that_flushes_its_own_rules_is_still_filtered(scene: Scene) -> None:
    node = scene.stage.controlled[0]
    assert scene.hosts.run(node.name, "nft", "flush ruleset").returncode == 0
    assert not scene.from_internet(node)


def test_a_spoofed_source_dies_at_the_edge(scene: Scene) -> None:
    """A node answers from another node's address: nothing arrives at the probe host, which sees what it is sent."""
    node, other = scene.stage.controlled
    watch = (
        "import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\ns.bind(('',4000))\ns.settimeout(3)\n"
        "print('ready',flush=True)\nseen=set()\n"
        "try:\n while True: seen.add(s.recvfrom(9)[1][0])\nexcept OSError: print(sorted(seen))"
    )
    with subprocess.Popen(
        scene.hosts.argv("internet", ["python3", "-c", watch]), stdout=subprocess.PIPE, text=True
    ) as watcher:
        assert watcher.stdout is not None
        assert watcher.stdout.readline() == "ready\n"
        send = (
            "import socket,sys\nfor a in sys.argv[1:]:\n s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
            " s.setsockopt(0,19,1)\n s.bind((a,0))\n s.sendto(b'x',('198.18.9.9',4000))"
        )
        sent = scene.hosts.run(node.name, "python3", "-c", send, other.public, node.public)
        assert sent.returncode == 0, sent.stderr
        assert watcher.stdout.readline() == f"['{node.public}']\n"


@pytest.mark.parametrize("way", ["gateway", "node"])
def test_a_static_route_from_the_internet_reaches_nobody(scene: Scene, way: str) -> None:
    """Set on the internet's own router: nothing on the internet can address an isolated node."""
    via = scene.stage.gateway_address if way == "gateway" else scene.stage.controlled[0].public
    find = f"ip -o route get {via} | sed 's/.* dev \\([^ ]*\\).*/\\1/'"
    route = f"{scene.stage.subnet} via {via} dev $({find}) onlink"
    added = scene.hosts.run("edge", "sh", "-c", f"ip route add {route}")
    assert added.returncode == 0, added.stderr
    try:
        for machine in scene.stage.isolated:
            assert scene.hosts.call("internet", machine.private) is None
    finally:
        scene.hosts.run("edge", "sh", "-c", f"ip route del {route}")


def test_a_fully_isolated_node_is_told_about_itself(scene: Scene) -> None:
    for machine in (scene.stage.isolated[0], scene.stage.controlled[0]):
        told = scene.hosts.run(machine.name, "curl", "-sS", "--max-time", "10", "http://169.254.42.42/conf?format=json")
        said = json.loads(told.stdout)
        assert (said["name"], said["public_ips_v4"] != []) == (machine.name, machine.public != "")
        assert f"pool={scene.stage.isolated_pool}" in said["tags"] or machine.public


def test_a_clusters_api_has_a_door_while_its_acl_lets_users_in(scene: Scene) -> None:
    with scene.cloud.http() as http:

        def doors() -> list[int]:
            said = http.post("/hideaway/v1/open", json={"resource": scene.stage.cluster_id}).json()
            return [door["port"] for door in said["doors"]]

        assert doors() == [6443]
        acls = f"/k8s/v1/regions/fr-par/clusters/{scene.stage.cluster_id}/acls"
        for rules, wanted in (([{"ip": "198.18.9.9/32"}], []), ([{"ip": "198.18.0.2/32"}], [6443])):
            assert http.put(acls, json={"acls": rules}).is_success
            assert until(lambda want=wanted: doors() == want, 5) is not None  # type: ignore[misc]
        assert http.put(acls, json={"acls": [{"ip": "0.0.0.0/0"}]}).is_success


def detach(scene: Scene) -> Callable[[], None]:
    (attached,) = scene.apis.gateways.list_gateway_networks(gateway_ids=[scene.stage.gateway_id]).gateway_networks
    scene.apis.gateways.delete_gateway_network(gateway_network_id=attached.id)
    return lambda: attach(scene.apis, scene.stage.gateway_id, scene.stage.network_id) and None


def delete(scene: Scene) -> Callable[[], None]:
    gateways = scene.apis.gateways
    gateways.delete_gateway(gateway_id=scene.stage.gateway_id, delete_ip=True)

    def another() -> None:
        made = gateways.create_gateway(type_="VPC-GW-S", name="egress", enable_smtp=False, enable_bastion=False)
        assert until(lambda: gateways.get_gateway(gateway_id=made.id).status == "running", 10) is not None
        attach(scene.apis, made.id, scene.stage.network_id)
        assert made.ipv4 is not None
        scene.stage = msgspec.structs.replace(
            scene.stage, gateway_id=made.id, gateway_address=str(made.ipv4.address).partition("/")[0]
        )

    return another


def operate(field: str, broken: object, mended: object) -> Callable[[Scene], Callable[[], None]]:
    """Break the gateway by hideaway's own route."""

    def change(scene: Scene) -> Callable[[], None]:
        path = f"/hideaway/v1/gateways/{scene.stage.gateway_id}"

        def put(value: object) -> None:
            with scene.cloud.http() as http:
                assert http.patch(path, json={field: value}).status_code == 200

        put(broken)
        return lambda: put(mended)

    return change


def switch(field: str) -> Callable[[Scene], Callable[[], None]]:
    """Switch one of the attachment's two settings off."""

    def change(scene: Scene) -> Callable[[], None]:
        (attached,) = scene.apis.gateways.list_gateway_networks(gateway_ids=[scene.stage.gateway_id]).gateway_networks
        scene.apis.gateways.update_gateway_network(gateway_network_id=attached.id, **{field: False})
        return lambda: (
            scene.apis.gateways.update_gateway_network(gateway_network_id=attached.id, **{field: True}) and None
        )

    return change


BREAKS = {
    "detached": (detach, "no Public Gateway is attached"),
    "deleted": (delete, "no Public Gateway is attached"),
    "stopped": (operate("stopped", True, False), "stopped"),
    "legacy": (operate("is_legacy", True, False), "legacy"),
    "no masquerade": (switch("enable_masquerade"), "masquerade"),
    "no default route": (switch("push_default_route"), "default route"),
}


@pytest.mark.parametrize("how", BREAKS)
def test_isolated_nodes_live_by_their_gateway(scene: Scene, how: str) -> None:
    """Without a gateway that helps them they are really cut off, and status says why; with it they come back."""
    break_, word = BREAKS[how]
    mend = break_(scene)
    try:
        assert scene.isolated_become("not_ready"), scene.pool_statuses(scene.stage.isolated_pool)
        assert scene.pool_statuses(scene.stage.controlled_pool) == {"ready"}
        assert word in scene.reason()
        isolated, controlled = scene.stage.isolated[0], scene.stage.controlled[0]
        assert scene.hosts.call(isolated.name, "198.18.9.9", 80, http=True) is None
        assert scene.hosts.call(controlled.name, "198.18.9.9", 80, http=True) == controlled.public
    finally:
        mend()
    assert scene.isolated_become("ready"), scene.reason()
    assert scene.reason() == ""


def test_filters_that_somebody_flushed_are_made_good(scene: Scene) -> None:
    node = scene.stage.controlled[0]
    gateway = scene.apis.gateways.get_gateway(gateway_id=scene.stage.gateway_id).name
    for host in ("edge", gateway):
        assert scene.hosts.run(host, "nft", "flush ruleset").returncode == 0
    for host in ("edge", gateway):
        assert until(lambda h=host: scene.hosts.run(h, "nft", "list ruleset").stdout, 10) is not None  # type: ignore[misc]
    assert not scene.from_internet(node)
    assert scene.isolated_become("ready"), scene.reason()


def test_a_reboot_builds_a_node_anew(scene: Scene) -> None:
    node = scene.stage.isolated[1]
    assert scene.hosts.run(node.name, "ip", "link", "delete", "ens5").returncode == 0
    (found,) = scene.apis.k8s.list_nodes(cluster_id=scene.stage.cluster_id, name=node.name).nodes
    assert until(lambda: scene.apis.k8s.get_node(node_id=found.id).status == "not_ready", GRACE + 10) is not None
    scene.apis.k8s.reboot_node(node_id=found.id)
    assert scene.isolated_become("ready"), scene.reason()
    assert scene.hosts.call(scene.stage.instance.name, node.private) is None, "what ran there is gone"
    scene.hosts.listen(node.name)
    assert until(lambda: scene.hosts.call(scene.stage.instance.name, node.private) is not None, 10) is not None


def test_a_gateway_of_another_region_is_refused(scene: Scene) -> None:
    other = scene.apis.gateways.create_gateway(
        type_="VPC-GW-S", enable_smtp=False, enable_bastion=False, zone="nl-ams-1", name="elsewhere"
    )
    with scene.cloud.http() as http:
        refused = http.post(
            "/vpc-gw/v2/zones/nl-ams-1/gateway-networks",
            json={
                "gateway_id": other.id, "private_network_id": scene.stage.network_id, "enable_masquerade": True,
                "push_default_route": True,
            },
        )  # fmt: skip
        assert refused.status_code in (400, 404), refused.text
        http.delete(f"/vpc-gw/v2/zones/nl-ams-1/gateways/{other.id}?delete_ip=true")


def test_port_translation_leads_to_an_isolated_node(scene: Scene) -> None:
    target = scene.stage.isolated[0]
    rule = scene.apis.gateways.create_pat_rule(
        gateway_id=scene.stage.gateway_id, public_port=2222, private_ip=target.private, private_port=PORT,
        protocol="tcp",
    )  # fmt: skip
    assert until(lambda: scene.hosts.call("internet", scene.stage.gateway_address, 2222) is not None, 3) is not None
    assert scene.hosts.call("internet", scene.stage.gateway_address, 2223) is None
    scene.apis.gateways.delete_pat_rule(pat_rule_id=rule.id)
    assert until(lambda: scene.hosts.call("internet", scene.stage.gateway_address, 2222) is None, 3) is not None


def test_networks_of_different_vpcs_never_meet(scene: Scene) -> None:
    """Even one with the same subnet: another VPC's Instance is on another wire."""
    apis = scene.apis
    with scene.cloud.http() as http:
        vpc = http.post("/vpc/v2/regions/fr-par/vpcs", json={"name": "other"}).json()["id"]
    network = apis.vpc.create_private_network(
        name="other", vpc_id=vpc, subnets=[scene.stage.subnet], default_route_propagation_enabled=False
    )
    server = apis.instances.create_server(
        commercial_type="DEV1-S", name="stranger", image="ubuntu_jammy", protected=False, dynamic_ip_required=False
    ).server
    assert server is not None
    apis.instances.create_private_nic(server_id=server.id, private_network_id=network.id)
    apis.instances.server_action(server_id=server.id, action="poweron")
    assert until(lambda: str(apis.instances.get_server(server_id=server.id).server.state) == "running", 10) is not None
    for machine in scene.stage.machines:
        assert scene.hosts.call("stranger", machine.private) is None
    apis.instances.server_action(server_id=server.id, action="terminate")


def test_an_access_rule_of_the_cluster_filters_its_control_plane(scene: Scene) -> None:
    """The API's ACL applies to everyone but the cluster's own nodes and gateway."""
    address = control_plane(scene)
    assert scene.hosts.call("internet", address, 6443, http=True) is not None
    path = f"/k8s/v1/regions/fr-par/clusters/{scene.stage.cluster_id}/acls"
    with scene.cloud.http() as http:
        assert http.put(path, json={"acls": [{"ip": "192.0.2.0/24"}]}).status_code == 200
        try:
            assert until(lambda: scene.hosts.call("internet", address, 6443, http=True) is None, 3) is not None
            for machine in (scene.stage.controlled[0], scene.stage.isolated[0]):
                assert scene.hosts.call(machine.name, address, 6443, http=True) is not None
            time.sleep(GRACE + 1)
            for pool in (scene.stage.controlled_pool, scene.stage.isolated_pool):
                assert scene.pool_statuses(pool) == {"ready"}
        finally:
            assert http.put(path, json={"acls": [{"ip": "0.0.0.0/0"}]}).status_code == 200


def control_plane(scene: Scene) -> str:
    with scene.cloud.http() as http:
        import msgspec

        tree = msgspec.json.decode(http.get("/hideaway/v1/status").content, type=Item)
    (found,) = [i for i in tree.walk() if i.id == scene.stage.cluster_id]
    return found.facts["control_plane"]


def settled(scene: Scene) -> None:
    with scene.cloud.http() as http:
        assert until(lambda: http.get("/hideaway/v1/health").json()["settled"], 10) is not None


def test_deleting_the_cluster_takes_its_packets_away(tmp_path: Path, packets: None) -> None:
    with cloud(tmp_path, *FLAGS) as running:
        scene = Scene(running)
        with running.http() as http:
            http.delete(f"/k8s/v1/regions/fr-par/clusters/{scene.stage.cluster_id}")
            gone = until(
                lambda: http.get(f"/k8s/v1/regions/fr-par/clusters/{scene.stage.cluster_id}").status_code == 404, 15
            )
            assert gone is not None
        for machine in [*scene.stage.controlled, *scene.stage.isolated]:
            assert scene.hosts.call("beside", machine.private) is None
        scene.hosts.close()
