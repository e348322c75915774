"""`hideaway up`: settle what the server is started with, and serve."""

from __future__ import annotations

import os
from typing import Any

import click

from hideaway.base.errors import Fault, InvalidArguments
from hideaway.base.ids import Ids
from hideaway.cli.options import STATE_HELP, folder_of
from hideaway.cloud.change import Pace
from hideaway.cloud.founding import Credentials
from hideaway.fabric.doors import DOORS
from hideaway.server.options import MEMORY, DataPlane, Options, doors_network, listen_address
from hideaway.server.state import Choice, Folder, owner_for
from hideaway.store import Durability

NOBODY = Credentials(access_key="", secret_key="", organization_id="", project_id="", user_id="")


@click.command("up")
@click.option("--listen", metavar="HOST:PORT", default="127.0.0.1:7373", show_default=True, help="Where to serve.")
@click.option("--state", metavar="DIR", help=f"{STATE_HELP} :memory: keeps nothing.")
@click.option(
    "--data-plane",
    type=click.Choice([plane.value for plane in DataPlane]),
    default=DataPlane.AUTO.value,
    show_default=True,
    help="What carries packets: the Linux kernel, nothing (records only), or whichever the machine can.",
)
@click.option(
    "--pace",
    type=click.Choice([pace.value for pace in Pace]),
    default=Pace.INSTANT.value,
    show_default=True,
    help="How long transitions take that no data plane carries: no time, or what the vendor was recorded to take.",
)
@click.option(
    "--durability",
    type=click.Choice([durability.value for durability in Durability]),
    default=Durability.PROCESS.value,
    show_default=True,
    help="What an answered write survives: the end of the server, or a loss of power too (each write waits for disk).",
)
@click.option("--heartbeat-interval", type=float, default=10, show_default=True, help="Seconds between heartbeats.")
@click.option(
    "--heartbeat-grace", type=float, default=40, show_default=True, help="Seconds of silence until not ready."
)
@click.option("--linger", type=float, default=60, show_default=True, help="Seconds the world outlives a killed server.")
@click.option(
    "--doors",
    metavar="NETWORK",
    default=DOORS,
    show_default=True,
    help="The /15 of the loopback at which this machine reaches the world's 198.18.0.0/15; none for no doors.",
)
@click.option(
    "--host-route",
    is_flag=True,
    help="With root: give this machine a route to the world's 198.18.0.0/15 itself, in the place of doors.",
)
@click.option(
    "--internet/--no-internet",
    default=False,
    help="Let the world out to the real internet, through this machine.  [default: no]",
)
@click.option("--access-key", default="", help="The owner's access key.  [default: $SCW_ACCESS_KEY, else made]")
@click.option("--secret-key", default="", help="Its secret key.  [default: $SCW_SECRET_KEY, else made]")
@click.option(
    "--organization-id", default="", help="The organization.  [default: $SCW_DEFAULT_ORGANIZATION_ID, else made]"
)
@click.option("--project-id", default="", help="Its first project.  [default: $SCW_DEFAULT_PROJECT_ID, else made]")
def command(
    listen: str,
    state: str | None,
    data_plane: str,
    pace: str,
    durability: str,
    heartbeat_interval: float,
    heartbeat_grace: float,
    linger: float,
    doors: str,
    internet: bool,
    host_route: bool,
    **chosen: str,
) -> int:
    """Serve a cloud in the foreground until SIGINT or SIGTERM.

    The first start makes an organization, a project, an owner and an API key, and keeps them in the state folder, which
    only you can read. What you chose before is kept too.
    """
    from hideaway.server.serve import serve  # all of the server, which no other command loads

    folder = None if state == MEMORY else folder_of(state)
    return serve(
        settled(
            folder,
            listen,
            Choice(**chosen),
            doors=doors,
            internet=internet,
            host_route=host_route,
            data_plane=DataPlane(data_plane),
            pace=Pace(pace),
            durability=Durability(durability),
            heartbeat_interval=heartbeat_interval,
            heartbeat_grace=heartbeat_grace,
            linger=linger,
        )
    )


def settled(folder: Folder | None, listen: str, chosen: Choice, *, doors: str = DOORS, **rest: Any) -> Options:
    """What a command line comes to, with the variables and what is kept. Raises InvalidArguments, with all faults."""
    faults: list[Fault] = []
    host, port, owner, network = "", 0, NOBODY, ""
    try:
        host, port = listen_address(listen)
    except InvalidArguments as error:
        faults += error.faults
    try:
        owner = owner_for(chosen, os.environ, folder.owner() if folder else None, Ids())
    except InvalidArguments as error:
        faults += error.faults
    try:
        network = doors_network(doors)
    except InvalidArguments as error:
        faults += error.faults
    options = Options(owner=owner, host=host, port=port, state=folder.path if folder else None, doors=network, **rest)
    try:
        options.check()
    except InvalidArguments as error:
        faults += error.faults
    if faults:
        raise InvalidArguments(*faults)
    return options
