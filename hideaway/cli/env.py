"""`hideaway env`: the variables that point the vendor's clients at the cloud."""

from __future__ import annotations

import click

from hideaway.cli.client import DEFAULT_URL, owner_of
from hideaway.cli.options import json_option, print_json, state_option
from hideaway.server.state import Folder
from hideaway.server.variables import exports, variables


@click.command("env")
@state_option
@json_option
def command(folder: Folder, as_json: bool) -> None:
    """Print the variables that point a client at the cloud.

    \b
      eval "$(hideaway env)"

    They are the cloud's also while no server serves it.
    """
    owner = owner_of(folder)
    server = folder.server()
    url = server.url if server else DEFAULT_URL
    if as_json:
        print_json(variables(owner, url))
    else:
        click.echo(exports(owner, url))
