"""`hideaway demo`: the document's cluster, built with the vendor's SDK, and its isolation shown on packets."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table

from hideaway.cli.demo.cloud import Access, Apis, Stage, build, serving
from hideaway.cli.demo.probes import Hosts
from hideaway.cli.demo.rows import INTERNET, By, Row, Scene, rows


@click.command("demo")
@click.option("--require-packets", is_flag=True, help="Fail where this machine lets no packet flow.")
@click.option("--data-plane", type=click.Choice(["auto", "linux", "none"]), default="auto", show_default=True)
@click.option("--heartbeat-interval", default=0.5, show_default=True, help="Seconds between a node's heartbeats.")
@click.option("--heartbeat-grace", default=2.5, show_default=True, help="Silence after which a node is not ready.")
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
def command(
    require_packets: bool, data_plane: str, heartbeat_interval: float, heartbeat_grace: float, as_json: bool
) -> int:
    """Build the document's cluster and show its isolation on real packets, one row a statement.

    Starts a cloud of its own and leaves nothing behind. Ends with 1 when a row differs from the document.
    """
    console = Console(stderr=as_json)
    began = time.monotonic()
    flags = ["--data-plane", data_plane, "--linger", "0"]
    flags += ["--heartbeat-interval", str(heartbeat_interval), "--heartbeat-grace", str(heartbeat_grace)]
    with tempfile.TemporaryDirectory(prefix="hideaway-demo-") as folder, serving(Path(folder), *flags) as access:
        packets = access.data_plane != "none"
        console.print(f"a cloud of its own at {access.url}; {access.said}", soft_wrap=True)
        console.print(f"heartbeats every {heartbeat_interval:g} s, grace {heartbeat_grace:g} s (10 s and 40 s else)")
        seen = _observe(console, access, packets, heartbeat_grace)
    _print(console, seen, as_json)
    differ = [r for r in seen if not r.agrees]
    unseen = [r for r in seen if r.by != By.PACKETS]
    console.print(_verdict(seen, time.monotonic() - began), soft_wrap=True)
    if require_packets and unseen:
        console.print("packets are required and this machine lets none flow: hideaway doctor says what is missing")
    return 1 if differ or (require_packets and unseen) else 0


def _verdict(seen: list[Row], seconds: float) -> str:
    shown = [r for r in seen if r.by != By.NOTHING]
    good = sum(r.agrees for r in shown)
    words = f"{good} of {len(shown)} rows as the document says"
    records = sum(r.by == By.RECORDS for r in shown)
    if records:
        words += f", {records} of them on records only; {len(seen) - len(shown)} could not be shown without packets"
    return f"{words}; {seconds:.1f} s"


def _observe(console: Console, access: Access, packets: bool, grace: float) -> list[Row]:
    apis = Apis(access)
    with console.status("building") as status:

        def tell(what: str) -> None:
            console.print(f"  making {what}" if not what.startswith("waiting") else f"  {what}")
            status.update(what)

        stage = build(apis, tell)
    hosts = Hosts(access.url, access.secret_key) if packets else None
    try:
        if hosts is not None:
            _open(hosts, stage)
        seen = []
        with console.status("observing") as status:
            for row in rows(Scene(apis, stage, hosts, grace)):
                seen.append(row)
                status.update(row.statement)
                console.print(f"  {_mark(row)} {row.statement}", soft_wrap=True)
        return seen
    finally:
        if hosts is not None:
            hosts.close()


def _open(hosts: Hosts, stage: Stage) -> None:
    """Every machine listens, and has been heard at home before any row is read."""
    for machine in stage.machines:
        hosts.listen(machine.name)
    for machine in stage.machines:
        deadline = time.monotonic() + 10
        while hosts.call(machine.name, machine.private) is None and time.monotonic() < deadline:
            time.sleep(0.05)
    hosts.call(INTERNET, "198.18.9.9", 80, http=True)


def _mark(row: Row) -> str:
    if not row.agrees:
        return "[red]DIFFERS[/red]"
    return {By.PACKETS: "[green]as said[/green]", By.RECORDS: "[yellow]records[/yellow]", By.NOTHING: "not shown"}[
        row.by
    ]


def _print(console: Console, seen: list[Row], as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(seen))
        return
    table = Table("", "what the document says", "what was observed", title="isolation, observed")
    for row in seen:
        table.add_row(_mark(row), row.statement, row.observed)
    console.print(table)
