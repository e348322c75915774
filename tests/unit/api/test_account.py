"""account/v3: signatures under contracts, and projects that are deleted with all that they have."""

from __future__ import annotations

import base64
from typing import Any

from tests.api_in_process import Cloud
from tests.invariants import check
from tests.unit.api import instances as it

ACCOUNT = "/account/v3"
SIGNATURES = ACCOUNT + "/contract-signatures"


def test_a_contract_is_signed_once(cloud: Cloud) -> None:
    def standing() -> Any:
        return cloud.post(SIGNATURES + "/check", contract_name="terms", contract_type="k8s")

    assert standing() == {"created": False, "validated": False}
    made = cloud.post(SIGNATURES, contract_name="terms", contract_type="k8s", validated=False)
    assert (made["signed_at"], made["contract"]["type"], made["contract"]["version"]) == (None, "k8s", 1)
    assert standing() == {"created": True, "validated": False}
    assert cloud.ask("POST", SIGNATURES, {"contract_name": "terms"}).status == 409
    one = f"{SIGNATURES}/{made['id']}"
    signed = cloud.post(one + "/validate", {})
    cloud.clock.advance(60)
    assert cloud.post(one + "/validate", {}) == signed, "signing twice changes nothing"
    assert standing() == {"created": True, "validated": True}
    assert cloud.get(SIGNATURES, order_by="name_asc")["contract_signatures"] == [signed]
    file = cloud.get(one + "/download", locale="en_US")
    assert base64.b64decode(file["content"]).startswith(b"terms, version 1.")


def test_a_project_goes_with_all_that_it_has(cloud: Cloud) -> None:
    """A cluster, its gateway, servers, a database, a balancer: nothing of it is left, and nothing else is touched."""
    kept = {kind: id_ for kind, id_, _ in cloud.dump()}
    project = cloud.post(f"{ACCOUNT}/projects", name="full")["id"]
    network = cloud.post(it.NETWORKS, name="n", project_id=project)["id"]
    gateway = cloud.post("/vpc-gw/v2/zones/fr-par-1/gateways", type="VPC-GW-S", project_id=project)["id"]
    cloud.post("/vpc-gw/v2/zones/fr-par-1/gateway-networks", gateway_id=gateway, private_network_id=network)
    pools = [{"name": "p", "node_type": "DEV1-M", "size": 2}]
    version = cloud.get("/k8s/v1/regions/fr-par/versions")["versions"][0]["name"]
    cloud.post(
        "/k8s/v1/regions/fr-par/clusters", name="c", version=version, cni="cilium", type="kapsule", project_id=project,
        private_network_id=network, pools=pools,
    )  # fmt: skip
    it.running(cloud, project=project, dynamic_ip_required=True)
    it.ip(cloud, project=project)
    cloud.post("/lb/v1/zones/fr-par-1/lbs", name="l", type="LB-S", description="", project_id=project)
    path = f"{ACCOUNT}/projects/{project}"
    assert cloud.ask("DELETE", path).status == 412
    assert cloud.ask("POST", path + "/delete-with-resources", query={"project_name": "other"}).wrong == ["project_name"]
    answer = cloud.ask("POST", path + "/delete-with-resources", query={"project_name": "full"})
    assert (answer.status, answer.body["status"]) == (200, "deleting")
    check(cloud.store.snapshot()[1])
    assert {kind: id_ for kind, id_, _ in cloud.dump()} == kept
    assert cloud.ask("GET", path).status == 404
    default = f"{ACCOUNT}/projects/{cloud.project}/delete-with-resources"
    assert cloud.ask("POST", default, query={"project_name": "default"}).status == 412
