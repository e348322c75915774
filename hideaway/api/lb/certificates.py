"""TLS certificates of Load Balancers: made for a name, or brought along."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.lb.shapes import host_name
from hideaway.api.lb.views import lb_of, view_certificate, view_lb, without_instances
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Name
from hideaway.base.errors import invalid
from hideaway.cloud.balancer_certificates import Certified, certify, read_chain
from hideaway.cloud.balancers import (
    Certificate,
    LbIp,
)
from hideaway.cloud.balancing import reconfigure, remove_unused


class LetsencryptBody(Body, frozen=True, kw_only=True):
    common_name: Name
    subject_alternative_name: Annotated[list[Name], msgspec.Meta(max_length=99)] | None = None


class CustomBody(Body, frozen=True, kw_only=True):
    certificate_chain: Annotated[str, msgspec.Meta(max_length=256 * 1024)]


class CreateCertificate(Body, frozen=True, kw_only=True):
    name: Name | None = None
    letsencrypt: LetsencryptBody | None = None
    custom_certificate: CustomBody | None = None


class UpdateCertificate(Body, frozen=True, kw_only=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class ListCertificates(Listing, frozen=True, kw_only=True):
    name: str | None = None


def _made(call: Call, lb_id: str, body: LetsencryptBody) -> Certified:
    """Let's Encrypt reaches the Load Balancer from outside: a private one has none (scaleway.md, LB)."""
    if not call.change.ledger.find(LbIp, ref=lb_id):
        raise invalid("letsencrypt", "a private Load Balancer has no Let's Encrypt certificate")
    common_name = host_name(body.common_name, "letsencrypt.common_name")
    others = [host_name(n, "letsencrypt.subject_alternative_name") for n in body.subject_alternative_name or []]
    return certify(call.change.now, common_name, others)


def create(call: Call, body: CreateCertificate) -> dict[str, Any]:
    lb = lb_of(call)
    if (body.letsencrypt is None) == (body.custom_certificate is None):
        raise invalid("letsencrypt", "give exactly one of letsencrypt and custom_certificate", "required")
    if body.letsencrypt is not None:
        certified = _made(call, lb.id, body.letsencrypt)
    else:
        certified = read_chain(body.custom_certificate.certificate_chain if body.custom_certificate else "")
    certificate = Certificate(
        **call.common(lb.project_id, Certificate.resource),
        zone=lb.zone,
        lb_id=lb.id,
        name=body.name or f"certificate-{call.change.ids.word()}",
        type="letsencrypt" if body.letsencrypt is not None else "custom",
        **msgspec.structs.asdict(certified),
    )
    reconfigure(call.change, lb)
    return view_certificate(call.change.begin(certificate, "pending", "ready"), view_lb(call, lb))


def get(call: Call) -> dict[str, Any]:
    certificate = call.own(Certificate, param="certificate_id")
    return view_certificate(certificate, without_instances(view_lb(call, lb_of(call, certificate.lb_id))))


def list_(call: Call, query: ListCertificates) -> dict[str, Any]:
    lb = lb_of(call)
    whole, certificates = view_lb(call, lb), call.change.ledger.find(Certificate, ref=lb.id)
    return listing("certificates", certificates, query, lambda c: view_certificate(c, whole))


def update(call: Call, body: UpdateCertificate) -> dict[str, Any]:
    certificate = call.own(Certificate, param="certificate_id").changed(call.change.now, name=body.name)
    call.change.ledger.put(certificate)
    return view_certificate(certificate, view_lb(call, lb_of(call, certificate.lb_id)))


def delete(call: Call) -> None:
    certificate = call.own(Certificate, param="certificate_id")
    remove_unused(call.change, certificate)
    reconfigure(call.change, lb_of(call, certificate.lb_id))


OF_LB = "/lbs/{lb_id}/certificates"
ONE = "/certificates/{certificate_id}"
ROUTES = [
    Route(method="POST", path=OF_LB, handler=create, body=CreateCertificate, records=False),
    Route(method="GET", path=OF_LB, handler=list_, query=ListCertificates),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PUT", path=ONE, handler=update, body=UpdateCertificate),
    Route(method="DELETE", path=ONE, handler=delete, status=204, records=False),
]
