"""`hideaway status`: the server's tree of things and their health, for a person or a program."""

from __future__ import annotations

import sys

import click
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from hideaway.base.tree import Item
from hideaway.cli.client import ask
from hideaway.cli.options import UNBROKEN, json_option, print_json, printable, state_option
from hideaway.server.state import Folder


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
        tree.add(Text(f"note: {printable(note)}", style="yellow"))
    for child in item.children:
        _grow(tree.add(label(child)), child)


def label(item: Item) -> Text:
    """One line: kind, name, status, facts and, where it is not healthy, why."""
    text = Text()
    text.append(f"{printable(item.kind)} ", style="dim")
    text.append(printable(item.name or item.id), style="bold")
    if item.status:
        text.append("  ").append(printable(item.status), style=_style(item))
    for name, value in item.facts.items():
        if value:
            text.append(f"  {printable(name)} ", style="dim").append(printable(value))
    if item.reason:
        text.append("  ").append(printable(item.reason), style=_style(item))
    elif not item.healthy and not item.status:
        text.append("  not healthy", style="red")
    return text


def _style(item: Item) -> str:
    if not item.healthy:
        return "red"
    return "yellow" if item.status.endswith("ing") and item.status != "running" else "green"
