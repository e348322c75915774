"""`hideaway reset`: an empty cloud again, with the same owner."""

from __future__ import annotations

import sys

import click

from hideaway.cli.client import ask, server_of
from hideaway.cli.options import state_option
from hideaway.server.state import Folder


@click.command("reset")
@state_option
@click.option("--yes", is_flag=True, help="Do not ask. Nobody is asked either where there is no terminal.")
def command(folder: Folder, yes: bool) -> None:
    """Delete everything in the cloud. The owner, its key and the address stay."""
    server = server_of(folder)
    if not yes and sys.stdin.isatty():
        click.confirm(f"Delete everything in the cloud at {server.url}?", abort=True)
    ask(folder, "POST", "/hideaway/v1/reset", object)
    click.echo("The cloud is empty.", err=True)
