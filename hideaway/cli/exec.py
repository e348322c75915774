"""`hideaway exec HOST -- COMMAND...`: become a command inside a host of the world."""

from __future__ import annotations

import os
import sys

import click
import msgspec

from hideaway.base.errors import Unavailable
from hideaway.cli.client import ask, server_of
from hideaway.cli.options import state_option
from hideaway.server.state import Folder


class Wanted(msgspec.Struct, frozen=True):
    """What to run, and in which host: by its id or its name."""

    host: str
    command: list[str]


class Entry(msgspec.Struct, frozen=True):
    """The host that was found, and the whole command line that enters it and runs the command there."""

    host: str
    argv: list[str]


@click.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@state_option
@click.argument("host")
@click.argument("command_line", metavar="-- COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
def command(folder: Folder, host: str, command_line: tuple[str, ...]) -> None:
    """Run a command inside HOST: a node, an Instance or the probe host of the public internet, by name or id.

    \b
      hideaway exec internet -- ping -c1 198.18.0.9

    It has the terminal, and its exit code is the command's own.
    """
    words = list(command_line[1:] if command_line[0] == "--" else command_line)
    if not words:
        raise click.UsageError("name a command to run: hideaway exec HOST -- COMMAND...")
    if server_of(folder).data_plane == "none":
        raise Unavailable("no data plane here, so no host to run a command in: `hideaway doctor` says what it takes")
    entry = ask(folder, "POST", "/hideaway/v1/exec", Entry, Wanted(host=host, command=words))
    sys.stdout.flush()
    try:
        os.execvp(entry.argv[0], entry.argv)
    except (OSError, IndexError) as error:
        raise Unavailable(f"{entry.host} cannot be entered with {entry.argv}: {error}") from error
