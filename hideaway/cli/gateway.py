"""`hideaway gateway`: what the vendor's operators do to a gateway, so that a person sees what follows from it."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from hideaway.cli.client import ask
from hideaway.cli.options import state_option
from hideaway.server.state import Folder


@click.command("gateway")
@state_option
@click.argument("gateway_id")
@click.option("--stop/--start", "stopped", default=None, help="Stop or start it.")
@click.option("--legacy/--ipam", "is_legacy", default=None, help="Keep it as a legacy one, or under IPAM.")
@click.option("--json", "as_json", is_flag=True, help="Print the gateway as JSON.")
def command(folder: Folder, gateway_id: str, stopped: bool | None, is_legacy: bool | None, as_json: bool) -> None:
    """Stop, start or age a Public Gateway: the vendor's API has no route for it, and isolated nodes depend on it."""
    if stopped is None and is_legacy is None:
        raise click.UsageError("say what to do: --stop, --start, --legacy or --ipam")
    body = {"stopped": stopped, "is_legacy": is_legacy}
    gateway = ask(folder, "PATCH", f"/hideaway/v1/gateways/{gateway_id}", dict[str, Any], body)
    if as_json:
        click.echo(msgspec.json.encode(gateway))
    else:
        click.echo(f"{gateway['name']} is {gateway['status']}" + (", legacy" if gateway["is_legacy"] else ""))
