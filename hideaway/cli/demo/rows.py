"""The statements of the document and how each is observed. One function a statement, in the order shown."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterator
from enum import StrEnum

import msgspec

from hideaway.cli.demo.cloud import Apis, Node, Stage, attach
from hideaway.cli.demo.probes import PORT, Hosts, together, until

INTERNET = "internet"
EDGE = "edge"
PROBE = "198.18.9.9"


class By(StrEnum):
    """What a row was observed by: packets (or the API, where the statement is about its answers), records, nothing."""

    PACKETS = "packets"
    RECORDS = "records"
    NOTHING = "nothing"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A statement, what was observed and by what, and whether they agree."""

    statement: str
    observed: str
    agrees: bool
    by: By = By.PACKETS


class Scene:
    """What the checks work with. hosts is None where this machine lets no packet flow."""

    def __init__(self, apis: Apis, stage: Stage, hosts: Hosts | None, grace: float):
        self.apis, self.stage, self.hosts, self.grace = apis, stage, hosts, grace
        self.rule_id = ""

    def answers(self, caller: str, targets: list[Node], *, public: bool) -> list[bool]:
        """Which of these machines answer a host on PORT, at their public or their private addresses."""
        assert self.hosts is not None
        hosts = self.hosts
        told = together(
            [(lambda n=n: hosts.call(caller, n.public if public else n.private)) for n in targets]  # type: ignore[misc]
        )
        return [t is not None for t in told]

    def statuses(self, pool_id: str) -> list[str]:
        """The statuses of a pool's nodes."""
        listed = self.apis.k8s.list_nodes(cluster_id=self.stage.cluster_id, pool_id=pool_id).nodes
        return [str(n.status) for n in listed]


def _recorded(statement: str, observed: str, agrees: bool) -> Row:
    return Row(statement=statement, observed=f"on records: {observed}", agrees=agrees, by=By.RECORDS)


def _unshown(statement: str, why: str) -> Row:
    return Row(statement=statement, observed=f"not shown: {why}", agrees=True, by=By.NOTHING)


def subnet(scene: Scene) -> Row:
    """Not a matter of packets: the API's answer is what the document speaks of."""
    network = ipaddress.ip_network(scene.stage.subnet)
    inside = all(ipaddress.ip_address(m.private) in network for m in scene.stage.machines)
    observed = f"{network}; {len(scene.stage.machines)} machines inside" if inside else f"{network}; some are outside"
    return Row(
        statement="a /22 of a Private Network is assigned automatically",
        observed=observed,
        agrees=network.prefixlen == 22 and inside,
    )


def inbound_dropped(scene: Scene) -> Row:
    """Inbound to a node's public address is dropped by default."""
    statement = "internet to the nodes' public addresses: dropped by default"
    if scene.hosts is None:
        group = scene.apis.instances.get_security_group(security_group_id=scene.stage.group_id).security_group
        policy = str(group.inbound_default_policy) if group else "none"
        return _recorded(statement, f"the group's inbound policy is {policy}", policy == "drop")
    told = scene.answers(INTERNET, scene.stage.controlled, public=True)
    return Row(statement=statement, observed=f"{told.count(False)} of {len(told)} dropped", agrees=not any(told))


def rule_opens(scene: Scene) -> Row:
    """A rule in `kubernetes <cluster-id>` applies to all nodes at once."""
    statement = "a rule added to `kubernetes <cluster-id>`: passes, at once, on all nodes"
    made = scene.apis.instances.create_security_group_rule(
        security_group_id=scene.stage.group_id, protocol="TCP", direction="inbound", action="accept",
        ip_range="0.0.0.0/0", dest_port_from=PORT, position=1, editable=True,
    ).rule  # fmt: skip
    assert made is not None
    scene.rule_id = made.id
    if scene.hosts is None:
        return _recorded(statement, "the rule is listed", True)
    return _timed(scene, statement, lambda told: all(told), "pass")


def rule_closes(scene: Scene) -> Row:
    """And is gone with the rule."""
    statement = "the rule removed: dropped again, on all nodes"
    scene.apis.instances.delete_security_group_rule(
        security_group_id=scene.stage.group_id, security_group_rule_id=scene.rule_id
    )
    if scene.hosts is None:
        return _recorded(statement, "the rule is gone", True)
    return _timed(scene, statement, lambda told: not any(told), "dropped")


def _timed(scene: Scene, statement: str, good: Callable[[list[bool]], bool], word: str) -> Row:
    start = time.monotonic()
    took = until(lambda: good(scene.answers(INTERNET, scene.stage.controlled, public=True)), 5)
    count = len(scene.stage.controlled)
    if took is None:
        return Row(statement=statement, observed="not within 5 s", agrees=False)
    seconds = time.monotonic() - start
    return Row(statement=statement, observed=f"{count} of {count} {word}, seen after {seconds:.1f} s", agrees=True)


def own_egress(scene: Scene) -> Row:
    """Controlled nodes leave with their own public addresses."""
    statement = "controlled nodes leave with their own public addresses"
    machines = scene.stage.controlled
    if scene.hosts is None:
        return _recorded(statement, "each has a public address", all(m.public for m in machines))
    hosts = scene.hosts
    seen = together([(lambda m=m: hosts.call(m.name, PROBE, 80, http=True)) for m in machines])  # type: ignore[misc]
    agrees = seen == [m.public for m in machines]
    return Row(statement=statement, observed="seen as " + ", ".join(str(s) for s in seen), agrees=agrees)


def gateway_egress(scene: Scene) -> Row:
    """Isolated nodes leave with the gateway's address, always the same."""
    statement = "isolated nodes leave with the gateway's address, always the same"
    machines, gateway = scene.stage.isolated, scene.stage.gateway_address
    if scene.hosts is None:
        return _recorded(statement, f"no public address; gateway {gateway}", not any(m.public for m in machines))
    hosts = scene.hosts
    seen = together(
        [(lambda m=m: hosts.call(m.name, PROBE, 80, http=True)) for m in machines for _ in range(3)]  # type: ignore[misc]
    )
    told = ", ".join(sorted({str(s) for s in seen}))
    return Row(statement=statement, observed=f"{len(seen)} times seen as {told}", agrees=set(seen) == {gateway})


def mesh(scene: Scene) -> Row:
    """All machines of the network talk over it, across pools and zones."""
    statement = "nodes of both pools and zones and the Instance talk over the Private Network"
    machines = scene.stage.machines
    pairs = [(a, b) for a in machines for b in machines if a != b]
    if scene.hosts is None:
        return _recorded(statement, f"{len(machines)} machines in one network", True)
    hosts = scene.hosts
    told = together([(lambda a=a, b=b: hosts.call(a.name, b.private)) for a, b in pairs])  # type: ignore[misc]
    good = sum(t == a.private for t, (a, _) in zip(told, pairs, strict=True))
    return Row(statement=statement, observed=f"{good} of {len(pairs)} pairs connect", agrees=good == len(pairs))


def unaddressable(scene: Scene) -> Row:
    """Nothing on the internet can address an isolated node: it has no public address, its private one leads nowhere."""
    statement = "nothing on the internet can address an isolated node"
    machines = scene.stage.isolated
    bare = not any(m.public for m in machines)
    if scene.hosts is None:
        return _recorded(statement, "no public address", bare)
    told = scene.answers(INTERNET, machines, public=False)
    observed = f"no public address; {told.count(False)} of {len(told)} private ones unreachable"
    return Row(statement=statement, observed=observed, agrees=bare and not any(told))


def no_way_round(scene: Scene) -> Iterator[Row]:
    """Nor by a static route, set on the internet's own router, through the gateway or a controlled node."""
    ways = [("the gateway", scene.stage.gateway_address), ("a controlled node", scene.stage.controlled[0].public)]
    for name, via in ways:
        statement = f"nor by a static route through {name}"
        if scene.hosts is None:
            yield _unshown(statement, "routes are a matter of packets")
            continue
        set_ = scene.hosts.run(EDGE, "sh", "-c", _ROUTE.format(action="replace", net=scene.stage.subnet, via=via))
        told = scene.answers(INTERNET, scene.stage.isolated, public=False)
        scene.hosts.run(EDGE, "sh", "-c", _ROUTE.format(action="del", net=scene.stage.subnet, via=via))
        routed = set_.returncode == 0
        observed = f"{told.count(False)} of {len(told)} unreachable" if routed else f"no route: {set_.stderr.strip()}"
        yield Row(statement=statement, observed=observed, agrees=routed and not any(told))


# The edge sends what is for the network straight to a public address, by the interface that leads there.
_ROUTE = "ip route {action} {net} via {via} dev $(ip -o route get {via} | sed 's/.* dev \\([^ ]*\\).*/\\1/') onlink"


def detached(scene: Scene) -> Row:
    """Without the gateway, isolated nodes lose their control plane; controlled ones do not."""
    statement = "gateway detached: isolated nodes NotReady, controlled ones stay Ready"
    scene.apis.gateways.delete_gateway_network(gateway_network_id=scene.stage.attachment_id)
    if scene.hosts is None:
        return _unshown(statement, "heartbeats are packets")
    took = until(lambda: set(scene.statuses(scene.stage.isolated_pool)) == {"not_ready"}, scene.grace + 10)
    return _heard(scene, statement, took, "not_ready")


def attached(scene: Scene) -> Row:
    """And have it again with the gateway."""
    statement = "gateway attached again: all nodes Ready"
    attach(scene.apis, scene.stage.gateway_id, scene.stage.network_id)
    if scene.hosts is None:
        return _unshown(statement, "heartbeats are packets")
    took = until(lambda: set(scene.statuses(scene.stage.isolated_pool)) == {"ready"}, 15)
    return _heard(scene, statement, took, "ready")


def _heard(scene: Scene, statement: str, took: float | None, wanted: str) -> Row:
    isolated, controlled = (
        "/".join(sorted(set(scene.statuses(p)))) for p in (scene.stage.isolated_pool, scene.stage.controlled_pool)
    )
    after = "" if took is None else f" after {took:.1f} s"
    observed = f"isolated {isolated}{after}; controlled {controlled}"
    return Row(statement=statement, observed=observed, agrees=isolated == wanted and controlled == "ready")


CHECKS: tuple[Callable[[Scene], Row | Iterator[Row]], ...] = (
    subnet,
    inbound_dropped,
    rule_opens,
    rule_closes,
    own_egress,
    gateway_egress,
    mesh,
    unaddressable,
    no_way_round,
    detached,
    attached,
)


def rows(scene: Scene) -> Iterator[Row]:
    """Every row, observed one after the other."""
    for check in CHECKS:
        result = check(scene)
        if isinstance(result, Row):
            yield result
        else:
            yield from result
