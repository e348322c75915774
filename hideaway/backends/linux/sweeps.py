"""What the sweep of established connections needs to know of filters and gateways. Pure."""

from __future__ import annotations

from hideaway.backends.linux import names
from hideaway.backends.linux.operations import Judge, Judged, SweepEdge, SweepGateway, Translation
from hideaway.backends.linux.rules import outside_port, v4
from hideaway.fabric.model import (
    EDGE_V4,
    EDGE_V6,
    USER_V4,
    USER_V6,
    Action,
    Direction,
    Filter,
    Forward,
    Gateway,
    Protocol,
    Rule,
)
from hideaway.plan.steps import ChangeEdge, SetEdge, SetRules


def edge_sweep(step: SetEdge) -> SweepEdge:
    """What the edge's filters refuse of the connections that were established before."""
    return SweepEdge(
        namespace=names.EDGE_NAMESPACE,
        owners={
            EDGE_V4: "",
            EDGE_V6: "",
            USER_V4: "",
            USER_V6: "",
            **{_bare(a): p.filter for p in step.ports for a in p.addresses},
        },
        judges={f.id: _judge(f) for f in step.filters},
    )


def edge_change_sweep(step: ChangeEdge) -> SweepEdge:
    """The same of what a change concerns; nothing else is looked at."""
    owners = {_bare(a): p.filter for p in step.affected for a in p.addresses}
    gone = {_bare(a) for p in step.gone for a in p.addresses}
    return SweepEdge(
        namespace=names.EDGE_NAMESPACE,
        owners=owners,
        judges={f.id: _judge(f) for f in step.judges},
        lost=tuple(sorted(gone - owners.keys())),
    )


def _judge(filter_: Filter) -> Judge:
    return Judge(
        inbound=filter_.inbound == Action.ACCEPT,
        outbound=filter_.outbound == Action.ACCEPT,
        rules=tuple(map(_judged, filter_.rules)),
    )


def _judged(rule: Rule) -> Judged:
    ported = rule.ports is not None and rule.protocol != Protocol.ICMP
    low, high = rule.ports if rule.ports is not None and ported else (0, 65535)
    return Judged(
        accept=rule.action == Action.ACCEPT,
        inbound=rule.direction == Direction.INBOUND,
        protocol=rule.protocol.value,
        network=rule.network,
        low=low,
        high=high,
        ported=ported,
    )


def gateway_sweep(step: SetRules) -> SweepGateway:
    """What a gateway refuses of the connections that were established before."""
    gateway, outside = step.gateway or Gateway(outside=""), outside_port(step)
    closed = [p for p in step.ports if p is not outside and p.id not in gateway.masquerade]
    return SweepGateway(
        namespace=names.namespace(step.host),
        own=tuple(v4(outside)) if outside else (),
        mine=tuple(address for port in step.ports for address in v4(port)),
        translations=tuple(map(_translation, gateway.forwards)),
        refused=(*(a for p in closed for a in p.addresses), *step.gone),
        open=bool(gateway.masquerade),
        closed=gateway.closed,
        openings=tuple((opening.port, opening.networks) for opening in gateway.openings),
        served=tuple(listener.port for listener in step.listeners),
    )


def _translation(forward: Forward) -> Translation:
    both = forward.protocol == Protocol.ANY
    return Translation(
        protocols=("tcp", "udp") if both else (forward.protocol.value,),
        public_port=forward.public_port,
        private_address=forward.private_address,
        private_port=forward.private_port,
    )


def _bare(address: str) -> str:
    return address.partition("/")[0]
