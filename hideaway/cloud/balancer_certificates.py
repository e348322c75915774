"""What Load Balancers' certificates certify: read from a chain that a user brings, or made here for a name.

A `letsencrypt` certificate is a real one of 90 days, but self-signed: no authority is asked, nothing is resolved.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hideaway.base.errors import InvalidArguments, invalid

LIFE = timedelta(days=90)  # Let's Encrypt's (recorded: not_valid_after is 90 days later)
_KEY = re.compile(rb"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.+?-----END \1PRIVATE KEY-----", re.DOTALL)
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What cryptography says of a chain that it cannot read."""
_MAX_COMMON_NAME = 64  # RFC 5280's bound of a common name; a longer name stands among the others only


class Certified(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a certificate's document that come from the certificate."""

    common_name: str
    subject_alternative_name: list[str]
    fingerprint: str  # SHA-1, as the recorded one's length says
    not_valid_before: datetime
    not_valid_after: datetime
    chain: str


def certify(now: datetime, common_name: str, others: list[str]) -> Certified:
    """A new certificate for these names. What is answered as alternative names is what was asked for (recorded)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:_MAX_COMMON_NAME])])
    names = [x509.DNSName(n) for n in dict.fromkeys([common_name, *others])]
    start = now.replace(microsecond=0)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + LIFE)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = certificate.public_bytes(serialization.Encoding.PEM) + secret
    return Certified(
        common_name=common_name,
        subject_alternative_name=others,
        fingerprint=certificate.fingerprint(hashes.SHA1()).hex(),
        not_valid_before=certificate.not_valid_before_utc,
        not_valid_after=certificate.not_valid_after_utc,
        chain=chain.decode(),
    )


def read_chain(pem: str) -> Certified:
    """What a chain in PEM certifies: its first certificate, whose private key must stand in it, too.

    Raises InvalidArguments naming `custom_certificate.certificate_chain`.
    """
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
        leaf = certificates[0]
        names, common_names = _alternative_names(leaf), leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        _check_key(pem.encode(), leaf)
        return Certified(
            common_name=str(common_names[0].value) if common_names else next(iter(names), ""),
            subject_alternative_name=names,
            fingerprint=leaf.fingerprint(hashes.SHA1()).hex(),
            not_valid_before=leaf.not_valid_before_utc,
            not_valid_after=leaf.not_valid_after_utc,
            chain=pem,
        )
    except _UNREADABLE as error:
        raise _wrong(f"the chain cannot be read as PEM: {error}") from None


def _wrong(message: str) -> InvalidArguments:
    return invalid("custom_certificate.certificate_chain", message, "format")


def _alternative_names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return extension.value.get_values_for_type(x509.DNSName)


def _check_key(pem: bytes, leaf: x509.Certificate) -> None:
    """Raise InvalidArguments unless the leaf's private key stands in the chain."""
    found = _KEY.search(pem)
    if found is None:
        raise _wrong("the chain has no private key")
    key = serialization.load_pem_private_key(found[0], password=None)
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(encoding, form) != leaf.public_key().public_bytes(encoding, form):
        raise _wrong("the private key is not that of the first certificate")
