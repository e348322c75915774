"""Who may reach a cluster's API server: address ranges, or the vendor's own ranges. A new cluster lets everybody in."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.k8s.checks import Faults
from hideaway.api.listing import page_of
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Name
from hideaway.base.errors import TransientState
from hideaway.cloud.kubernetes import Access, Cluster


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    ip: str | None = None
    scaleway_ranges: bool | None = None
    description: Name | None = None


class Rules(Body, frozen=True, kw_only=True):
    acls: Annotated[list[Rule], msgspec.Meta(max_length=1000)] | None = None


def view(access: Access) -> dict[str, Any]:
    """region is answered empty, and of ip and scaleway_ranges only the one that is set (every recording)."""
    what = {"scaleway_ranges": True} if access.scaleway_ranges else {"ip": access.ip}
    return {"id": access.id, "region": "", **what, "description": access.description}


def _by_range(access: Access) -> tuple[int, int, int]:
    """The order of the recorded lists: by address, the vendor's ranges last."""
    if access.ip is None:
        return (9, 0, 0)
    network = ipaddress.ip_network(access.ip)
    return (network.version, int(network.network_address), network.prefixlen)


def list_(call: Call, query: Listing) -> dict[str, Any]:
    cluster = call.own(Cluster, param="cluster_id")
    rules = sorted(call.change.ledger.find(Access, ref=cluster.id), key=_by_range)
    return {"rules": [view(a) for a in page_of(rules, query)], "total_count": len(rules)}


def add(call: Call, body: Rules) -> dict[str, Any]:
    cluster = _changeable(call)
    return {"rules": [view(a) for a in _keep(call, cluster, body.acls or [])]}


def set_(call: Call, body: Rules) -> dict[str, Any]:
    """Replace all rules; null leaves none, so that nobody from outside gets in (recorded)."""
    cluster = _changeable(call)
    old = call.change.ledger.find(Access, ref=cluster.id)
    rules = _keep(call, cluster, body.acls or [])
    for access in old:
        call.change.ledger.remove(access)
    return {"rules": [view(a) for a in rules]}


def delete(call: Call) -> None:
    access = call.own(Access, param="acl_id")
    cluster = call.own(Cluster, access.cluster_id)
    if cluster.status == "deleting":
        raise TransientState(Cluster.resource, cluster.id, cluster.status)
    call.change.ledger.remove(access)
    _touch(call, cluster)


def _changeable(call: Call) -> Cluster:
    cluster = call.own(Cluster, param="cluster_id")
    if cluster.status == "deleting":
        raise TransientState(Cluster.resource, cluster.id, cluster.status)
    return cluster


def _keep(call: Call, cluster: Cluster, rules: list[Rule]) -> list[Access]:
    faults = Faults()
    ranges = [_range(faults, rule) for rule in rules]
    faults.raise_any()
    kept = []
    for rule, ip in zip(rules, ranges, strict=True):
        access = Access(
            **call.change.of(cluster),
            region=cluster.region,
            cluster_id=cluster.id,
            ip=ip,
            scaleway_ranges=None if ip else True,
            description=rule.description or "",
        )
        call.change.ledger.put(access)
        kept.append(access)
    _touch(call, cluster)
    return kept


def _range(faults: Faults, rule: Rule) -> str | None:
    """A rule's range in CIDR form; a lone address is a range of one. Exactly one of ip and scaleway_ranges is set."""
    if bool(rule.ip) == bool(rule.scaleway_ranges):
        faults.add("acls", "a rule has either an ip or scaleway_ranges")
        return None
    if not rule.ip:
        return None
    try:
        return str(ipaddress.ip_network(rule.ip))
    except ValueError:
        faults.add("acls.ip", f"{rule.ip!r} is not an address range in CIDR form", "format")
        return None


def _touch(call: Call, cluster: Cluster) -> None:
    """A control plane that is awake takes the rules over; one that waits for a pool stays as it is (recorded)."""
    if cluster.status == "ready":
        call.change.begin(cluster, "updating", "ready")


REGION = "/regions/{region}"
BASE = REGION + "/clusters/{cluster_id}/acls"
ROUTES = [
    Route(method="GET", path=BASE, handler=list_, query=Listing),
    Route(method="POST", path=BASE, handler=add, body=Rules, records=False),
    Route(method="PUT", path=BASE, handler=set_, body=Rules, records=False),
    Route(method="DELETE", path=REGION + "/acls/{acl_id}", handler=delete, status=204, records=False),
]
