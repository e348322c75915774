"""`hideaway fault`: break something, see what follows, and mend it."""

from __future__ import annotations

import sys
from urllib.parse import quote

import click
import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hideaway.cli.client import ask
from hideaway.cli.options import UNBROKEN, json_option, print_json, printable, state_option
from hideaway.server.state import Folder

FAULTS = "/hideaway/v1/faults"


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What the server answers. id is "" for what is over already."""

    id: str
    harm: str
    target: str
    name: str
    said: str
    created_at: str


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    faults: list[Fault]


class Wish(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is asked of the server; see its route."""

    harm: str
    target: str
    program: bool = False
    once: bool = False
    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0


@click.group("fault")
def command() -> None:
    """Break something and see what follows. A fault stands, restarts and all, until it is cleared.

    \b
      hideaway fault kill my-gateway                 a machine is gone
      hideaway fault kill my-lb --program            only its program is dead, HAProxy here
      hideaway fault kill my-db --program --once     ... and starts again
      hideaway fault cut node-1:pub                  a link has no carrier
      hideaway fault delay node-1 --ms 100 --loss 5  a link is late, each way, or loses packets
      hideaway fault zone fr-par-1                   all machines of a zone are gone
      hideaway fault dhcp my-network                 DHCP is neither heard nor answered
      hideaway fault list
      hideaway fault clear ID | --all
    """


def _wish(folder: Folder, as_json: bool, wish: Wish) -> None:
    fault = ask(folder, "POST", FAULTS, Fault, wish)
    if as_json:
        print_json(fault)
    else:
        click.echo(f"{fault.id}  {printable(fault.said)}".strip())


@command.command("kill")
@state_option
@json_option
@click.option("--program", is_flag=True, help="Kill the programs of a Load Balancer or database, not the machine.")
@click.option("--once", is_flag=True, help="Do not keep it down: it starts again by itself.")
@click.argument("host")
def kill(folder: Folder, as_json: bool, program: bool, once: bool, host: str) -> None:
    """Kill HOST, a node, Instance, gateway, Load Balancer, database, or router, or the programs on it (SIGKILL)."""
    _wish(folder, as_json, Wish(harm="kill", target=host, program=program, once=once))


@command.command("cut")
@state_option
@json_option
@click.argument("port")
def cut(folder: Folder, as_json: bool, port: str) -> None:
    """Cut the link of PORT: HOST:INTERFACE, a NIC's or attachment's id, or HOST for all of its links."""
    _wish(folder, as_json, Wish(harm="cut", target=port))


@command.command("delay")
@state_option
@json_option
@click.option("--ms", "delay", type=click.FloatRange(0, 60_000), default=0.0, help="Milliseconds that it is late.")
@click.option("--jitter", type=click.FloatRange(0, 60_000), default=0.0, help="Up to so many milliseconds more.")
@click.option("--loss", type=click.FloatRange(0, 100), default=0.0, help="Percent of packets that are lost.")
@click.argument("port")
def delay(folder: Folder, as_json: bool, delay: float, jitter: float, loss: float, port: str) -> None:
    """Make the link of PORT late or lossy, each way. PORT is as for cut."""
    _wish(folder, as_json, Wish(harm="delay", target=port, delay=delay, jitter=jitter, loss=loss))


@command.command("zone")
@state_option
@json_option
@click.argument("zone")
def zone(folder: Folder, as_json: bool, zone: str) -> None:
    """Lose ZONE: all machines in it are gone."""
    _wish(folder, as_json, Wish(harm="zone", target=zone))


@command.command("dhcp")
@state_option
@json_option
@click.argument("network")
def dhcp(folder: Folder, as_json: bool, network: str) -> None:
    """Drop the DHCP of NETWORK, a Private Network's name or id: nobody gets or renews an address by it."""
    _wish(folder, as_json, Wish(harm="dhcp", target=network))


@command.command("list")
@state_option
@json_option
def list_(folder: Folder, as_json: bool) -> None:
    """List the faults that stand."""
    faults = ask(folder, "GET", FAULTS, Listed).faults
    if as_json:
        print_json(faults)
        return
    table = Table(box=box.SIMPLE_HEAD, header_style="dim")
    for title in ("id", "fault", "since"):
        table.add_column(title)
    for fault in faults:
        table.add_row(fault.id, Text(printable(fault.said)), fault.created_at)
    Console(width=None if sys.stdout.isatty() else UNBROKEN).print(table)


@command.command("clear")
@state_option
@click.option("--all", "every", is_flag=True, help="All that stand.")
@click.argument("fault_id", required=False)
def clear(folder: Folder, every: bool, fault_id: str | None) -> None:
    """Take a fault back, or all of them: what it broke is well again."""
    if every == bool(fault_id):
        raise click.UsageError("name a fault by its id, or say --all")
    ask(folder, "DELETE", FAULTS if every else f"{FAULTS}/{quote(fault_id or '', safe='')}", object)
