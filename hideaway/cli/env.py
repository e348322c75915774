"""`hideaway env`: the variables that point the vendor's clients at the cloud."""

from __future__ import annotations

import shlex

import click

from hideaway.cli.client import DEFAULT_URL, owner_of
from hideaway.cli.options import json_option, print_json, state_option
from hideaway.cloud.founding import Credentials
from hideaway.server.state import Folder


def variables(owner: Credentials, url: str) -> dict[str, str]:
    """What scw, Terraform and the SDKs read. A client made in 'fr-par' works as the vendor's default does."""
    return {
        "SCW_ACCESS_KEY": owner.access_key,
        "SCW_SECRET_KEY": owner.secret_key,
        "SCW_DEFAULT_ORGANIZATION_ID": owner.organization_id,
        "SCW_DEFAULT_PROJECT_ID": owner.project_id,
        "SCW_DEFAULT_REGION": "fr-par",
        "SCW_DEFAULT_ZONE": "fr-par-1",
        "SCW_API_URL": url,
        "SCW_INSECURE": "true",  # plain HTTP: there is no certificate to check
    }


def exports(owner: Credentials, url: str) -> str:
    """Lines for a POSIX shell."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables(owner, url).items())


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
