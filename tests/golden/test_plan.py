"""What the planner says and what the kernel is told, as text that a person can read and compare.

UPDATE_GOLDEN=1 writes the files anew; read the difference before you commit it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from hideaway.backends.linux import text
from hideaway.backends.linux.operations import Operation
from hideaway.fabric.model import (
    EDGE,
    Action,
    Damage,
    Direction,
    Fabric,
    Host,
    Plug,
    Protocol,
    Redirect,
    Role,
    Router,
    RouterRule,
    Rule,
    Volume,
)
from hideaway.plan import Step, plan
from tests import fabrics
from tests.fabrics import cluster, fabric, group, node, probe, tcp

HERE = Path(__file__).parent / "plan"

STATELESS = fabric(
    node(),
    probe(),
    filters=(
        group(
            tcp(8080, "198.18.9.0/24"),
            fabrics.accept(protocol=Protocol.ICMP, network="::/0"),
            fabrics.accept(protocol=Protocol.ANY, ports=(500, 600), network="2001:2::/48"),
            Rule(action=Action.DROP, direction=Direction.OUTBOUND, protocol=Protocol.TCP, ports=(25, 25)),
            stateful=False,
        ),
    ),
)
ROUTED = fabric(
    fabrics.router(
        fabrics.private("router", "172.16.0.1/22", name="pn-a"),
        fabrics.private("router", "172.16.4.1/22", link="pn2", name="pn-b"),
        rules=Router(
            rules=(
                RouterRule(
                    action=Action.DROP,
                    protocol=Protocol.TCP,
                    source="172.16.0.0/22",
                    source_ports=None,
                    destination="172.16.4.0/22",
                    destination_ports=(5432, 5432),
                ),
            ),
            default_v6=Action.DROP,
        ),
    ),
    segments=("pn", "pn2"),
)


def machine(id: str, number: int, **plug: str) -> Host:
    """What is plugged in: told of an address that it is not programmed with."""
    port = fabrics.private(id, f"172.16.0.{number}/22", name="uplink" if plug.get("tap") else "ens5")
    port = msgspec.structs.replace(port, mac=f"02:00:00:00:00:0{number}")
    return Host(id=id, name=id, role=Role.MACHINE, ports=(port,), plug=Plug(**plug))


PLUGGED = fabric(
    machine("box", 2), machine("guest", 3, place="/run/netns/x", identity="4:7"), machine("vm", 4, tap="t")
)


def rebooted(host: Host) -> Host:
    return msgspec.structs.replace(host, boots=host.boots + 1)


def damaged(host: Host, *damages: Damage | None) -> Host:
    ports = tuple(msgspec.structs.replace(p, damage=d) for p, d in zip(host.ports, damages, strict=True))
    return msgspec.structs.replace(host, ports=ports)


def renumbered(host: Host) -> Host:
    public = next(port for port in host.ports if port.link == EDGE)
    return msgspec.structs.replace(host, redirects=(Redirect(port=public.id, number=21789, target=5432),))


def keeping(fabric_: Fabric, *volumes: str) -> Fabric:
    return msgspec.structs.replace(fabric_, volumes=tuple(Volume(id=each) for each in volumes))


CASES: dict[str, tuple[Fabric, Fabric, frozenset[str]]] = {
    "cluster_from_nothing": (cluster(), Fabric(), frozenset()),
    "rule_added": (cluster(tcp(30080)), cluster(), frozenset()),
    "gateway_detached": (cluster(attached=False), cluster(), frozenset()),
    "gateway_attached": (cluster(), cluster(attached=False), frozenset()),
    "port_translated": (cluster(forwards=(fabrics.pat(2222),)), cluster(), frozenset()),
    "node_rebooted": (fabric(rebooted(node()), probe()), fabric(node(), probe()), frozenset()),
    "node_removed": (fabric(probe()), fabric(node(), probe(), filters=(group(),)), frozenset()),
    "stateless_group": (STATELESS, Fabric(), frozenset()),
    "router": (ROUTED, Fabric(), frozenset()),
    "second_number": (
        keeping(fabric(renumbered(node()), probe()), "v1"),
        keeping(fabric(node(), probe()), "v1", "v2"),
        frozenset(),
    ),
    "address_added": (
        fabric(node("node", "198.18.16.2", "198.18.16.9", "2001:2:0:10::2"), probe()),
        fabric(node("node", "198.18.16.2", "2001:2:0:10::2", "2001:2:0:10::3"), probe()),
        frozenset(),
    ),
    "links_damaged": (
        fabric(damaged(node(), Damage(down=True), Damage(delay=50, jitter=5, loss=1)), probe()),
        fabric(node(), probe()),
        frozenset(),
    ),
    "links_mended": (
        fabric(node(), probe()),
        fabric(damaged(node(), Damage(delay=50), Damage(down=True)), probe()),
        frozenset(),
    ),
    "machines_plugged": (PLUGGED, fabric(), frozenset()),
    "killed_while_building": (cluster(), cluster(), frozenset({"isolated", "whole:edge", "whole:routes:node"})),
    "killed_before_a_removal": (Fabric(), Fabric(), frozenset({"unknown"})),
}


def lines(steps: tuple[Step, ...]) -> Iterator[str]:
    yield "# the plan"
    for step in steps:
        yield msgspec.json.encode(step).decode()
    for operation in text.operations(steps):
        yield from told(operation)


def told(operation: Operation) -> Iterator[str]:
    said = msgspec.to_builtins(operation)
    where = said.pop("namespace", None)
    yield f"\n# {said.pop('do')}" + ("" if where is None else f" in {where or 'the world'}")
    for value in said.values():
        if isinstance(value, str):
            yield value.rstrip()
        elif isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value):
            yield from value
        else:
            yield msgspec.json.encode(value).decode()


@pytest.mark.parametrize("name", CASES)
def test_plan_and_text(name: str) -> None:
    wanted, present, suspects = CASES[name]
    found = "\n".join(lines(plan(wanted, present, suspects))) + "\n"
    file = HERE / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(found)
    assert found == file.read_text()


def test_every_file_has_its_case() -> None:
    assert {file.stem for file in HERE.glob("*.txt")} == set(CASES)
