"""hideaway's own routes show and touch the caller's organization only, as far as the caller's policies go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hideaway.api.call import Settings
from hideaway.api.pipeline import Api
from hideaway.api.products import PRODUCTS
from hideaway.backends.dry import DryBackend
from hideaway.base.errors import NotFound
from hideaway.cloud.founding import found
from hideaway.compile import compile_fabric
from hideaway.control.report import report
from hideaway.server.own import Inside, own_product
from tests.api_in_process import Cloud
from tests.unit.api.instances import running

NETWORKS = "/vpc/v2/regions/fr-par/private-networks"


def inside_of(cloud: Cloud) -> Inside:
    """What the routes need of a server, of a cloud in this process."""

    def fabric() -> Any:
        return compile_fabric(cloud.store.snapshot()[1])

    def command(host: str, argv: list[str]) -> list[str]:
        if host != "edge" and fabric().host(host) is None:
            raise NotFound("host", host)
        return [host, *argv]

    return Inside(
        data_plane="linux",
        durability=lambda: "process",
        report=lambda id_, shown: report(cloud.store.snapshot()[1], id_, data_plane="linux", shown=shown),
        fabric=fabric,
        command=command,
        plug=DryBackend().plug,
        sight=None,
        error=lambda: "",
        settled=lambda: True,
        organization_id=cloud.owner.organization_id,
        found=lambda change: found(change, cloud.owner),
        clear=lambda change, id_: change.ledger.clear(id_),  # type: ignore[attr-defined]
    )


def own_cloud() -> Cloud:
    cloud = Cloud()
    products = (*PRODUCTS, own_product(inside_of(cloud)))
    cloud.application = Api(cloud.store, cloud.clock, cloud.ids, cloud.pace, Settings(), products).application()
    return cloud


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    made = own_cloud()
    yield made
    made.close()


def names(item: Any) -> set[str]:
    return {item["name"]}.union(*(names(child) for child in item.get("children", ())))


def restricted(cloud: Cloud, *sets: str, project: str) -> str:
    """The secret key of an application that may this in one project."""
    application = cloud.post("/iam/v1alpha1/applications", name="a")["id"]
    rules = [{"permission_set_names": sets, "project_ids": [project]}] if sets else []
    if rules:
        cloud.post("/iam/v1alpha1/policies", name="p", application_id=application, rules=rules)
    return str(cloud.post("/iam/v1alpha1/api-keys", application_id=application)["secret_key"])


def test_status_shows_what_the_callers_policies_let_it_read(cloud: Cloud) -> None:
    project = cloud.post("/account/v3/projects", name="p")["id"]
    cloud.post(NETWORKS, name="ours")
    cloud.post(NETWORKS, name="theirs", project_id=project)
    assert {"ours", "theirs"} <= names(cloud.get("/hideaway/v1/status"))
    for sets, seen in (((), set()), (("VPCReadOnly",), {"theirs"}), (("InstancesReadOnly",), set())):
        key = restricted(cloud, *sets, project=project)
        answer = cloud.ask("GET", "/hideaway/v1/status", key=key)
        assert answer.status == 200
        assert names(answer.body) & {"ours", "theirs"} == seen


def test_commands_run_in_ones_own_organizations_hosts(cloud: Cloud) -> None:
    other = cloud.organization().secret_key
    server = running(cloud, name="mine")

    def run(host: str, key: str = "") -> tuple[int, Any]:
        answer = cloud.ask("POST", "/hideaway/v1/exec", {"host": host, "command": ["id"]}, key=key)
        return answer.status, answer.body

    assert run("mine")[1]["argv"] == run(server["id"])[1]["argv"] == [server["id"], "id"]
    assert run("internet")[0] == run("edge")[0] == run("internet", other)[0] == 200
    for host in ("mine", server["id"], "edge", "nobody"):
        status, body = run(host, other)
        assert (status, "mine" in body["message"].partition("there are:")[2]) == (404, False)
    assert cloud.ask("POST", "/hideaway/v1/exec", {"host": "mine", "command": []}).wrong == ["command"]
    assert run("mine", restricted(cloud, "InstancesFullAccess", project=cloud.project))[0] == 403


def test_reset_is_the_owners_and_leaves_other_organizations_alone(cloud: Cloud) -> None:
    other = cloud.organization().secret_key
    theirs = cloud.ask("POST", NETWORKS, {"name": "theirs"}, key=other).body
    cloud.post(NETWORKS, name="ours")
    assert cloud.ask("POST", "/hideaway/v1/reset", key=other).status == 403
    assert cloud.ask("POST", "/hideaway/v1/reset", key=restricted(cloud, project=cloud.project)).status == 403
    assert cloud.ask("POST", "/hideaway/v1/reset").status == 204
    assert cloud.get(NETWORKS)["private_networks"] == []
    assert cloud.ask("GET", f"{NETWORKS}/{theirs['id']}", key=other).body == theirs


def test_an_operator_ages_a_gateway_and_narrows_its_ports(cloud: Cloud) -> None:
    gateways = "/vpc-gw/v2/zones/fr-par-1/gateways"
    body = {"type": "VPC-GW-S", "enable_smtp": False, "enable_bastion": False}
    made = cloud.post(gateways, **body)["id"]
    path = f"/hideaway/v1/gateways/{made}"

    def ports() -> object:
        (host,) = [h for h in compile_fabric(cloud.store.snapshot()[1]).hosts if h.id == made]
        return host.gateway and host.gateway.ports

    newest = cloud.get(f"{gateways}/{made}")["version"]
    assert cloud.ask("PATCH", path, {"version": "0.7.3"}).body["can_upgrade_to"] == newest
    upgraded = cloud.post(f"{gateways}/{made}/upgrade")
    assert (upgraded["version"], upgraded.get("can_upgrade_to")) == (newest, None)
    assert cloud.ask("PATCH", path, {"version": "old"}).wrong == ["version"]
    assert cloud.ask("PATCH", path, {"nat_ports": [50000, 50003]}).status == 200
    assert ports() == (50000, 50003)
    for wrong in ([1], [5, 4], [0, 5]):
        assert cloud.ask("PATCH", path, {"nat_ports": wrong}).wrong == ["nat_ports"]
    assert cloud.ask("PATCH", path, {"nat_ports": []}).status == 200
    assert ports() is None
