"""Filters, gateways and routers as nft text. Pure.

What changes does so in one transaction, so no packet meets half of it; docs/semantics.md is the law here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence

from hideaway.backends.linux import names
from hideaway.fabric.model import (
    API_PORT,
    EDGE_V4,
    INTERNET_V4,
    INTERNET_V6,
    NAMES_PORT,
    USER_V4,
    USER_V6,
    Action,
    Direction,
    Filter,
    Gateway,
    Port,
    Protocol,
    Router,
    RouterRule,
    Rule,
)
from hideaway.plan.steps import ChangeEdge, PublicPort, SetEdge, SetRules

NOWHERE_V4 = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.168.0.0/16", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
)  # fmt: skip
NOWHERE_V6 = (
    "::/3", "2001::/32", "2001:db8::/32", "2002::/16", "4000::/2", "8000::/1",
)  # fmt: skip
"""What is not the internet, whatever lies there on the machine's side (IANA's special-purpose registries): private and
link-local ranges, loopback, multicast, examples; of IPv6 all but 2000::/3, and tunnels that carry IPv4 addresses."""
DHCP_SERVERS = "{ 67, 547 }"
ECHO = (
    "icmp type echo-request accept",
    "icmpv6 type { echo-request, nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept",
)


def edge(step: SetEdge) -> str:
    """The edge's table. A packet passes the filter of the port that it comes from, then that of the one it goes to."""
    elements = _elements(step.ports)
    return _table(
        "edge",
        _collection("set owned4", "ifname . ipv4_addr", elements["owned4"]),
        _collection("set owned6", "ifname . ipv6_addr", elements["owned6"]),
        *_filter_chains(step.filters),
        _collection("map outbound", "ifname : verdict", elements["outbound"]),
        _collection("map inbound", "ifname : verdict", elements["inbound"]),
        _chain("guard", _guard()),
        _chain("forward", _edge_forward()),
        _chain("input", _edge_input()),
        _chain("output", _edge_output()),
    )


def edge_change(step: ChangeEdge) -> str:
    """The same for a part of the table, which leaves it as `edge` would state it: what refers goes before what it
    refers to, and comes after it."""
    gone, new = _elements(step.gone), _elements(step.ports)
    lines = [*_element_lines("delete", gone, new)]
    for chain in (names.chain(direction, id_) for direction in ("out", "in") for id_ in step.dropped):
        lines += [f"flush chain inet edge {chain}", f"delete chain inet edge {chain}"]
    for chain in (names.chain(direction, f.id) for direction in ("out", "in") for f in step.filters):
        lines += [f"add chain inet edge {chain}", f"flush chain inet edge {chain}"]
    if step.filters:
        lines.append("table inet edge {\n" + "\n".join(_filter_chains(step.filters)) + "\n}")
    lines += _element_lines("add", new, gone)
    return "".join(f"{line}\n" for line in lines)


def _filter_chains(filters: Iterable[Filter]) -> list[str]:
    return [
        *(_chain(names.chain("out", f.id), _outbound(f)) for f in filters),
        *(_chain(names.chain("in", f.id), _inbound(f)) for f in filters),
    ]


def _elements(ports: Sequence[PublicPort]) -> dict[str, list[str]]:
    """What ports put into the edge's sets and maps, by the set's name."""
    return {
        "owned4": _owned(ports, v6=False),
        "owned6": _owned(ports, v6=True),
        "outbound": _verdicts(ports, "out", "jump"),
        "inbound": _verdicts(ports, "in", "goto"),
    }


def _element_lines(verb: str, these: Mapping[str, list[str]], but: Mapping[str, list[str]]) -> Iterator[str]:
    for name, elements in these.items():
        if left := sorted(set(elements) - set(but[name])):
            yield f"{verb} element inet edge {name} {{ {', '.join(left)} }}"


def _owned(ports: Iterable[PublicPort], v6: bool) -> list[str]:
    return [f'"{names.edge_link(p.host, p.port)}" . {_bare(a)}' for p in ports for a in p.addresses if (":" in a) is v6]


def _verdicts(ports: Iterable[PublicPort], direction: str, manner: str) -> list[str]:
    """Every port is in the inbound map: what is not, such as a port just made, gets nothing."""
    found = []
    for port in ports:
        link = names.edge_link(port.host, port.port)
        if port.filter:
            found.append(f'"{link}" : {manner} {names.chain(direction, port.filter)}')
        elif direction == "in":
            found.append(f'"{link}" : accept')
    return found


def _guard() -> Iterator[str]:
    """Before connections are tracked: only an address's owner sends from it."""
    yield "type filter hook prerouting priority raw; policy accept;"
    yield 'iifname "lo" accept'
    yield f'iifname "{names.UPLINK_LINK}" ip saddr != {INTERNET_V4} accept'
    yield f'iifname "{names.UPLINK_LINK}" ip6 saddr != {INTERNET_V6} accept'
    yield f'iifname "{names.ROAD_LINK}" ip saddr {USER_V4} accept'
    yield f'iifname "{names.ROAD_LINK}" ip6 saddr {USER_V6} accept'
    yield _counted("iifname . ip saddr != @owned4", "drop", "spoofed")
    yield "ip6 saddr fe80::/10 icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"
    yield _counted("iifname . ip6 saddr != @owned6", "drop", "spoofed")


def _edge_forward() -> Iterator[str]:
    yield "type filter hook forward priority filter; policy drop;"
    for family, world, nowhere in (("ip", INTERNET_V4, NOWHERE_V4), ("ip6", INTERNET_V6, NOWHERE_V6)):
        yield _counted(f'{family} daddr != {world} oifname != "{names.UPLINK_LINK}"', "drop", "private")
        yield _counted(f"{family} daddr != {world} {family} daddr {{ {', '.join(nowhere)} }}", "drop", "private")
    yield "iifname vmap @outbound"
    yield f'oifname "{names.UPLINK_LINK}" accept'  # there is one where the world has an uplink
    # The machine is asked nothing: it has services of its own, for others than tenants.
    yield f'oifname "{names.ROAD_LINK}" ct state established,related accept'
    yield "oifname vmap @inbound"


def _edge_input() -> Iterator[str]:
    """The edge is on the internet itself: the API is there, and who comes in from the machine outside."""
    yield "type filter hook input priority filter; policy drop;"
    yield 'iifname "lo" accept'
    yield "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"
    yield "iifname vmap @outbound"
    yield "ct state established,related accept"
    yield f"ip daddr {EDGE_V4} tcp dport {{ {NAMES_PORT}, {API_PORT} }} accept"
    yield f"ip daddr {EDGE_V4} udp dport {NAMES_PORT} accept"
    yield from ECHO


def _edge_output() -> Iterator[str]:
    """What the edge sends itself, for who comes through doors above all, meets the receiver's filter as well."""
    yield "type filter hook output priority filter; policy accept;"
    yield "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"
    yield f'oifname "{names.ROAD_LINK}" ct state new drop'
    yield "oifname vmap @inbound"


def _input(*more: str) -> Iterator[str]:
    yield "type filter hook input priority filter; policy drop;"
    yield 'iifname "lo" accept'
    yield from more
    yield from ECHO


def _outbound(filter_: Filter) -> Iterator[str]:
    """Jumped to; it returns what may pass, which then meets the other side's inbound filter."""
    if filter_.stateful:
        yield from _stateful("return")
    for number, rule in enumerate(filter_.rules):
        if rule.direction == Direction.OUTBOUND:
            verdict = "return" if rule.action == Action.ACCEPT else "drop"
            yield _counted(_match(rule, "daddr"), verdict, f"rule {number}")
    yield _counted("", "return" if filter_.outbound == Action.ACCEPT else "drop", "policy")


def _inbound(filter_: Filter) -> Iterator[str]:
    if filter_.stateful:
        yield from _stateful("accept")
    for number, rule in enumerate(filter_.rules):
        if rule.direction == Direction.INBOUND:
            yield _counted(_match(rule, "saddr"), rule.action.value, f"rule {number}")
    yield _counted("", filter_.inbound.value, "policy")


def _stateful(passes: str) -> Iterator[str]:
    yield _counted("ct state established,related", passes, "established")
    yield _counted("ct state invalid", "drop", "invalid")


def _counted(match: str, verdict: str, which: str) -> str:
    """A rule that counts what it met, and says which one it is."""
    return f'{match} counter {verdict} comment "{which}"'.lstrip()


def _match(rule: Rule, side: str) -> str:
    return " ".join((_network(rule.network, side), *_protocol(rule.protocol, rule.ports, _is_v6(rule.network))))


def _network(network: str, side: str) -> str:
    """A CIDR as a match. All of a family is a match on the family: a rule for 0.0.0.0/0 says nothing of IPv6."""
    if ipaddress.ip_network(network, strict=False).prefixlen == 0:
        return "meta nfproto ipv6" if _is_v6(network) else "meta nfproto ipv4"
    return f"{'ip6' if _is_v6(network) else 'ip'} {side} {network}"


def _protocol(protocol: Protocol, ports: tuple[int, int] | None, v6: bool) -> Iterator[str]:
    if protocol == Protocol.ICMP:
        yield f"meta l4proto {'icmpv6' if v6 else 'icmp'}"
    elif protocol != Protocol.ANY:
        yield f"meta l4proto {protocol.value}"
    elif ports is not None:
        yield "meta l4proto { tcp, udp }"
    if ports is not None and protocol != Protocol.ICMP:
        yield f"th dport {_range(ports)}"


def _range(ports: tuple[int, int]) -> str:
    return str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"


def host(step: SetRules) -> str:
    """A host's own tables: the gateway's, router's, redirects', faults'; what it has none of is taken away."""
    if step.gateway is None and step.router is None:
        return _redirect_table(step) + _silence_table(step)
    return _gateway_table(step) + _router_table(step)


def _redirect_table(step: SetRules) -> str:
    """To the very address that was asked for, so that a client's connection is what the program sees."""
    if not step.redirects:
        return _no_table("numbers")
    return _table("numbers", _chain("prerouting", _redirects(step)))


def _redirects(step: SetRules) -> Iterator[str]:
    yield "type nat hook prerouting priority dstnat; policy accept;"
    ports = {port.id: port for port in step.ports}
    for number, redirect in enumerate(step.redirects):
        port = ports[redirect.port]
        for address in v4(port):
            match = f'iifname "{port.name}" ip daddr {address} tcp dport {redirect.number}'
            yield _counted(match, f"dnat ip to {address}:{redirect.target}", f"redirect {number}")


def _silence_table(step: SetRules) -> str:
    if not step.dhcp_dropped:
        return _no_table("faults")
    drop = _counted(f"udp dport {DHCP_SERVERS}", "drop", "dhcp"), _counted(f"udp sport {DHCP_SERVERS}", "drop", "dhcp")
    tell = _counted("icmpv6 type nd-router-advert", "drop", "dhcp")
    heads = (f"type filter hook {hook} priority filter; policy accept;" for hook in ("input", "output"))
    return _table("faults", _chain("input", (next(heads), drop[0])), _chain("output", (next(heads), drop[1], tell)))


def _gateway_table(step: SetRules) -> str:
    gateway, outside = step.gateway, outside_port(step)
    if gateway is None or outside is None:
        return _no_table("gateway") if gateway is None else _table("gateway", _chain("forward", _nothing()))
    masqueraded = [p.name for p in step.ports if p.id in gateway.masquerade]
    inside = [p.name for p in step.ports if p.id != outside.id]
    return _table(
        "gateway",
        _chain("prerouting", _destinations(gateway, outside)),
        _chain("postrouting", _sources(gateway, outside)),
        _chain("forward", _gateway_forward(gateway, outside, masqueraded, inside)),
        _chain("input", _input("ct state established,related accept", *_listeners(step), *_openings(gateway, outside))),
    )


def outside_port(step: SetRules) -> Port | None:
    """A gateway's public port; None where the host is no gateway or has none."""
    return next((p for p in step.ports if step.gateway and p.id == step.gateway.outside), None)


def _nothing() -> Iterator[str]:
    yield "type filter hook forward priority filter; policy drop;"


def _destinations(gateway: Gateway, outside: Port) -> Iterator[str]:
    yield "type nat hook prerouting priority dstnat; policy accept;"
    for number, forward in enumerate(gateway.forwards):
        for address in v4(outside):
            protocol = "{ tcp, udp }" if forward.protocol == Protocol.ANY else forward.protocol.value
            match = (
                f'iifname "{outside.name}" ip daddr {address} meta l4proto {protocol} th dport {forward.public_port}'
            )
            yield _counted(match, f"dnat ip to {forward.private_address}:{forward.private_port}", f"forward {number}")


def _sources(gateway: Gateway, outside: Port) -> Iterator[str]:
    """Forwarded traffic leaves with the gateway's own address; what the forward chain refused never comes here."""
    yield "type nat hook postrouting priority srcnat; policy accept;"
    own = v4(outside)
    for address in own[:1]:
        match = f'oifname "{outside.name}" ip saddr != {address}'
        if gateway.ports is not None:
            range_ = f"{address}:{gateway.ports[0]}-{gateway.ports[1]}"
            yield _counted(f"{match} meta l4proto {{ tcp, udp }}", f"snat ip to {range_}", "masquerade ports")
        yield _counted(match, f"snat ip to {address}", "masquerade")


def _gateway_forward(gateway: Gateway, outside: Port, masqueraded: list[str], inside: list[str]) -> Iterator[str]:
    """The default is drop: a static route through the gateway's public address reaches nobody."""
    yield from _nothing()
    yield _counted("ct state established,related", "accept", "established")
    if gateway.closed:
        ports = ", ".join(map(str, gateway.closed))
        match = f'iifname != "{outside.name}" oifname "{outside.name}" tcp dport {{ {ports} }}'
        yield _counted(match, "drop", "closed")
    if masqueraded:
        match = f'meta nfproto ipv4 iifname {_any(masqueraded)} oifname "{outside.name}" ct state new'
        yield _counted(match, "accept", "outward")
    if inside:
        match = f'meta nfproto ipv4 iifname "{outside.name}" oifname {_any(inside)} ct state new ct status dnat'
        yield _counted(match, "accept", "forwarded")
    yield _counted("", "drop", "policy")


def _openings(gateway: Gateway, outside: Port) -> Iterator[str]:
    for number, opening in enumerate(gateway.openings):
        match = f'iifname "{outside.name}" tcp dport {opening.port}'
        for network in opening.networks:
            yield _counted(f"{_network(network, 'saddr')} {match}", "accept", f"opening {number}")


def _listeners(step: SetRules) -> Iterator[str]:
    if step.listeners:
        yield f"tcp dport {{ {', '.join(str(each.port) for each in step.listeners)} }} accept"


def _router_table(step: SetRules) -> str:
    if step.router is None:
        return _no_table("router")
    return _table(
        "router",
        _chain("forward", _router_forward(step.router, step.ports)),
        _chain("input", _input("ct state established,related accept", *_listeners(step))),
    )


def _router_forward(router: Router, ports: Iterable[Port]) -> Iterator[str]:
    yield "type filter hook forward priority filter; policy drop;"
    if router.leaving is not None:
        free = _any(port.name for port in ports if port.id in router.leaving.ports)
        match = f"meta nfproto ipv4 iifname != {free} ip daddr != {{ {', '.join(router.leaving.inside)} }}"
        yield _counted(match, "drop", "leaving")
    for number, rule in enumerate(router.rules):
        yield _counted(_router_match(rule), rule.action.value, f"rule {number}")
    yield _counted("meta nfproto ipv4", router.default_v4.value, "policy")
    yield _counted("meta nfproto ipv6", router.default_v6.value, "policy")


def _router_match(rule: RouterRule) -> str:
    parts = [_network(rule.source, "saddr"), _network(rule.destination, "daddr")]
    parts += _protocol(rule.protocol, rule.destination_ports, _is_v6(rule.source))
    if rule.source_ports is not None and rule.protocol != Protocol.ICMP:
        if rule.protocol == Protocol.ANY and rule.destination_ports is None:
            parts.append("meta l4proto { tcp, udp }")
        parts.append(f"th sport {_range(rule.source_ports)}")
    return " ".join(parts)


def _table(name: str, *parts: str) -> str:
    body = "\n".join(part for part in parts if part)
    return f"{_no_table(name)}table inet {name} {{\n{body}\n}}\n"


def _no_table(name: str) -> str:
    """Named first, so that it can be deleted whether it is there or not."""
    return f"table inet {name}\ndelete table inet {name}\n"


def _chain(name: str, lines: Iterable[str]) -> str:
    body = "".join(f"  {line}\n" for line in lines)
    return f" chain {name} {{\n{body} }}"


def _collection(name: str, type_: str, elements: list[str]) -> str:
    kept = "".join(f"\n   {element}," for element in sorted(elements))
    said = f"  elements = {{{kept}\n  }}\n" if kept else ""
    return f" {name} {{\n  type {type_}\n{said} }}"


def _any(values: Iterable[str]) -> str:
    return "{ " + ", ".join(f'"{value}"' for value in sorted(values)) + " }"


def v4(port: Port) -> list[str]:
    """A port's IPv4 addresses, bare."""
    return [_bare(a) for a in port.addresses if ":" not in a]


def _bare(address: str) -> str:
    return address.partition("/")[0]


def _is_v6(network: str) -> bool:
    return ":" in network
