"""`hideaway trace FROM TO`: send a real packet and show its way, hop by hop, with the rules that it met."""

from __future__ import annotations

import sys

import click
import msgspec
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from hideaway.cli.client import ask
from hideaway.cli.options import UNBROKEN, json_option, print_json, printable, state_option
from hideaway.fabric.seen import Count, Hop, Outcome, Packet, Trace
from hideaway.server.state import Folder


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What to send; see the server's route."""

    source: str
    target: str
    protocol: str | None = None
    port: int | None = None
    ipv6: bool = False
    seconds: float | None = None


@click.command("trace")
@state_option
@click.option("--proto", "protocol", type=click.Choice(["tcp", "udp", "icmp"]), help="[tcp; icmp without --port]")
@click.option("--port", type=click.IntRange(1, 65535), help="The destination's port, for TCP and UDP.")
@click.option("-6", "--ipv6", is_flag=True, help="Where TO is a host: its IPv6 address.")
@click.option("--seconds", type=click.FloatRange(0, 30, min_open=True), help="How long to wait for an answer.  [2]")
@json_option
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def command(
    folder: Folder,
    protocol: str | None,
    port: int | None,
    ipv6: bool,
    seconds: float | None,
    as_json: bool,
    source: str,
    target: str,
) -> int:
    """Send one real packet from FROM to TO and show each hop, the rules that it met there, and the answer's way.

    FROM is a host: a node, an Instance, a gateway, ... by name or id, or `internet`. TO is one, too, or an address.

    \b
      hideaway trace node-1 internet --port 443
      hideaway trace internet my-gateway --port 2222

    TCP sends a SYN, UDP a datagram of 8 bytes, ICMP an echo request. Exits with 1 when nothing answered.
    """
    wanted = Wanted(source=source, target=target, protocol=protocol, port=port, ipv6=ipv6, seconds=seconds)
    trace = ask(folder, "POST", "/hideaway/v1/trace", Trace, wanted)
    if as_json:
        print_json(trace)
    else:
        Console(width=None if sys.stdout.isatty() else UNBROKEN).print(tree_of(trace))
    return 0 if trace.outcome == Outcome.ANSWERED else 1


def tree_of(trace: Trace) -> Tree:
    """A tree for the terminal: the way, the answer's way, and how it ended."""
    tree = Tree(Text(_packet(trace.packet), style="bold"), guide_style="dim")
    for title, hops in (("there", trace.way), ("back", trace.reply)):
        if hops:
            branch = tree.add(Text(title, style="dim"))
            for hop in hops:
                _grow(branch, hop)
    good = trace.outcome == Outcome.ANSWERED
    ended = Text().append(f"{trace.outcome}", style="green" if good else "red")
    tree.add(ended.append(f"  {printable(trace.why)}"))
    return tree


def _grow(tree: Tree, hop: Hop) -> None:
    role = "" if hop.role == hop.host else f"  {hop.role}"  # the edge is the edge
    line = Text().append(printable(hop.name), style="bold").append(role, style="dim")
    line.append(f"  {printable(' > '.join(filter(None, (hop.came_by, hop.left_by))))}")
    branch = tree.add(line.append(_changes(hop)))
    for rule in hop.rules:
        branch.add(_rule(rule))


def _changes(hop: Hop) -> str:
    """What translation made of the packet here."""
    before, after = hop.arrived, hop.left
    found = []
    if (before.source, before.source_port) != (after.source, after.source_port):
        found.append(f"source becomes {_end(after.source, after.source_port)}")
    if (before.target, before.target_port) != (after.target, after.target_port):
        found.append(f"target becomes {_end(after.target, after.target_port)}")
    return f"  ({', '.join(found)})" if found else ""


def _rule(rule: Count) -> Text:
    style = {"drop": "red", "accept": "green"}.get(rule.verdict, "yellow")
    text = Text().append(f"{rule.verdict:9}", style=style).append(f" {printable(rule.says)}")
    owner = " ".join(filter(None, (printable(rule.name), rule.because, rule.which and f"rule {rule.which}")))
    text.append(f"  {owner}", style="dim")
    return text.append(f"  {rule.packets} packets {rule.bytes} bytes")


def _packet(packet: Packet) -> str:
    ends = (_end(packet.source, packet.source_port), _end(packet.target, packet.target_port))
    return f"{packet.protocol.upper()} {ends[0] or '?'} to {ends[1]}"


def _end(address: str, port: int) -> str:
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
