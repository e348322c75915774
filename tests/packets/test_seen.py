"""A packet is followed to its end, and what is told of it is what the Fabric's rules say."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hideaway.backends.linux import LinuxBackend
from hideaway.fabric.model import (
    PROBE_V4,
    PROBE_V6,
    Action,
    Direction,
    Fabric,
    Host,
    Protocol,
    Role,
    Router,
    RouterRule,
    Rule,
)
from hideaway.fabric.seen import Hop, Outcome, Packet, Trace
from hideaway.plan import plan
from tests import fabrics
from tests.cloud_under_test import cloud
from tests.fabrics import (
    GATEWAY_IN,
    GATEWAY_V4,
    ISOLATED_IN,
    NODE_IN,
    NODE_V4,
    NODE_V6,
    WEB_PORT,
    cluster,
    fabric,
    group,
    isolated,
    node,
    pat,
    probe,
    tcp,
)
from tests.packets.inside import ECHO, PYTHON, Inside

pytestmark = pytest.mark.packets
PATIENCE = 3.0


@pytest.fixture
def backend(packets: None, tmp_path: Path) -> Iterator[LinuxBackend]:
    made = LinuxBackend(tmp_path, linger=5, heartbeat_interval=1)
    made.up()
    try:
        yield made
    finally:
        made.close()


def become(backend: LinuxBackend, wanted: Fabric) -> None:
    present = backend.present()
    backend.apply(plan(wanted, present.fabric, present.suspects), wanted)


def follow(backend: LinuxBackend, source: str, target: str, port: int = 0, protocol: str = "") -> Trace:
    packet = Packet(source="", target=target, protocol=protocol or ("tcp" if port else "icmp"), target_port=port)
    return backend.trace(source, packet, PATIENCE)


def names(hops: tuple[Hop, ...]) -> list[str]:
    return [hop.name for hop in hops]


def met(hops: tuple[Hop, ...]) -> list[str]:
    return [f"{rule.verdict}: {rule.says}" for hop in hops for rule in hop.rules]


def test_an_isolated_host_leaves_through_the_gateway_and_the_answer_comes_back(backend: LinuxBackend) -> None:
    become(backend, cluster())
    trace = follow(backend, "isolated", PROBE_V4, 80)
    assert (trace.outcome, trace.why) == (Outcome.ANSWERED, "internet answers")
    assert names(trace.way) == ["isolated", "gateway", "the edge", "internet"]
    assert names(trace.reply) == ["internet", "the edge", "gateway", "isolated"]
    gateway = trace.way[1]
    assert (gateway.came_by, gateway.left_by) == ("ens5", "pub")
    assert (gateway.arrived.source, gateway.left.source) == (ISOLATED_IN, GATEWAY_V4)
    assert "translate: leaves with the gateway's own address" in met(trace.way)
    assert (trace.reply[2].arrived.target, trace.reply[2].left.target) == (GATEWAY_V4, ISOLATED_IN)
    assert met(trace.reply) == ["accept: replies, and what goes on with them, pass the gateway"]


@pytest.mark.parametrize("protocol", ["udp", "icmp"])
def test_other_protocols_are_followed_through_translation(backend: LinuxBackend, protocol: str) -> None:
    become(backend, cluster())
    trace = follow(backend, "isolated", PROBE_V4, 4000 if protocol == "udp" else 0, protocol)
    assert names(trace.way) == ["isolated", "gateway", "the edge", "internet"]
    assert names(trace.reply) == ["internet", "the edge", "gateway", "isolated"]
    if protocol == "icmp":
        assert trace.outcome == Outcome.ANSWERED
    else:
        assert (trace.outcome, trace.why) == (Outcome.REFUSED, "internet says: unreachable")


UDP_ECHO = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", int(sys.argv[1]))); s.settimeout(20)
print("listening", flush=True); data, who = s.recvfrom(64); s.sendto(b"heard", who)
"""


def test_an_answer_of_udp_is_followed_through_translation(backend: LinuxBackend) -> None:
    become(backend, cluster())
    argv = backend.command("internet", [*PYTHON, UDP_ECHO, "4000"])
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "listening\n"
        trace = follow(backend, "isolated", PROBE_V4, 4000, "udp")
        server.wait(10)
    assert (trace.outcome, trace.why) == (Outcome.ANSWERED, "internet answers")
    assert names(trace.reply) == ["internet", "the edge", "gateway", "isolated"]


def test_what_a_group_drops_is_told_with_the_rule(backend: LinuxBackend) -> None:
    named = {"which": "r1", "because": "g:1"}
    bad = Rule(action=Action.DROP, direction=Direction.INBOUND, protocol=Protocol.TCP, ports=(22, 22), **named)
    become(backend, cluster(tcp(WEB_PORT), bad))
    assert follow(backend, "internet", NODE_V4, WEB_PORT).outcome == Outcome.ANSWERED
    trace = follow(backend, "internet", NODE_V4, 22)
    assert trace.outcome == Outcome.DROPPED
    assert names(trace.way) == ["internet", "the edge"]
    rule = trace.way[-1].rules[-1]
    assert (rule.verdict, rule.says, rule.packets) == ("drop", "drop inbound TCP 22 from 0.0.0.0/0", 1)
    assert "r1" in rule.which
    assert rule.says in trace.why
    assert follow(backend, "internet", NODE_V4, 22).way[-1].rules[-1].packets == 2
    six = follow(backend, "internet", NODE_V6, 22)
    assert six.outcome == Outcome.DROPPED
    assert six.way[-1].rules[-1].says == "inbound default policy: drop"


def test_an_answer_that_a_stateless_group_drops(backend: LinuxBackend) -> None:
    out = Rule(action=Action.DROP, direction=Direction.OUTBOUND, protocol=Protocol.TCP, ports=(1024, 65535))
    become(backend, fabric(node(), probe(), filters=(group(tcp(WEB_PORT), out, stateful=False),)))
    trace = follow(backend, "internet", NODE_V4, WEB_PORT)
    assert trace.outcome == Outcome.ANSWER_DROPPED
    assert names(trace.way) == ["internet", "the edge", "node"]
    assert met(trace.reply) == ["drop: drop outbound TCP 1024-65535 to 0.0.0.0/0"]


def test_port_translation_and_what_a_gateway_does_not_let_in(backend: LinuxBackend) -> None:
    become(backend, cluster(forwards=(pat(2222),)))
    trace = follow(backend, "internet", GATEWAY_V4, 2222)
    assert (trace.outcome, names(trace.way)) == (Outcome.ANSWERED, ["internet", "the edge", "gateway", "isolated"])
    assert (trace.way[2].left.target, trace.way[2].left.target_port) == (ISOLATED_IN, WEB_PORT)
    assert f"translate: PAT: TCP 2222 to {ISOLATED_IN} port {WEB_PORT}" in met(trace.way)
    closed = follow(backend, "internet", GATEWAY_V4, 2223)
    assert (closed.outcome, names(closed.way)[-1]) == (Outcome.DROPPED, "gateway")


def test_without_masquerade_the_gateway_drops(backend: LinuxBackend) -> None:
    become(backend, fabric(isolated(), fabrics.gateway(masquerade=False), probe()))
    trace = follow(backend, "isolated", PROBE_V4, 80)
    assert trace.outcome == Outcome.DROPPED
    assert trace.why == "gateway dropped it: nothing else passes a gateway"


def test_where_there_is_no_way_it_says_why(backend: LinuxBackend) -> None:
    become(backend, cluster())
    gone = follow(backend, "isolated", "172.16.0.77")
    assert (gone.outcome, gone.why) == (Outcome.LOST, "no host has 172.16.0.77 in Private Network pn")
    nobody = follow(backend, "isolated", "198.18.200.1", 80)
    assert (nobody.outcome, nobody.why) == (Outcome.LOST, "nobody on the public internet has 198.18.200.1")
    assert names(nobody.way) == ["isolated", "gateway", "the edge"]
    none = follow(backend, "isolated", PROBE_V6, 80)
    assert none.outcome == Outcome.LOST
    assert "isolated has no way to" in none.why
    inside = follow(backend, "internet", ISOLATED_IN, 80)
    assert inside.outcome == Outcome.LOST


def test_a_host_that_does_not_pass_packets_on_or_knows_no_way_back(backend: LinuxBackend) -> None:
    become(backend, fabric(node(), isolated(via=NODE_IN), probe(), filters=(group(),)))
    trace = follow(backend, "isolated", PROBE_V4, 80)
    assert trace.outcome == Outcome.LOST
    assert names(trace.way) == ["isolated", "node"]
    assert f"node has no way to {PROBE_V4}" in trace.why
    become(backend, fabric(isolated(via=None), fabrics.gateway(pat(2222)), probe()))
    back = follow(backend, "internet", GATEWAY_V4, 2222)
    assert back.outcome == Outcome.UNANSWERED
    assert f"isolated, which has no way back to {PROBE_V4}" in back.why


def test_a_closed_port_refuses_and_roots_own_filter_is_shown(backend: LinuxBackend) -> None:
    become(backend, cluster())
    refused = follow(backend, "isolated", NODE_IN, 99)
    assert (refused.outcome, refused.why) == (Outcome.REFUSED, "node refuses: nothing listens on port 99")
    inside = Inside(backend)
    inside.nft("node", "table ip own { chain c { type filter hook input priority 0; tcp dport 99 drop; }; }")
    dropped = follow(backend, "isolated", NODE_IN, 99)
    assert dropped.outcome == Outcome.DROPPED
    assert dropped.why.startswith("node dropped it: own c: tcp dport 99 drop")


def test_a_router_and_its_rules(backend: LinuxBackend) -> None:
    def host(name: str, link: str, v4: str) -> Host:
        port = fabrics.private(name, f"{v4}.5/22", link=link)
        routes = (fabrics.Route(destination="172.16.0.0/16", via=f"{v4}.1", port=port.id),)
        listeners = (fabrics.Listener(port=WEB_PORT, what="address"),)
        return Host(id=name, name=name, role=Role.INSTANCE, ports=(port,), routes=routes, listeners=listeners)

    drop = RouterRule(
        action=Action.DROP,
        protocol=Protocol.TCP,
        source="172.16.0.0/22",
        source_ports=None,
        destination="172.16.4.0/22",
        destination_ports=(5432, 5432),
        because="vpc/acl:x/v4",
        which="3",
    )
    joins = fabrics.router(
        fabrics.private("router", "172.16.0.1/22", name="pn-a"),
        fabrics.private("router", "172.16.4.1/22", link="pn2", name="pn-b"),
        rules=Router(rules=(drop,)),
    )
    ends = (host("a", "pn", "172.16.0"), host("b", "pn2", "172.16.4"))
    become(backend, fabric(*ends, joins, segments=("pn", "pn2")))
    trace = follow(backend, "a", "172.16.4.5", WEB_PORT)
    assert (trace.outcome, names(trace.way)) == (Outcome.ANSWERED, ["a", "router", "b"])
    assert met(trace.way) == ["accept: IPv4 default policy between networks: accept"]
    dropped = follow(backend, "a", "172.16.4.5", 5432)
    assert dropped.outcome == Outcome.DROPPED
    assert "(vpc/acl:x/v4, rule 3)" in dropped.why


def test_following_a_packet_leaves_nothing_and_nobody_is_blamed(backend: LinuxBackend) -> None:
    become(backend, cluster(tcp(WEB_PORT)))
    before = backend.run_in("edge", ["nft", "-s", "list", "ruleset"])["stdout"]
    follow(backend, "internet", NODE_V4, WEB_PORT)
    assert backend.run_in("edge", ["nft", "-s", "list", "ruleset"])["stdout"] == before
    backend.check()
    assert not backend.present().suspects
    become(backend, cluster(tcp(WEB_PORT), tcp(81)))
    backend.check()
    assert not backend.present().suspects
    Inside(backend).run("edge", "nft", "add", "table", "inet", "intruder")
    follow(backend, "internet", NODE_V4, WEB_PORT)
    backend.check()
    assert backend.present().suspects == {"whole:edge"}, "what somebody else changed is not covered up"


def test_rules_count_what_they_met(backend: LinuxBackend) -> None:
    become(backend, cluster(tcp(WEB_PORT), forwards=(pat(2222),)))
    inside = Inside(backend)

    def counted() -> dict[str, int]:
        return {f"{c.host} {c.says}": c.packets for c in backend.counts()}

    before = counted()
    assert inside.ask("internet", NODE_V4, WEB_PORT) == PROBE_V4
    assert inside.ask("internet", NODE_V4, 81) is None
    assert inside.ask("internet", GATEWAY_V4, 2222) == PROBE_V4
    after = counted()
    grown = {says for says in after if after[says] > before[says]}
    assert f"edge accept inbound TCP {WEB_PORT} from 0.0.0.0/0" in grown
    assert "edge inbound default policy: drop" in grown
    assert f"gateway PAT: TCP 2222 to {ISOLATED_IN} port {WEB_PORT}" in grown
    assert after[f"edge accept inbound TCP {WEB_PORT} from 0.0.0.0/0"] == 1, "a connection's first packet"


def test_who_reaches_a_gateway_from_inside(backend: LinuxBackend) -> None:
    become(backend, cluster())
    assert names(follow(backend, "isolated", GATEWAY_IN).way) == ["isolated", "gateway"]


SERVERS = "/instance/v1/zones/fr-par-1/servers"


def test_by_the_command_line(packets: None, tmp_path: Path) -> None:
    with cloud(tmp_path) as running, running.http() as http:
        body = {"name": "one", "commercial_type": "DEV1-S", "image": "ubuntu_jammy", "dynamic_ip_required": True}
        server = http.post(SERVERS, json=body).json()["server"]
        http.post(f"{SERVERS}/{server['id']}/action", json={"action": "poweron"})
        while http.get(f"{SERVERS}/{server['id']}").json()["server"]["state"] != "running":
            pass

        def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            argv = [sys.executable, "-m", "hideaway.cli", arguments[0], "--state", str(running.state), *arguments[1:]]
            return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

        shown = run("trace", "one", "internet", "--port", "80")
        assert shown.returncode == 0, shown.stderr
        assert "answered  internet answers" in shown.stdout
        group_id = server["security_group"]["id"]
        assert f"instance/security_group:{group_id}" in shown.stdout
        missing = run("trace", "nobody", "internet")
        assert missing.returncode == 1
        assert "no host is called 'nobody'" in missing.stderr
        flows = run("flows", group_id)
        assert "outbound default policy: accept" in flows.stdout
        file = tmp_path / "one.pcap"
        argv = [sys.executable, "-m", "hideaway.cli", "capture", "--state", str(running.state)]
        argv += ["one:pub", "-w", str(file), "--count", "2", "--seconds", "30", "icmp"]
        with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as capture:
            assert capture.stderr is not None
            assert "capturing on pub" in capture.stderr.readline()
            assert run("trace", "one", "internet").returncode == 0
            capture.wait(40)
        assert capture.returncode == 0
        assert file.read_bytes()[:4] in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4")
        assert file.stat().st_size > 24 + 2 * 16
        assert run("capture", "one:ens9").returncode == 1


def test_ports_that_the_gateway_translates_to_a_local_server(backend: LinuxBackend) -> None:
    become(backend, cluster(forwards=(pat(2222, 4000),)))
    with Inside(backend).started("isolated", ECHO, "4000"):
        assert follow(backend, "internet", GATEWAY_V4, 2222).outcome == Outcome.ANSWERED
    refused = follow(backend, "internet", GATEWAY_V4, 2222)
    assert (refused.outcome, refused.why) == (Outcome.REFUSED, "isolated refuses: nothing listens on port 4000")
