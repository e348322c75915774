"""Load Balancers by the vendor's Terraform provider."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.clients.terraform import Terraform
from tests.cloud_under_test import Cloud

FIRST = (Path(__file__).parent / "balancers" / "main.tf").read_text()
SECOND = FIRST.replace("default = 1", "default = 2")
assert SECOND != FIRST
OLD_WORDS = """
resource "scaleway_vpc_private_network" "static" {
  ipv4_subnet { subnet = "172.16.32.0/22" }
}
resource "scaleway_vpc_private_network" "dhcp" {}
resource "scaleway_lb_ip" "ip" {}
resource "scaleway_lb" "lb" {
  ip_id = scaleway_lb_ip.ip.id
  type  = "LB-S"
  private_network {
    private_network_id = scaleway_vpc_private_network.static.id
    static_config      = ["172.16.32.101"]
  }
  private_network {
    private_network_id = scaleway_vpc_private_network.dhcp.id
    dhcp_config        = true
  }
}
"""


def everything(cloud: Cloud) -> dict[str, list[str]]:
    """The ids of all that lb/v1 and IPAM list."""
    zone, region = "/lb/v1/zones/fr-par-1", "/ipam/v1/regions/fr-par"
    lists = {f"{zone}/lbs": "lbs", f"{zone}/ips": "ips", f"{zone}/routes": "routes", f"{region}/ips": "ips"}
    return {path: sorted(item["id"] for item in cloud.get(path)[key]) for path, key in lists.items()}


def chain() -> str:
    """A self-signed certificate and its key, as PEM."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example.org")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return (builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + secret).decode()


@pytest.mark.slow
def test_terraform_makes_changes_and_removes_one_of_everything(records_cloud: Cloud, tmp_path: Path) -> None:
    """Each apply is followed by an empty plan. Addresses that came with an LB outlive it, as the vendor's do."""
    before = everything(records_cloud)
    terraform = Terraform(records_cloud, tmp_path / "tf", FIRST)
    (terraform.folder / "chain.pem").write_text(chain())
    for configuration in (FIRST, SECOND, FIRST):
        terraform.write(configuration)
        terraform.apply()
        terraform.plans_nothing()
    lbs = {lb["name"]: lb for lb in records_cloud.get("/lb/v1/zones/fr-par-1/lbs")["lbs"]}
    assert lbs["private"]["ip"] == []
    came_along = [ip["id"] for ip in lbs["both"]["ip"]]
    assert len(came_along) == 2
    terraform.destroy()
    assert everything(records_cloud) == before | {"/lb/v1/zones/fr-par-1/ips": sorted(came_along)}


@pytest.mark.slow
def test_an_old_provider_attaches_in_its_own_words(records_cloud: Cloud, tmp_path: Path) -> None:
    before = everything(records_cloud)
    terraform = Terraform(records_cloud, tmp_path / "tf", OLD_WORDS, "2.37.0")
    terraform.apply()
    terraform.plans_nothing()
    held = records_cloud.get("/ipam/v1/regions/fr-par/ips", resource_type="lb_server")["ips"]
    assert sorted(ip["address"] for ip in held)[-1] == "172.16.32.101/22"
    terraform.destroy()
    assert everything(records_cloud) == before
