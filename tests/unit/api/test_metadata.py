"""What an Instance is told about itself, for a shell and as JSON, and who may read and change its user data."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from hideaway.api.access import NOBODY
from hideaway.api.call import Call, Settings
from hideaway.api.metadata import Question, Told, tell
from hideaway.cloud.change import Change
from tests.api_in_process import Cloud
from tests.unit.api.instances import running

ROOT, OTHER = 1023, 1024


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    made = Cloud()
    yield made
    made.close()


def ask(cloud: Cloud, host: str, method: str, target: str, port: int = ROOT, body: bytes = b"") -> Told:
    path, _, query = target.partition("?")
    with cloud.store.transaction() as ledger:
        call = Call(
            change=Change(ledger, cloud.clock.now(), cloud.ids, cloud.pace), principal=NOBODY, settings=Settings(),
            area="Instances", write=method != "GET", params={}, place="",
        )  # fmt: skip
        return tell(call, Question(host=host, port=port, method=method, path=path, query=query, body=body))


def told(cloud: Cloud, host: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(ask(cloud, host, "GET", "/conf?format=json").body)
    return answer


def test_what_sdks_and_cloud_init_read_of_it(cloud: Cloud) -> None:
    made = running(cloud, name="web", tags=["AUTHORIZED_KEY=ssh-rsa_AAA"], dynamic_ip_required=True)
    said = told(cloud, made["id"])
    assert (said["id"], said["name"], said["hostname"]) == (made["id"], "web", made["hostname"])
    assert (said["organization"], said["project"], said["zone"]) == (cloud.project, cloud.project, "fr-par-1")
    assert said["public_ip"] == said["public_ips_v4"][0]
    assert said["public_ip"]["address"] == made["public_ip"]["address"]
    assert (said["ipv6"], said["public_ips_v6"], said["ssh_public_keys"]) == (None, [], [])
    assert said["tags"] == ["AUTHORIZED_KEY=ssh-rsa_AAA"]
    assert not said.keys() & {"admin_password_encrypted_value", "public_ips"}


def test_a_shell_reads_back_what_json_says(cloud: Cloud) -> None:
    """Whatever a name or a tag is made of."""
    nasty = 'it\'s $(touch /tmp/never) `x` "y" \\ ;'
    made = running(cloud, name=nasty, tags=[nasty, "b"])
    lines = ask(cloud, made["id"], "GET", "/conf").body.decode()
    script = f'{lines}\nprintf \'%s\\n\' "$ID" "$NAME" "$TAGS" "$TAGS_0" "$TAGS_1" "$LOCATION_ZONE_ID"'
    read = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, timeout=20, check=True).stdout
    assert read.splitlines() == [made["id"], nasty, "2", nasty, "b", "fr-par-1"]


def test_user_data_needs_a_port_that_only_root_has(cloud: Cloud) -> None:
    id_ = running(cloud)["id"]
    assert ask(cloud, id_, "PATCH", "/user_data/k", body=b"v").status == 200
    for target in ("/user_data", "/user_data/k", "/vendor_data/cloud-init"):
        assert ask(cloud, id_, "GET", target, OTHER).status == 403
    assert ask(cloud, id_, "DELETE", "/user_data/k", OTHER).status == 403
    assert ask(cloud, id_, "GET", "/user_data/k").body == b"v"
    assert ask(cloud, id_, "DELETE", "/user_data/k").status == 200
    assert ask(cloud, id_, "GET", "/user_data/k").status == 404
    assert ask(cloud, id_, "GET", "/conf", OTHER).status == 200


def test_an_instance_that_is_gone_is_told_so(cloud: Cloud) -> None:
    assert ask(cloud, "7c3a2b7e-2f64-4cf5-8f6b-0f6e8a1d2c3b", "GET", "/conf").status == 404


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/", 200), ("GET", "", 200), ("GET", "//", 200), ("HEAD", "/conf", 200), ("GET", "/conf/x", 404),
        ("GET", "/user_data/", 200), ("PUT", "/user_data/%00", 200), ("PATCH", "/user_data", 405),
        ("OPTIONS", "/conf", 405), ("GET", "/conf?format=%ff&x", 200), ("GET", "/vendor_data/cloud-init", 404),
    ],
)  # fmt: skip
def test_no_question_is_too_odd(cloud: Cloud, method: str, target: str, status: int) -> None:
    assert ask(cloud, running(cloud)["id"], method, target, body=b"x").status == status
