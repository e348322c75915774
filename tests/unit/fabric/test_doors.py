"""Which doors a Fabric calls for: what is served to users, and nothing that a filter keeps from them."""

from __future__ import annotations

from typing import Any

import msgspec

from hideaway.fabric.doors import Reckoner, doors
from hideaway.fabric.model import (
    PROBE_V4,
    USER_V4,
    Action,
    Direction,
    Fabric,
    Listener,
    Opening,
    Protocol,
    Redirect,
    Rule,
)
from hideaway.fabric.services import Bastion, Service
from tests.fabrics import (
    GATEWAY_V4,
    NODE_V4,
    accept,
    cluster,
    fabric,
    gateway,
    group,
    isolated,
    node,
    pat,
    plane,
    probe,
    tcp,
)


def ports(wanted: Fabric, address: str, asked: dict[str, list[tuple[str, int]]] | None = None) -> set[tuple[str, int]]:
    return {(d.protocol, d.port) for d in doors(wanted, asked or {}) if d.address == address}


def behind(*rules: Rule, inbound: Action = Action.DROP) -> set[tuple[str, int]]:
    """The doors to a node without anything that listens."""
    bare = msgspec.structs.replace(node(), listeners=())
    filter_ = msgspec.structs.replace(group(*rules), inbound=inbound)
    return ports(fabric(bare, filters=(filter_,)), NODE_V4)


def test_a_listener_a_service_and_a_translated_port() -> None:
    assert ports(fabric(probe()), PROBE_V4) == {("tcp", 80)}

    class Answering(Service, frozen=True, kw_only=True):
        def listens(self) -> tuple[tuple[str, int], ...]:
            return (("tcp", 8443),)

    lb: Any = Answering(id="lb")
    assert ports(fabric(msgspec.structs.replace(probe(), services=(lb,))), PROBE_V4) == {("tcp", 80), ("tcp", 8443)}
    both = msgspec.structs.replace(pat(2222), protocol=Protocol.ANY)
    assert ports(cluster(forwards=(both,)), GATEWAY_V4) == {("tcp", 2222), ("udp", 2222)}


def test_a_gateways_own_port_while_it_is_open_to_users() -> None:
    bastion: Any = Bastion(id="bastion", port=61000)
    for networks, wanted in ((("0.0.0.0/0",), {("tcp", 61000)}), (("198.18.9.0/24",), set()), ((), set())):
        bare = gateway()
        assert bare.gateway is not None
        opened = msgspec.structs.replace(bare.gateway, openings=(Opening(port=61000, networks=networks),))
        assert ports(fabric(msgspec.structs.replace(bare, gateway=opened, services=(bastion,))), GATEWAY_V4) == wanted


def test_a_second_number_has_a_door_where_it_is_let_in() -> None:
    redirect = Redirect(port="pub-node", number=5555, target=5432)
    bare = msgspec.structs.replace(node(), listeners=(), redirects=(redirect,))
    assert ports(fabric(bare, filters=(group(accept()),)), NODE_V4) == {("tcp", 5555)}
    assert ports(fabric(bare, filters=(group(),)), NODE_V4) == set()


def test_what_a_rule_accepts_port_by_port() -> None:
    assert behind(tcp(80)) == {("tcp", 80)}
    assert behind(accept(ports=(8000, 8002))) == {("tcp", 8000), ("tcp", 8001), ("tcp", 8002)}
    assert behind(accept(protocol=Protocol.UDP, ports=(500, 500))) == {("udp", 500)}
    assert behind(accept(ports=(30000, 32767))) == set()
    assert behind(accept(), accept(protocol=Protocol.ANY), accept(protocol=Protocol.ICMP)) == set()


def test_nothing_that_is_kept_from_users() -> None:
    assert behind(tcp(80, "198.18.9.0/24")) == set()
    assert behind(tcp(80, "::/0")) == set()
    assert behind(tcp(80, f"{USER_V4}/32")) == {("tcp", 80)}
    first = Rule(action=Action.DROP, direction=Direction.INBOUND, network="198.18.0.0/24")
    assert behind(first, tcp(80)) == set()
    assert behind(tcp(80), first) == {("tcp", 80)}
    closed = Rule(action=Action.DROP, direction=Direction.INBOUND, protocol=Protocol.TCP, ports=(80, 80))
    assert behind(closed, accept(ports=(80, 81)), inbound=Action.ACCEPT) == {("tcp", 81)}
    assert ports(fabric(node(), filters=()), NODE_V4) == set()  # its filter is gone: nothing passes


def test_a_port_that_is_asked_for_must_be_let_in_as_well() -> None:
    closed, open_ = fabric(node(), filters=(group(),)), fabric(node(), filters=(group(accept()),))
    assert ports(closed, NODE_V4, {"node": [("tcp", 3000)]}) == set()
    assert ("tcp", 3000) in ports(open_, NODE_V4, {"node": [("tcp", 3000)]})


def test_private_addresses_have_none() -> None:
    assert doors(fabric(isolated(), plane()), {"isolated": [("tcp", 22)]}) == doors(fabric(plane()), {})


def test_reckoning_again_is_as_reckoning_anew() -> None:
    listening = msgspec.structs.replace(probe(), listeners=(Listener(port=81, what="address"),))
    states = (cluster(), cluster(tcp(80)), cluster(tcp(80)), fabric(probe()), fabric(listening), cluster(tcp(81)))
    asked: dict[str, list[tuple[str, int]]] = {}
    reckoner = Reckoner()
    for number, state in enumerate(states):
        asked = {"internet": [("tcp", number + 1)]} if number % 2 else {}
        assert reckoner.doors(state, asked) == doors(state, asked)
