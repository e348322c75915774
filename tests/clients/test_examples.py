"""The configurations in examples/, each from its first apply to its end, with today's provider."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from hideaway.base.tree import Item
from hideaway.cli.demo.probes import PORT, Hosts, until
from tests.clients.inventory import changes, everything
from tests.clients.terraform import Terraform
from tests.cloud_under_test import Cloud, cloud

pytestmark = pytest.mark.slow
EXAMPLES = Path(__file__).parents[2] / "examples"

UPDATES: dict[str, dict[str, Any]] = {
    "api-acl": {"allowed": {"198.18.0.0/17": "the probe host and its neighbours", "2001:db8::/32": "over IPv6"}},
    "ci-user": {"permission_sets": ["KubernetesFullAccess"]},
    "controlled": {"nodes": 2},
    "full-isolation": {"nodes": 2},
    "load-balancers-and-database": {"nodes": 2, "office": ["10.1.0.0/16", "10.2.0.0/16"]},
    "mixed-pools": {"zones": ["fr-par-1", "fr-par-3"], "isolated_nodes": 2},
    "own-security-group": {"node_port": PORT + 1},
}
"""The variables of each example that its update sets."""


class Pool(msgspec.Struct):
    """A pool's nodes, by name: their public addresses, "" for none, and their private ones."""

    public: dict[str, str]
    private: dict[str, str]


def configuration(name: str) -> str:
    return (EXAMPLES / name / "main.tf").read_text()


def test_every_example_is_tested_and_told_of() -> None:
    folders = {main.parent.name for main in EXAMPLES.glob("*/main.tf")}
    assert set(UPDATES) == folders
    told = (EXAMPLES / "README.md").read_text()
    assert [name for name in folders if f"]({name}/main.tf)" not in told] == []


@pytest.mark.parametrize("name", UPDATES)
def test_an_example_lives_and_leaves_nothing(name: str, records_cloud: Cloud, tmp_path: Path) -> None:
    """apply, an empty second plan, an update, an empty plan, destroy, nothing left."""
    before = everything(records_cloud)
    terraform = Terraform(records_cloud, tmp_path / "tf", configuration(name))
    terraform.apply()
    terraform.plans_nothing()
    made = everything(records_cloud)
    terraform.set(**UPDATES[name])
    terraform.apply()
    terraform.plans_nothing()
    assert changes(made, everything(records_cloud)), "the update changed nothing"
    terraform.destroy()
    assert changes(before, everything(records_cloud)) == {}


def test_the_ci_users_key_may_do_what_its_policy_says(records_cloud: Cloud, tmp_path: Path) -> None:
    terraform = Terraform(records_cloud, tmp_path / "tf", configuration("ci-user"))
    terraform.apply()
    secret = terraform.outputs()["secret_key"]
    allowed = [_status(records_cloud, secret, *ask) for ask in _ASKED]
    assert allowed == [200, 403, 403], "read clusters, make one, make a network"
    terraform.set(**UPDATES["ci-user"])
    terraform.apply()
    allowed = [_status(records_cloud, secret, *ask) for ask in _ASKED]
    assert allowed == [200, 400, 403], "a cluster's body is looked at now, and this one is empty"
    terraform.destroy()
    assert _status(records_cloud, secret, *_ASKED[0]) == 401


_ASKED = [
    ("GET", "/k8s/v1/regions/fr-par/clusters"),
    ("POST", "/k8s/v1/regions/fr-par/clusters"),
    ("POST", "/vpc/v2/regions/fr-par/private-networks"),
]


def _status(cloud: Cloud, secret: str, method: str, path: str) -> int:
    body = {} if method == "POST" else None
    return httpx.request(method, cloud.url + path, json=body, headers={"X-Auth-Token": secret}).status_code


# With packets


class Scene:
    """An example that was applied in a world, and the ways to touch it."""

    def __init__(self, running: Cloud, terraform: Terraform):
        self.cloud, self.terraform = running, terraform
        self.hosts = Hosts(running.url, running.owner["secret_key"])

    def pool(self, name: str) -> Pool:
        """A pool's nodes; each listens on PORT from now on."""
        clusters = self.cloud.get("/k8s/v1/regions/fr-par/clusters")["clusters"]
        path = f"/k8s/v1/regions/fr-par/clusters/{clusters[0]['id']}"
        (pool,) = self.cloud.get(f"{path}/pools", name=name)["pools"]
        nodes = self.cloud.get(f"{path}/nodes", pool_id=pool["id"])["nodes"]
        private = {}
        for node in nodes:
            booked = self.cloud.get("/ipam/v1/regions/fr-par/ips", resource_name=node["name"], is_ipv6=False)["ips"]
            private[node["name"]] = next(ip["address"] for ip in booked if ip["source"].get("subnet_id")).split("/")[0]
            self.hosts.listen(node["name"])
            self.reaches(node["name"], "127.0.0.1")
        return Pool(public={node["name"]: node["public_ip_v4"] for node in nodes}, private=private)

    def status(self) -> Iterator[Item]:
        """All that `hideaway status` shows."""
        return msgspec.convert(self.cloud.get("/hideaway/v1/status"), Item).walk()

    def reaches(self, host: str, address: str, port: int = PORT) -> None:
        """Wait, 10 s at most, until a host reaches an address."""
        assert until(lambda: self._call(host, address, port) is not None, 10) is not None, (host, address, port)

    def never_reaches(self, host: str, address: str, port: int = PORT) -> None:
        assert self._call(host, address, port) is None

    def _call(self, host: str, address: str, port: int) -> str | None:
        return self.hosts.call(host, address, port, http=port != PORT)


@pytest.fixture
def scene(request: pytest.FixtureRequest, packets: None, tmp_path: Path) -> Iterator[Callable[[str], Scene]]:
    """Applies an example in a world of its own; destroys it again, and nothing is left."""
    flags = ("--data-plane", "linux", "--heartbeat-interval", "0.5", "--heartbeat-grace", "3", "--linger", "0")
    with cloud(tmp_path, *flags) as running:
        before, scenes = everything(running), []

        def applied(name: str) -> Scene:
            terraform = Terraform(running, tmp_path / "tf", configuration(name))
            terraform.apply()
            terraform.plans_nothing()
            scenes.append(Scene(running, terraform))
            return scenes[-1]

        yield applied
        for made in scenes:
            made.hosts.close()
            made.terraform.destroy()
        assert changes(before, everything(running)) == {}


@pytest.mark.packets
def test_controlled_nodes_reach_out_and_nothing_reaches_in(scene: Callable[[str], Scene]) -> None:
    here = scene("controlled")
    ((node, public),) = here.pool("default").public.items()
    here.hosts.listen("internet")
    here.reaches(node, _internet(here))
    assert here.hosts.call(node, _internet(here)) == public, "it leaves with its own address"
    here.never_reaches("internet", public)


@pytest.mark.packets
def test_isolated_nodes_leave_with_the_gateways_address(scene: Callable[[str], Scene]) -> None:
    here = scene("full-isolation")
    egress = here.terraform.outputs()["egress"]
    ((node, public),) = here.pool("isolated").public.items()
    assert public == ""
    here.hosts.listen("internet")
    here.reaches(node, _internet(here))
    assert here.hosts.call(node, _internet(here)) == egress
    here.never_reaches("internet", egress)


@pytest.mark.packets
def test_mixed_pools_meet_in_their_network(scene: Callable[[str], Scene]) -> None:
    here = scene("mixed-pools")
    pool = here.pool("isolated")
    ((isolated, inside),) = pool.private.items()
    assert pool.public == {isolated: ""}
    for zone in ("fr-par-1", "fr-par-2", "fr-par-3"):
        pool = here.pool(f"controlled-{zone}")
        ((node, public),) = pool.public.items()
        here.reaches(node, inside)
        here.reaches(isolated, pool.private[node])
        here.never_reaches("internet", public)


@pytest.mark.packets
def test_your_own_group_decides_what_reaches_the_nodes(scene: Callable[[str], Scene]) -> None:
    here = scene("own-security-group")
    ((_, public),) = here.pool("default").public.items()
    here.reaches("internet", public)
    here.terraform.set(**UPDATES["own-security-group"])
    here.terraform.apply()
    assert until(lambda: here.hosts.call("internet", public) is None, 5) is not None


@pytest.mark.packets
def test_the_kubernetes_api_answers_only_to_those_named(scene: Callable[[str], Scene]) -> None:
    here = scene("api-acl")
    ((node, _),) = here.pool("default").public.items()
    (cluster,) = [item for item in here.status() if item.kind == "cluster"]
    control_plane = cluster.facts["control_plane"]
    here.reaches(node, control_plane, 6443)
    here.never_reaches("internet", control_plane, 6443)
    here.terraform.set(**UPDATES["api-acl"])
    here.terraform.apply()
    here.reaches("internet", control_plane, 6443)


def _internet(here: Scene) -> str:
    """The address of the internet's probe host."""
    said = here.hosts.run("internet", "ip", "-4", "-brief", "address", "show", "scope", "global").stdout
    return said.split()[2].partition("/")[0]
