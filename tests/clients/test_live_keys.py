"""A key that is taken back is dead for the next request, also on connections that have been open since before."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cloud_under_test import Cloud, cloud

IAM = "/iam/v1alpha1"
VPCS = "/vpc/v2/regions/fr-par/vpcs"
CONNECTIONS = 16

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with cloud(tmp_path_factory.mktemp("keys"), "--data-plane", "none") as running:
        yield running


class Member:
    """A user in a group that may do everything, with a key and open connections."""

    def __init__(self, served: Cloud, **key: Any):
        self.owner = served.http()
        name = f"u{time.monotonic_ns()}"
        self.user = self.made(f"{IAM}/users", member={"email": f"{name}@example.com", "username": name})["id"]
        self.group = self.made(f"{IAM}/groups", name="g")["id"]
        self.made(f"{IAM}/groups/{self.group}/add-member", user_id=self.user)
        rule = {"permission_set_names": ["VPCFullAccess"], "organization_id": served.owner["organization_id"]}
        self.policy = self.made(f"{IAM}/policies", group_id=self.group, rules=[rule])["id"]
        self.key = self.made(f"{IAM}/api-keys", user_id=self.user, **key)
        headers = {"X-Auth-Token": self.key["secret_key"]}
        # verify=False: no certificate is looked at here, and loading all of them takes its time
        self.open = [httpx.Client(base_url=served.url, headers=headers, verify=False) for _ in range(CONNECTIONS)]

    def made(self, path: str, **body: Any) -> Any:
        answer = self.owner.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def tell(self, method: str, path: str, body: Any = None) -> None:
        answer = self.owner.request(method, path, json=body)
        assert answer.is_success, answer.text

    def statuses(self) -> set[int]:
        """What a write is answered on all connections, which are the same as before."""
        answers = [http.post(VPCS, json={"name": "v"}) for http in self.open]
        streams = [a.extensions["network_stream"] for a in answers]
        assert not hasattr(self, "streams") or streams == self.streams, "a connection was closed"
        self.streams = streams
        return {a.status_code for a in answers}

    def close(self) -> None:
        for http in (self.owner, *self.open):
            http.close()


def moment(seconds: float) -> str:
    """This many seconds from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def expire(member: Member) -> None:
    member.tell("PATCH", f"{IAM}/api-keys/{member.key['access_key']}", {"expires_at": moment(0.1)})
    time.sleep(0.1)


ENDS: dict[str, tuple[Callable[[Member], None], int]] = {
    "its key is deleted": (lambda m: m.tell("DELETE", f"{IAM}/api-keys/{m.key['access_key']}"), 401),
    "its key expires at once": (expire, 401),
    "its user is deleted": (lambda m: m.tell("DELETE", f"{IAM}/users/{m.user}"), 401),
    "its user is locked": (lambda m: m.tell("POST", f"{IAM}/users/{m.user}/lock"), 401),
    "it leaves the group": (
        lambda m: m.tell("POST", f"{IAM}/groups/{m.group}/remove-member", {"user_id": m.user}),
        403,
    ),
    "the group is deleted": (lambda m: m.tell("DELETE", f"{IAM}/groups/{m.group}"), 403),
    "the policy is deleted": (lambda m: m.tell("DELETE", f"{IAM}/policies/{m.policy}"), 403),
    "the policy has no rules": (lambda m: m.tell("PUT", f"{IAM}/rules", {"policy_id": m.policy, "rules": []}), 403),
}


@pytest.mark.parametrize("what", ENDS)
def test_what_is_taken_back_is_gone_on_open_connections(served: Cloud, what: str) -> None:
    member = Member(served)
    try:
        assert member.statuses() == {200}
        end, status = ENDS[what]
        end(member)
        assert member.statuses() == {status}
    finally:
        member.close()


def test_a_key_dies_in_time_on_open_connections(served: Cloud) -> None:
    member = Member(served, expires_at=moment(2))
    try:
        assert member.statuses() == {200}
        time.sleep(2)
        assert member.statuses() == {401}
    finally:
        member.close()


def test_a_key_that_is_dead_stays_dead_after_a_kill(tmp_path: Path) -> None:
    with cloud(tmp_path, "--data-plane", "none") as running:
        member = Member(running)
        assert member.statuses() == {200}
        member.tell("DELETE", f"{IAM}/api-keys/{member.key['access_key']}")
        running.kill()
        running.start()
        headers = {"X-Auth-Token": member.key["secret_key"]}
        assert httpx.get(running.url + VPCS, headers=headers).status_code == 401
        member.close()
