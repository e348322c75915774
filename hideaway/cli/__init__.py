"""The command line: `hideaway COMMAND`. Each command has a module of its own, which is loaded only when it is called.

What a command may do: read the state folder, ask the server over HTTP, print. Only `up` starts a server.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from hideaway import __version__
from hideaway.base.errors import HideawayError, InvalidArguments, Unavailable

OK, NO, USAGE, CANNOT = 0, 1, 2, 3

# Command, the module that has a click command of the same name (with `exec` as exec_), and its line in the help.
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("hideaway.cli.up", "Serve a cloud in the foreground."),
    "demo": ("hideaway.cli.demo", "Build the document's cluster and show its isolation on packets."),
    "env": ("hideaway.cli.env", "Print the variables that point a client at the cloud."),
    "status": ("hideaway.cli.status", "Show what there is, how it does and why."),
    "exec": ("hideaway.cli.exec", "Run a command inside a node, an Instance or the internet's probe host."),
    "open": ("hideaway.cli.open", "Print where a resource is on this machine, and what to type there."),
    "trace": ("hideaway.cli.trace", "Send a real packet and show its way: hops, rules, the answer."),
    "flows": ("hideaway.cli.flows", "Show what each rule has met."),
    "capture": ("hideaway.cli.capture", "Write the packets at a host's port to a file."),
    "fault": ("hideaway.cli.fault", "Break machines, links, zones and programs, and mend them."),
    "attach": ("hideaway.cli.attach", "Plug a machine of your own into a Private Network."),
    "detach": ("hideaway.cli.detach", "Take out what was plugged in."),
    "gateway": ("hideaway.cli.gateway", "Stop, start or age a Public Gateway, to see what follows."),
    "reset": ("hideaway.cli.reset", "Delete everything in the cloud."),
    "doctor": ("hideaway.cli.doctor", "Say what this machine can do and what it lacks."),
}

HELP = """A cloud that you run yourself: isolated Kubernetes clusters behind Scaleway's API, on real packets.

\b
  hideaway up                  serve a cloud on http://127.0.0.1:7373
  eval "$(hideaway env)"       point scw, Terraform and the SDKs at it
  hideaway status              see what they made

\b
Exit codes: 0 done; 1 the answer is no: something failed or is not healthy;
2 the command line is wrong; 3 the server cannot be reached, or this machine
cannot do it. `exec` ends with its command's own.
"""


class Commands(click.Group):
    """Finds a command by the table above, so that `hideaway env` does not load a server."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, (module, _) in COMMANDS.items() if importlib.util.find_spec(module)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.command(cls=Commands, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hideaway", message="%(prog)s %(version)s")
def hideaway() -> None:
    """All commands."""


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line and return its exit code. What goes wrong is a message, never a traceback."""
    try:
        code = hideaway.main(list(arguments), prog_name="hideaway", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:  # `hideaway status | head`: the reader has seen enough
        sys.stderr.close()
        return OK
    except HideawayError as error:
        for line in _told(error):
            click.echo(f"hideaway: {line}", err=True)
        return _code(error)
    return code if isinstance(code, int) else OK


def _told(error: HideawayError) -> list[str]:
    """The lines that a person reads: one for each fault."""
    if isinstance(error, InvalidArguments):
        return [f"{fault.argument_name}: {fault.help_message or fault.reason}" for fault in error.faults]
    return [str(error)]


def _code(error: HideawayError) -> int:
    if isinstance(error, InvalidArguments):
        return USAGE
    return CANNOT if isinstance(error, Unavailable) else NO


def main() -> None:
    """What `hideaway` starts."""
    code = run(sys.argv[1:])
    if "granian" in sys.modules:
        _leave(code)
    sys.exit(code)


def _leave(code: int) -> NoReturn:
    """End without taking the interpreter down: all that had to be put away is.

    granian 2.8's threads outlive its `stop`, and one that meets a dying interpreter aborts the process: 7 of 80 servers
    that were told to stop ended with SIGABRT instead of status 0.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # the reader is gone, or it was closed
            stream.flush()
    os._exit(code)
