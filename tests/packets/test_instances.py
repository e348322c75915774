"""Instances as their user meets them: user data, public addresses and security groups that move while they run."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from hideaway.cli.demo.probes import PORT
from tests.cloud_under_test import cloud
from tests.packets.tenant import INSTANCE, PROBE, Machine, Tenant
from tests.packets.test_gateways import HOLD, TALK

pytestmark = [pytest.mark.packets, pytest.mark.slow]
OUTPUT = "/var/log/cloud-init-output.log"


class Stage(msgspec.Struct, frozen=True):
    """A network with the Instances `one` and `two` in it, each with a public address, in the default group."""

    tenant: Tenant
    network: str
    one: Machine
    two: Machine


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, packets: None) -> Iterator[Stage]:
    with cloud(tmp_path_factory.mktemp("cloud"), "--data-plane", "linux", "--linger", "0") as running:
        tenant = Tenant(running)
        network = tenant.network("inside")
        one, two = (tenant.instance(name, network, public=True) for name in ("one", "two"))
        yield Stage(tenant, network, one, two)
        tenant.close()


# User data


def boot(stage: Stage, name: str, script: str) -> str:
    """An Instance that starts for the first time with this as its user data; its id."""
    tenant = stage.tenant
    body = {"name": name, "commercial_type": "DEV1-S", "image": "ubuntu_jammy", "dynamic_ip_required": False}
    server = str(tenant.call("POST", f"{INSTANCE}/servers", **body)["server"]["id"])
    path = f"{INSTANCE}/servers/{server}/user_data/cloud-init"
    answer = tenant.http.patch(path, content=script, headers={"Content-Type": "text/plain"})
    assert answer.status_code == 204, answer.text
    tenant.call("POST", f"{INSTANCE}/servers/{server}/private_nics", private_network_id=stage.network)
    start(stage, server, "poweron")
    return server


def start(stage: Stage, server: str, action: str) -> None:
    stage.tenant.call("POST", f"{INSTANCE}/servers/{server}/action", action=action)
    stage.tenant.running(server)
    stage.tenant.settled()


def output(stage: Stage, name: str) -> str:
    return stage.tenant.hosts.run(name, "cat", OUTPUT).stdout


SERVE = """#!/bin/sh
echo "I am $(hostname), $(id -u), in $PWD"
ip -br -4 address show ens5
cat > /root/serve.py <<END
import socket
l = socket.create_server(("", 8000))
while True: l.accept()[0].close()
END
python3 /root/serve.py &
"""


def test_user_data_is_run_at_the_first_start_and_its_output_kept(stage: Stage) -> None:
    server = boot(stage, "served", SERVE)
    assert stage.tenant.soon(lambda: len(output(stage, "served").splitlines()) == 2)
    said, interface = output(stage, "served").splitlines()
    assert said == "I am served, 0, in /root"
    address = interface.split()[2].partition("/")[0]
    assert stage.tenant.soon(lambda: stage.tenant.ask("one", address, 8000) is not None), "what it started serves"
    start(stage, server, "reboot")
    assert output(stage, "served") == "", "a start is a new beginning"
    assert stage.tenant.ask("one", address, 8000) is None, "and no first one any more"


def test_user_data_says_how_it_ended(stage: Stage) -> None:
    server = boot(stage, "failing", "#!/usr/bin/env python3\nprint('no luck')\nraise SystemExit(3)\n")

    def told() -> object:
        return stage.tenant.call("GET", "/hideaway/v1/status")

    assert stage.tenant.soon(lambda: "no luck" in output(stage, "failing"))
    assert stage.tenant.soon(lambda: "user data ended with status 3" in str(told())), told()
    stage.tenant.call("POST", f"{INSTANCE}/servers/{server}/action", action="terminate")


def test_user_data_that_is_no_script_is_kept_and_not_run(stage: Stage) -> None:
    server = boot(stage, "configured", "#cloud-config\nruncmd: [touch /root/ran]\n")
    assert output(stage, "configured") == ""
    assert stage.tenant.hosts.run("configured", "test", "-e", "/root/ran").returncode == 1
    assert stage.tenant.http.get(f"{INSTANCE}/servers/{server}/user_data/cloud-init").text.startswith("#cloud-config")
    stage.tenant.call("POST", f"{INSTANCE}/servers/{server}/action", action="terminate")


# Public addresses


def flexible(stage: Stage, **more: object) -> tuple[str, str]:
    """A new flexible address: its id and itself (of an IPv6 one its prefix)."""
    made = stage.tenant.call("POST", f"{INSTANCE}/ips", **more)["ip"]
    return made["id"], made["address"] or made["prefix"]


def give(stage: Stage, ip: str, server: str | None) -> None:
    stage.tenant.call("PATCH", f"{INSTANCE}/ips/{ip}", server=server)
    stage.tenant.settled()


def test_a_flexible_address_moves_between_servers_that_run(stage: Stage) -> None:
    tenant = stage.tenant
    ip, address = flexible(stage)
    assert tenant.ask("internet", address) is None
    give(stage, ip, stage.one.id)
    assert tenant.ask("internet", address) == PROBE
    assert address in tenant.inside("one", "ip", "-br", "address", "show", "pub")
    give(stage, ip, stage.two.id)
    assert tenant.ask("internet", address) == PROBE
    assert address not in tenant.inside("one", "ip", "-br", "address", "show", "pub")
    give(stage, ip, None)
    assert tenant.ask("internet", address) is None
    tenant.call("DELETE", f"{INSTANCE}/ips/{ip}")


def test_one_more_address_leaves_the_others_connections_alone(stage: Stage) -> None:
    tenant = stage.tenant
    first = tenant.public(stage.one.id)[0]
    ip, address = flexible(stage)
    with (
        tenant.serving("one", HOLD, "4100"),
        tenant.program("internet", TALK, first, "4100") as before,
    ):
        assert before.line() == "lives"
        tenant.inside("one", "ip", "route", "add", "192.0.2.0/24", "dev", "pub")
        give(stage, ip, stage.one.id)
        assert before.tell("") == "lives"
        assert "192.0.2.0/24" in tenant.inside("one", "ip", "route"), "the interface is the same as before"
        with tenant.program("internet", TALK, address, "4100") as there:
            assert there.line() == "lives"
            give(stage, ip, None)
            assert there.tell("") == "cut"
        assert before.tell("") == "lives"
    assert tenant.leaves_with("one") == first
    tenant.call("DELETE", f"{INSTANCE}/ips/{ip}")


def test_a_routed_ipv6_address(stage: Stage) -> None:
    tenant = stage.tenant
    ip, prefix = flexible(stage, type="routed_ipv6")
    give(stage, ip, stage.one.id)
    (address,) = [a for a in tenant.public(stage.one.id) if ":" in a]
    assert prefix.partition("::")[0] in address
    assert tenant.hosts.run("internet", "ping", "-6", "-c1", "-W2", "-q", address).returncode == 0
    assert tenant.hosts.run("one", "ping", "-6", "-c1", "-W2", "-q", "2001:2:0:909::9").returncode == 0
    give(stage, ip, None)
    assert tenant.hosts.run("internet", "ping", "-6", "-c1", "-W1", "-q", address).returncode != 0
    assert tenant.hosts.run("one", "ping", "-6", "-c1", "-W1", "-q", "2001:2:0:909::9").returncode != 0
    tenant.call("DELETE", f"{INSTANCE}/ips/{ip}")


def test_a_server_gets_and_loses_its_only_public_address_while_it_runs(stage: Stage) -> None:
    tenant = stage.tenant
    machine = tenant.instance("private", stage.network)
    assert tenant.leaves_with("private") is None
    ip, address = flexible(stage)
    give(stage, ip, machine.id)
    assert tenant.ask("internet", address) == PROBE
    assert tenant.leaves_with("private") == address
    give(stage, ip, None)
    assert tenant.leaves_with("private") is None
    assert tenant.ask("one", machine.v4(stage.network)) is not None, "its Private Network is as it was"
    tenant.call("DELETE", f"{INSTANCE}/ips/{ip}")
    tenant.call("POST", f"{INSTANCE}/servers/{machine.id}/action", action="terminate")


def test_a_private_nic_comes_and_goes_while_the_server_runs(stage: Stage) -> None:
    tenant = stage.tenant
    other = tenant.network("other", vpc=tenant.vpc("apart"))
    there = tenant.instance("there", other)
    nics = f"{INSTANCE}/servers/{stage.one.id}/private_nics"
    with tenant.serving("one", HOLD, "4300"), tenant.program("two", TALK, stage.one.v4(stage.network), "4300") as held:
        assert held.line() == "lives"
        assert tenant.ask("one", there.v4(other)) is None
        nic = tenant.call("POST", nics, private_network_id=other)["private_nic"]["id"]
        tenant.settled()
        assert tenant.ask("one", there.v4(other)) is not None
        assert "ens6" in tenant.inside("one", "ip", "-br", "link")
        assert held.tell("") == "lives"
        tenant.call("DELETE", f"{nics}/{nic}")
        tenant.settled()
        assert tenant.ask("one", there.v4(other)) is None
        assert "ens6" not in tenant.inside("one", "ip", "-br", "link")
        assert held.tell("") == "lives"
    tenant.call("POST", f"{INSTANCE}/servers/{there.id}/action", action="terminate")


# Security groups


def group(stage: Stage, name: str, **more: object) -> str:
    return str(stage.tenant.call("POST", f"{INSTANCE}/security_groups", name=name, **more)["security_group"]["id"])


def join(stage: Stage, server: str, group_id: str) -> None:
    stage.tenant.call("PATCH", f"{INSTANCE}/servers/{server}", security_group={"id": group_id, "name": ""})
    stage.tenant.settled()


def test_a_server_moves_to_another_group_while_it_runs(stage: Stage) -> None:
    tenant = stage.tenant
    default = tenant.server(stage.one.id)["security_group"]["id"]
    shut = group(stage, "shut", inbound_default_policy="drop", stateful=True)
    address = tenant.public(stage.one.id)[0]
    with tenant.serving("one", HOLD, "4200"), tenant.program("internet", TALK, address, "4200") as client:
        assert client.line() == "lives"
        join(stage, stage.one.id, shut)
        assert client.tell("") == "cut", "what the new group refuses is cut"
        assert tenant.ask("internet", address) is None
        assert tenant.leaves_with("one") == address, "what it asks for itself is answered"
        assert tenant.ask("two", stage.one.v4(stage.network)) is not None, "private traffic is never filtered"
    path = f"{INSTANCE}/security_groups/{shut}/rules"
    body = {"protocol": "TCP", "direction": "inbound", "action": "accept", "ip_range": f"{PROBE}/32"}
    tenant.call("POST", path, **body, dest_port_from=PORT)
    tenant.settled()
    assert tenant.ask("internet", address) == PROBE
    assert tenant.ask("two", address) is None
    join(stage, stage.one.id, default)
    assert tenant.ask("two", address) is not None
    tenant.call("DELETE", f"{INSTANCE}/security_groups/{shut}")


def test_mail_is_closed_by_default_and_opened_by_the_group(stage: Stage) -> None:
    tenant = stage.tenant
    mine = group(stage, "mailing", enable_default_security=True)
    default = tenant.server(stage.two.id)["security_group"]["id"]
    join(stage, stage.two.id, mine)
    with tenant.serving("internet", HOLD, "25"), tenant.serving("internet", HOLD, "2525"):
        assert reaches(stage, "25") is False
        assert reaches(stage, "2525") is True
        rule = {"protocol": "TCP", "direction": "outbound", "action": "accept", "ip_range": "0.0.0.0/0"}
        tenant.call("POST", f"{INSTANCE}/security_groups/{mine}/rules", **rule, dest_port_from=25)
        tenant.settled()
        assert reaches(stage, "25") is False, "no rule of a user's outranks it"
        tenant.call("PATCH", f"{INSTANCE}/security_groups/{mine}", enable_default_security=False)
        tenant.settled()
        with tenant.program("two", TALK, PROBE, "25") as client:
            assert client.line() == "lives"
            tenant.call("PATCH", f"{INSTANCE}/security_groups/{mine}", enable_default_security=True)
            tenant.settled()
            assert client.tell("") == "cut"
    join(stage, stage.two.id, default)


def reaches(stage: Stage, port: str) -> bool:
    with stage.tenant.program("two", TALK, PROBE, port) as client:
        return client.line() == "lives"
