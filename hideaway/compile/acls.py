"""A VPC's network ACLs become the rules of its router."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hideaway.cloud.databases import Database
from hideaway.cloud.memory import MemoryLedger
from hideaway.cloud.network import Acl, AclRule, PrivateNetwork, Vpc
from hideaway.compile.common import DEFAULT_V4, DEFAULT_V6, because, is_v6, network, single
from hideaway.compile.security import ACTIONS, PROTOCOLS, port_range
from hideaway.compile.segments import resolver_addresses
from hideaway.fabric.model import Action, Protocol, Router, RouterRule


def router(ledger: MemoryLedger, vpc: Vpc, networks: Sequence[PrivateNetwork]) -> Router:
    """The router of a VPC, with the ACLs of both families; without an ACL everything passes."""
    acls = {a.is_ipv6: a for a in ledger.find(Acl, ref=vpc.id)}
    rules: list[RouterRule] = list(_managed(ledger, networks)) if acls else []
    if True in acls:
        rules += _resolvers(networks)
    for v6 in (False, True):
        if v6 in acls:
            rules += (r for n, rule in enumerate(acls[v6].rules, 1) if (r := _translated(n, rule, acls[v6])))
    return Router(rules=tuple(rules), default_v4=_default(acls.get(False)), default_v6=_default(acls.get(True)))


def _default(acl: Acl | None) -> Action:
    return Action.ACCEPT if acl is None else ACTIONS.get(acl.default_policy, Action.DROP)


def _managed(ledger: MemoryLedger, networks: Sequence[PrivateNetwork]) -> Iterator[RouterRule]:
    """ACLs are never applied to managed databases, so what goes to one or comes from one passes before any rule."""
    for private in networks:
        for database in sorted(ledger.find(Database, ref=private.id), key=lambda d: d.id):
            for endpoint in database.listed_endpoints:
                address = single(endpoint.service_ip) if endpoint.private_network_id == private.id else None
                if address:
                    anywhere = DEFAULT_V6 if is_v6(address) else DEFAULT_V4
                    yield _accept(anywhere, address, because(database))
                    yield _accept(address, anywhere, because(database))


def _resolvers(networks: Sequence[PrivateNetwork]) -> Iterator[RouterRule]:
    """Nor to what answers names; the networks of a VPC ask each other by IPv6."""
    for private in networks:
        for address in filter(is_v6, resolver_addresses(private)):
            yield _accept(DEFAULT_V6, f"{address}/128", because(private))
            yield _accept(f"{address}/128", DEFAULT_V6, because(private))


def _accept(source: str, destination: str, reason: str) -> RouterRule:
    return RouterRule(
        action=Action.ACCEPT,
        protocol=Protocol.ANY,
        source=source,
        source_ports=None,
        destination=destination,
        destination_ports=None,
        because=reason,
    )


def _translated(number: int, rule: AclRule, acl: Acl) -> RouterRule | None:
    """A rule as the field spells it; None where no packet of the ACL's family could match it."""
    source, destination = network(rule.source), network(rule.destination)
    protocol = PROTOCOLS.get(rule.protocol.lower())
    if source is None or destination is None or protocol is None:
        return None
    if is_v6(source) != acl.is_ipv6 or is_v6(destination) != acl.is_ipv6:
        return None
    ported = protocol in (Protocol.TCP, Protocol.UDP)
    return RouterRule(
        action=ACTIONS.get(rule.action.lower(), Action.DROP),
        protocol=protocol,
        source=source,
        source_ports=port_range(rule.src_port_low, rule.src_port_high) if ported else None,
        destination=destination,
        destination_ports=port_range(rule.dst_port_low, rule.dst_port_high) if ported else None,
        because=because(acl),
        which=str(number),
    )
