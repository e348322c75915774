"""Hand-written Fabrics, for tests of what comes after compile: the mission document's cluster, small."""

from __future__ import annotations

from hideaway.fabric.model import (
    EDGE,
    EDGE_V4,
    EDGE_V6,
    PROBE_V4,
    PROBE_V6,
    Action,
    Direction,
    Fabric,
    Filter,
    Forward,
    Gateway,
    Heartbeat,
    Host,
    Listener,
    Port,
    Protocol,
    Role,
    Route,
    Router,
    Rule,
    Segment,
)

GROUP = "kapsule"
NODE_V4, NODE_V6 = "198.18.16.2", "2001:2:0:10::2"
GATEWAY_V4 = "198.18.32.1"
PLANE_V4 = "198.18.64.1"
NODE_IN, ISOLATED_IN, GATEWAY_IN = "172.16.0.2", "172.16.0.3", "172.16.0.1"
NETWORK, NETWORK_6 = "172.16.0.0/22", "fd00:1::/64"
HEARTBEAT_PORT, WEB_PORT = 8132, 8080


def accept(direction: Direction = Direction.INBOUND, protocol: Protocol = Protocol.TCP, **more: object) -> Rule:
    """A rule that accepts."""
    return Rule(action=Action.ACCEPT, direction=direction, protocol=protocol, **more)  # type: ignore[arg-type]


def tcp(port: int, network: str = "0.0.0.0/0") -> Rule:
    """Accept TCP to one port from a network."""
    return accept(ports=(port, port), network=network)


def group(*rules: Rule, stateful: bool = True, outbound: Action = Action.ACCEPT, id: str = GROUP) -> Filter:
    """A cluster's security group: inbound dropped, outbound accepted."""
    return Filter(id=id, stateful=stateful, inbound=Action.DROP, outbound=outbound, rules=rules)


def public(host: str, *addresses: str, filter: str = "") -> Port:
    """A host's port on the public internet."""
    cidr = tuple(f"{a}/128" if ":" in a else f"{a}/32" for a in addresses)
    return Port(id=f"pub-{host}", name="pub", link=EDGE, addresses=cidr, filter=filter)


def private(host: str, *addresses: str, link: str = "pn", name: str = "ens5") -> Port:
    """A host's port on a Private Network; addresses are in CIDR form."""
    return Port(id=f"{link}-{host}", name=name, link=link, addresses=addresses)


def to_edge(port: Port) -> tuple[Route, ...]:
    """The default routes of a public port."""
    families = {":" in a for a in port.addresses}
    both = ((False, "0.0.0.0/0", EDGE_V4), (True, "::/0", EDGE_V6))
    return tuple(Route(destination=d, via=v, port=port.id) for v6, d, v in both if v6 in families)


def probe() -> Host:
    """Anybody on the internet; answers with the caller's address on port 80."""
    port = public("internet", PROBE_V4, PROBE_V6)
    listeners = (Listener(port=80, what="address"),)
    return Host(
        id="internet", name="internet", role=Role.PROBE, ports=(port,), routes=to_edge(port), listeners=listeners
    )


def plane() -> Host:
    """A control plane that takes heartbeats."""
    port = public("plane", PLANE_V4)
    listeners = (Listener(port=6443, what="closed-api"), Listener(port=HEARTBEAT_PORT, what="control-plane"))
    return Host(
        id="plane", name="plane", role=Role.CONTROL_PLANE, ports=(port,), routes=to_edge(port), listeners=listeners
    )


def node(host: str = "node", *addresses: str, inside: str = NODE_IN, filter: str = GROUP) -> Host:
    """A node under controlled isolation, with a public and a private port; answers on WEB_PORT."""
    outside = public(host, *(addresses or (NODE_V4, NODE_V6)), filter=filter)
    return Host(
        id=host,
        name=host,
        role=Role.NODE,
        ports=(private(host, f"{inside}/22", f"fd00:1::{inside.rpartition('.')[2]}/64"), outside),
        routes=to_edge(outside),
        listeners=(Listener(port=WEB_PORT, what="address"),),
    )


def isolated(host: str = "isolated", inside: str = ISOLATED_IN, via: str | None = GATEWAY_IN) -> Host:
    """A fully isolated node: one private port, and where there is one its default route to a gateway."""
    port = private(host, f"{inside}/22", f"fd00:1::{inside.rpartition('.')[2]}/64")
    routes = (Route(destination="0.0.0.0/0", via=via, port=port.id),) if via else ()
    listeners = (Listener(port=WEB_PORT, what="address"),)
    return Host(id=host, name=host, role=Role.NODE, ports=(port,), routes=routes, listeners=listeners)


def gateway(*forwards: Forward, attached: bool = True, masquerade: bool = True) -> Host:
    """The Public Gateway of the Private Network."""
    outside, inside = public("gateway", GATEWAY_V4), private("gateway", f"{GATEWAY_IN}/22")
    return Host(
        id="gateway",
        name="gateway",
        role=Role.GATEWAY,
        ports=(inside, outside) if attached else (outside,),
        routes=to_edge(outside),
        gateway=Gateway(
            outside=outside.id, masquerade=(inside.id,) if attached and masquerade else (), forwards=forwards
        ),
    )


def pat(public_port: int, private_port: int = WEB_PORT, protocol: Protocol = Protocol.TCP) -> Forward:
    """Port translation to the isolated node."""
    return Forward(protocol=protocol, public_port=public_port, private_address=ISOLATED_IN, private_port=private_port)


def router(*ports: Port, rules: Router | None = None) -> Host:
    """A VPC's router between Private Networks."""
    return Host(id="router", name="router", role=Role.ROUTER, ports=ports, router=rules or Router())


def fabric(*hosts: Host, filters: tuple[Filter, ...] = (), segments: tuple[str, ...] = ("pn",)) -> Fabric:
    """These hosts, with heartbeats of the nodes among them to the control plane."""
    plane_there = any(h.role == Role.CONTROL_PLANE for h in hosts)
    beats = tuple(
        Heartbeat(source=h.id, target="plane", address=PLANE_V4, port=HEARTBEAT_PORT)
        for h in sorted(hosts, key=lambda h: h.id)
        if h.role == Role.NODE and plane_there
    )
    return Fabric(
        segments=tuple(Segment(id=s, name=s, networks=(NETWORK,)) for s in segments),
        hosts=tuple(sorted(hosts, key=lambda h: h.id)),
        filters=filters,
        heartbeats=beats,
    )


def cluster(*rules: Rule, attached: bool = True, forwards: tuple[Forward, ...] = ()) -> Fabric:
    """The document's cluster: a controlled node, an isolated one, the gateway, the control plane, the internet."""
    via = GATEWAY_IN if attached else None
    hosts = (node(), isolated(via=via), gateway(*forwards, attached=attached), plane(), probe())
    return fabric(*hosts, filters=(group(*rules),))
