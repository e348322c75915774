"""Steps as operations: the `ip` lines and, with rules.py, the nft text. Pure.

Steps of one kind are programmed together, one `ip -batch` a namespace (200 hosts in a second or two that way).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec

from hideaway.backends.linux import names, rules, sweeps
from hideaway.backends.linux.operations import (
    Appear,
    Furnish,
    Ip,
    Know,
    Nft,
    Operation,
    Relink,
    Resolve,
    Settle,
    Sysctl,
    Try,
    Unlink,
    Vanish,
    Welcome,
)
from hideaway.fabric.model import EDGE, EDGE_V4, EDGE_V6, METADATA_V4, METADATA_V6, USER_V4, Port, Resolver
from hideaway.plan.steps import (
    AddHost,
    AddPort,
    AddSegment,
    ChangeEdge,
    ChangePort,
    RemoveHost,
    RemovePort,
    RemoveSegment,
    SetEdge,
    SetLink,
    SetNeighbours,
    SetResolver,
    SetRoutes,
    SetRules,
    Step,
    Way,
)

S = TypeVar("S", bound=Step)

QUEUES = "numtxqueues 1 numrxqueues 1"
"""veth makes one queue a processor otherwise."""
BASE_METRIC = 100
MOST_SERVERS = 3  # resolv.conf(5)
WIRE_MAC = "02:6d:00:00:00:01"

SYSCTLS = {
    # Written before any interface is there: interfaces take `default` over.
    **{
        f"net/ipv4/conf/{scope}/{name}": value
        for scope in ("all", "default")
        for name, value in {
            "rp_filter": "0",  # the edge refuses spoofed sources; a node may well answer on another port than asked on
            "accept_redirects": "0",
            "send_redirects": "0",
            "arp_notify": "1",  # who takes an address over is known at once
        }.items()
    },
    **{
        f"net/ipv6/conf/{scope}/{name}": value
        for scope in ("all", "default")
        for name, value in {
            "disable_ipv6": "0",
            "accept_ra": "0",
            "accept_dad": "0",  # an address serves at once
            "accept_redirects": "0",
            "ndisc_notify": "1",
        }.items()
    },
}
NO_IPV6 = {f"net/ipv6/conf/{scope}/disable_ipv6": "1" for scope in ("all", "default")}
"""For where frames pass through, and nobody lives."""
BRIDGE = "forward_delay 0 stp_state 0 mcast_snooping 0 nf_call_iptables 0 nf_call_ip6tables 0 nf_call_arptables 0"
TAP_BRIDGE = "bridge"
FORWARD_V4 = {"net/ipv4/ip_forward": "1"}
FORWARD_V6 = {"net/ipv6/conf/all/forwarding": "1"}
HOSTS = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
"""A host's /etc/hosts: nobody but itself."""
NOTHING_REVIVES = {"net/netfilter/nf_conntrack_tcp_loose": "0"}
"""A TCP connection that was cut is not picked up again from the middle. There once a rule that looks at state is."""


def base() -> Iterator[Operation]:
    """An empty world: the edge with its own addresses, and the namespace of the bridges. May be repeated."""
    edge = names.EDGE_NAMESPACE
    yield Sysctl(namespace=names.SWITCH, sysctls=NO_IPV6)  # bridges carry packets and have no address of their own
    # Forwarding first: it resets what depends on it.
    yield Appear(
        namespaces=(edge,), sysctls={**FORWARD_V4, **FORWARD_V6, **SYSCTLS, "net/ipv4/conf/default/proxy_arp": "1"}
    )
    lines = (
        "link set lo up",
        f"address replace {EDGE_V4}/32 dev lo",
        f"address replace {USER_V4}/32 dev lo",
        f"address replace {EDGE_V6}/128 dev lo nodad",
        # Silence for what nobody has, rather than an "unreachable" that tells where the cloud ends.
        "route replace blackhole 0.0.0.0/0 metric 9999",
        "route replace blackhole ::/0 metric 9999",
    )
    yield Ip(namespace=edge, lines=lines)
    yield from _edge(SetEdge())
    yield Resolve(server="")
    yield Appear(namespaces=(names.METADATA_NAMESPACE,), sysctls=SYSCTLS)
    addresses = (f"address replace {METADATA_V4}/32 dev lo", f"address replace {METADATA_V6}/128 dev lo nodad")
    yield Ip(namespace=names.METADATA_NAMESPACE, lines=("link set lo up", *addresses))


def operations(steps: Sequence[Step], others: str = "") -> tuple[Operation, ...]:
    """The operations of these steps, which are in `plan`'s order. SetPulse is not for the kernel and left out."""
    return (
        *_removals(steps),
        *_segments(_of(AddSegment, steps)),
        *_namespaces(_of(AddHost, steps)),
        *(op for step in _of(SetRules, steps) for op in _rules(step)),
        *_wires(_of(AddHost, steps)),
        *_links(_of(AddPort, steps)),
        *_given(_of(ChangePort, steps)),
        *_hosts(steps),
        *(op for step in _of(AddPort, steps) if step.tap for op in _tapped(step)),
        *map(_know, _of(SetNeighbours, steps)),
        *_settled(_of(AddPort, steps), _of(AddHost, steps)),
        *_furniture(_of(SetResolver, steps), others),
        *(op for step in _of(SetLink, steps) for op in _damaged(step)),
        *(op for step in _of(SetEdge, steps) for op in _edge(step)),
        *(op for step in _of(ChangeEdge, steps) for op in _edge_change(step)),
    )


def _of(kind: type[S], steps: Sequence[Step]) -> list[S]:
    return [step for step in steps if isinstance(step, kind)]


def _removals(steps: Sequence[Step]) -> Iterator[Operation]:
    ports, hosts = _of(RemovePort, steps), [s.host for s in _of(RemoveHost, steps)]
    at_edge = tuple(names.edge_link(s.host, s.port.id) for s in ports if s.port.link == EDGE)
    at_switch = tuple(names.switch_link(s.host, s.port.id) for s in ports if s.port.link != EDGE)
    at_switch += tuple(names.hidden_link(s.host, s.port.id) for s in ports if s.damaged)
    bridges = tuple(names.bridge(s.segment) for s in _of(RemoveSegment, steps))
    # Links by name, since the kernel ends those of a dead namespace only some time later.
    if at_edge or hosts:
        yield Unlink(namespace=names.EDGE_NAMESPACE, names=at_edge, prefixes=tuple(map(names.edge_links, hosts)))
    if at_switch or hosts or bridges:
        prefixes = (*map(names.switch_links, hosts), *map(names.hidden_links, hosts))
        yield Unlink(namespace=names.SWITCH, names=at_switch + bridges, prefixes=prefixes)
    taken = tuple(line for s in _of(ChangePort, steps) for line in _taken(s))
    if taken:
        yield Ip(namespace=names.EDGE_NAMESPACE, lines=taken)
    if hosts:
        yield Unlink(namespace=names.METADATA_NAMESPACE, names=tuple(map(names.metadata_link, hosts)))
        yield Vanish(namespaces=tuple(map(names.namespace, hosts)))


def _segments(steps: Sequence[AddSegment]) -> Iterator[Operation]:
    lines = []
    for step in steps:
        bridge = names.bridge(step.segment)
        lines.append(f"link add {bridge} address {names.bridge_mac(step.segment)} type bridge {BRIDGE}")
        lines.append(f"link set {bridge} up")
    if lines:
        yield Ip(namespace=names.SWITCH, lines=tuple(lines))


def _namespaces(steps: Sequence[AddHost]) -> Iterator[Operation]:
    alike: dict[tuple[bool, bool], list[str]] = defaultdict(list)
    for step in steps:
        if step.plug is None:
            alike[step.forward_v4, step.forward_v6].append(names.namespace(step.host))
        elif step.plug.place:
            yield Welcome(namespaces=(names.namespace(step.host),))
        else:
            yield Appear(namespaces=(names.namespace(step.host),), sysctls=NO_IPV6 if step.plug.tap else {})
    for (forward_v4, forward_v6), namespaces in sorted(alike.items()):
        forwarding = {**(FORWARD_V4 if forward_v4 else {}), **(FORWARD_V6 if forward_v6 else {})}
        yield Appear(namespaces=tuple(namespaces), sysctls={**forwarding, **SYSCTLS})


def _rules(step: SetRules) -> Iterator[Operation]:
    namespace = names.namespace(step.host)
    yield Nft(namespace=namespace, text=rules.host(step))
    if step.gateway is not None:
        yield Sysctl(namespace=namespace, sysctls=NOTHING_REVIVES)
        yield sweeps.gateway_sweep(step)


def _wires(steps: Sequence[AddHost]) -> Iterator[Operation]:
    """What leads hosts to where they are told about themselves. Both ends have one MAC, so nobody asks for the other's.

    All hosts look alike from there: each wire is the way to everything, for whoever answers on it (SO_BINDTODEVICE).
    """
    lines = []
    for step in steps:
        if step.metadata:
            link = names.metadata_link(step.host)
            peer = f"name {names.METADATA_LINK} netns {names.namespace(step.host)} address {WIRE_MAC} {QUEUES}"
            lines.append(f"link add {link} address {WIRE_MAC} {QUEUES} type veth peer {peer}")
            lines.append(f"link set {link} up arp off")
            lines += [f"route append {everything} dev {link}" for everything in ("0.0.0.0/0", "::/0")]
    if lines:
        yield Ip(namespace=names.METADATA_NAMESPACE, lines=tuple(lines))


def _wire_end() -> Iterator[str]:
    """A host's end of its wire; its own addresses there are every host's."""
    yield f"address add 169.254.42.43/32 dev {names.METADATA_LINK} scope link"
    yield f"address add fd00:42::43/128 dev {names.METADATA_LINK} nodad"
    yield f"link set {names.METADATA_LINK} up arp off"
    # Not as addresses' peers: IPv6 forgets the way to a peer when the carrier comes.
    yield f"route append {METADATA_V4}/32 dev {names.METADATA_LINK} src 169.254.42.43"
    yield f"route append {METADATA_V6}/128 dev {names.METADATA_LINK}"


def _links(steps: Sequence[AddPort]) -> Iterator[Operation]:
    edge = tuple(line for s in steps if s.port.link == EDGE for line in _edge_end(s.host, s.port))
    switch = tuple(line for s in steps if s.port.link != EDGE for line in _switch_end(s.host, s.port))
    if edge:
        yield Ip(namespace=names.EDGE_NAMESPACE, lines=edge)
    if switch:
        yield Ip(namespace=names.SWITCH, lines=switch)


def _taken(step: ChangePort) -> Iterator[str]:
    """What the edge knew of addresses that a port has no more."""
    link = names.edge_link(step.host, step.new.id)
    for address in step.gone if step.new.link == EDGE else ():
        yield f"route delete {address} dev {link}"
        yield f"neighbour delete {_bare(address)} dev {link}"


def _given(steps: Sequence[ChangePort]) -> Iterator[Operation]:
    lines: list[str] = []
    for step in steps:
        if step.new.link == EDGE:
            more = msgspec.structs.replace(step.new, addresses=step.come)
            lines += _at_edge(names.edge_link(step.host, step.new.id), more)
    if lines:
        yield Ip(namespace=names.EDGE_NAMESPACE, lines=tuple(lines))


def _settled(steps: Sequence[AddPort], hosts: Sequence[AddHost]) -> Iterator[Operation]:
    """Both ends: being asked, the kernel notices the carrier now and not within a second."""
    links: dict[str, list[str]] = defaultdict(list)
    for step in steps:
        links[names.namespace(step.host)].append(step.port.name)
        if step.port.link == EDGE:
            links[names.EDGE_NAMESPACE].append(names.edge_link(step.host, step.port.id))
        else:
            links[names.SWITCH].append(names.switch_link(step.host, step.port.id))
    for host in (step.host for step in hosts if step.metadata):
        links[names.namespace(host)].append(names.METADATA_LINK)
        links[names.METADATA_NAMESPACE].append(names.metadata_link(host))
    if links:
        yield Settle(links={namespace: tuple(found) for namespace, found in links.items()})


def _know(step: SetNeighbours) -> Operation:
    return Know(
        places=tuple((names.namespace(p.host), p.device) for p in step.places),
        neighbours=tuple((n.address, names.mac(n.port, n.mac), names.namespace(n.host)) for n in step.neighbours),
        stale=step.stale,
        whole=step.whole,
    )


def _edge_end(host: str, port: Port) -> Iterator[str]:
    link, mac = names.edge_link(host, port.id), names.port_mac(port)
    peer = f"name {port.name} netns {names.namespace(host)} address {mac} {QUEUES}"
    yield f"link add {link} address {names.edge_mac(port.id)} {QUEUES} type veth peer {peer}"
    yield f"link set {link} up"
    yield from _at_edge(link, port)


def _at_edge(link: str, port: Port) -> Iterator[str]:
    """How the edge reaches a port: goes when the link does."""
    for address in port.addresses:
        source = "" if ":" in address else f" src {EDGE_V4}"
        yield f"route replace {address} dev {link}{source}"
        yield f"neighbour replace {_bare(address)} lladdr {names.port_mac(port)} dev {link} nud permanent"


def _switch_end(host: str, port: Port) -> Iterator[str]:
    link = names.switch_link(host, port.id)
    peer = f"name {port.name} netns {names.namespace(host)} address {names.port_mac(port)} {QUEUES}"
    yield f"link add {link} address {names.switch_mac(port.id)} {QUEUES} type veth peer {peer}"
    yield f"link set {link} master {names.bridge(port.link)} up"


def _damaged(step: SetLink) -> Iterator[Operation]:
    """On the outer end, where nobody in the host can mend it."""
    host, port, damage = step.host, step.port, step.damage
    edge = port.link == EDGE
    namespace = names.EDGE_NAMESPACE if edge else names.SWITCH
    link = names.edge_link(host, port.id) if edge else names.switch_link(host, port.id)
    yield Relink(
        namespace=namespace,
        link=link,
        mac=names.edge_mac(port.id) if edge else names.switch_mac(port.id),
        hidden=names.hidden_link(host, port.id),
        twin=names.twin_link(host, port.id),
        twin_mac=names.twin_mac(port.id),
        state="up" if damage is None else "down" if damage.down else "relayed",
        master="" if edge else names.bridge(port.link),
        lines=tuple(_at_edge(link, port)) if edge else (),
    )
    if damage is None or not damage.down:
        yield Settle(links={names.namespace(host): (port.name,), namespace: (link,)})


def _hosts(steps: Sequence[Step]) -> Iterator[Operation]:
    """What is said inside hosts, one batch a host."""
    lines: dict[str, list[str]] = defaultdict(list)
    for step in steps:
        if isinstance(step, AddHost):
            if step.plug is None or not step.plug.place:
                lines[step.host].append("link set lo up")
            lines[step.host] += _wire_end() if step.metadata else ()
        elif isinstance(step, AddPort):
            lines[step.host] += _host_end(step.port)
        elif isinstance(step, ChangePort):
            lines[step.host] += [_address(address, step.new) for address in step.come]
            lines[step.host] += [f"address delete {address} dev {step.new.name}" for address in step.gone]
        elif isinstance(step, SetRoutes):
            lines[step.host] += _routes(step)
    for host, said in lines.items():
        yield Ip(namespace=names.namespace(host), lines=tuple(said))


def _address(address: str, port: Port) -> str:
    return f"address add {address} dev {port.name}{' nodad' if ':' in address else ''}"


def _host_end(port: Port) -> Iterator[str]:
    yield from (_address(address, port) for address in port.addresses)
    yield f"link set {port.name} up"
    if port.link == EDGE:
        families = {":" in address for address in port.addresses}
        for v6, hop, length in ((False, EDGE_V4, 32), (True, EDGE_V6, 128)):
            if v6 in families:
                yield f"route append {hop}/{length} dev {port.name}"
                yield f"neighbour add {hop} lladdr {names.edge_mac(port.id)} dev {port.name} nud permanent"


def _tapped(step: AddPort) -> Iterator[Operation]:
    """A bridge between a port and a tap device, which whoever opens it has as its cable."""
    namespace, port = names.namespace(step.host), step.port.name
    bridge = (f"link add {TAP_BRIDGE} type bridge {BRIDGE}", f"link set {port} master {TAP_BRIDGE}")
    yield Ip(namespace=namespace, lines=(*bridge, f"link set {TAP_BRIDGE} up"))
    tap = (f"tuntap add dev {step.tap} mode tap", f"link set {step.tap} master {TAP_BRIDGE} up")
    yield Try(namespace=namespace, lines=tap)


def _routes(step: SetRoutes) -> Iterator[str]:
    """New ways before stale ones go, so that what stays reachable is so at every moment."""
    if step.afresh:
        yield "route flush root 0.0.0.0/0 proto static"
        yield "route flush root ::/0 proto static"
    for way in step.ways:
        yield f"route replace {_way(way)}{' onlink' if way.via else ''} proto static"
    for way in step.stale_ways:
        yield f"route delete {_way(way)} proto static"


def _way(way: Way) -> str:
    via = f" via {way.via}" if way.via else ""
    return f"{way.destination}{via} dev {way.device} metric {BASE_METRIC + way.rank}"


def _furniture(steps: Sequence[SetResolver], others: str) -> Iterator[Operation]:
    files = {names.namespace(s.host): {"hosts": HOSTS, "resolv.conf": resolv_conf(s.resolver, others)} for s in steps}
    if files:
        yield Furnish(files=files)


def resolv_conf(resolver: Resolver, others: str = "") -> str:
    """What programs read of whom to ask. A second try is soon: what is asked is near, and refuses at once.

    others: who knows the names that a Private Network's own resolvers refuse; "" for nobody.
    """
    servers = (*resolver.servers[: MOST_SERVERS - 1], others) if others else resolver.servers
    lines = [f"nameserver {server}" for server in servers]
    if resolver.search:
        lines.append(f"search {' '.join(resolver.search)}")
    return "".join(f"{line}\n" for line in (*lines, "options timeout:2 attempts:2"))


def _edge(step: SetEdge) -> Iterator[Operation]:
    yield Nft(namespace=names.EDGE_NAMESPACE, text=rules.edge(step))
    yield Sysctl(namespace=names.EDGE_NAMESPACE, sysctls=NOTHING_REVIVES)
    yield sweeps.edge_sweep(step)


def _edge_change(step: ChangeEdge) -> Iterator[Operation]:
    yield Nft(namespace=names.EDGE_NAMESPACE, text=rules.edge_change(step), part=True)
    yield sweeps.edge_change_sweep(step)


def _bare(address: str) -> str:
    return address.partition("/")[0]
