"""`hideaway capture PORT`: what passes a host's port, by tcpdump into a file of the caller's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from hideaway.base.errors import HideawayError, Unavailable
from hideaway.cli.client import ask, server_of
from hideaway.cli.options import state_option
from hideaway.server.state import Folder


class Wanted(msgspec.Struct, frozen=True):
    """Which port to look at."""

    port: str


class Entry(msgspec.Struct, frozen=True):
    """The host and interface that were found, and the command line that writes a pcap of it."""

    host: str
    interface: str
    argv: list[str]


@click.command("capture", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": True})
@state_option
@click.option("-w", "--write", "file", metavar="FILE", help="Write a pcap, `-` to standard output; else print lines.")
@click.option("--count", type=click.IntRange(1), help="End after so many packets.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="End after so many seconds.")
@click.argument("port")
@click.argument("expression", nargs=-1)
def command(
    folder: Folder, file: str | None, count: int | None, seconds: float | None, port: str, expression: tuple[str, ...]
) -> int:
    """Capture packets at PORT: a host, HOST:INTERFACE, the id of a NIC or a gateway's attachment, or `edge`.

    \b
      hideaway capture node-1:ens5 -w node.pcap --seconds 10
      hideaway capture my-gateway --count 20 -- tcp port 80

    EXPRESSION is tcpdump's. Without a limit it goes on until Ctrl-C.
    """
    if server_of(folder).data_plane == "none":
        raise Unavailable("no data plane here, so no packets: `hideaway doctor` says what it takes")
    entry = ask(folder, "POST", "/hideaway/v1/capture", Entry, Wanted(port=port))
    argv = ["tcpdump", "-n", "-r", "-", *(["-U", "-w", "-"] if file else ["-l"])]
    if count:
        argv += ["-c", str(count)]
    if os.geteuid() == 0:
        argv += ["-Z", "root"]
    if file is None or file == "-":
        return _run(entry.argv, [*argv, *expression], seconds, None)
    try:
        with Path(file).open("wb") as out:
            return _run(entry.argv, [*argv, *expression], seconds, out)
    except OSError as error:
        raise HideawayError(f"{file} cannot be written: {error.strerror}") from error


def _run(looking: list[str], reading: list[str], seconds: float | None, out: BinaryIO | None) -> int:
    """Look inside the host, and read that here, as who we are: the file is the caller's, and nobody need be root."""
    sys.stdout.flush()
    try:
        with (
            subprocess.Popen(looking, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as eye,
            subprocess.Popen(reading, stdin=eye.stdout, stdout=out, start_new_session=True) as reader,
        ):
            assert eye.stdout is not None
            eye.stdout.close()  # the reader has it
            try:
                return reader.wait(seconds)
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                eye.terminate()
                return reader.wait()
            finally:
                eye.terminate()
    except FileNotFoundError as error:
        raise Unavailable(f"{error.filename} is not there: apt-get install tcpdump util-linux") from error
