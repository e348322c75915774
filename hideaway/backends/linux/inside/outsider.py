"""A child of the keeper that stays in the machine's own network, and starts there what the world needs outside.

It is forked before the keeper goes into the world's network. What it starts is in the world's process namespace all the
same, so it ends with the world, and it has the privileges that the world has outside: root's with root, else none. It
sees the machine's own files, and the world's below /proc/1/root. It forks twice: the keeper, as the first process,
becomes the parent of all that is started.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
from typing import Any

from .programs import Program, turn_into

CLONE_NEWNS = 0x20000
PATIENCE = 5.0


class Outsider:
    """The keeper's side."""

    def __init__(self) -> None:
        """Fork. Returns in the keeper, once the child has what it needs of the machine."""
        self.channel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            self.channel.close()
            _serve(other)
        other.close()
        self.channel.settimeout(PATIENCE)
        self.channel.recv(1)

    def start(self, request: dict[str, Any]) -> int:
        """Start a program (see Program.become); its process id. Raises OSError."""
        self.channel.send(json.dumps(request).encode())
        return int(self.channel.recv(16))


def _serve(channel: socket.socket) -> None:
    """Never returns."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # Its own view of the machine's files: the keeper puts other things over some of them.
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        channel.send(b"+")
        while said := channel.recv(1 << 16):
            pid = os.fork()
            if pid == 0:
                _start(channel, json.loads(said))
            os.waitpid(pid, 0)
    finally:
        os._exit(0)


def _start(channel: socket.socket, request: dict[str, Any]) -> None:
    """Start a program, say its process id and be gone. Never returns."""
    pid = os.fork()
    if pid == 0:
        channel.close()
        os.setpgid(0, 0)
        program = Program(request["name"])
        program.become(request)
        turn_into(program)
    try:
        os.setpgid(pid, pid)
    except OSError:  # it was faster
        pass
    channel.send(str(pid).encode())
    os._exit(0)
