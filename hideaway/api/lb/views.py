"""Load Balancers' documents as they are answered: each carries what it belongs to.

Recorded: the LB itself, its backends, and lists carry the LB with its instances; what hangs deeper carries it without.
"""

from __future__ import annotations

from typing import Any

from hideaway.api.call import Call, answer
from hideaway.base.errors import invalid
from hideaway.base.ids import is_uuid
from hideaway.cloud.balancers import (
    Backend,
    Certificate,
    Frontend,
    Lb,
    LbAcl,
    LbInstance,
    LbIp,
    LbPrivateNetwork,
    LbRoute,
    Subscriber,
)
from hideaway.cloud.balancing import configurable
from hideaway.cloud.documents import Document
from hideaway.cloud.places import region_of

Shown = dict[str, Any]
OWNERS = ("organization_id", "project_id")
NO_TIME = "0001-01-01T00:00:00Z"  # what a certificate is answered with before it is ready (recorded)


def shown(document: Document, *leave_out: str, **joined: Any) -> Shown:
    """A document's answer without these fields and without its owners, with what is joined."""
    return {n: v for n, v in answer(document).items() if n not in (*leave_out, *OWNERS)} | joined


def view_ip(ip: LbIp) -> Shown:
    """Recorded without times."""
    whole = answer(ip, region=region_of(ip.zone))
    return {name: value for name, value in whole.items() if name not in ("created_at", "updated_at")}


def view_subscriber(subscriber: Subscriber) -> Shown:
    return shown(subscriber, "created_at", "updated_at")


def view_lb(call: Call, lb: Lb) -> Shown:
    """Its instances are there once it is being created (recorded: none in `to_create`)."""
    ledger, region = call.change.ledger, region_of(lb.zone)
    instances = [] if lb.status == "to_create" else ledger.find(LbInstance, ref=lb.id)
    subscriber = ledger.get(Subscriber, lb.subscriber_id) if lb.subscriber_id else None
    return answer(
        lb,
        region=region,
        instances=[shown(i, region=region) for i in instances],
        ip=[view_ip(ip) for ip in ledger.find(LbIp, ref=lb.id)],
        subscriber=view_subscriber(subscriber) if subscriber else None,
        frontend_count=len(ledger.find(Frontend, ref=lb.id)),
        backend_count=len(ledger.find(Backend, ref=lb.id)),
        route_count=len(ledger.find(LbRoute, ref=lb.id)),
        private_network_count=len(ledger.find(LbPrivateNetwork, ref=lb.id)),
    )


def without_instances(lb: Shown) -> Shown:
    return lb | {"instances": []}


def view_backend(backend: Backend, lb: Shown) -> Shown:
    return shown(backend, lb=lb)


def view_certificate(certificate: Certificate, lb: Shown) -> Shown:
    whole = shown(certificate, lb=lb)
    if certificate.status == "ready":
        return whole
    return whole | {"fingerprint": "", "not_valid_before": NO_TIME, "not_valid_after": NO_TIME}


def view_frontend(call: Call, frontend: Frontend, lb: Shown, backends_lb: Shown) -> Shown:
    """Its first certificate stands for all in `certificate`."""
    ledger = call.change.ledger
    backend = ledger.get(Backend, frontend.backend_id)
    first = ledger.get(Certificate, frontend.certificate_ids[0]) if frontend.certificate_ids else None
    return shown(
        frontend,
        lb=lb,
        backend=view_backend(backend, backends_lb) if backend else None,
        certificate=view_certificate(first, lb) if first else None,
    )


def view_route(route: LbRoute) -> Shown:
    return shown(route)


def view_acl(acl: LbAcl, frontend: Shown) -> Shown:
    return shown(acl, frontend=frontend)


def view_network(network: LbPrivateNetwork, lb: Shown) -> Shown:
    """An address that the client did not choose is known once the attachment is ready (recorded)."""
    ids = network.ipam_ids if network.chosen or network.status == "ready" else []
    config: Shown = {} if network.static_config else {"dhcp_config": {"ip_id": ids[0] if ids else None}}
    return shown(network, "id", lb=lb, ipam_ids=ids, **config)


def lb_of(call: Call, id_: str | None = None) -> Lb:
    """The caller's Load Balancer (of the path unless named). Raises TransientState where a write comes too late."""
    lb = call.own(Lb, id_, param="lb_id")
    return configurable(lb) if call.write else lb


def wanted(id_: str, argument: str) -> str:
    """An id that a body names. Raises InvalidArguments for what is none."""
    if not is_uuid(id_):
        raise invalid(argument, "value must be a valid UUID", "format")
    return id_.lower()
