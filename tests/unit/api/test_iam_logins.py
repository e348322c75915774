"""iam/v1alpha1: what users would log in with. It is kept and checked as far as it can be; nobody logs in here."""

from __future__ import annotations

import base64
import json
from datetime import UTC, timedelta
from typing import Any

import pytest

from hideaway.cloud.logins import one_time_password
from tests.api_in_process import Cloud
from tests.unit.api.instances import NOWHERE

IAM = "/iam/v1alpha1"
FIRST, SECOND = "MIIBfirst", "MIICsecond"
METADATA = f"""<?xml version="1.0"?>
<!-- who we are -->
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#"
    entityID="https://idp.example.org">
  <md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    <md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>
      {FIRST}
    </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
    <md:KeyDescriptor use="encryption"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{SECOND}</ds:X509Certificate>
    </ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
    <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example.org/sso"/>
  </md:IDPSSODescriptor>
</md:EntityDescriptor>"""


@pytest.fixture
def user(cloud: Cloud) -> dict[str, Any]:
    made: dict[str, Any] = cloud.post(f"{IAM}/users", member={"email": "a@example.org", "username": "ann"})
    return made


def factors(cloud: Cloud, id_: str) -> bool:
    return bool(cloud.get(f"{IAM}/users/{id_}")["two_factor_enabled"])


def test_one_time_passwords_are_those_of_the_standard() -> None:
    """RFC 6238, appendix B, its last six digits."""
    from datetime import datetime

    secret = base64.b32encode(b"12345678901234567890").decode()
    times = {59: "287082", 1111111109: "081804", 2000000000: "279037"}
    assert {at: one_time_password(secret, datetime.fromtimestamp(at, UTC)) for at in times} == times


def test_one_time_passwords_are_in_force_once_one_was_shown(cloud: Cloud, user: dict[str, Any]) -> None:
    one = f"{IAM}/users/{user['id']}"
    assert cloud.ask("POST", one + "/validate-mfa-otp", {"one_time_password": "000000"}).status == 404
    cloud.post(one + "/mfa-otp", {})
    secret = cloud.post(one + "/mfa-otp", {})["secret"]
    good = one_time_password(secret, cloud.clock.now())
    wrong = f"{(int(good) + 1) % 10**6:06}"
    assert cloud.ask("POST", one + "/validate-mfa-otp", {"one_time_password": wrong}).wrong == ["one_time_password"]
    late = one_time_password(secret, cloud.clock.now() - timedelta(minutes=2))
    assert cloud.ask("POST", one + "/validate-mfa-otp", {"one_time_password": late}).status == 400
    assert not factors(cloud, user["id"])
    codes = cloud.post(one + "/validate-mfa-otp", one_time_password=good)["recovery_codes"]
    assert len(set(codes)) == 10
    assert factors(cloud, user["id"])
    assert cloud.ask("POST", one + "/mfa-otp", {}).status == 409
    cloud.delete(one + "/mfa-otp")
    assert not factors(cloud, user["id"])
    assert cloud.ask("DELETE", one + "/mfa-otp").status == 404


def test_an_authenticator_answers_its_challenge(cloud: Cloud, user: dict[str, Any]) -> None:
    one, origin = f"{IAM}/users/{user['id']}", "https://console.example.org"
    begun = cloud.ask("POST", f"{one}/start-webauthn-registration?origin={origin}").body
    assert begun["exclude_credentials"] == []

    def finish(**changes: Any) -> Any:
        said = {"type": "webauthn.create", "challenge": begun["challenge"], "origin": origin}
        said |= {name: value for name, value in changes.items() if name in said}
        body = {
            "ceremony_id": begun["ceremony_id"], "authenticator_name": "key", "origin": origin, "raw_id": "cmF3",
            "client_data_json": json.dumps(said), "authenticator_data": "", "attestation_object": "x", "public_key": "",
            "public_key_algorithm": -7,
        }  # fmt: skip
        body |= {name: value for name, value in changes.items() if name in body and name != "origin"}
        return cloud.ask("POST", one + "/finish-webauthn-registration", body)

    assert finish(challenge="another").wrong == ["client_data_json"]
    assert finish(type="webauthn.get").wrong == ["client_data_json"]
    assert finish(origin="https://elsewhere.example.org").wrong == ["origin"]
    assert finish(client_data_json="?").wrong == ["client_data_json"]
    assert finish(public_key_algorithm=1).wrong == ["public_key_algorithm"]
    encoded = base64.urlsafe_b64encode(b'{"type":"webauthn.create","challenge":"x","origin":"x"}').decode().rstrip("=")
    assert finish(client_data_json=encoded).wrong == ["client_data_json"]
    made = finish().body["authenticator_id"]
    assert finish().status == 404, "a ceremony ends once"
    assert factors(cloud, user["id"])
    renamed = cloud.patch(f"{IAM}/webauthn-authenticator/{made}", authenticator_name="other")
    assert cloud.get(one + "/webauthn-authenticators") == {"total_count": 1, "authenticators": [renamed]}
    begun = cloud.ask("POST", f"{one}/start-webauthn-registration?origin={origin}").body
    assert begun["exclude_credentials"] == ["cmF3"]
    assert finish().status == 409
    cloud.clock.advance(600)
    assert finish(raw_id="b3RoZXI").status == 412, "its time has passed"
    cloud.delete(f"{IAM}/webauthn-authenticator/{made}")
    assert not factors(cloud, user["id"])


def test_sessions(cloud: Cloud, user: dict[str, Any]) -> None:
    made = cloud.post(f"{IAM}/jwts", user_id=user["id"], referrer="https://console.example.org")
    header, claims, _ = made["token"].split(".")
    assert json.loads(base64.urlsafe_b64decode(header + "==")) == {"alg": "HS256", "typ": "JWT"}
    assert json.loads(base64.urlsafe_b64decode(claims + "=="))["jti"] == made["jwt"]["jti"]
    one = f"{IAM}/jwts/{made['jwt']['jti']}"
    assert cloud.get(one) == made["jwt"]
    assert cloud.get(f"{IAM}/jwts", audience_id=user["id"], expired=False)["jwts"] == [made["jwt"]]
    assert cloud.get(f"{IAM}/jwts", audience_id=user["id"], expired=True)["total_count"] == 0
    assert cloud.ask("GET", one, key=made["token"]).status == 401, "no call is made with a session"
    cloud.delete(one)
    assert cloud.ask("GET", one).status == 404
    cloud.post(f"{IAM}/users/{user['id']}/lock", {})
    assert cloud.ask("POST", f"{IAM}/jwts", {"user_id": user["id"], "referrer": ""}).status == 412


def test_one_persons_users_are_joined_across_organizations(cloud: Cloud, user: dict[str, Any]) -> None:
    other = cloud.organization()
    token = cloud.post(f"{IAM}/users/{user['id']}/initiate-connection", {})["token"]
    join = f"{IAM}/users/{other.user_id}/join-connection"
    assert cloud.ask("POST", join, {"token": "made up"}, key=other.secret_key).wrong == ["token"]
    assert cloud.ask("POST", join, {"token": token}).status == 404, "it is another organization's user"
    assert cloud.ask("POST", join, {"token": token}, key=other.secret_key).status == 204
    assert cloud.ask("POST", join, {"token": token}, key=other.secret_key).status == 400, "a token is used once"
    assert cloud.get(f"{IAM}/users/{user['id']}/connections")["connections"] == [
        {
            "organization": {"id": other.organization_id, "name": "default", "locked": False},
            "user": {"id": other.user_id, "username": "owner", "type": "owner"},
        }
    ]
    seen = cloud.ask("GET", f"{IAM}/users/{other.user_id}/connections", key=other.secret_key).body
    assert [c["user"]["id"] for c in seen["connections"]] == [user["id"]]
    remove = f"{IAM}/users/{user['id']}/remove-connection"
    assert cloud.ask("POST", remove, {"target_user_id": NOWHERE}).status == 404
    assert cloud.ask("POST", remove, {"target_user_id": other.user_id}).status == 204
    assert cloud.get(f"{IAM}/users/{user['id']}/connections")["connections"] == []


def test_a_user_leaves_nothing_to_log_in_with(cloud: Cloud) -> None:
    before = {kind for kind, _, _ in cloud.dump()}
    user = cloud.post(f"{IAM}/users", member={"email": "a@example.org", "username": "ann"})["id"]
    owner = cloud.owner.user_id
    cloud.post(f"{IAM}/users/{user}/mfa-otp", {})
    cloud.ask("POST", f"{IAM}/users/{user}/start-webauthn-registration?origin=x")
    cloud.post(f"{IAM}/jwts", user_id=user, referrer="")
    token = cloud.post(f"{IAM}/users/{user}/initiate-connection", {})["token"]
    cloud.post(f"{IAM}/users/{owner}/join-connection", token=token)
    cloud.post(f"{IAM}/users/{user}/initiate-connection", {})
    cloud.delete(f"{IAM}/users/{user}")
    assert {kind for kind, _, _ in cloud.dump()} - before == {"iam/log"}


def test_a_user_has_a_while_to_renew_its_password(cloud: Cloud, user: dict[str, Any]) -> None:
    security = f"{IAM}/organizations/{cloud.owner.organization_id}/security-settings"
    assert cloud.get(f"{IAM}/grace-periods", user_id=user["id"])["grace_periods"] == []
    cloud.patch(security, enforce_password_renewal=True, grace_period_duration="3600s")
    (period,) = cloud.get(f"{IAM}/grace-periods", user_id=user["id"])["grace_periods"]
    assert period["type"] == "update_password"
    assert len(cloud.get(f"{IAM}/grace-periods")["grace_periods"]) == 1, "one's own"
    cloud.clock.advance(1)
    cloud.post(f"{IAM}/users/{user['id']}/update-password", password="thiZ_is_v&ry_s3cret")
    assert cloud.get(f"{IAM}/grace-periods", user_id=user["id"])["grace_periods"] == []


def test_metadata_of_an_identity_provider_is_read(cloud: Cloud) -> None:
    def parse(text: str) -> Any:
        file = {"name": "m.xml", "content_type": "application/xml", "content": base64.b64encode(text.encode()).decode()}
        return cloud.ask("POST", f"{IAM}/parse-saml-metadata", {"file": file})

    assert parse(METADATA).body == {
        "single_sign_on_url": "https://idp.example.org/sso",
        "entity_id": "https://idp.example.org",
        "signing_certificates": [FIRST],
    }
    for bad in ("<x/>", "no XML", '<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;&a;</x>'):
        assert parse(bad).wrong == ["file"]
