"""`hideaway open RESOURCE`: where a resource of the world is, outside, and what to type there."""

from __future__ import annotations

import click
import msgspec

from hideaway.base.errors import Unavailable
from hideaway.cli.client import ask, server_of
from hideaway.cli.options import json_option, print_json, state_option
from hideaway.server.state import Folder


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A door: what is at address:port in the world is at `at` outside, or is not there because of fault."""

    address: str
    port: int
    protocol: str
    at: str
    hint: str
    fault: str = ""
    connections: int = 0


class Doors(msgspec.Struct, frozen=True, kw_only=True):
    """The doors of one host."""

    host: str
    name: str
    user_address: str
    doors: list[Shown]


@click.command("open")
@state_option
@click.argument("resource")
@click.option("--port", type=int, help="Have a door to this port, too, from now on and after every restart.")
@click.option("--udp", is_flag=True, help="The port is UDP's.")
@json_option
def command(folder: Folder, resource: str, port: int | None, udp: bool, as_json: bool) -> int:
    """Print where RESOURCE is on this machine: a server, Load Balancer, database, gateway or cluster, by name or id.

    \b
      hideaway open web
      hideaway open web --port 3000

    What is at 198.18.a.b in the world is at 127.18.a.b here. Doors to what is served there are open by themselves; a
    port that only root may have is shown with the one that stands for it.
    """
    if server_of(folder).data_plane == "none":
        raise Unavailable("no data plane here, so nothing to open: `hideaway doctor` says what it takes")
    body = {"resource": resource, "port": port, "protocol": "udp" if udp else "tcp"}
    found = ask(folder, "POST", "/hideaway/v1/open", Doors, body)
    if as_json:
        print_json(found)
    elif not found.doors:
        click.echo(f"{found.name}: nothing is served there that lets {found.user_address} in; name a port with --port")
    for door in () if as_json else found.doors:
        click.echo(f"{door.address}:{door.port}/{door.protocol}  {door.hint or door.fault}")
    return 0 if found.doors and not any(door.fault for door in found.doors) else 1
