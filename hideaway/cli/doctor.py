"""`hideaway doctor`: what this machine can do, what it lacks and how to get it. Looks, and changes nothing."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.text import Text

from hideaway.cli.options import json_option, print_json

PACKETS = "packets"
"""What the findings about packets begin with: with root, without root; one of them is enough."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at.

    version is what was found (a version, a number); remedy is what to do where it is not ok. What is not needed is only
    for some of what a cloud can do.
    """

    name: str
    ok: bool
    version: str = ""
    remedy: str = ""
    needed: bool = True


class Limit(msgspec.Struct, frozen=True):
    """A number of the kernel's that a large world outgrows. Machine-wide, or shared by all that a user runs."""

    sysctl: str
    enough: int
    why: str

    @property
    def file(self) -> Path:
        return Path("/proc/sys") / self.sysctl.replace(".", "/")


LIMITS = (
    Limit("fs.inotify.max_user_instances", 512, "each Kubernetes node takes several"),
    Limit("fs.inotify.max_user_watches", 65_536, "each Kubernetes node takes thousands"),
    Limit("user.max_net_namespaces", 256, "each host is a network namespace"),
)


@click.command("doctor")
@click.option("--api", is_flag=True, help="Say instead which routes of the vendor's API are served, and what they do.")
@json_option
def command(api: bool, as_json: bool) -> int:
    """Say what this machine can do and what it lacks.

    Exits with 1 when packets cannot flow here. `hideaway up --data-plane none` works all the same.
    """
    if api:
        return _api(as_json)
    findings = [*of_python(), *of_machine()]
    if as_json:
        print_json(findings)
    else:
        _print(findings)
    return 0 if any(finding.ok for finding in findings if finding.name.startswith(PACKETS)) else 1


def _api(as_json: bool) -> int:
    from hideaway.cli import api_table

    rows = api_table.table()
    if as_json:
        print_json(rows)
    else:
        api_table.show(rows)
    return 0


def of_python() -> list[Finding]:
    """The interpreter and the system: enough for `--data-plane none`."""
    return [
        Finding(
            name="python",
            ok=sys.version_info >= (3, 11),
            version=platform.python_version(),
            remedy="hideaway needs Python 3.11 or newer",
        ),
        Finding(name="system", ok=True, version=f"{platform.system()} {platform.release()} {platform.machine()}"),
    ]


def of_machine() -> list[Finding]:
    """What packets take. Only Linux has it, and only there is anything of the Linux data plane loaded."""
    if sys.platform != "linux":
        said = "packets need Linux; `hideaway up --data-plane none` keeps records here"
        return [Finding(name=PACKETS, ok=False, remedy=said)]
    from hideaway.backends.linux.capabilities import capabilities

    found = [Finding(**msgspec.structs.asdict(capability)) for capability in capabilities()]
    return [*found, *(finding for finding in map(of_limit, LIMITS) if finding)]


def of_limit(limit: Limit) -> Finding | None:
    """Whether a limit suffices; None where this kernel has no such limit."""
    try:
        present = int(limit.file.read_text())
    except (OSError, ValueError):
        return None
    return Finding(
        name=limit.sysctl,
        ok=present >= limit.enough,
        version=str(present),
        needed=False,
        remedy=f"{limit.why}; raise it with: sysctl -w {limit.sysctl}={limit.enough}",
    )


def _print(findings: list[Finding]) -> None:
    console, width = Console(), max(len(finding.name) for finding in findings)
    for finding in findings:
        said = [finding.version] if finding.ok else [finding.version, finding.remedy]
        rest = "  ".join(filter(None, said))
        console.print(Text.assemble(_mark(finding), (f"  {finding.name:{width}}  ", "bold"), rest), soft_wrap=True)


def _mark(finding: Finding) -> Text:
    if finding.ok:
        return Text("ok      ", style="green")
    return Text("missing ", style="red") if finding.needed else Text("optional", style="yellow")
