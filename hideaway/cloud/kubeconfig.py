"""A cluster's authority and the kubeconfig that trusts it."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hideaway.cloud.kubernetes import Cluster

LIFE = timedelta(days=3650)  # the recorded authorities live ten years
REDACTED = "REDACTED_TOKEN"


def make_authority(now: datetime) -> tuple[str, str]:
    """A new certificate authority, as PEM: (certificate, key). P-256, CN=kubernetes, as the recorded ones are."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + LIFE)
        .add_extension(usage, critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), secret.decode()


def kubeconfig(cluster: Cluster, *, redacted: bool = False) -> str:
    """The administrator's kubeconfig, as YAML: the vendor's text to the line. redacted: without the token."""
    authority = base64.b64encode(cluster.ca_certificate.encode()).decode()
    name = _plain(cluster.name)
    return f"""apiVersion: v1
clusters:
- name: "{name}"
  cluster:
    certificate-authority-data: {authority}
    server: {cluster.cluster_url}
contexts:
- name: admin@{name}
  context:
    cluster: "{name}"
    user: {name}-admin
current-context: admin@{name}
kind: Config
preferences: {{}}
users:
- name: {name}-admin
  user:
    token: {REDACTED if redacted else cluster.admin_token}
"""


def _plain(name: str) -> str:
    """A name that needs no quoting in YAML, whatever a user called the cluster."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in name)
