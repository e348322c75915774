"""No route of any product lets anyone in who may not: walked over all of them, with every kind of document at stake."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api_in_process import Answer, Cloud
from tests.walk import MARK, PLACES, Planted, Step, bodies, plant, steps

IAM = "/iam/v1alpha1"
REFUSED = range(400, 500)


class Stake(Cloud):
    """Two organizations; the first one's project is full of documents that are not the second one's."""

    def __init__(self) -> None:
        super().__init__()
        self.planted = plant(self, self.owner.organization_id)
        self.stranger = self.organization()
        self.organizations = {self.owner.organization_id, self.stranger.organization_id}

    def key(self, *rules: dict[str, Any], **more: Any) -> dict[str, Any]:
        """A new application's key with a policy of these rules."""
        application = self.post(f"{IAM}/applications", name="walker")
        self.post(f"{IAM}/policies", application_id=application["id"], rules=list(rules))
        return dict(self.post(f"{IAM}/api-keys", application_id=application["id"], **more))

    def kept(self) -> list[tuple[Any, ...]]:
        return [d for d in self.dump() if self.planted.project_id.encode() in d[2]]


@pytest.fixture(scope="module")
def stake() -> Iterator[Stake]:
    stake = Stake()
    yield stake
    stake.close()


CLOSED = [step for step in steps() if not step.route.open]


def first_path(step: Step, planted: Planted) -> str:
    return step.path(PLACES | {name: planted.for_name(name)[0] for name in step.parameters if name not in PLACES})


def test_there_is_much_to_walk() -> None:
    assert len(CLOSED) > 300


def dead_keys(stake: Stake) -> dict[str, str | None]:
    """Keys that let nobody in: none, unknown, nonsense, deleted, expired, a locked user's, a deleted application's."""
    deleted = stake.key()
    stake.delete(f"{IAM}/api-keys/{deleted['access_key']}")
    expired = stake.key(expires_at="2026-01-01T00:00:01Z")
    orphan = stake.key()
    stake.delete(f"{IAM}/applications/{orphan['application_id']}")
    user = stake.post(f"{IAM}/users", member={"email": "a@example.com", "username": "a"})
    locked = stake.post(f"{IAM}/api-keys", user_id=user["id"])
    stake.post(f"{IAM}/users/{user['id']}/lock")
    stake.clock.advance(2)
    keys = {"deleted": deleted, "expired": expired, "orphan": orphan, "locked": locked}
    named: dict[str, str | None] = {name: key["secret_key"] for name, key in keys.items()}
    return named | {"none": None, "unknown": stake.ids.uuid(), "access key": stake.owner.access_key, "odd": "é" * 40}


def test_without_a_live_key_every_route_is_closed(stake: Stake) -> None:
    keys = dead_keys(stake)
    before = stake.store.revision
    for step in CLOSED:
        path = first_path(step, stake.planted)
        for name, key in keys.items():
            answer = stake.ask(step.route.method, path, key=key, raw=b"{")
            assert answer.status == 401, f"{step} answered {answer.status} to {name}"
            assert answer.body["type"] == "denied_authentication"
    assert stake.store.revision == before


def paths(step: Step, planted: Planted) -> Iterator[str]:
    """The route's path with every identifier that its last parameter may mean."""
    names = [name for name in step.parameters if name not in PLACES]
    if not names:
        yield step.path(PLACES)
        return
    others = {name: planted.for_name(name)[0] for name in names[:-1]}
    for id_ in planted.for_name(names[-1]):
        yield step.path(PLACES | others | {names[-1]: id_})


def said(answer: Answer, sent: str, planted: Planted) -> str:
    """What an answer says beyond what was sent: identifiers that the caller knew are no news."""
    text = answer.raw.decode("utf-8", "replace")
    for id_ in planted.ids:
        if id_ in sent:
            text = text.replace(id_, "")
    return text


def walk(stake: Stake, secret: str, mine: str) -> list[str]:
    """Try every route with a key for which all that is planted is another's, and return what went wrong.

    mine: what the documents that the key may make have in them (a project's or organization's id).
    """
    planted, wrong = stake.planted, []
    query = [("project_id", planted.project_id), ("organization_id", stake.owner.organization_id)]
    before = {d[:2] for d in stake.dump()}
    for step in CLOSED:
        for path in paths(step, planted):
            for body in bodies(step, planted):
                for search in ([], query) if step.route.method == "GET" else ([],):
                    sent = f"{path} {json.dumps(body)} {search}"
                    answer = stake.ask(step.route.method, path, body, query=search, key=secret)
                    if answer.status >= 500:
                        wrong.append(f"{step} answered {answer.status}: {sent}")
                    if "{" in step.route.path.replace("{region}", "").replace("{zone}", "") and answer.status < 300:
                        wrong.append(f"{step} answered {answer.status} for what is another's: {sent}")
                    told = said(answer, sent, planted)
                    if MARK in told or any(id_ in told for id_ in planted.ids):
                        wrong.append(f"{step} tells of another's: {sent} -> {answer.raw[:300]!r}")
    for kind, id_, raw in stake.dump():
        if (kind, id_) not in before and any(other.encode() in raw for other in planted.ids):
            wrong.append(f"{kind} {id_} refers to another's: {raw[:400]!r}")
    return wrong


def test_a_stranger_sees_and_changes_nothing(stake: Stake) -> None:
    before = stake.kept()
    assert walk(stake, stake.stranger.secret_key, stake.stranger.organization_id) == []
    assert stake.kept() == before


def test_a_key_of_one_project_sees_and_changes_nothing_of_another(stake: Stake) -> None:
    mine = stake.post("/account/v3/projects", name="mine")
    rule = {"permission_set_names": ["AllProductsFullAccess"], "project_ids": [mine["id"]]}
    key = stake.key(rule, default_project_id=mine["id"])
    before = stake.kept()
    assert walk(stake, key["secret_key"], mine["id"]) == []
    assert stake.kept() == before


def test_what_is_one_s_own_never_comes_to_refer_to_another_s(stake: Stake) -> None:
    """The caller's own documents in the path, another's in the body. They are nonsense: a handler may well stumble."""
    own, kept = plant(stake, stake.stranger.organization_id, "MINE"), stake.kept()
    stumbled, wrong = 0, []
    for step in CLOSED:
        for path in paths(step, own):
            for body in bodies(step, stake.planted) if step.route.body else ():
                sent = f"{path} {json.dumps(body)}"
                try:
                    answer = stake.ask(step.route.method, path, body, key=stake.stranger.secret_key)
                except Exception:
                    stumbled += 1
                    continue
                if MARK in said(answer, sent, stake.planted):
                    wrong.append(f"{step} tells of another's: {sent} -> {answer.raw[:300]!r}")
    for kind, id_, raw in stake.dump():
        if stake.stranger.organization_id.encode() in raw and any(other.encode() in raw for other in stake.planted.ids):
            wrong.append(f"{kind} {id_} refers to another's: {raw[:400]!r}")
    assert wrong == []
    assert stake.kept() == kept
    assert stumbled < 100


def test_a_key_that_may_only_read_changes_nothing(stake: Stake) -> None:
    rules = [
        {"permission_set_names": [name], "organization_id": stake.owner.organization_id}
        for name in ("AllProductsReadOnly", "OrganizationReadOnly")
    ]
    key = stake.key(*rules)["secret_key"]
    assert stake.ask("GET", "/vpc/v2/regions/fr-par/vpcs", key=key).body["total_count"] > 0
    before, wrong = stake.dump(), []
    for step in CLOSED:
        if step.route.method == "GET":
            continue
        for path in paths(step, stake.planted):
            for body in bodies(step, stake.planted):
                answer = stake.ask(step.route.method, path, body, key=key)
                if answer.status not in REFUSED:
                    wrong.append(f"{step} answered {answer.status}: {path} {body}")
    assert wrong == []
    assert stake.dump() == before
