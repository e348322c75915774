"""`hideaway flows`: what each rule of the cloud has met."""

from __future__ import annotations

import sys
from urllib.parse import urlencode

import click
import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hideaway.cli.client import ask
from hideaway.cli.options import UNBROKEN, json_option, print_json, printable, state_option
from hideaway.fabric.seen import Count
from hideaway.server.state import Folder


class Flows(msgspec.Struct, frozen=True):
    """The server's answer."""

    flows: list[Count]


@click.command("flows")
@state_option
@json_option
@click.option("--all", "every", is_flag=True, help="Rules that met nothing, too.")
@click.argument("resource", required=False)
def command(folder: Folder, as_json: bool, every: bool, resource: str | None) -> None:
    """Show what each rule has met: of security groups, API ACLs, gateways, PAT, network ACLs.

    RESOURCE names one of these, or the host (a gateway, a VPC's router) in which the rules stand. A rule counts from
    when it was last stated: when a group, a gateway's settings or an ACL change, their rules begin anew.
    """
    query = "" if resource is None else f"?{_query(resource)}"
    found = ask(folder, "GET", f"/hideaway/v1/flows{query}", Flows).flows
    shown = [count for count in found if every or count.packets]
    if as_json:
        print_json(shown)
    else:
        Console(width=None if sys.stdout.isatty() else UNBROKEN).print(table_of(shown))


def _query(resource: str) -> str:
    return urlencode({"resource": resource})


def table_of(counts: list[Count]) -> Table:
    """One line a rule."""
    table = Table(box=box.SIMPLE_HEAD, header_style="dim")
    for title, justify in (("resource", "left"), ("rule", "left"), ("says", "left"), ("verdict", "left")):
        table.add_column(title, justify=justify)  # type: ignore[arg-type]
    for title in ("packets", "bytes"):
        table.add_column(title, justify="right")
    for count in counts:
        cells = (count.name or count.because, count.which, count.says, count.verdict)
        table.add_row(*(Text(printable(cell)) for cell in cells), str(count.packets), str(count.bytes))
    return table
