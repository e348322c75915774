"""The vendor's Python SDK works on hideaway unchanged: every answer is of the type that the SDK declares for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from scaleway import ScalewayException

from tests.clients.populated import populate
from tests.clients.sdk import Checked, Sdk, made, methods
from tests.cloud_under_test import Cloud, cloud

pytestmark = pytest.mark.slow

NEEDS_MORE = {
    "iam.get_organization_saml": "not enabled",
    "iam.get_organization_scim": "not enabled",
    "k8s.get_node_metadata": "asked with the token of a node elsewhere",
    "marketplace.list_local_images": "one of its optional arguments is needed",
    "marketplace.list_local_images_all": "one of its optional arguments is needed",
}
"""Reads that the vendor refuses too with no more than their demanded arguments."""
MISSING = "11111111-2222-4333-8444-555555555555"


@pytest.fixture(scope="module", params=["none", pytest.param("linux", marks=pytest.mark.packets)])
def full(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Sdk, dict[str, Any]]]:
    """A cloud, without and with a data plane, with one of everything, that tests here leave as it was."""
    if request.param == "linux":
        request.getfixturevalue("packets")
    flags = ("--data-plane", request.param, "--heartbeat-interval", "0.5", "--heartbeat-grace", "3", "--linger", "0")
    with cloud(tmp_path_factory.mktemp("full"), *flags) as running:
        sdk = Sdk(running)
        yield sdk, populate(sdk)


@pytest.fixture
def sdk(records_cloud: Cloud) -> Sdk:
    return Sdk(records_cloud)


def arguments(product: str, demanded: list[str], known: dict[str, Any]) -> dict[str, Any] | None:
    """What a method needs, of what is known; None where something is not."""
    found = {name: known.get(f"{product}.{name}", known.get(name)) for name in demanded}
    return None if None in found.values() else found


def test_every_read(full: tuple[Sdk, dict[str, Any]]) -> None:
    """Each get and list of the SDK whose arguments are known answers what the SDK says it does."""
    sdk, known = full
    served, refused = 0, set()
    for product, api in sdk.products().items():
        for method, demanded in methods(api, "get_", "list_"):
            given = arguments(product, demanded, known)
            if given is None:
                continue
            try:
                getattr(api, method)(**given)
                served += 1
            except ScalewayException:
                refused.add(f"{product}.{method}")
    assert refused <= NEEDS_MORE.keys(), refused - NEEDS_MORE.keys()
    assert served > 210


def test_an_update_of_nothing(full: tuple[Sdk, dict[str, Any]]) -> None:
    """An update that names nothing changes nothing, though the SDK sends null for what it is not given."""
    sdk, known = full
    tried = 0
    for product, api in sdk.products().items():
        reads = dict(methods(api, "get_"))
        for update, demanded in methods(api, "update_"):
            get = update.replace("update_", "get_", 1)
            given, asked = (arguments(product, names, known) for names in (demanded, reads.get(get, [])))
            if not asked or given is None or (product, update) == ("lb", "update_route"):  # a PUT of the whole
                continue
            before = getattr(api, get)(**asked)
            getattr(api, update)(**given)
            assert same(before, getattr(api, get)(**asked)), f"{product}.{update} changed something"
            tried += 1
    assert tried > 25


def same(one: Any, other: Any) -> bool:
    """Whether two answers are the same but for the times of their last change."""
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if type(one) is not type(other) or not dataclasses.is_dataclass(one):
        return bool(one == other)
    fields = [f.name for f in dataclasses.fields(one) if f.name not in ("updated_at", "modification_date")]
    return all(same(getattr(one, name), getattr(other, name)) for name in fields)


def test_every_page(sdk: Sdk) -> None:
    """The helpers that list all go through the pages and end, whatever their size."""
    made_ids = [
        sdk.vpc.create_private_network(name=f"n{i}", default_route_propagation_enabled=False).id for i in range(53)
    ]
    for size in (None, 1, 7, 53, 1000):
        listed = sdk.vpc.list_private_networks_all(page_size=size, order_by="created_at_asc")
        assert [n.id for n in listed] == made_ids
    assert [n.id for n in sdk.vpc.list_private_networks(page=2).private_networks] == made_ids[50:]
    assert sdk.vpc.list_private_networks(page=9).private_networks == []
    assert sdk.vpc.list_private_networks(page=9).total_count == 53


def test_waiting(sdk: Sdk) -> None:
    """The helpers that wait see the end of every transition, deletion included."""
    network = sdk.vpc.create_private_network(name="n", default_route_propagation_enabled=False)
    gateway = sdk.vpcgw.create_gateway(type_="VPC-GW-S", enable_smtp=False, enable_bastion=False, name="g")
    assert sdk.vpcgw.wait_for_gateway(gateway_id=gateway.id).status == "running"
    attached = sdk.vpcgw.create_gateway_network(
        gateway_id=gateway.id, private_network_id=network.id, enable_masquerade=True, push_default_route=True
    )
    assert sdk.vpcgw.wait_for_gateway_network(gateway_network_id=attached.id).status == "ready"
    version = sdk.k8s.list_versions().versions[0].name
    cluster = sdk.k8s.create_cluster(
        type_="kapsule", description="", version=version, cni="cilium", name="c", private_network_id=network.id
    )
    assert sdk.k8s.wait_for_cluster(cluster_id=cluster.id).status == "pool_required"
    pool = sdk.k8s.create_pool(
        cluster_id=cluster.id, node_type="DEV1-M", autoscaling=False, size=2, autohealing=False,
        public_ip_disabled=True, name="p",
    )  # fmt: skip
    assert sdk.k8s.wait_for_pool(pool_id=pool.id).status == "ready"
    for node in sdk.k8s.list_nodes_all(cluster_id=cluster.id):
        assert sdk.k8s.wait_for_node(node_id=node.id).status == "ready"
    assert sdk.k8s.wait_for_cluster(cluster_id=cluster.id).status == "ready"
    sdk.k8s.delete_cluster(cluster_id=cluster.id, with_additional_resources=True)
    gone = refusal(sdk.k8s, "wait_for_cluster", cluster_id=cluster.id)
    assert gone["resource"] == "cluster"
    assert sdk.instance.list_servers_all() == []


def refusal(api: Checked, method: str, status: int = 404, **given: Any) -> dict[str, Any]:
    """The document with which a call is refused."""
    with pytest.raises(ScalewayException) as caught:
        getattr(api, method)(**given)
    assert caught.value.status_code == status, str(caught.value)
    document: dict[str, Any] = caught.value.response.json()
    return document


def test_refusals(sdk: Sdk, records_cloud: Cloud) -> None:
    """The SDK's exception carries the vendor's document."""
    assert refusal(sdk.vpc, "get_vpc", vpc_id=MISSING) == {
        "message": "resource is not found", "resource": "vpc", "resource_id": MISSING, "type": "not_found",
    }  # fmt: skip
    wrong = refusal(sdk.k8s, "get_cluster", 400, cluster_id="c")
    assert [d["argument_name"] for d in wrong["details"]] == ["cluster_id"]
    vpc = sdk.vpc.list_vp_cs(is_default=True).vpcs[0]
    assert refusal(sdk.vpc, "delete_vpc", 412, vpc_id=vpc.id)["type"] == "precondition_failed"
    stranger = Sdk(records_cloud, secret_key=MISSING)
    assert refusal(stranger.vpc, "list_vp_cs", 401)["type"] == "denied_authentication"


def test_user_data(full: tuple[Sdk, dict[str, Any]]) -> None:
    """The SDK's own helpers for user data, which travel as they are and not as JSON."""
    from scaleway.instance.v1.custom_api import InstanceUtilsV1API

    sdk, known = full
    utils = InstanceUtilsV1API(sdk.client)
    server = known["server_id"]
    script = b"#cloud-config\n\x00\xff"
    utils.set_all_server_user_data(server_id=server, user_data={"cloud-init": script, "other": b"x"})
    assert utils.get_all_server_user_data(server_id=server).user_data == {"cloud-init": script, "other": b"x"}
    utils.set_all_server_user_data(server_id=server, user_data={})
    assert utils.get_all_server_user_data(server_id=server).user_data == {}


def test_a_narrow_key(sdk: Sdk, records_cloud: Cloud) -> None:
    """A key that the SDK makes allows what its policy says, on the projects that it says."""
    from scaleway.iam.v1alpha1 import RuleSpecs

    project = sdk.account.create_project(name="other", description="")
    application = sdk.iam.create_application(name="a", description="")
    rules = [made(RuleSpecs, permission_set_names=["VPCFullAccess"], project_ids=[project.id], condition="")]
    sdk.iam.create_policy(name="p", description="", application_id=application.id, rules=rules)
    key = sdk.iam.create_api_key(application_id=application.id, description="", default_project_id=project.id)
    narrow = Sdk(records_cloud, access_key=key.access_key, secret_key=key.secret_key, default_project_id=project.id)
    mine = narrow.vpc.create_vpc(name="mine", enable_routing=True)
    assert [v.name for v in narrow.vpc.list_vp_cs_all()] == ["default", "mine"], "not the other project's"
    assert refusal(narrow.k8s, "create_cluster", 403, type_="kapsule", version="1.30.0", cni="cilium")["type"] == (
        "permissions_denied"
    )
    sdk.iam.delete_api_key(access_key=key.access_key)
    assert refusal(narrow.vpc, "get_vpc", 401, vpc_id=mine.id)["type"] == "denied_authentication"
