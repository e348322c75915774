"""lb/v1: what a Load Balancer does with traffic: backends, frontends, routes, ACLs, certificates; who hears of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hideaway.cloud.balancers import OF_AN_LB
from tests.api_in_process import Cloud

ZONE = "/lb/v1/zones/fr-par-1"
NOWHERE = "3d2f6c1e-9b1a-4d3e-8d8f-0a1b2c3d4e5f"
CHECK = {"port": 80, "check_max_retries": 2, "check_delay": 60000, "check_timeout": 30000}


@pytest.fixture
def lb(cloud: Cloud) -> str:
    return f"{ZONE}/lbs/{cloud.post(f'{ZONE}/lbs', name='one', type='LB-S')['id']}"


@pytest.fixture
def backend(cloud: Cloud, lb: str) -> dict[str, Any]:
    return new_backend(cloud, lb)


@pytest.fixture
def frontend(cloud: Cloud, lb: str, backend: dict[str, Any]) -> dict[str, Any]:
    return new_frontend(cloud, lb, backend)


def new_backend(cloud: Cloud, lb: str, **more: Any) -> dict[str, Any]:
    body = {"name": "b", "forward_protocol": "http", "forward_port": 80, "health_check": CHECK}
    return dict(cloud.post(f"{lb}/backends", body | more))


def new_frontend(cloud: Cloud, lb: str, backend: dict[str, Any], **more: Any) -> dict[str, Any]:
    return dict(cloud.post(f"{lb}/frontends", {"inbound_port": 80, "backend_id": backend["id"]} | more))


def path(kind: str, document: dict[str, Any]) -> str:
    return f"{ZONE}/{kind}/{document['id']}"


def chain(*, key_of_another: bool = False, with_key: bool = True) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example.org")])
    names = x509.SubjectAlternativeName([x509.DNSName("example.org"), x509.DNSName("www.example.org")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2026, 2, 1, tzinfo=UTC))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    shown = ec.generate_private_key(ec.SECP256R1()) if key_of_another else key
    secret = shown.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM).decode() + (secret.decode() if with_key else "")


def test_a_backends_defaults_are_the_recorded_ones(cloud: Cloud, lb: str) -> None:
    made = new_backend(cloud, lb)
    lb_of_it = made.pop("lb")
    assert (lb_of_it["backend_count"], [i["status"] for i in lb_of_it["instances"]]) == (1, ["pending"])
    for name in ("id", "created_at", "updated_at"):
        made.pop(name)
    assert made == {
        "name": "b",
        "forward_protocol": "http",
        "forward_port": 80,
        "forward_port_algorithm": "roundrobin",
        "sticky_sessions": "none",
        "sticky_sessions_cookie_name": "",
        "health_check": {**CHECK, "check_send_proxy": False, "transient_check_delay": None, "tcp_config": {}},
        "pool": [],
        "send_proxy_v2": False,
        "timeout_server": None,
        "timeout_connect": None,
        "timeout_tunnel": None,
        "on_marked_down_action": "on_marked_down_action_none",
        "proxy_protocol": "proxy_protocol_unknown",
        "failover_host": None,
        "ssl_bridging": False,
        "ignore_ssl_server_verify": None,
        "redispatch_attempt_count": None,
        "max_retries": None,
        "max_connections": None,
        "timeout_queue": None,
        "host": "",
    }


@pytest.mark.parametrize(
    ("sent", "milliseconds"), [(5000, 5000), ("5000", 5000), ("5s", 5000), ("0.25s", 250), (0, 0), (None, None)]
)
def test_timeouts_are_milliseconds(cloud: Cloud, lb: str, sent: Any, milliseconds: int | None) -> None:
    assert new_backend(cloud, lb, timeout_server=sent)["timeout_server"] == milliseconds


@pytest.mark.parametrize(
    ("sent", "spelled"),
    [
        ("0.500000000s", "0.500s"),
        ("0.000000000s", "0s"),
        ("3s", "3s"),
        ("1.00025s", "1.000250s"),
        ("0.000000001s", "0.000000001s"),
    ],
)
def test_other_durations_are_seconds_with_as_many_digits_as_they_need(
    cloud: Cloud, lb: str, sent: str, spelled: str
) -> None:
    made = new_backend(cloud, lb, timeout_queue=sent, health_check=CHECK | {"transient_check_delay": sent})
    assert (made["timeout_queue"], made["health_check"]["transient_check_delay"]) == (spelled, spelled)


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"forward_protocol": "udp"}, "forward_protocol"),
        ({"forward_port": 0}, "forward_port"),
        ({"forward_port": 10**30}, "forward_port"),
        ({"forward_port_algorithm": "random"}, "forward_port_algorithm"),
        ({"sticky_sessions": "cookie"}, "sticky_sessions_cookie_name"),
        ({"server_ip": ["example.org"]}, "server_ip"),
        ({"server_ip": ["fe80::1%eth0"]}, "server_ip"),
        ({"timeout_server": "soon"}, "timeout_server"),
        ({"timeout_server": "9999999999s"}, "timeout_server"),
        ({"timeout_queue": 5}, "timeout_queue"),
        ({"timeout_connect": -1}, "timeout_connect"),
        ({"health_check": None}, "health_check"),
        ({"health_check": {}}, "health_check.port"),
        ({"health_check": CHECK | {"tcp_config": {}, "ldap_config": {}}}, "health_check.ldap_config"),
        ({"health_check": CHECK | {"check_delay": "x"}}, "health_check.check_delay"),
        ({"health_check": CHECK | {"http_config": {"code": 10**9}}}, "health_check.http_config.code"),
    ],
)
def test_what_is_wrong_with_a_backend_is_named(cloud: Cloud, lb: str, body: dict[str, Any], wrong: str) -> None:
    before = cloud.dump()
    whole = {"name": "b", "forward_protocol": "http", "forward_port": 80, "health_check": CHECK}
    refused = cloud.ask("POST", f"{lb}/backends", whole | body)
    assert (refused.status, refused.wrong) == (400, [wrong])
    assert len(cloud.dump()) == len(before)


def test_a_backends_servers_are_added_taken_away_and_replaced(cloud: Cloud, backend: dict[str, Any]) -> None:
    servers = path("backends", backend) + "/servers"
    assert cloud.post(servers, server_ip=["10.0.0.1", "fd00::1", "10.0.0.1"])["pool"] == ["10.0.0.1", "fd00::1"]
    assert cloud.post(servers, server_ip=["10.0.0.2", "10.0.0.1"])["pool"] == ["10.0.0.1", "fd00::1", "10.0.0.2"]
    taken = cloud.ask("DELETE", servers, {"server_ip": ["fd00::1", "10.9.9.9"]})
    assert taken.body["pool"] == ["10.0.0.1", "10.0.0.2"]
    assert cloud.put(servers, server_ip=["10.0.0.7"])["pool"] == ["10.0.0.7"]
    assert cloud.ask("POST", servers, {"server_ip": ["x"]}).wrong == ["server_ip"]
    assert cloud.get(path("backends", backend))["pool"] == ["10.0.0.7"]


def test_the_health_check_is_replaced_alone_and_answered_alone(cloud: Cloud, backend: dict[str, Any]) -> None:
    https = {"uri": "/up", "method": "HEAD", "code": 204, "host_header": "h", "sni": "s"}
    check = cloud.put(path("backends", backend) + "/healthcheck", **(CHECK | {"https_config": https}))
    assert (check["https_config"], "tcp_config" in check) == (https, False)
    replaced = cloud.put(path("backends", backend), name="c", forward_protocol="tcp", forward_port=81, host="x")
    assert (replaced["health_check"], replaced["name"], replaced["host"]) == (check, "c", "x")
    user = cloud.put(path("backends", backend) + "/healthcheck", **(CHECK | {"pgsql_config": {"user": "u"}}))
    assert user["pgsql_config"] == {"user": "u"}


def test_lists_are_of_one_load_balancer_and_filtered_by_name(cloud: Cloud, lb: str, backend: dict[str, Any]) -> None:
    other = f"{ZONE}/lbs/{cloud.post(f'{ZONE}/lbs', name='two', type='LB-S')['id']}"
    second = new_backend(cloud, lb, name="second")
    new_backend(cloud, other)
    assert [b["id"] for b in cloud.get(f"{lb}/backends")["backends"]] == [backend["id"], second["id"]]
    assert [b["id"] for b in cloud.get(f"{lb}/backends", name="sec")["backends"]] == [second["id"]]
    new_frontend(cloud, lb, backend, name="f1")
    new_frontend(cloud, lb, second, name="f2", inbound_port=81)
    listed = cloud.get(f"{lb}/frontends", order_by="created_at_desc")["frontends"]
    assert [f["name"] for f in listed] == ["f2", "f1"]
    assert all(f["lb"]["instances"] and f["backend"]["lb"]["instances"] for f in listed)


def test_a_frontend_carries_its_backend_and_its_balancer(cloud: Cloud, lb: str, backend: dict[str, Any]) -> None:
    made = new_frontend(cloud, lb, backend, name="f", timeout_client=30000, connection_rate_limit=0)
    assert (made["timeout_client"], made["connection_rate_limit"], made["certificate"]) == (30000, None, None)
    assert (made["certificate_ids"], made["enable_http3"], made["enable_access_logs"]) == ([], False, False)
    assert (made["backend"]["id"], made["lb"]["frontend_count"]) == (backend["id"], 1)
    assert (len(made["lb"]["instances"]), made["backend"]["lb"]["instances"]) == (1, [])
    assert cloud.get(path("frontends", made))["lb"]["instances"] == []


def test_a_port_is_listened_on_once(cloud: Cloud, lb: str, backend: dict[str, Any], frontend: dict[str, Any]) -> None:
    assert cloud.ask("POST", f"{lb}/frontends", {"inbound_port": 80, "backend_id": backend["id"]}).status == 409
    second = new_frontend(cloud, lb, backend, inbound_port=81)
    moved = {"inbound_port": 80, "backend_id": backend["id"]}
    assert cloud.ask("PUT", path("frontends", second), moved).status == 409
    assert cloud.put(path("frontends", frontend), inbound_port=80, backend_id=backend["id"])["inbound_port"] == 80


def test_what_belongs_to_another_balancer_is_not_found(cloud: Cloud, lb: str, frontend: dict[str, Any]) -> None:
    other = f"{ZONE}/lbs/{cloud.post(f'{ZONE}/lbs', name='two', type='LB-S')['id']}"
    strange = new_backend(cloud, other)
    certificate = cloud.post(f"{other}/certificates", letsencrypt={"common_name": "example.org"})
    own = frontend["backend"]["id"]
    for method, where, body, said in (
        ("POST", f"{lb}/frontends", {"inbound_port": 81, "backend_id": strange["id"]}, "backend"),
        ("POST", f"{lb}/frontends", {"inbound_port": 81, "backend_id": NOWHERE}, "backend"),
        ("PUT", path("frontends", frontend), {"inbound_port": 80, "backend_id": strange["id"]}, "backend"),
        (
            "PUT",
            path("frontends", frontend),
            {"inbound_port": 80, "backend_id": own, "certificate_ids": [certificate["id"]]},
            "certificate",
        ),
        ("POST", f"{ZONE}/routes", {"frontend_id": frontend["id"], "backend_id": strange["id"]}, "backend"),
        ("POST", f"{ZONE}/routes", {"frontend_id": NOWHERE, "backend_id": own}, "frontend"),
    ):
        refused = cloud.ask(method, where, body)
        assert (refused.status, refused.body) == (404, {"message": f"{said} not Found"}), (method, where)


def test_what_is_used_is_not_deleted(cloud: Cloud, lb: str, backend: dict[str, Any], frontend: dict[str, Any]) -> None:
    certificate = cloud.post(f"{lb}/certificates", letsencrypt={"common_name": "example.org"})
    other = new_backend(cloud, lb)
    route = cloud.post(f"{ZONE}/routes", frontend_id=frontend["id"], backend_id=other["id"], match={"sni": "a.b"})
    cloud.put(
        path("frontends", frontend), inbound_port=80, backend_id=backend["id"], certificate_ids=[certificate["id"]]
    )
    for used in (path("backends", backend), path("backends", other), path("certificates", certificate)):
        assert cloud.ask("DELETE", used).status == 412
    cloud.delete(path("frontends", frontend))
    assert cloud.ask("GET", path("routes", route)).body == {"message": "privateNetwork not Found"}
    for free in (path("backends", backend), path("backends", other), path("certificates", certificate)):
        cloud.delete(free)
    assert cloud.ask("GET", path("backends", backend)).body == {"message": "backend not Found"}


def test_a_route_matches_one_way_and_answers_that_way_alone(
    cloud: Cloud, backend: dict[str, Any], frontend: dict[str, Any]
) -> None:
    made = cloud.post(
        f"{ZONE}/routes", frontend_id=frontend["id"], backend_id=backend["id"], match={"path_begin": "/api"}
    )
    assert made["match"] == {"path_begin": "/api", "match_subdomains": False}
    assert set(made) == {"id", "frontend_id", "backend_id", "match", "created_at", "updated_at"}
    changed = cloud.put(
        path("routes", made), backend_id=backend["id"], match={"host_header": "a.b", "match_subdomains": True}
    )
    assert changed["match"] == {"host_header": "a.b", "match_subdomains": True}
    both = {"backend_id": backend["id"], "match": {"sni": "a.b", "path_begin": "/"}}
    assert cloud.ask("PUT", path("routes", made), both).wrong == ["match"]
    assert cloud.get(f"{ZONE}/routes", frontend_id=frontend["id"])["routes"] == [cloud.get(path("routes", made))]
    assert cloud.get(f"{ZONE}/routes", frontend_id=NOWHERE)["total_count"] == 0


def test_an_acl_without_ranges_is_for_everyone(cloud: Cloud, frontend: dict[str, Any]) -> None:
    acls = path("frontends", frontend) + "/acls"
    match = {"ip_subnet": None, "http_filter": "path_begin", "http_filter_value": ["/a"]}
    made = cloud.post(acls, name="a", action={"type": "allow", "redirect": None}, index=1, match=match)
    assert made["match"] == {
        "ip_subnet": ["0.0.0.0/0"],
        "ips_edge_services": False,
        "http_filter": "path_begin",
        "http_filter_value": ["/a"],
        "http_filter_option": None,
        "invert": False,
    }
    assert (made["action"], made["description"]) == ({"type": "allow", "redirect": None}, "")
    assert made["frontend"]["lb"]["instances"] == made["frontend"]["backend"]["lb"]["instances"] == []
    redirect = {"type": "redirect", "redirect": {"type": "scheme", "target": "https", "code": None}}
    changed = cloud.put(path("acls", made), name="b", action=redirect, index=2)
    assert (changed["action"]["redirect"]["code"], changed["match"], changed["index"]) == (302, None, 2)
    assert len(changed["frontend"]["lb"]["instances"]) == 1
    cloud.delete(path("acls", made))
    assert cloud.ask("GET", path("acls", made)).body == {"message": "acl not Found"}


def test_all_acls_of_a_frontend_are_replaced_at_once(cloud: Cloud, frontend: dict[str, Any]) -> None:
    acls = path("frontends", frontend) + "/acls"
    for index in range(3):
        cloud.post(acls, action={"type": "deny"}, index=index)
    new = [{"name": n, "action": {"type": "allow"}, "index": 1, "description": ""} for n in ("x", "y")]
    assert [a["name"] for a in cloud.put(acls, acls=new)["acls"]] == ["x", "y"]
    assert cloud.get(acls)["total_count"] == 2
    before = cloud.dump()
    assert cloud.ask("PUT", acls, {"acls": [*new, {"action": {"type": "no"}, "index": 1}]}).wrong == [
        "acls.action.type"
    ]
    bad = {"action": {"type": "allow"}, "index": 1, "match": {"ip_subnet": ["x"]}}
    assert cloud.ask("PUT", acls, {"acls": [*new, bad]}).wrong == ["match.ip_subnet"]
    assert cloud.dump() == before
    assert cloud.put(acls, acls=[]) == {"total_count": 0, "acls": []}


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"action": {"type": "redirect"}}, "action.redirect"),
        ({"action": {"type": "allow", "redirect": {"type": "scheme", "target": "https"}}}, "action.redirect"),
        (
            {"action": {"type": "redirect", "redirect": {"type": "location", "target": "x", "code": 200}}},
            "action.redirect.code",
        ),
        ({"match": {"ip_subnet": ["10.0.0.0/99"]}}, "match.ip_subnet"),
        ({"match": {"http_filter": "regex"}}, "match.http_filter_value"),
        ({"match": {"http_filter": "http_header_match", "http_filter_value": ["x"]}}, "match.http_filter_option"),
        ({"index": -1}, "index"),
        ({"index": None}, "index"),
    ],
)
def test_what_is_wrong_with_an_acl_is_named(
    cloud: Cloud, frontend: dict[str, Any], body: dict[str, Any], wrong: str
) -> None:
    whole = {"action": {"type": "allow"}, "index": 0}
    refused = cloud.ask("POST", path("frontends", frontend) + "/acls", whole | body)
    assert (refused.status, refused.wrong) == (400, [wrong])


def test_a_letsencrypt_certificate_is_known_once_it_is_ready(cloud: Cloud, lb: str) -> None:
    asked = {"common_name": "example.org", "subject_alternative_name": ["www.example.org"]}
    made = cloud.post(f"{lb}/certificates", name="c", letsencrypt=asked)
    assert (made["status"], made["type"], made["fingerprint"]) == ("pending", "letsencrypt", "")
    assert made["not_valid_before"] == made["not_valid_after"] == "0001-01-01T00:00:00Z"
    ready = cloud.get(path("certificates", made))
    assert (ready["status"], len(ready["fingerprint"]), ready["lb"]["instances"]) == ("ready", 40, [])
    assert {name: ready[name] for name in asked} == asked
    life = datetime.fromisoformat(ready["not_valid_after"]) - datetime.fromisoformat(ready["not_valid_before"])
    assert life == timedelta(days=90)
    assert cloud.put(path("certificates", made), name="d")["name"] == "d"
    assert [c["name"] for c in cloud.get(f"{lb}/certificates")["certificates"]] == ["d"]


def test_a_private_balancer_has_no_letsencrypt_certificate(cloud: Cloud) -> None:
    private = cloud.post(f"{ZONE}/lbs", name="p", type="LB-S", assign_flexible_ip=False)
    refused = cloud.ask(
        "POST", f"{ZONE}/lbs/{private['id']}/certificates", {"letsencrypt": {"common_name": "example.org"}}
    )
    assert (refused.status, refused.wrong) == (400, ["letsencrypt"])


def test_a_custom_certificate_is_read(cloud: Cloud, lb: str) -> None:
    pem = chain()
    made = cloud.post(f"{lb}/certificates", custom_certificate={"certificate_chain": pem})
    ready = cloud.get(path("certificates", made))
    leaf = x509.load_pem_x509_certificates(pem.encode())[0]
    assert (ready["type"], ready["common_name"]) == ("custom", "example.org")
    assert ready["subject_alternative_name"] == ["example.org", "www.example.org"]
    assert ready["fingerprint"] == leaf.fingerprint(hashes.SHA1()).hex()
    assert (ready["not_valid_before"], ready["not_valid_after"]) == ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
    assert pem not in str(ready)


@pytest.mark.parametrize("pem", ["", "x", chain(with_key=False), chain(key_of_another=True), chain()[:300]])
def test_a_chain_that_cannot_serve_is_refused(cloud: Cloud, lb: str, pem: str) -> None:
    refused = cloud.ask("POST", f"{lb}/certificates", {"custom_certificate": {"certificate_chain": pem}})
    assert (refused.status, refused.wrong) == (400, ["custom_certificate.certificate_chain"])
    assert cloud.ask("POST", f"{lb}/certificates", {"name": "c"}).wrong == ["letsencrypt"]


def test_unchecked_servers_are_stopped(cloud: Cloud, lb: str, backend: dict[str, Any]) -> None:
    cloud.put(path("backends", backend) + "/servers", server_ip=["10.0.0.1", "10.0.0.2"])
    other = new_backend(cloud, lb, server_ip=["10.0.0.3"])
    (instance,) = cloud.get(lb)["instances"]
    rows = cloud.get(f"{lb}/stats")["backend_servers_stats"]
    assert [(r["backend_id"] == other["id"], r["ip"]) for r in rows] == [
        (False, "10.0.0.1"), (False, "10.0.0.2"), (True, "10.0.0.3"),
    ]  # fmt: skip
    assert {(r["instance_id"], r["server_state"], r["last_health_check_status"]) for r in rows} == {
        (instance["id"], "stopped", "unknown")
    }
    listed = cloud.get(f"{lb}/backend-stats", backend_id=other["id"])
    assert (listed["total_count"], listed["backend_servers_stats"]) == (1, rows[2:])


def test_a_subscriber_hears_of_a_balancer(cloud: Cloud, lb: str) -> None:
    made = cloud.post(f"{ZONE}/subscribers", name="s", email_config={"email": "a@example.org"})
    assert made == {"id": made["id"], "name": "s", "email_config": {"email": "a@example.org"}}
    subscription = lb.replace("/lbs/", "/lb/")
    assert cloud.post(f"{subscription}/subscribe", subscriber_id=made["id"])["subscriber"] == made
    assert cloud.ask("DELETE", f"{ZONE}/lb/subscription/{made['id']}").status == 412
    hook = {"uri": "https://example.org/hook"}
    changed = cloud.put(path("subscribers", made), name="t", webhook_config=hook)
    assert cloud.get(lb)["subscriber"] == changed == {"id": made["id"], "name": "t", "webhook_config": hook}
    assert cloud.ask("DELETE", f"{subscription}/unsubscribe").body["subscriber"] is None
    assert cloud.get(f"{ZONE}/subscribers", name="t")["subscribers"] == [changed]
    for wrong in ({}, {"email_config": {"email": "x"}}, {"webhook_config": {"uri": "ftp://x"}}):
        assert cloud.ask("POST", f"{ZONE}/subscribers", {"name": "s"} | wrong).status == 400
    cloud.delete(f"{ZONE}/lb/subscription/{made['id']}")


def test_all_of_a_balancer_goes_with_it(cloud: Cloud, lb: str, frontend: dict[str, Any]) -> None:
    cloud.post(path("frontends", frontend) + "/acls", action={"type": "deny"}, index=0)
    cloud.post(f"{ZONE}/routes", frontend_id=frontend["id"], backend_id=frontend["backend"]["id"])
    cloud.post(f"{lb}/certificates", letsencrypt={"common_name": "example.org"})
    cloud.delete(lb)
    assert cloud.ask("GET", path("frontends", frontend)).body == {"message": "frontend not Found"}
    with cloud.store.transaction() as ledger:
        assert [ledger.find(type_) for type_ in OF_AN_LB] == [[] for _ in OF_AN_LB]
