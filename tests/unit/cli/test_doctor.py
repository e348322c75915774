"""`hideaway doctor`: what it says and when it ends with 1; and that a command loads only what it needs, anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from hideaway.api.products import PRODUCTS
from hideaway.cli import NO, OK, doctor, run
from hideaway.cli.api_table import Served
from hideaway.cli.doctor import Finding, Limit, of_limit

Output = pytest.CaptureFixture[str]

ROOT = Finding(name="packets with root", ok=False, remedy="start as root", needed=False)
ROOTLESS = Finding(name="packets without root", ok=True)
SWITCHED_OFF = Finding(name="packets without root", ok=False, remedy="sysctl -w user.max_user_namespaces=15000")
DNS = Finding(name="dnsmasq", ok=False, remedy="apt-get install dnsmasq-base", needed=False)


@pytest.mark.parametrize(
    ("findings", "code"), [([ROOT, ROOTLESS, DNS], OK), ([ROOT, SWITCHED_OFF], NO)], ids=["can", "cannot"]
)
def test_it_ends_with_1_only_where_no_packet_can_flow(
    findings: list[Finding], code: int, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setattr(doctor, "of_machine", lambda: findings)
    assert run(["doctor"]) == code
    said = capsys.readouterr().out
    assert run(["doctor", "--json"]) == code
    assert msgspec.json.decode(capsys.readouterr().out, type=list[Finding])[2:] == findings
    for finding in findings:
        line = next(line for line in said.splitlines() if finding.name in line)
        assert line.endswith(finding.remedy)
        assert line.startswith("ok" if finding.ok else "missing" if finding.needed else "optional")


def test_another_system_than_linux_is_told_what_works_there(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert run(["doctor"]) == NO
    assert "--data-plane none" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
def test_this_machine_is_looked_at(capsys: Output) -> None:
    run(["doctor", "--json"])
    names = {finding.name for finding in msgspec.json.decode(capsys.readouterr().out, type=list[Finding])}
    assert {"python", "packets with root", "packets without root", "nft", "haproxy"} <= names


@pytest.mark.parametrize(
    ("present", "ok"),
    [("100\n", True), ("99\n", False), ("", None), (None, None)],
    ids=["enough", "few", "odd", "none"],
)
def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, present: str | None, ok: bool | None) -> None:
    file = tmp_path / "limit"
    if present is not None:
        file.write_text(present)
    monkeypatch.setattr(Limit, "file", file)
    finding = of_limit(Limit("a.b", 100, "why"))
    assert (None if finding is None else finding.ok) == ok
    if ok is False:
        assert finding is not None
        assert finding.remedy == "why; raise it with: sysctl -w a.b=100"


def test_the_api_is_shown_as_the_code_serves_it(capsys: Output) -> None:
    assert run(["doctor", "--api", "--json"]) == OK
    rows = msgspec.json.decode(capsys.readouterr().out, type=list[Served])
    served = [(p.prefix + r.path, r.method, r.records) for p in PRODUCTS for r in p.routes]
    assert [(row.path, row.method) for row in rows] == [(p.replace(":path", ""), m) for p, m, _ in served]
    words = {(m == "GET", records): row.does for (_, m, records), row in zip(served, rows, strict=True)}
    assert words == {(True, True): "reads", (False, True): "records", (False, False): "carried"}
    assert run(["doctor", "--api"]) == OK
    said = capsys.readouterr().out.splitlines()
    assert "  carried  POST    /k8s/v1/regions/{region}/clusters/{cluster_id}/pools" in said
    assert "  records  POST    /iam/v1alpha1/policies" in said
    assert f"{len(rows)} routes of {len(PRODUCTS)} products." in said


@pytest.mark.parametrize("command", ["doctor", "env", "status", "reset", "exec"])
def test_a_command_loads_no_server_and_no_data_plane(command: str) -> None:
    script = (
        "import sys\nfrom hideaway.cli import run\nrun([sys.argv[1], '--help'])\n"
        "print([m for m in sys.modules if m.startswith(('granian', 'starlette', 'hideaway.backends', 'hideaway.api'))])"
    )
    argv = [sys.executable, "-c", script, command]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True, env=os.environ)
    assert done.stdout.splitlines()[-1] == "[]"
