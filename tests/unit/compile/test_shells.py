"""Rules 2.9 to 2.12 and 4.12: who comes in over SSH, by which keys, and what a first start runs."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from hideaway.cloud.identity import SshKey
from hideaway.cloud.network import Ip
from hideaway.fabric.model import Host, Opening
from hideaway.fabric.services import Bastion, Script, Shell
from tests.unit.compile.factory import Cloud

ALICE, BOB = "ssh-ed25519 AAAA alice", "ssh-ed25519 BBBB bob"


def service(host: Host, kind: type) -> Any:
    """The one service of this kind, or None."""
    found = [s for s in host.services if isinstance(s, kind)]
    assert len(found) <= 1
    return found[0] if found else None


def key(cloud: Cloud, public_key: str, **fields: Any) -> SshKey:
    return cloud.put(SshKey, name="key", public_key=public_key, **fields)


def test_an_instance_knows_the_keys_of_its_start_that_are_still_good() -> None:
    cloud = Cloud()
    alice, bob = key(cloud, ALICE), key(cloud, BOB)
    server = cloud.server(cloud.network(), hostname="web", authorized=[alice.id, bob.id])
    key(cloud, "ssh-ed25519 CCCC late")
    assert service(cloud.host(server), Shell).keys == (ALICE, BOB)
    assert service(cloud.host(server), Shell).hostname == "web"
    cloud.change(bob, disabled=True)
    assert service(cloud.host(server), Shell).keys == (ALICE,)
    cloud.ledger.remove(alice)
    assert service(cloud.host(server), Shell).keys == ()


def test_a_key_in_a_tag_is_good_while_the_tag_is_there() -> None:
    cloud = Cloud()
    tag = "AUTHORIZED_KEY=" + ALICE.replace(" ", "_")
    server = cloud.server(cloud.network(), authorized=[tag], tags=["x", tag])
    assert service(cloud.host(server), Shell).keys == (ALICE,)
    cloud.change(server, tags=["x"])
    assert service(cloud.host(server), Shell).keys == ()


def test_nothing_listens_on_a_node() -> None:
    cloud = Cloud()
    network, group = cloud.network(), cloud.group()
    node = cloud.node(cloud.pool(cloud.cluster(network)), network, group)
    assert cloud.host(node).services == ()


@pytest.mark.parametrize(
    ("content", "boots", "runs"),
    [("#!/bin/sh\ntrue\n", 1, True), ("#!/bin/sh\ntrue\n", 2, False), ("#cloud-config\n", 1, False), ("", 1, False)],
)
def test_a_script_is_run_at_the_first_start(content: str, boots: int, runs: bool) -> None:
    cloud = Cloud()
    encoded = base64.b64encode(content.encode()).decode()
    server = cloud.server(cloud.network(), user_data={"cloud-init": encoded, "other": encoded}, boots=boots)
    script = service(cloud.host(server), Script)
    assert (script is not None) == runs
    assert script is None or script.content == encoded


def test_a_bastion_leads_to_its_networks_and_knows_their_names() -> None:
    cloud = Cloud()
    vpc = cloud.vpc()
    near, far, apart = cloud.network(vpc, name="near"), cloud.network(vpc, name="far"), cloud.network(name="apart")
    alice = key(cloud, ALICE)
    gateway = cloud.gateway(bastion_enabled=True, ssh_keys=[alice.id], bastion_allowed_ips=["198.51.100.0/24"])
    cloud.attach(gateway, near)
    for network, name in ((near, "Web 1"), (far, "db"), (apart, "no")):
        server = cloud.server(network, name=name)
        for ip in cloud.ledger.find(Ip, ref=network.id):
            if ip.attachment and ip.attachment.id != gateway.id and not ip.attachment.name:
                cloud.change(ip, attachment=msgspec.structs.replace(ip.attachment, name=server.name))
    host = cloud.host(gateway)
    bastion = service(host, Bastion)
    assert (bastion.port, bastion.user, bastion.keys) == (61000, "bastion", (ALICE,))
    assert bastion.networks == tuple(sorted(s.subnet for n in (near, far) for s in n.subnets if ":" not in s.subnet))
    names = dict(bastion.names)
    assert {"web-1.near.internal", "db.far.internal"} <= names.keys()
    assert not any("apart" in name for name in names)
    assert host.gateway is not None
    assert host.gateway.openings == (Opening(port=61000, networks=("198.51.100.0/24",)),)


@pytest.mark.parametrize("fields", [{"bastion_enabled": False}, {"bastion_enabled": True, "is_legacy": True}])
def test_a_gateway_without_a_bastion_answers_nobody(fields: dict[str, bool]) -> None:
    cloud = Cloud()
    gateway = cloud.gateway(**fields)
    host = cloud.host(gateway)
    assert service(host, Bastion) is None
    assert host.gateway is not None
    assert host.gateway.openings == ()
