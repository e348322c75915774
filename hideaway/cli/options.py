"""Options that several commands have, and printing JSON."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from hideaway.server.state import Folder, default_folder

F = TypeVar("F", bound=Callable[..., Any])

# Wide enough for any line: what is piped is for grep, which a line broken at 80 columns would defeat.
UNBROKEN = 10_000

STATE_HELP = "The state folder.  [default: $HIDEAWAY_STATE, else ~/.local/state/hideaway]"


def state_option(function: F) -> F:
    """`--state DIR`, as a Folder under the name `folder`."""
    option = click.option(
        "--state", "folder", metavar="DIR", help=STATE_HELP, callback=lambda _context, _option, text: folder_of(text)
    )
    return option(function)


def folder_of(text: str | None) -> Folder:
    """The state folder that was named, or the default one."""
    return Folder(Path(text).expanduser() if text else default_folder(os.environ))


def json_option(function: F) -> F:
    """`--json`, under the name `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def print_json(value: object) -> None:
    """Print a value that msgspec can encode, indented."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def printable(text: str) -> str:
    """Without control characters: a name must not move the cursor of who reads it."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
