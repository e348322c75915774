"""From the kernel's rules back to the Fabric's: what a rule with its comment stands for, and because of which resource.

The other way round is rules.py, which writes the comments. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec

from hideaway.backends.linux import names
from hideaway.backends.linux.ruleset import Listed
from hideaway.fabric.model import Action, Direction, Fabric, Filter, Forward, Host, Protocol, RouterRule, Rule
from hideaway.fabric.seen import Count

EDGE = "edge"
_NUMBERED = re.compile(r"(\w+) (\d+)")
_GATEWAY = {
    "established": ("accept", "replies, and what goes on with them, pass the gateway"),
    "closed": ("drop", "nothing leaves to the ports that are closed, such as mail's"),
    "outward": ("accept", "what comes from a masqueraded network may leave"),
    "forwarded": ("accept", "what a PAT rule translated may enter"),
    "policy": ("drop", "nothing else passes a gateway"),
    "masquerade": ("translate", "leaves with the gateway's own address"),
    "masquerade ports": ("translate", "leaves with the gateway's own address, from one of its ports"),
}
_EDGE = {
    "spoofed": "nobody sends from another's address",
    "private": "private addresses are not routed on the internet",
}


class Meanings:
    """What the rules of a Fabric's world stand for."""

    def __init__(self, fabric: Fabric):
        self.hosts = {names.namespace(host.id): host for host in fabric.hosts}
        self.chains: Mapping[str, tuple[Filter | None, Direction]] = {
            names.chain(short, filter_.id): (filter_, direction)
            for filter_ in fabric.filters
            for short, direction in (("in", Direction.INBOUND), ("out", Direction.OUTBOUND))
        }

    def count(self, namespace: str, rule: Listed) -> Count | None:
        """The rule, in the Fabric's words, with what it has met; None for what is no rule of the Fabric's.

        What nobody of ours wrote is told as the kernel has it.
        """
        host = self.hosts.get(namespace)
        found: Count | None
        if namespace == names.EDGE_NAMESPACE:
            found = self._edge(rule)
        elif host is not None and rule.table == "gateway":
            found = _gateway(host, rule)
        elif host is not None and rule.table == "router":
            found = _router(host, rule)
        elif host is not None and rule.table in ("numbers", "faults"):
            found = _own(host, rule)
        else:
            found = None
        if found is None:
            return None
        return _replaced(found, rule)

    def raw(self, namespace: str, rule: Listed) -> Count:
        """The rule as the kernel has it."""
        host = self.hosts.get(namespace)
        verdict = rule.text.rpartition(" ")[2]
        says = f"{rule.table} {rule.chain}: {rule.text}"
        found = Count(host=host.id if host else EDGE, says=says, verdict=verdict, because=host.because if host else "")
        return _replaced(found, rule)

    def _edge(self, rule: Listed) -> Count | None:
        if rule.comment in _EDGE:
            return Count(host=EDGE, says=_EDGE[rule.comment], verdict="drop", because="fixed:edge")
        filter_, direction = self.chains.get(rule.chain, (None, None))
        if filter_ is None or direction is None:
            return None
        return _in_filter(filter_, direction, rule)


def _replaced(count: Count, rule: Listed) -> Count:
    return msgspec.structs.replace(count, packets=rule.packets or 0, bytes=rule.bytes)


def _in_filter(filter_: Filter, direction: Direction, rule: Listed) -> Count | None:
    policy = filter_.inbound if direction == Direction.INBOUND else filter_.outbound
    fixed = {
        "established": (f"replies to what was let through, {direction}", "accept"),
        "invalid": (f"belongs to no connection, {direction}", "drop"),
        "policy": (f"{direction} default policy: {policy}", policy.value),
    }
    if rule.comment in fixed:
        says, verdict = fixed[rule.comment]
        return Count(host=EDGE, says=says, verdict=verdict, because=filter_.because)
    return _numbered(
        rule.comment,
        "rule",
        filter_.rules,
        lambda r: Count(
            host=EDGE,
            says=said(r),
            verdict=r.action.value,
            because=filter_.because,
            which=r.which or (r.because if r.because != filter_.because else ""),
        ),
    )


def _gateway(host: Host, rule: Listed) -> Count | None:
    if rule.comment in _GATEWAY:
        verdict, says = _GATEWAY[rule.comment]
        return Count(host=host.id, says=says, verdict=verdict, because=host.because)
    if rule.comment.startswith("opening "):
        return _numbered(
            rule.comment,
            "opening",
            host.gateway.openings if host.gateway else (),
            lambda o: Count(
                host=host.id, says=f"the gateway's own TCP {o.port} is open", verdict="accept", because=host.because
            ),
        )
    return _numbered(
        rule.comment,
        "forward",
        host.gateway.forwards if host.gateway else (),
        lambda f: Count(host=host.id, says=translated(f), verdict="translate", because=f.because),
    )


def _own(host: Host, rule: Listed) -> Count | None:
    """What is neither a gateway's nor a router's: a second number of a service, a fault."""
    if rule.comment == "dhcp":
        return Count(host=host.id, says="DHCP is dropped, as a fault", verdict="drop", because=host.because)
    return _numbered(
        rule.comment,
        "redirect",
        host.redirects,
        lambda r: Count(
            host=host.id, says=f"TCP {r.number} is answered at {r.target}", verdict="translate", because=host.because
        ),
    )


def _router(host: Host, rule: Listed) -> Count | None:
    router = host.router
    if router is None:
        return None
    if rule.comment == "leaving" and router.leaving is not None:
        says = "networks that take no other's default route do not leave by it"
        return Count(host=host.id, says=says, verdict="drop", because=router.leaving.because)
    if rule.comment == "policy":
        v6 = "ipv6" in rule.text
        policy: Action = router.default_v6 if v6 else router.default_v4
        says = f"IPv{6 if v6 else 4} default policy between networks: {policy}"
        return Count(host=host.id, says=says, verdict=policy.value, because=host.because)
    return _numbered(
        rule.comment,
        "rule",
        router.rules,
        lambda r: Count(host=host.id, says=routed(r), verdict=r.action.value, because=r.because, which=r.which),
    )


def _numbered(comment: str, kind: str, rules: tuple[object, ...], told: Callable[..., Count]) -> Count | None:
    found = _NUMBERED.fullmatch(comment)
    if found is None or found[1] != kind or int(found[2]) >= len(rules):
        return None
    return told(rules[int(found[2])])


def said(rule: Rule) -> str:
    """A filter's rule in words: accept inbound TCP 80 from 0.0.0.0/0."""
    side = "from" if rule.direction == Direction.INBOUND else "to"
    return f"{rule.action} {rule.direction} {_protocol(rule.protocol, rule.ports)} {side} {rule.network}"


def routed(rule: RouterRule) -> str:
    """A router's rule in words: drop TCP 22 from 172.16.0.0/22 to 172.16.4.0/22."""
    sources = f" port {_range(rule.source_ports)}" if rule.source_ports else ""
    what = _protocol(rule.protocol, rule.destination_ports)
    return f"{rule.action} {what} from {rule.source}{sources} to {rule.destination}"


def translated(forward: Forward) -> str:
    """A PAT rule in words: TCP 2222 to 172.16.0.4 port 22."""
    protocol = "TCP and UDP" if forward.protocol == Protocol.ANY else forward.protocol.upper()
    return f"PAT: {protocol} {forward.public_port} to {forward.private_address} port {forward.private_port}"


def _protocol(protocol: Protocol, ports: tuple[int, int] | None) -> str:
    name = "anything" if protocol == Protocol.ANY else protocol.upper()
    return f"{name} {_range(ports)}" if ports else name


def _range(ports: tuple[int, int]) -> str:
    return str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"
