"""Public Gateways as their user meets them: dynamic NAT and its ports, PAT, mail, several of them, moved addresses."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from hideaway.cli.demo.probes import PORT
from tests.cloud_under_test import cloud
from tests.packets.tenant import GATEWAY, PROBE, Machine, Tenant

pytestmark = [pytest.mark.packets, pytest.mark.slow]

HOLD = """
import socket, sys, threading
l = socket.create_server(("", int(sys.argv[1])))
def serve(c):
    while d := c.recv(9): c.sendall(d)
print("up", flush=True)
while True: threading.Thread(target=serve, args=(l.accept()[0],), daemon=True).start()
"""
"""Answers every connection with what it says, as long as that likes."""
MANY = """
import socket, struct, sys
held = []
for _ in range(int(sys.argv[3])):
    try:
        s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 1)
        s.sendall(b"x"); assert s.recv(1)
        held.append(s)
    except TimeoutError: print("-", end="")
    else: print("+", end="", flush=True)
print(flush=True)
for line in sys.stdin:
    if line == "reset\\n":
        s = held.pop(); s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)); s.close()
        print("reset", flush=True); continue
    for s in held:
        s.settimeout(2); s.sendall(b"y"); assert s.recv(1) == b"y"
    print("alive", len(held), flush=True)
"""
"""Holds many connections to one place: + for each that came about, - for each that did not within a second."""
TALK = """
import itertools, socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 2); s.settimeout(2)
for line in itertools.chain([""], sys.stdin):
    try: s.sendall(b"x"); print("lives" if s.recv(1) else "ended", flush=True)
    except OSError: print("cut", flush=True)
"""
"""One connection: at once, and again for each line, whether it lives."""


class Stage(msgspec.Struct, frozen=True):
    """A network behind a gateway, with the Instance `inner` in it, which has no public address."""

    tenant: Tenant
    network: str
    gateway: str
    address: str
    inner: Machine


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, packets: None) -> Iterator[Stage]:
    with cloud(tmp_path_factory.mktemp("cloud"), "--data-plane", "linux", "--linger", "0") as running:
        tenant = Tenant(running)
        network = tenant.network("inside")
        gateway, address = tenant.gateway("first")
        tenant.attach(gateway, network)
        yield Stage(tenant, network, gateway, address, tenant.instance("inner", network))
        tenant.close()


def operate(stage: Stage, **fields: object) -> None:
    stage.tenant.call("PATCH", f"/hideaway/v1/gateways/{stage.gateway}", **fields)
    stage.tenant.settled()


def update(stage: Stage, **fields: object) -> None:
    stage.tenant.call("PATCH", f"{GATEWAY}/gateways/{stage.gateway}", **fields)
    stage.tenant.settled()


def test_whoever_is_inside_leaves_with_one_address(stage: Stage) -> None:
    other = stage.tenant.instance("other", stage.network)
    assert {stage.tenant.leaves_with(name) for name in ("inner", "other") for _ in range(4)} == {stage.address}
    stage.tenant.call("POST", f"/instance/v1/zones/fr-par-1/servers/{other.id}/action", action="terminate")


def test_when_its_ports_are_used_up_new_connections_fail_and_the_others_live(stage: Stage) -> None:
    """To one destination there are as many connections as ports; to another there are as many again."""
    tenant = stage.tenant
    operate(stage, nat_ports=[50000, 50003])
    try:
        with (
            tenant.serving("internet", HOLD, "4000"),
            tenant.serving("internet", HOLD, "4001"),
            tenant.program("inner", MANY, PROBE, "4000", "6") as held,
        ):
            assert held.line() == "++++--"
            with tenant.program("inner", MANY, PROBE, "4001", "2") as elsewhere:
                assert elsewhere.line() == "++"
            assert held.tell("") == "alive 4"
            assert held.tell("reset") == "reset"
            assert tenant.soon(lambda: one_more(tenant), 60), "a port that was given back is used again"
            operate(stage, nat_ports=[])
            with tenant.program("inner", MANY, PROBE, "4000", "6") as more:
                assert more.line() == "++++++"
            assert held.tell("") == "alive 3", "a change of the range lets what is there live"
    finally:
        operate(stage, nat_ports=[])


def one_more(tenant: Tenant) -> bool:
    with tenant.program("inner", MANY, PROBE, "4000", "1") as late:
        return late.line() == "+"


def test_port_translation_follows_its_rules_live(stage: Stage) -> None:
    tenant, target = stage.tenant, stage.inner.v4(stage.network)
    rule = tenant.call(
        "POST", f"{GATEWAY}/pat-rules", gateway_id=stage.gateway, public_port=2222, private_ip=target,
        private_port=PORT, protocol="tcp",
    )["id"]  # fmt: skip
    tenant.settled()
    assert tenant.ask("internet", stage.address, 2222) == PROBE, "the client's address stays as it is"
    assert tenant.ask("internet", stage.address, PORT) is None
    tenant.call("PATCH", f"{GATEWAY}/pat-rules/{rule}", public_port=2223)
    tenant.settled()
    assert tenant.ask("internet", stage.address, 2222) is None
    assert tenant.ask("internet", stage.address, 2223) == PROBE
    tenant.call("PATCH", f"{GATEWAY}/pat-rules/{rule}", protocol="udp")
    tenant.settled()
    assert tenant.ask("internet", stage.address, 2223) is None
    tenant.call("PUT", f"{GATEWAY}/pat-rules", gateway_id=stage.gateway, pat_rules=[
        {"public_port": 3000 + n, "private_ip": target, "private_port": PORT, "protocol": "both"} for n in range(3)
    ])  # fmt: skip
    tenant.settled()
    assert [tenant.ask("internet", stage.address, port) for port in (3000, 3001, 3002, 2223)] == [PROBE] * 3 + [None]
    with tenant.serving("inner", HOLD, "5000"):
        tenant.call("PUT", f"{GATEWAY}/pat-rules", gateway_id=stage.gateway, pat_rules=[
            {"public_port": 3000, "private_ip": target, "private_port": 5000, "protocol": "both"}
        ])  # fmt: skip
        tenant.settled()
        with tenant.program("internet", TALK, stage.address, "3000") as client:
            assert client.line() == "lives"
            tenant.call("PUT", f"{GATEWAY}/pat-rules", gateway_id=stage.gateway, pat_rules=[])
            tenant.settled()
            assert client.tell("") == "cut"


def test_mail_leaves_only_by_a_gateway_that_allows_it(stage: Stage) -> None:
    tenant = stage.tenant
    with (
        tenant.serving("internet", HOLD, "25"),
        tenant.serving("internet", HOLD, "587"),
        tenant.serving("internet", HOLD, "2525"),
    ):
        for port, said in (("25", "-"), ("587", "-"), ("2525", "+")):
            with tenant.program("inner", MANY, PROBE, port, "1") as client:
                assert client.line() == said, port
        update(stage, enable_smtp=True)
        with (
            tenant.program("inner", TALK, PROBE, "25") as client,
            tenant.program("inner", TALK, PROBE, "2525") as beside,
        ):
            assert client.line() == beside.line() == "lives"
            update(stage, enable_smtp=False)
            assert client.tell("") == "cut"
            assert beside.tell("") == "lives"


def test_of_several_gateways_the_oldest_attachment_wins(stage: Stage) -> None:
    """The default route is the first's, and the second one's translations reach only who answers by it."""
    tenant, target = stage.tenant, stage.inner.v4(stage.network)
    second, address = tenant.gateway("second")
    attachment = tenant.attach(second, stage.network)
    tenant.call(
        "POST", f"{GATEWAY}/pat-rules", gateway_id=second, public_port=2222, private_ip=target, private_port=PORT,
        protocol="tcp",
    )  # fmt: skip
    tenant.settled()
    assert tenant.leaves_with("inner") == stage.address
    assert tenant.ask("internet", address, 2222) is None
    (oldest,) = [
        n["id"]
        for n in tenant.call("GET", f"{GATEWAY}/gateway-networks?gateway_ids={stage.gateway}")["gateway_networks"]
    ]
    tenant.call("PATCH", f"{GATEWAY}/gateway-networks/{oldest}", push_default_route=False)
    tenant.settled()
    assert tenant.leaves_with("inner") == address
    assert tenant.ask("internet", address, 2222) == PROBE
    tenant.soon(lambda: tenant.call("GET", f"{GATEWAY}/gateway-networks/{oldest}")["status"] == "ready")
    tenant.call("PATCH", f"{GATEWAY}/gateway-networks/{oldest}", push_default_route=True)
    tenant.settled()
    assert tenant.leaves_with("inner") == stage.address
    operate(stage, stopped=True)
    assert tenant.leaves_with("inner") == address, "a gateway that is down leaves the way to the next"
    operate(stage, stopped=False)
    tenant.gateway_runs(stage.gateway)
    assert tenant.leaves_with("inner") == stage.address
    tenant.detach(attachment)
    assert tenant.leaves_with("inner") == stage.address
    tenant.call("DELETE", f"{GATEWAY}/gateways/{second}?delete_ip=true")


def test_an_upgrade_keeps_the_address_and_interrupts(stage: Stage) -> None:
    tenant, path = stage.tenant, f"{GATEWAY}/gateways/{stage.gateway}"
    with tenant.serving("internet", HOLD, "4000"), tenant.program("inner", TALK, PROBE, "4000") as client:
        assert client.line() == "lives"
        tenant.call("POST", f"{path}/upgrade", type="VPC-GW-M")
        tenant.gateway_runs(stage.gateway)
        tenant.settled()
        assert client.tell("") == "cut"
    assert tenant.call("GET", path)["bandwidth"] == 1000
    assert tenant.leaves_with("inner") == stage.address
    operate(stage, version="0.7.3")
    newer = tenant.call("GET", path)["can_upgrade_to"]
    tenant.call("POST", f"{path}/upgrade")
    tenant.gateway_runs(stage.gateway)
    assert tenant.call("GET", path)["version"] == newer
    assert "can_upgrade_to" not in tenant.call("GET", path)
    tenant.settled()
    assert tenant.leaves_with("inner") == stage.address


def test_packets_follow_an_address_that_moves(stage: Stage) -> None:
    """Detached, nobody gets out; with another address they leave with that; the old one can be another gateway's."""
    tenant = stage.tenant
    old = tenant.call("GET", f"{GATEWAY}/gateways/{stage.gateway}")["ipv4"]
    new = tenant.call("POST", f"{GATEWAY}/ips")
    with tenant.serving("internet", HOLD, "4000"), tenant.program("inner", TALK, PROBE, "4000") as client:
        assert client.line() == "lives"
        move(tenant, old["id"], "")
        assert client.tell("") == "cut"
    tenant.gateway_runs(stage.gateway)
    assert tenant.leaves_with("inner") is None
    move(tenant, new["id"], stage.gateway)
    assert tenant.leaves_with("inner") == new["address"]
    network = tenant.network("beside")
    second, _ = tenant.gateway("third", ip_id=old["id"])
    tenant.attach(second, network)
    tenant.instance("beside", network)
    assert tenant.leaves_with("beside") == old["address"]
    tenant.call("DELETE", f"{GATEWAY}/gateways/{second}")
    assert tenant.soon(lambda: tenant.http.get(f"{GATEWAY}/gateways/{second}").status_code == 404)
    move(tenant, new["id"], "")
    tenant.gateway_runs(stage.gateway)
    move(tenant, old["id"], stage.gateway)
    assert tenant.leaves_with("inner") == old["address"]


def move(tenant: Tenant, ip: str, gateway: str) -> None:
    tenant.call("PATCH", f"{GATEWAY}/ips/{ip}", gateway_id=gateway)
    tenant.settled()
