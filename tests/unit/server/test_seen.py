"""Packets are shown to the organization whose they are, with its resources' names."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from hideaway.api.call import Settings
from hideaway.api.pipeline import Api
from hideaway.api.products import PRODUCTS
from hideaway.compile import compile_fabric
from hideaway.fabric.model import Fabric
from hideaway.fabric.seen import Count, Hop, Outcome, Packet, Trace
from hideaway.server.own import own_product
from hideaway.server.seen import Sight
from hideaway.server.view import HIDDEN
from tests.api_in_process import Cloud
from tests.unit.api.instances import running
from tests.unit.server.test_own import inside_of

TRACE, FLOWS, CAPTURE = "/hideaway/v1/trace", "/hideaway/v1/flows", "/hideaway/v1/capture"


class Seen:
    """A sight that shows what a test says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Packet, float]] = []
        self.hops: tuple[Hop, ...] = ()
        self.met: tuple[Count, ...] = ()
        self.why = "it is said"

    def trace(self, source: str, packet: Packet, patience: float) -> Trace:
        self.asked.append((source, packet, patience))
        return Trace(packet=packet, outcome=Outcome.DROPPED, why=self.why, way=self.hops)

    def counts(self) -> tuple[Count, ...]:
        return self.met

    def strike(self, host: str, program: bool) -> None:
        raise AssertionError("nobody looks by striking")

    def capture(self, host: str, interface: str) -> list[str]:
        return ["look", host, interface]


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def cloud(seen: Seen) -> Iterator[Cloud]:
    made = Cloud()

    def fabric() -> Fabric:
        return compile_fabric(made.store.snapshot()[1])

    sight = Sight(trace=seen.trace, counts=seen.counts, capture=seen.capture, strike=seen.strike)
    inside = msgspec.structs.replace(inside_of(made), sight=sight, fabric=fabric)
    products = (*PRODUCTS, own_product(inside))
    made.application = Api(made.store, made.clock, made.ids, made.pace, Settings(), products).application()
    yield made
    made.close()


def refused(cloud: Cloud, path: str, **body: object) -> str:
    answer = cloud.ask("POST", path, body)
    assert answer.status in (400, 404), answer.raw
    return answer.raw.decode()


def test_what_is_sent_is_what_was_asked(cloud: Cloud, seen: Seen) -> None:
    server = running(cloud, name="web")
    cloud.post(TRACE, source="web", target="internet", port=443)
    cloud.post(TRACE, source="internet", target="198.18.99.1", seconds=9)
    cloud.post(TRACE, source=server["id"], target="198.18.99.1", port=53, protocol="udp")
    assert [(s, p.protocol, p.target, p.target_port, t) for s, p, t in seen.asked] == [
        (server["id"], "tcp", "198.18.9.9", 443, 2.0),
        ("internet", "icmp", "198.18.99.1", 0, 9.0),
        (server["id"], "udp", "198.18.99.1", 53, 2.0),
    ]


def test_what_cannot_be_sent_is_refused_with_what_is_wrong(cloud: Cloud, seen: Seen) -> None:
    running(cloud, name="web")
    assert "no host is called 'nobody'" in refused(cloud, TRACE, source="nobody", target="internet")
    assert "'nowhere' is no address" in refused(cloud, TRACE, source="web", target="nowhere")
    assert "to which port of TCP" in refused(cloud, TRACE, source="web", target="internet", protocol="tcp")
    assert "no ports" in refused(cloud, TRACE, source="web", target="internet", protocol="icmp", port=1)
    assert "port" in refused(cloud, TRACE, source="web", target="internet", port=65536)
    assert not seen.asked


def test_rules_are_told_with_the_names_of_their_resources(cloud: Cloud, seen: Seen) -> None:
    server = running(cloud, name="web")
    group = server["security_group"]
    because = f"instance/security_group:{group['id']}"
    mine = Count(host="edge", says="x", verdict="drop", because=because)
    seen.met = (mine, Count(host="edge", says="y", verdict="drop", because="instance/security_group:another"))
    (flow,) = cloud.get(FLOWS)["flows"]
    assert (flow["name"], flow["says"]) == (group["name"], "x")
    assert cloud.get(f"{FLOWS}?resource={group['id']}")["flows"] == [flow]
    assert cloud.get(f"{FLOWS}?resource=edge")["flows"] == [flow]
    assert cloud.get(f"{FLOWS}?resource=other")["flows"] == []
    seen.why = f"dropped ({because})"
    assert group["name"] in cloud.post(TRACE, source="web", target="internet")["why"]


def test_another_organizations_hosts_are_not_shown(cloud: Cloud, seen: Seen) -> None:
    running(cloud, name="web")
    packet = Packet(source="198.18.9.9", target="198.18.99.1", protocol="tcp")
    rule = Count(host="edge", says="secret", verdict="drop", because="instance/security_group:another")
    there = Hop(host="edge", name="the edge", role="edge", came_by="a", arrived=packet, left=packet, rules=(rule,))
    other = Hop(host="another", name="secret", role="node", arrived=packet, left=packet, rules=(rule,))
    seen.hops, seen.why = (there, other), "secret"
    answer = cloud.ask("POST", TRACE, {"source": "web", "target": "internet"})
    assert answer.status == 200
    assert b"secret" not in answer.raw
    assert [hop["name"] for hop in answer.body["way"]] == ["the edge", HIDDEN]


def test_a_port_is_a_host_an_interface_or_a_resource(cloud: Cloud) -> None:
    server = running(cloud, name="web", dynamic_ip_required=True)
    found = cloud.post(CAPTURE, port="web")
    assert found == {"host": "web", "interface": "any", "argv": ["look", server["id"], "any"]}
    assert cloud.post(CAPTURE, port="web:pub")["interface"] == "pub"
    network = cloud.post("/vpc/v2/regions/fr-par/private-networks", name="n")["id"]
    nics = f"/instance/v1/zones/fr-par-1/servers/{server['id']}/private_nics"
    nic = cloud.post(nics, private_network_id=network)["private_nic"]["id"]
    assert cloud.post(CAPTURE, port=nic)["interface"] == "ens5"
    assert "no interface 'ens9'" in refused(cloud, CAPTURE, port="web:ens9")
    assert "no host is called" in refused(cloud, CAPTURE, port="nobody")
