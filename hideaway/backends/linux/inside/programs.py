"""The long-running programs that the keeper keeps running, and the process groups of all that it starts."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from . import namespaces

OUTSIDE = "/"
"""The machine's own network, where the outsider starts programs. No network namespace of the world is called so."""
SHORTEST_RESTART, LONGEST_RESTART = 0.1, 5.0


class Program:
    """A long-running program that is started again when it ends.

    What it shall be: argv; namespace, OUTSIDE for the machine's own network (see outsider.py); folder, where it starts
    and writes `log` ("": the keeper's own); digest, which differs when anything of it does, files that it reads
    included; reload, the signal that makes it read them again (0: it must be started anew); stop, the signal that ends
    it, and patience, the seconds until it is killed.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.argv: list[str] = []
        self.namespace = self.folder = self.digest = ""
        self.reload, self.stop, self.patience = 0, int(signal.SIGKILL), 0.0
        self.pid = 0
        self.began = self.due = 0.0
        self.pause = SHORTEST_RESTART
        self.starts = 0
        self.wanted = True  # whether it shall run, once what runs of it has ended
        self.doom: float | None = None  # when to kill what was told to end

    def become(self, request: dict[str, Any]) -> bool:
        """Take over what is wanted; whether what runs must end for it."""
        before = self.argv, self.namespace, self.folder
        self.argv, self.namespace = list(request["argv"]), request.get("namespace", "")
        self.folder, self.digest = request.get("folder", ""), request.get("digest", "")
        self.reload, self.stop = request.get("reload", 0), request.get("stop", int(signal.SIGKILL))
        self.patience, self.wanted = request.get("patience", 0.0), True
        return not self.reload or before != (self.argv, self.namespace, self.folder)

    def request(self) -> dict[str, Any]:
        """What `become` takes, to start it."""
        return {"name": self.name, "argv": self.argv, "namespace": self.namespace, "folder": self.folder}

    def tell(self, number: int) -> None:
        if self.pid:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                pass


def turn_into(program: Program) -> None:
    """Turn into a program in its namespace. Never returns."""
    try:
        with open(os.devnull) as nothing:
            os.dup2(nothing.fileno(), 0)
        if program.folder:
            os.chdir(program.folder)
            os.dup2(os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), 2)
        os.dup2(2, 1)
        if program.namespace != OUTSIDE:
            namespaces.settle_in(program.namespace)
            namespaces.enter(os.open(namespaces.path(program.namespace), os.O_RDONLY | os.O_CLOEXEC))
        os.execvp(program.argv[0], program.argv)
    except OSError as error:
        print(f"{program.argv[0]}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(127)


def kill_tree(root: int) -> None:
    """Kill a process and all that it started, in whatever groups and sessions they are now."""
    parents = {}
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        try:
            with open(f"/proc/{pid}/stat") as file:
                parents[pid] = int(file.read().rpartition(")")[2].split()[1])
        except (OSError, ValueError):  # it is gone
            continue
    doomed, found = [], [root]
    while found:
        doomed += found
        found = [pid for pid, parent in parents.items() if parent in found]
    for pid in doomed:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    kill_group(root)  # whoever was started just now


def say_fault(name: str, fault: str) -> None:
    """Tell the server why a program that runs outside does not do what it is for; "" once it does."""
    file = f"{name}.fault"
    if fault:
        with open(file, "w") as written:
            written.write(fault)
    elif os.path.exists(file):
        os.unlink(file)


def kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
