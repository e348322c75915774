"""Single sign-on of an organization. Kept as records: nobody logs in here."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal
from xml.etree import ElementTree

import msgspec
from cryptography import x509

from hideaway.api.access import require
from hideaway.api.call import Call
from hideaway.api.iam.organizations import ONE as ORGANIZATION
from hideaway.api.iam.organizations import own_organization
from hideaway.api.iam.shared import common
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Text, given
from hideaway.base.errors import Conflict, NotFound, invalid
from hideaway.cloud.identity import Saml, SamlCertificate

OF_ORGANIZATION = "organization_saml"
"""What the vendor's 404 calls an organization's missing SAML configuration (recorded)."""


class UpdateSaml(Body, frozen=True, kw_only=True):
    entity_id: Text | None = None
    single_sign_on_url: Text | None = None


class File(Body, frozen=True, kw_only=True):
    """A file as the SDKs send one. content: base64."""

    name: Text | None = None
    content_type: Text | None = None
    content: str


class ParseMetadata(Body, frozen=True, kw_only=True):
    file: File


class AddCertificate(Body, frozen=True, kw_only=True):
    type: Literal["unknown_certificate_type", "signing", "encryption"]
    content: Annotated[str, msgspec.Meta(max_length=65000)]


def view(call: Call, saml: Saml) -> dict[str, Any]:
    """The status says the first thing that is missing; of a fresh one, the certificate (recorded)."""
    missing = {
        "missing_certificate": not call.change.ledger.find(SamlCertificate, ref=saml.id),
        "missing_entity_id": not saml.entity_id,
        "missing_single_sign_on_url": not saml.single_sign_on_url,
    }
    return {
        "id": saml.id,
        "status": next((status for status, is_so in missing.items() if is_so), "valid"),
        "service_provider": {
            "entity_id": f"https://iam.scaleway.com/saml/{saml.id}",
            "assertion_consumer_service_url": f"https://api.scaleway.com/iam/v1/saml/{saml.id}/login",
        },
        "entity_id": saml.entity_id,
        "single_sign_on_url": saml.single_sign_on_url,
    }


def enable(call: Call) -> dict[str, Any]:
    organization = own_organization(call)
    for other in call.change.ledger.find(Saml, organization=organization):
        raise Conflict(Saml.resource, other.id)
    saml = Saml(**common(call, organization, Saml.resource))
    call.change.ledger.put(saml)
    return view(call, saml)


def get(call: Call) -> dict[str, Any]:
    organization = own_organization(call)
    for saml in call.change.ledger.find(Saml, organization=organization):
        return view(call, saml)
    raise NotFound(OF_ORGANIZATION, organization)


def update(call: Call, body: UpdateSaml) -> dict[str, Any]:
    saml = call.own(Saml, param="saml_id").changed(call.change.now, **given(body))
    call.change.ledger.put(saml)
    return view(call, saml)


def delete(call: Call) -> None:
    saml = call.own(Saml, param="saml_id")
    for certificate in call.change.ledger.find(SamlCertificate, ref=saml.id):
        call.change.ledger.remove(certificate)
    call.change.ledger.remove(saml)


def certificate_view(certificate: SamlCertificate) -> dict[str, Any]:
    return {name: getattr(certificate, name) for name in ("id", "type", "origin", "content", "expires_at")}


def add_certificate(call: Call, body: AddCertificate) -> dict[str, Any]:
    saml = call.own(Saml, param="saml_id")
    if body.type == "unknown_certificate_type":
        raise invalid("type", "signing or encryption", "required")
    try:
        expires_at = x509.load_pem_x509_certificate(body.content.encode()).not_valid_after_utc
    except ValueError:
        raise invalid("content", "value must be a certificate in PEM form", "format") from None
    certificate = SamlCertificate(
        **common(call, None, SamlCertificate.resource),
        saml_id=saml.id,
        type=body.type,
        content=body.content,
        expires_at=expires_at,
    )
    call.change.ledger.put(certificate)
    return certificate_view(certificate)


def list_certificates(call: Call) -> dict[str, Any]:
    saml = call.own(Saml, param="saml_id")
    return {"certificates": [certificate_view(c) for c in call.change.ledger.find(SamlCertificate, ref=saml.id)]}


def get_certificate(call: Call) -> dict[str, Any]:
    return certificate_view(call.own(SamlCertificate, param="certificate_id"))


def delete_certificate(call: Call) -> None:
    call.change.ledger.remove(call.own(SamlCertificate, param="certificate_id"))


METADATA, SIGNATURE = "{urn:oasis:names:tc:SAML:2.0:metadata}", "{http://www.w3.org/2000/09/xmldsig#}"


def parse_metadata(call: Call, body: ParseMetadata) -> dict[str, Any]:
    """What an identity provider's metadata (SAML 2.0) says: who it is, where to log in, what it signs with."""
    require(call.principal, call.area, Saml.resource, write=True, project_id=None)
    root = _xml(body.file.content)
    provider = root.find(METADATA + "IDPSSODescriptor")
    if root.tag != METADATA + "EntityDescriptor" or provider is None:
        raise invalid("file", "value must be the metadata of one identity provider", "format")
    keys = [key for key in provider.findall(METADATA + "KeyDescriptor") if key.get("use", "signing") == "signing"]
    certificates = [one.text or "" for key in keys for one in key.iter(SIGNATURE + "X509Certificate")]
    service = provider.find(METADATA + "SingleSignOnService")
    return {
        "single_sign_on_url": service.get("Location", "") if service is not None else "",
        "entity_id": root.get("entityID", ""),
        "signing_certificates": ["".join(text.split()) for text in certificates],
    }


def _xml(content: str) -> ElementTree.Element:
    """A document without a type declaration: entities could make little text a lot. Raises InvalidArguments."""
    try:
        raw = base64.b64decode(content, validate=True)
        if b"<!" in raw.replace(b"<!--", b"").replace(b"<![CDATA[", b""):
            raise invalid("file", "value must be XML without a document type", "format")
        return ElementTree.fromstring(raw)
    except (ValueError, ElementTree.ParseError):
        raise invalid("file", "value must be an XML file in base64", "format") from None


ONE = "/saml/{saml_id}"
CERTIFICATE = "/saml-certificates/{certificate_id}"
ROUTES = [
    Route(method="GET", path=ORGANIZATION + "/saml", handler=get),
    Route(method="POST", path=ORGANIZATION + "/saml", handler=enable),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateSaml),
    Route(method="DELETE", path=ONE, handler=delete, status=204),
    Route(method="GET", path=ONE + "/certificates", handler=list_certificates),
    Route(method="POST", path=ONE + "/certificates", handler=add_certificate, body=AddCertificate),
    Route(method="POST", path="/parse-saml-metadata", handler=parse_metadata, body=ParseMetadata),
    Route(method="GET", path=CERTIFICATE, handler=get_certificate),
    Route(method="DELETE", path=CERTIFICATE, handler=delete_certificate, status=204),
]
