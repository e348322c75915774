"""`hideaway detach NAME`: take a machine out of its Private Network again."""

from __future__ import annotations

from urllib.parse import quote

import click

from hideaway.cli.attach import MACHINES, Machine
from hideaway.cli.client import ask
from hideaway.cli.options import state_option
from hideaway.server.state import Folder


@click.command("detach")
@state_option
@click.argument("name")
def command(folder: Folder, name: str) -> None:
    """Take out NAME, which `hideaway attach` plugged in, by name or id. What IPAM booked for it is given back."""
    machine = ask(folder, "DELETE", f"{MACHINES}/{quote(name, safe='')}", Machine)
    click.echo(f"{machine.name} is no longer plugged in")
