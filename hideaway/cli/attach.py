"""`hideaway attach NETWORK`: plug something into a Private Network that was not made through the API."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import click
import msgspec

from hideaway.base.errors import HideawayError
from hideaway.cli.client import ask
from hideaway.cli.options import json_option, print_json, state_option
from hideaway.server.state import Folder

MACHINES = "/hideaway/v1/machines"
PATIENCE = 30.0
"""Seconds that a machine is waited for: a DHCP client among them asks for its address."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What the server says of a machine."""

    id: str
    name: str
    status: str
    mac_address: str
    addresses: list[str]
    netns: str = ""
    tap: str = ""
    dhcp: bool = True


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    network: str
    name: str | None
    mac_address: str | None
    netns: str | None
    tap: str | None
    dhcp: bool | None


@click.command("attach")
@state_option
@click.argument("network")
@click.option("--name", help="What it is called, in IPAM and in the network's names.")
@click.option("--mac", help="Its MAC address, as a virtual machine has one; else a new one.")
@click.option("--netns", type=click.Path(), help="An existing network namespace: /run/netns/NAME, /proc/PID/ns/net.")
@click.option("--tap", help="End in a tap device of this name, for a virtual machine.")
@click.option("--dhcp/--no-dhcp", default=None, help="Run DHCP clients in it; by default only in a new namespace.")
@json_option
def command(
    folder: Folder,
    network: str,
    name: str | None,
    mac: str | None,
    netns: str | None,
    tap: str | None,
    dhcp: bool | None,
    as_json: bool,
) -> None:
    """Plug a machine into NETWORK, a Private Network by name or id. IPAM books its addresses; it asks by DHCP.

    \b
      hideaway attach net --name box           a new namespace: hideaway exec box -- ip address
      hideaway attach net --netns /run/netns/x  a namespace of this machine's (the server runs as root)
      hideaway attach net --tap tap0           a tap device: hideaway exec NAME -- qemu-system-x86_64 ...

    It stays plugged in over restarts, until `hideaway detach`.
    """
    place = str(Path(netns).absolute()) if netns else None
    wanted = Wanted(network=network, name=name, mac_address=mac, netns=place, tap=tap, dhcp=dhcp)
    machine = _settled(folder, ask(folder, "POST", MACHINES, Machine, wanted))
    if as_json:
        print_json(machine)
        return
    click.echo(f"{machine.name}: {', '.join(machine.addresses)}, MAC {machine.mac_address}")
    called = shlex.quote(machine.name)
    if machine.tap:
        click.echo(
            f"its cable ends in {machine.tap}, where `hideaway exec {called} -- COMMAND` runs, for who has that MAC"
        )
    elif machine.netns and not machine.dhcp:
        click.echo(f"its interface in {machine.netns} has that MAC, and no address yet: run a DHCP client there")
    else:
        click.echo(f"inside: hideaway exec {called} -- COMMAND")


def _settled(folder: Folder, machine: Machine) -> Machine:
    """The machine once it is plugged in. Raises HideawayError when that takes too long."""
    deadline = time.monotonic() + PATIENCE
    while machine.status == "attaching":
        if time.monotonic() > deadline:
            raise HideawayError(f"{machine.name} is plugged in, but was given no address within {PATIENCE:g} s")
        time.sleep(0.05)
        machine = ask(folder, "GET", f"{MACHINES}/{machine.id}", Machine)
    return machine
