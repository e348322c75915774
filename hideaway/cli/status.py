"""`hideaway status`: the server's tree of things and their health, for a person or a program."""

from __future__ import annotations

import sys

import click
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from hideaway.base.tree import Item
from hideaway.cli.client import ask
from hideaway.cli.options import json_option, print_json, state_option
from hideaway.server.state import Folder

# Wide enough for any line: what is piped is for grep, which a line broken at 80 columns would defeat.
UNBROKEN = 10_000


@click.command("status")
@state_option
@json_option
def command(folder: Folder, as_json: bool) -> int:
    """Show what there is, how it does and, for what is not healthy, why. Exits with 1 when something is not."""
    item = ask(folder, "GET", "/hideaway/v1/status", Item)
    if as_json:
        print_json(item)
    else:
        console = Console(width=None if sys.stdout.isatty() else UNBROKEN)
        console.print(tree_of(item))
    return 1 if item.unhealthy() else 0


def tree_of(item: Item) -> Tree:
    """A tree for the terminal. What users named themselves is shown as text, never as markup."""
    tree = Tree(label(item), guide_style="dim")
    _grow(tree, item)
    return tree


def _grow(tree: Tree, item: Item) -> None:
    for note in item.notes:
        tree.add(Text(f"note: {_printable(note)}", style="yellow"))
    for child in item.children:
        _grow(tree.add(label(child)), child)


def label(item: Item) -> Text:
    """One line: kind, name, status, facts and, where it is not healthy, why."""
    text = Text()
    text.append(f"{_printable(item.kind)} ", style="dim")
    text.append(_printable(item.name or item.id), style="bold")
    if item.status:
        text.append("  ").append(_printable(item.status), style=_style(item))
    for name, value in item.facts.items():
        if value:
            text.append(f"  {_printable(name)} ", style="dim").append(_printable(value))
    if item.reason:
        text.append("  ").append(_printable(item.reason), style=_style(item))
    elif not item.healthy and not item.status:
        text.append("  not healthy", style="red")
    return text


def _style(item: Item) -> str:
    if not item.healthy:
        return "red"
    return "yellow" if item.status.endswith("ing") and item.status != "running" else "green"


def _printable(text: str) -> str:
    """Without control characters: a name must not move the cursor of who reads it."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
