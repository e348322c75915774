"""The command line against a server that answers what the test says: output, exit codes, a message for each fault."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from hideaway.base.errors import HideawayError, InvalidArguments
from hideaway.base.tree import Item
from hideaway.cli import CANNOT, NO, OK, USAGE, client, run
from hideaway.cli import env as env_module
from hideaway.cli import exec as exec_module
from hideaway.cli import up as up_module
from hideaway.server.options import DataPlane
from hideaway.server.state import Choice, Folder, Server
from tests.unit.cli.fake import OWNER, serving

Output = pytest.CaptureFixture[str]
STATUS = ("GET", "/hideaway/v1/status")
EXEC = ("POST", "/hideaway/v1/exec")
RESET = ("POST", "/hideaway/v1/reset")

NODE = Item(
    kind="node", name="scw-1", status="not_ready", healthy=False, reason="no gateway is attached to its network"
)
WELL = Item(kind="node", name="scw-2", status="ready", facts={"private_ip": "172.16.0.2", "public_ip": ""})
CLUSTER = Item(
    kind="cluster", name="[red]kapsule\x1b[2J", status="ready", notes=["nothing answers there"], children=[NODE, WELL]
)


@pytest.fixture(autouse=True)
def _no_account_of_the_person_who_runs_the_tests(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("SCW_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HIDEAWAY_STATE", str(tmp_path))


def test_help_documents_the_exit_codes(capsys: Output) -> None:
    assert run(["--help"]) == OK
    out = capsys.readouterr().out
    assert "Exit codes" in out
    assert "doctor" in out


@pytest.mark.parametrize("arguments", [["nonsense"], ["status", "--no-such"], ["exec"], ["exec", "host", "--"]])
def test_a_wrong_command_line_ends_with_2(arguments: list[str], capsys: Output) -> None:
    assert run(arguments) == USAGE
    assert capsys.readouterr().err


def test_env_prints_lines_that_a_shell_takes(tmp_path: Path, capsys: Output) -> None:
    with serving(tmp_path, {}):
        assert run(["env"]) == OK
        url = Folder(tmp_path).server().url  # type: ignore[union-attr]
    script = capsys.readouterr().out + 'echo "$SCW_ACCESS_KEY $SCW_DEFAULT_PROJECT_ID $SCW_API_URL"'
    done = subprocess.run(["/bin/sh", "-eu"], input=script, capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.split() == [OWNER.access_key, OWNER.project_id, url]


def test_env_says_what_programs_inside_and_acls_need(tmp_path: Path, capsys: Output) -> None:
    with serving(tmp_path, {}):
        assert run(["env", "--state", str(tmp_path)]) == OK
    lines = capsys.readouterr().out.splitlines()
    assert "export HIDEAWAY_API_URL_INSIDE=http://198.18.0.1" in lines
    assert "export HIDEAWAY_USER_ADDRESS=198.18.0.2" in lines


def test_env_as_json_while_nothing_serves(tmp_path: Path, capsys: Output) -> None:
    Folder(tmp_path).keep_owner(OWNER)
    assert run(["env", "--json"]) == OK
    said = msgspec.json.decode(capsys.readouterr().out)
    assert said["SCW_SECRET_KEY"] == OWNER.secret_key
    assert said["SCW_API_URL"] == client.DEFAULT_URL


@pytest.mark.parametrize("arguments", [["env"], ["status"], ["exec", "h", "--", "true"], ["reset", "--yes"]])
def test_without_a_cloud_every_command_says_how_to_start_one(arguments: list[str], capsys: Output) -> None:
    assert run(arguments) == CANNOT
    said = capsys.readouterr()
    assert "hideaway up" in said.err
    assert said.out == ""


def test_a_server_that_was_killed_is_none(tmp_path: Path, capsys: Output) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait(20)
    Folder(tmp_path).keep_owner(OWNER)
    Folder(tmp_path).keep_server(Server(url="http://127.0.0.1:9", pid=child.pid, data_plane="none", version="0"))
    assert run(["status"]) == CANNOT
    assert "no server serves" in capsys.readouterr().err


def test_status_shows_the_tree_and_why_and_ends_with_1(tmp_path: Path, capsys: Output) -> None:
    with serving(tmp_path, {STATUS: (200, CLUSTER)}) as fake:
        assert run(["status"]) == NO
    assert fake.asked == [(*STATUS, OWNER.secret_key, None)]
    assert capsys.readouterr().out == (
        "cluster [red]kapsule\N{REPLACEMENT CHARACTER}[2J  ready\n"
        "├── note: nothing answers there\n"
        "├── node scw-1  not_ready  no gateway is attached to its network\n"
        "└── node scw-2  ready  private_ip 172.16.0.2\n"
    )


def test_status_of_a_healthy_cloud_ends_with_0_and_json_says_all(tmp_path: Path, capsys: Output) -> None:
    with serving(tmp_path, {STATUS: (200, WELL)}):
        assert run(["status", "--json"]) == OK
    assert msgspec.json.decode(capsys.readouterr().out, type=Item) == WELL


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        ((401, {"message": "authentication is denied"}), CANNOT, "does not know this state folder's key"),
        ((404, {"message": "no such route"}), NO, "no such route"),
        ((412, {"message": "precondition", "help_message": "detach it first"}), NO, "precondition detach it first"),
        ((404, {"message": "not found", "resource": "gateway", "resource_id": "7"}), NO, "gateway 7: not found"),
        ((400, {"message": "m", "details": [{"argument_name": "a", "help_message": "no UUID"}]}), NO, "a: no UUID"),
        ((503, b"<html>busy"), CANNOT, "<html>busy"),
        ((200, b"hello"), CANNOT, "something else than hideaway"),
        ((500, b""), CANNOT, "status 500"),
    ],
)
def test_what_the_server_refuses_is_told(
    tmp_path: Path, capsys: Output, answer: tuple[int, object], code: int, said: str
) -> None:
    with serving(tmp_path, {STATUS: answer}):
        assert run(["status"]) == code
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [["ping", "-c1", "--", "x"], ["--", "ping", "-c1", "--", "x"]])
def test_exec_becomes_what_the_server_says(
    tmp_path: Path, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    became: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(exec_module.os, "execvp", lambda file, argv: became.append((file, argv)))
    argv = ["nsenter", "--target", "7", "ping"]
    with serving(tmp_path, {EXEC: (200, {"host": "n1", "argv": argv})}) as fake:
        assert run(["exec", "scw-1", *words]) == OK
    assert fake.asked[0][3] == {"host": "scw-1", "command": ["ping", "-c1", "--", "x"]}
    assert became == [("nsenter", argv)]


def test_exec_of_a_program_that_cannot_start_is_told(tmp_path: Path, capsys: Output) -> None:
    with serving(tmp_path, {EXEC: (200, {"host": "n1", "argv": ["/no/such/program"]})}):
        assert run(["exec", "n1", "--", "true"]) == CANNOT
    assert "n1 cannot be entered" in capsys.readouterr().err


def test_exec_without_a_data_plane_asks_nobody(tmp_path: Path, capsys: Output) -> None:
    with serving(tmp_path, {}, data_plane="none") as fake:
        assert run(["exec", "n1", "--", "true"]) == CANNOT
    assert fake.asked == []
    assert "hideaway doctor" in capsys.readouterr().err


def test_reset_uses_the_owners_key(tmp_path: Path, capsys: Output) -> None:
    with serving(tmp_path, {RESET: (204, None)}) as fake:
        assert run(["reset", "--yes"]) == OK
    assert fake.asked == [(*RESET, OWNER.secret_key, None)]
    assert "empty" in capsys.readouterr().err


def test_up_names_every_fault_of_its_command_line_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCW_SECRET_KEY", "wrong")
    with pytest.raises(InvalidArguments) as caught:
        up_module.settled(Folder(tmp_path), "nowhere", Choice(project_id="x"), heartbeat_interval=-1.0)
    named = {fault.argument_name for fault in caught.value.faults}
    assert named == {"--listen", "SCW_SECRET_KEY", "--project-id", "--heartbeat-interval"}


def test_up_settles_what_is_kept_and_what_is_chosen(tmp_path: Path) -> None:
    Folder(tmp_path).keep_owner(OWNER)
    options = up_module.settled(Folder(tmp_path), "[::1]:0", Choice(), data_plane=DataPlane.NONE)
    assert (options.owner, options.host, options.port, options.state) == (OWNER, "::1", 0, tmp_path)
    assert up_module.settled(None, "7373", Choice()).state is None


def test_any_error_that_a_user_can_be_told_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    def refuse(*_: object) -> None:
        raise HideawayError("the thing is wrong: mend it")

    monkeypatch.setattr(env_module, "owner_of", refuse)
    assert run(["env"]) == NO
    assert capsys.readouterr().err == "hideaway: the thing is wrong: mend it\n"


def test_open_prints_what_to_type(tmp_path: Path, capsys: Output) -> None:
    door = {"address": "198.18.16.2", "port": 22, "protocol": "tcp", "at": "127.18.16.2:8022", "hint": "ssh it"}
    lost = {**door, "port": 23, "at": "", "hint": "", "fault": "taken"}
    answer = {"host": "h", "name": "web", "user_address": "198.18.0.2", "doors": [door]}
    with serving(tmp_path, {("POST", "/hideaway/v1/open"): (200, answer)}) as fake:
        assert run(["open", "web", "--port", "22", "--state", str(tmp_path)]) == 0
        assert fake.asked[0][3] == {"resource": "web", "port": 22, "protocol": "tcp"}
    assert capsys.readouterr().out == "198.18.16.2:22/tcp  ssh it\n"
    with serving(tmp_path, {("POST", "/hideaway/v1/open"): (200, {**answer, "doors": [lost]})}):
        assert run(["open", "web", "--state", str(tmp_path)]) == 1
    assert capsys.readouterr().out == "198.18.16.2:23/tcp  taken\n"
    with serving(tmp_path, {("POST", "/hideaway/v1/open"): (200, {**answer, "doors": []})}):
        assert run(["open", "web", "--state", str(tmp_path)]) == 1
    assert "--port" in capsys.readouterr().out
