"""iam/v1alpha1: users, applications, groups, policies, API keys, SSH keys; and what they let a key do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hideaway.cloud.change import Change
from hideaway.cloud.founding import found
from tests.api_in_process import Cloud

IAM = "/iam/v1alpha1"
VPCS = "/vpc/v2/regions/fr-par/vpcs"
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEEYrzDOZmhItdKaDAEqJQ4ORS2GyBMtBozYsK5kiXXX"


def application(cloud: Cloud, *rules: dict[str, Any]) -> dict[str, Any]:
    """A new application with a policy of these rules."""
    made = dict(cloud.post(f"{IAM}/applications", name="app"))
    if rules:
        cloud.post(f"{IAM}/policies", application_id=made["id"], rules=list(rules))
    return made


def key_of(cloud: Cloud, bearer: dict[str, Any], **more: Any) -> str:
    return str(cloud.post(f"{IAM}/api-keys", application_id=bearer["id"], **more)["secret_key"])


def everywhere(cloud: Cloud, *names: str, condition: str = "") -> dict[str, Any]:
    return {
        "permission_set_names": list(names),
        "organization_id": cloud.owner.organization_id,
        "condition": condition,
    }


def reads(cloud: Cloud, key: str) -> bool:
    return bool(cloud.ask("GET", VPCS, key=key).body.get("total_count"))


def writes(cloud: Cloud, key: str, **body: Any) -> int:
    return cloud.ask("POST", VPCS, {"name": "v"} | body, key=key).status


def test_an_application_may_nothing_until_a_policy_says_so(cloud: Cloud) -> None:
    app = application(cloud)
    assert app["nb_api_keys"] == 0
    key = key_of(cloud, app)
    assert cloud.get(f"{IAM}/applications/{app['id']}")["nb_api_keys"] == 1
    assert (reads(cloud, key), writes(cloud, key)) == (False, 403)
    refused = cloud.ask("POST", VPCS, {"name": "v"}, key=key).body
    assert refused["details"] == [{"action": "write", "resource": "vpc"}]
    policy = cloud.post(f"{IAM}/policies", application_id=app["id"], rules=[everywhere(cloud, "VPCReadOnly")])
    assert (reads(cloud, key), writes(cloud, key)) == (True, 403)
    cloud.put(f"{IAM}/rules", policy_id=policy["id"], rules=[everywhere(cloud, "VPCFullAccess")])
    assert writes(cloud, key) == 200
    cloud.delete(f"{IAM}/policies/{policy['id']}")
    assert (reads(cloud, key), writes(cloud, key)) == (False, 403)


def test_a_permission_set_reaches_its_own_product_only(cloud: Cloud) -> None:
    key = key_of(cloud, application(cloud, everywhere(cloud, "InstancesFullAccess")))
    assert (reads(cloud, key), writes(cloud, key)) == (False, 403)


def test_all_products_are_not_the_organization_itself(cloud: Cloud) -> None:
    key = key_of(cloud, application(cloud, everywhere(cloud, "AllProductsFullAccess")))
    assert writes(cloud, key) == 200
    assert cloud.ask("POST", f"{IAM}/applications", {"name": "x"}, key=key).status == 403
    assert cloud.ask("POST", "/account/v3/projects", {"name": "x"}, key=key).status == 403
    manager = key_of(cloud, application(cloud, everywhere(cloud, "IAMManager", "ProjectManager")))
    assert cloud.ask("POST", f"{IAM}/applications", {"name": "x"}, key=manager).status == 200
    assert cloud.ask("POST", "/account/v3/projects", {"name": "x"}, key=manager).status == 200
    assert writes(cloud, manager) == 403


def test_a_rule_for_a_project_ends_at_its_border(cloud: Cloud) -> None:
    project = cloud.post("/account/v3/projects", name="p")["id"]
    rule = {"permission_set_names": ["VPCFullAccess"], "project_ids": [project]}
    key = key_of(cloud, application(cloud, rule), default_project_id=project)
    assert writes(cloud, key) == 200
    assert writes(cloud, key, project_id=cloud.project) == 403
    assert {v["project_id"] for v in cloud.ask("GET", VPCS, key=key).body["vpcs"]} == {project}
    (theirs,) = cloud.get(VPCS, project_id=cloud.project)["vpcs"]
    assert cloud.ask("GET", f"{VPCS}/{theirs['id']}", key=key).status == 403


def test_a_group_s_policy_counts_for_its_members(cloud: Cloud) -> None:
    app, group = application(cloud), cloud.post(f"{IAM}/groups", name="g")
    key = key_of(cloud, app)
    cloud.post(f"{IAM}/policies", group_id=group["id"], rules=[everywhere(cloud, "VPCFullAccess")])
    assert writes(cloud, key) == 403
    joined = cloud.post(f"{IAM}/groups/{group['id']}/add-member", application_id=app["id"])
    assert joined["application_ids"] == [app["id"]]
    assert writes(cloud, key) == 200
    assert cloud.post(f"{IAM}/groups/{group['id']}/remove-member", application_id=app["id"])["application_ids"] == []
    assert writes(cloud, key) == 403
    assert cloud.put(f"{IAM}/groups/{group['id']}/members", application_ids=[app["id"], app["id"]], user_ids=None)[
        "application_ids"
    ] == [app["id"]]
    cloud.delete(f"{IAM}/groups/{group['id']}")
    assert writes(cloud, key) == 403


@pytest.mark.parametrize(
    ("condition", "counts"),
    [
        ('request.ip == "127.0.0.1"', True),
        ('inIpRange(request.ip, "10.0.0.0/8")', False),
        ('request.time < timestamp("2026-01-01T00:00:30Z")', True),
        ('request.user_agent.startsWith("terraform")', False),
    ],
)
def test_a_condition_decides_whether_a_rule_counts(cloud: Cloud, condition: str, counts: bool) -> None:
    key = key_of(cloud, application(cloud, everywhere(cloud, "VPCFullAccess", condition=condition)))
    assert writes(cloud, key) == (200 if counts else 403)


def test_a_condition_in_time_ends(cloud: Cloud) -> None:
    condition = 'request.time < timestamp("2026-01-01T00:00:30Z")'
    key = key_of(cloud, application(cloud, everywhere(cloud, "VPCFullAccess", condition=condition)))
    assert writes(cloud, key) == 200
    cloud.clock.advance(31)
    assert writes(cloud, key) == 403


def test_all_that_is_wrong_with_a_policy_is_named(cloud: Cloud) -> None:
    rules = [
        {"permission_set_names": ["NoSuchSet"], "organization_id": cloud.owner.organization_id},
        {"permission_set_names": ["VPCReadOnly"], "project_ids": [cloud.ids.uuid()], "condition": "request.cookie"},
        {"permission_set_names": ["IAMManager", "VPCReadOnly"], "organization_id": cloud.owner.organization_id},
        {"permission_set_names": []},
    ]
    refused = cloud.ask("POST", f"{IAM}/policies", {"rules": rules, "no_principal": True})
    assert refused.status == 400
    assert refused.wrong == [
        "rules.0.permission_set_names",
        "rules.1.project_ids",
        "rules.1.condition",
        "rules.2.permission_set_names",
        "rules.3.permission_set_names",
        "rules.3.organization_id",
    ]
    two = {"application_id": application(cloud)["id"], "no_principal": True}
    assert cloud.ask("POST", f"{IAM}/policies", two).wrong == ["no_principal"]


def test_a_policy_is_answered_as_recorded(cloud: Cloud) -> None:
    app = application(cloud)
    project = {"permission_set_names": ["VPCReadOnly", "IPAMReadOnly"], "project_ids": [cloud.project]}
    rules = [everywhere(cloud, "IAMManager"), project]
    made = cloud.post(f"{IAM}/policies", name="p", application_id=app["id"], rules=rules)
    assert (made["nb_rules"], made["application_id"]) == (0, app["id"])
    assert "no_principal" not in made
    kept = cloud.get(f"{IAM}/policies/{made['id']}")
    assert (kept["nb_rules"], kept["nb_scopes"], kept["nb_permission_sets"]) == (2, len({cloud.project}), 3)
    first, second = cloud.get(f"{IAM}/rules", policy_id=made["id"])["rules"]
    assert (first["permission_sets_scope_type"], "project_ids" in first) == ("organization", False)
    assert (second["permission_sets_scope_type"], second["project_ids"]) == ("projects", [cloud.project])
    freed = cloud.patch(f"{IAM}/policies/{made['id']}", no_principal=True)
    assert freed["no_principal"]
    assert "application_id" not in freed
    copy = cloud.post(f"{IAM}/policies/{made['id']}/clone")
    assert (copy["nb_rules"], copy["no_principal"]) == (2, True)
    found = cloud.get(f"{IAM}/policies", policy_name="p", order_by="policy_name_desc", no_principal=True)
    assert [p["name"] for p in found["policies"]] == ["p-clone", "p"]


def test_a_secret_is_answered_once(cloud: Cloud) -> None:
    app = application(cloud)
    made = cloud.post(f"{IAM}/api-keys", application_id=app["id"], description="d")
    assert made["default_project_id"] == cloud.project
    secret = made.pop("secret_key")
    for read in (cloud.get(f"{IAM}/api-keys/{made['access_key']}"), *cloud.get(f"{IAM}/api-keys")["api_keys"]):
        assert read["secret_key"] is None
    assert not any(secret.encode() in document[2] for document in cloud.dump())


def test_a_key_reads_itself_whatever_it_may(cloud: Cloud) -> None:
    app = application(cloud)
    made = cloud.post(f"{IAM}/api-keys", application_id=app["id"])
    itself = cloud.ask("GET", f"{IAM}/api-keys/{made['access_key']}", key=made["secret_key"])
    assert itself.body["default_project_id"] == cloud.project
    other = cloud.ask("GET", f"{IAM}/api-keys/{cloud.owner.access_key}", key=made["secret_key"])
    assert (other.status, other.body["details"]) == (403, [{"action": "read", "resource": "api_key"}])
    assert cloud.ask("DELETE", f"{IAM}/api-keys/{made['access_key']}", key=made["secret_key"]).status == 403
    unknown = cloud.ask("GET", f"{IAM}/api-keys/SCWXXXXXXXXXXXXXXXXX")
    assert (unknown.status, unknown.body["resource"]) == (404, "access_key")


def test_a_user_manages_its_own_keys(cloud: Cloud) -> None:
    user = cloud.post(f"{IAM}/users", member={"email": "a@example.com", "username": "a"})
    key = cloud.post(f"{IAM}/api-keys", user_id=user["id"])["secret_key"]
    mine = cloud.ask("POST", f"{IAM}/api-keys", {"user_id": user["id"]}, key=key)
    assert mine.status == 200
    owners = {"user_id": cloud.owner.user_id}
    assert cloud.ask("POST", f"{IAM}/api-keys", owners, key=key).status == 403
    assert {k["user_id"] for k in cloud.ask("GET", f"{IAM}/api-keys", key=key).body["api_keys"]} == {user["id"]}
    assert cloud.ask("DELETE", f"{IAM}/api-keys/{mine.body['access_key']}", key=key).status == 204


def test_keys_die_with_what_they_hang_on(cloud: Cloud) -> None:
    app = application(cloud, everywhere(cloud, "VPCReadOnly"))
    first, second = (cloud.post(f"{IAM}/api-keys", application_id=app["id"]) for _ in range(2))
    assert reads(cloud, first["secret_key"])
    cloud.delete(f"{IAM}/api-keys/{first['access_key']}")
    assert cloud.ask("GET", VPCS, key=first["secret_key"]).status == 401
    cloud.delete(f"{IAM}/applications/{app['id']}")
    assert cloud.ask("GET", VPCS, key=second["secret_key"]).status == 401
    assert cloud.get(f"{IAM}/policies")["policies"][0]["no_principal"]
    assert cloud.ask("GET", f"{IAM}/api-keys/{second['access_key']}").status == 404


def test_a_key_expires_when_it_said(cloud: Cloud) -> None:
    app = application(cloud, everywhere(cloud, "VPCReadOnly"))
    moment = (cloud.clock.now() + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    made = cloud.post(f"{IAM}/api-keys", application_id=app["id"], expires_at="2026-01-01T03:00:00+02:00")
    assert made["expires_at"] == moment
    assert reads(cloud, made["secret_key"])
    cloud.clock.advance(3600)
    dead = cloud.ask("GET", VPCS, key=made["secret_key"])
    assert (dead.status, dead.body["reason"]) == (401, "expired")
    assert cloud.get(f"{IAM}/api-keys", expired=True)["total_count"] == 1
    past = {"application_id": app["id"], "expires_at": "2025-01-01T00:00:00Z"}
    assert cloud.ask("POST", f"{IAM}/api-keys", past).wrong == ["expires_at"]


def test_the_owner_cannot_be_shut_out(cloud: Cloud) -> None:
    owner, key = f"{IAM}/users/{cloud.owner.user_id}", f"{IAM}/api-keys/{cloud.owner.access_key}"
    assert not cloud.get(owner)["deletable"]
    for method, path in (("DELETE", owner), ("POST", f"{owner}/lock"), ("DELETE", key)):
        assert cloud.ask(method, path).status == 412
    spare = cloud.post(f"{IAM}/api-keys", user_id=cloud.owner.user_id)
    cloud.delete(key)
    with cloud.store.transaction() as ledger:  # a server that starts again with the same credentials
        found(Change(ledger, cloud.clock.now(), cloud.ids), cloud.owner)
    assert cloud.ask("GET", VPCS).status == 401
    assert cloud.ask("GET", VPCS, key=spare["secret_key"]).status == 200


def test_keys_are_listed_by_bearer(cloud: Cloud) -> None:
    app = application(cloud)
    made = cloud.post(f"{IAM}/api-keys", application_id=app["id"], description="nightly")["access_key"]

    def found(**query: Any) -> list[str]:
        return [key["access_key"] for key in cloud.get(f"{IAM}/api-keys", **query)["api_keys"]]

    assert found() == [cloud.owner.access_key, made]
    assert found(bearer_id=app["id"]) == found(bearer_type="application") == found(description="night") == [made]
    assert found(bearer_type="user") == [cloud.owner.access_key]
    assert found(access_keys=[made], expired=False, editable=True) == [made]
    assert found(organization_id=cloud.ids.uuid()) == []


def test_users_are_made_changed_and_gone(cloud: Cloud) -> None:
    member = {"email": "a@example.com", "username": "anna", "first_name": "Anna", "locale": ""}
    user = cloud.post(f"{IAM}/users", member=member, tags=["x"])
    assert (user["type"], user["status"], user["locale"], user["deletable"]) == ("member", "activated", "en_US", True)
    assert cloud.post(f"{IAM}/users", email="b@example.com")["status"] == "invitation_pending"
    assert cloud.ask("POST", f"{IAM}/users", {"member": member}).status == 409
    assert cloud.ask("POST", f"{IAM}/users", {"email": "nonsense"}).wrong == ["email"]
    assert cloud.patch(f"{IAM}/users/{user['id']}", first_name="")["first_name"] == ""
    assert cloud.post(f"{IAM}/users/{user['id']}/update-username", username="ann")["username"] == "ann"
    assert [u["username"] for u in cloud.get(f"{IAM}/users", type="member", tag="x")["users"]] == ["ann"]
    cloud.delete(f"{IAM}/users/{user['id']}")
    assert cloud.ask("GET", f"{IAM}/users/{user['id']}").body["resource"] == "user"


def test_an_ssh_key_has_its_fingerprint(cloud: Cloud) -> None:
    key = cloud.post(f"{IAM}/ssh-keys", name="k", public_key=ED25519 + " me@home\n")
    assert key["public_key"] == ED25519 + " me@home"
    assert key["fingerprint"].startswith("256 MD5:94:db:c3:76")
    assert key["fingerprint"].endswith(" me@home (ssh-ed25519)")
    assert cloud.patch(f"{IAM}/ssh-keys/{key['id']}", disabled=True)["disabled"]
    assert cloud.get(f"{IAM}/ssh-keys", disabled=False)["total_count"] == 0
    for wrong in ("", "ssh-ed25519 AAAA", "ssh-rsa " + ED25519.split()[1], "x"):
        assert cloud.ask("POST", f"{IAM}/ssh-keys", {"public_key": wrong}).wrong == ["public_key"]
    assert cloud.ask("POST", f"{IAM}/ssh-keys", {"public_key": ED25519, "project_id": ""}).wrong == ["project_id"]


def test_ssh_keys_are_no_part_of_iam_s_permission_sets(cloud: Cloud) -> None:
    manager = key_of(cloud, application(cloud, everywhere(cloud, "IAMManager")))
    assert cloud.ask("POST", f"{IAM}/ssh-keys", {"public_key": ED25519}, key=manager).status == 403
    keeper = key_of(cloud, application(cloud, everywhere(cloud, "SSHKeysFullAccess")))
    assert cloud.ask("POST", f"{IAM}/ssh-keys", {"public_key": ED25519}, key=keeper).status == 200


def test_permission_sets_are_the_vendor_s(cloud: Cloud) -> None:
    sets = cloud.get(f"{IAM}/permission-sets", page_size=500)
    names = [one["name"] for one in sets["permission_sets"]]
    assert sets["total_count"] == len(names) > 100
    assert names == sorted(names)
    assert {"AllProductsFullAccess", "KubernetesFullAccess", "IAMManager", "VPCGatewayReadOnly"} <= set(names)


def test_changes_are_logged(cloud: Cloud) -> None:
    app = application(cloud)
    cloud.delete(f"{IAM}/applications/{app['id']}")
    logs = cloud.get(f"{IAM}/logs", resource_type="application")["logs"]
    assert [(log["action"], log["resource_id"]) for log in logs] == [("deleted", app["id"]), ("created", app["id"])]
    assert logs[0]["bearer_id"] == cloud.owner.user_id
    assert cloud.get(f"{IAM}/logs/{logs[0]['id']}") == logs[0]
    assert cloud.get(f"{IAM}/logs", created_after="2030-01-01T00:00:00")["logs"] == []


def test_quotas_are_those_that_are_kept(cloud: Cloud) -> None:
    quota = cloud.get(f"{IAM}/quota/private_network_attached_resources")
    assert quota["limit"] == 512
    assert quota in cloud.get(f"{IAM}/quota")["quota"]


def test_single_sign_on_and_provisioning_are_kept_as_records(cloud: Cloud) -> None:
    organization = f"{IAM}/organizations/{cloud.owner.organization_id}"
    assert cloud.ask("GET", f"{organization}/saml").body["resource"] == "organization_saml"
    saml = cloud.post(f"{organization}/saml")
    assert saml["status"] == "missing_certificate"
    changed = cloud.patch(f"{IAM}/saml/{saml['id']}", entity_id="https://idp", single_sign_on_url="https://idp/sso")
    assert cloud.get(f"{organization}/saml") == changed
    assert cloud.ask(
        "POST", f"{IAM}/saml/{saml['id']}/certificates", {"type": "signing", "content": "x"}
    ).wrong == ["content"]  # fmt: skip
    cloud.delete(f"{IAM}/saml/{saml['id']}")
    scim = cloud.post(f"{organization}/scim")
    token = cloud.post(f"{IAM}/scim/{scim['id']}/tokens")
    assert cloud.get(f"{IAM}/scim/{scim['id']}/tokens")["scim_tokens"] == [token["token"]]
    cloud.delete(f"{IAM}/scim/{scim['id']}")
    assert cloud.ask("GET", f"{organization}/scim").body["resource"] == "organization_scim"
    settings = cloud.patch(f"{organization}/security-settings", login_attempts_before_locked=5)
    assert cloud.get(f"{organization}/security-settings") == settings
    assert cloud.put(f"{organization}/alias", alias="acme")["alias"] == "acme"
    assert cloud.ask("GET", f"{IAM}/organizations/{cloud.ids.uuid()}").status == 404


def test_projects_begin_with_default_vpcs_and_end_empty(cloud: Cloud) -> None:
    projects = "/account/v3/projects"
    project = cloud.post(projects, name="p", description="d")
    assert project["qualification"] is None
    assert cloud.get(f"{projects}/{project['id']}")["qualification"] == {
        "architecture_type": "unknown_architecture_type"
    }
    assert cloud.get(VPCS, project_id=project["id"])["total_count"] == 1
    assert [p["name"] for p in cloud.get(projects, order_by="name_desc")["projects"]] == ["p", "default"]
    network = cloud.post("/vpc/v2/regions/fr-par/private-networks", project_id=project["id"])
    refused = cloud.ask("DELETE", f"{projects}/{project['id']}")
    assert (refused.status, refused.body["precondition"]) == (412, "resource_still_in_use")
    cloud.delete(f"/vpc/v2/regions/fr-par/private-networks/{network['id']}")
    cloud.delete(f"{projects}/{project['id']}")
    gone = cloud.ask("GET", f"{projects}/{project['id']}")
    assert (gone.status, gone.body["resource"]) == (404, "project_id")
    assert not any(project["id"].encode() in document[2] for document in cloud.dump())
    assert cloud.ask("DELETE", f"{projects}/{cloud.project}").status == 412
