"""The world's first process: while it lives the world does, and when it ends the kernel takes all of the world away.

It does what the server says (see `_OPERATIONS`), and knows nothing else: no Fabric, no plan. One thread, one loop;
whatever takes time runs in a child. Talks JSON, a line each way, on a Unix socket in the folder that it was started in.
When the server's connection is lost, the children that worked for it are killed before another server is served, so two
never change the world at once. Without a server it ends after `linger` seconds.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import selectors
import signal
import socket
import sys
import time
from typing import Any

from . import hands, homes, namespaces
from .outsider import Outsider
from .programs import (
    LONGEST_RESTART,
    OUTSIDE,
    SHORTEST_RESTART,
    Program,
    group_lives,
    kill_group,
    kill_tree,
    turn_into,
)

BUSY = 75
"""Exit status: another keeper has this folder."""
FIRST_SERVER = 10.0  # seconds
DESCRIPTORS = 253  # SCM_MAX_FD
"""That may come along with a request."""


class Connection:
    """A client: what it has sent of a line, and what it has not yet been sent.

    descriptors: what came along with its requests and was not taken yet.
    """

    def __init__(self, channel: socket.socket):
        self.channel, self.received, self.unsent = channel, b"", b""
        self.serves = False
        self.descriptors: list[int] = []

    def drop(self) -> None:
        """Close what came along."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors = []


class Job:
    """A child that works on a request. Its answer is in a file in memory, whole once the child has ended."""

    def __init__(self, pid: int, answer: int, connection: Connection, number: Any):
        self.pid, self.answer, self.number = pid, answer, number
        self.connection: Connection | None = connection


class Keeper:
    def __init__(self, listener: socket.socket, outsider: Outsider, world: str, linger: float):
        self.listener, self.outsider, self.world, self.linger = listener, outsider, world, linger
        self.selector = selectors.DefaultSelector()
        self.connections: set[Connection] = set()
        self.jobs: dict[int, Job] = {}
        self.orphans: set[int] = set()  # process groups that worked for a server that is gone
        self.programs: dict[str, Program] = {}
        self.waiting: list[tuple[Connection, Any]] = []  # who wants to serve
        # Its first server is given time to come, however short the linger is.
        self.alone_since = time.monotonic() + FIRST_SERVER
        self.ending = False

    def loop(self) -> None:
        """Until the world shall end."""
        wakeup, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, self._signalled)
        self.selector.register(wakeup, selectors.EVENT_READ, None)
        self.selector.register(self.listener, selectors.EVENT_READ, self.listener)
        while not self.ending:
            for key, events in self.selector.select(self._next()):
                if key.data is None:
                    os.read(wakeup, 4096)
                elif key.data is self.listener:
                    self._accept()
                else:
                    self._ready(key.data, events)
            self._reap()
            self._restart()
            self._admit()
            self.ending |= self._server() is None and time.monotonic() - self.alone_since > self.linger

    def _signalled(self, number: int, _frame: Any) -> None:
        self.ending |= number == signal.SIGTERM

    def _next(self) -> float:
        """Seconds until something is due by the clock."""
        now = time.monotonic()
        due = [p.due for p in self.programs.values() if not p.pid]
        due += [p.doom for p in self.programs.values() if p.pid and p.doom is not None]
        if self._server() is None:
            due.append(self.alone_since + self.linger)
        if self.waiting or self.orphans:
            due.append(now + 0.02)
        return max(0.0, min(due) - now) + 0.001 if due else 3600.0

    def _server(self) -> Connection | None:
        return next((c for c in self.connections if c.serves), None)

    # Connections

    def _accept(self) -> None:
        try:
            channel, _address = self.listener.accept()
        except OSError:
            return
        channel.setblocking(False)
        connection = Connection(channel)
        self.connections.add(connection)
        self.selector.register(channel, selectors.EVENT_READ, connection)

    def _ready(self, connection: Connection, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                data, descriptors, _flags, _address = socket.recv_fds(connection.channel, 1 << 20, DESCRIPTORS)
                connection.descriptors += descriptors
                if not data:
                    raise ConnectionError
                self._receive(connection, data)
            if events & selectors.EVENT_WRITE:
                self._flush(connection)
        except BlockingIOError:
            pass
        except OSError:
            self._lost(connection)

    def _receive(self, connection: Connection, data: bytes) -> None:
        *lines, connection.received = (connection.received + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            try:
                _OPERATIONS[request["op"]](self, connection, request)
            except (OSError, KeyError, ValueError, TypeError) as error:
                self._answer(connection, request.get("id"), error=f"{type(error).__name__}: {error}")

    def _answer(self, connection: Connection, number: Any, **said: Any) -> None:
        if connection in self.connections:
            connection.unsent += json.dumps({"id": number, **said}).encode() + b"\n"
            self._flush(connection)

    def _flush(self, connection: Connection) -> None:
        try:
            while connection.unsent:
                connection.unsent = connection.unsent[connection.channel.send(connection.unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self._lost(connection)
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.unsent else 0)
        self.selector.modify(connection.channel, events, connection)

    def _lost(self, connection: Connection) -> None:
        if connection not in self.connections:
            return
        self.connections.remove(connection)
        self.selector.unregister(connection.channel)
        connection.channel.close()
        connection.drop()
        self.waiting = [pair for pair in self.waiting if pair[0] is not connection]
        for job in self.jobs.values():
            if job.connection is connection:
                job.connection = None
                self.orphans.add(job.pid)
                kill_group(job.pid)
        if connection.serves:
            self.alone_since = time.monotonic()

    # Children

    def _fork(self) -> int:
        """A child in a process group of its own, without the keeper's sockets and signals; 0 in the child."""
        pid = os.fork()
        if pid:
            try:
                os.setpgid(pid, pid)
            except OSError:  # the child was faster
                pass
            return pid
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        self.listener.close()
        for connection in self.connections:
            connection.channel.close()
        return 0

    def _work(self, connection: Connection, request: dict[str, Any], work: Any) -> None:
        """Let a child do the work and answer what it returns."""
        answer = os.memfd_create("answer", os.MFD_CLOEXEC)
        pid = self._fork()
        if pid == 0:
            _child(work, answer)
        self.jobs[pid] = Job(pid, answer, connection, request.get("id"))

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid in self.jobs:
                self._finish(self.jobs.pop(pid), status)
            for program in [p for p in self.programs.values() if p.pid == pid]:
                self._ended(program)
        self.orphans = {group for group in self.orphans if group_lives(group)}

    def _finish(self, job: Job, status: int) -> None:
        with os.fdopen(job.answer, "rb") as file:
            file.seek(0)
            said = file.read()
        if job.connection is not None:
            answer = json.loads(said) if said else {"error": f"the keeper's child ended with wait status {status}"}
            self._answer(job.connection, job.number, **answer)

    def _start(self, program: Program) -> None:
        program.began, program.starts = time.monotonic(), program.starts + 1
        if program.namespace == OUTSIDE:
            self._start_outside(program)
            return
        program.pid = self._fork()
        if program.pid == 0:
            turn_into(program)

    def _start_outside(self, program: Program) -> None:
        try:
            program.pid = self.outsider.start(program.request())
        except (OSError, ValueError) as error:
            program.due = time.monotonic() + LONGEST_RESTART
            print(f"{program.name} cannot be started outside: {error}", file=sys.stderr, flush=True)

    def _ended(self, program: Program) -> None:
        """Start it again soon, later each time when it does not last; at once where it was told to end for that."""
        kill_group(program.pid)  # what it left behind
        if program.doom is not None:
            program.pid, program.doom, program.due, program.pause = 0, None, 0.0, SHORTEST_RESTART
            if not program.wanted:
                self.programs.pop(program.name)
            return
        lasted = time.monotonic() - program.began
        program.pause = SHORTEST_RESTART if lasted > 10 else min(program.pause * 2, LONGEST_RESTART)
        program.pid, program.due = 0, time.monotonic() + program.pause
        print(f"{program.name} ended after {lasted:.1f} s", file=sys.stderr, flush=True)

    def _restart(self) -> None:
        now = time.monotonic()
        for program in self.programs.values():
            if not program.pid and program.due <= now:
                self._start(program)
            elif program.pid and program.doom is not None and program.doom <= now:
                kill_group(program.pid)
                program.doom = now + 1.0

    def _end(self, program: Program) -> None:
        """Tell it to end; it is killed when its patience is over."""
        if program.doom is None:
            program.doom = time.monotonic() + program.patience
            program.tell(program.stop)

    def _admit(self) -> None:
        """Let the next server serve once nothing works for the last one any more."""
        for group in self.orphans:
            kill_group(group)
        while self.waiting and not self.orphans and self._server() is None:
            connection, number = self.waiting.pop(0)
            connection.serves = True
            self._answer(connection, number, world=self.world)

    # What clients can ask for

    def hello(self, connection: Connection, request: dict[str, Any]) -> None:
        """Who this is, and what runs."""
        programs = {p.name: {"pid": p.pid, "starts": p.starts} for p in self.programs.values()}
        self._answer(
            connection, request.get("id"), world=self.world, served=self._server() is not None, programs=programs
        )

    def serve(self, connection: Connection, request: dict[str, Any]) -> None:
        """From now on this connection is the server's, and the world lives as long as it. Answered once that is so."""
        self.waiting.append((connection, request.get("id")))

    def perform(self, connection: Connection, request: dict[str, Any]) -> None:
        """Operations on the kernel, see hands.py. For the server only.

        guests: for which namespaces' names descriptors of such came along, in their order.
        """
        if not connection.serves:
            raise PermissionError("this connection does not serve")
        guests = dict(zip(request.get("guests", ()), connection.descriptors, strict=False))
        self._work(connection, request, lambda: hands.perform(request["operations"], guests))
        connection.drop()  # the child has them

    def run(self, connection: Connection, request: dict[str, Any]) -> None:
        """Run argv in a namespace, with stdin, for at most timeout seconds."""
        arguments = request["argv"], request.get("stdin"), request.get("namespace", ""), request.get("timeout", 60)
        self._work(connection, request, lambda: hands.run_at_home(*arguments))

    def employ(self, connection: Connection, request: dict[str, Any]) -> None:
        """Have a program run under a name (see Program). One that is so already goes on as it is."""
        name = request["name"]
        program = self.programs.get(name) or self.programs.setdefault(name, Program(name))
        if not program.wanted or program.digest != request.get("digest", "") or not program.argv:
            anew = program.become(request)
            if not program.pid:
                program.due, program.pause = 0.0, SHORTEST_RESTART
            elif program.doom is None and anew:
                self._end(program)
            elif program.doom is None:
                program.tell(program.reload)
        self._restart()
        self._answer(connection, request.get("id"), pid=program.pid)

    def dismiss(self, connection: Connection, request: dict[str, Any]) -> None:
        """End the programs of these names, and those whose names begin with a prefix. None of them is no error.

        at_once: kill them now; else they end by themselves within their patience. Does not wait for it.
        """
        names, prefix = set(request.get("names", ())), request.get("prefix")
        for program in list(self.programs.values()):
            if program.name in names or (prefix is not None and program.name.startswith(prefix)):
                program.wanted = False
                if not program.pid:
                    self.programs.pop(program.name)
                    continue
                self._end(program)
                if request.get("at_once"):
                    kill_tree(program.pid)
        self._answer(connection, request.get("id"))

    def strike(self, connection: Connection, request: dict[str, Any]) -> None:
        """Kill the programs of these names, with all that they started, as a fault does: they are started again."""
        for name in request["names"]:
            if (program := self.programs.get(name)) is not None and program.pid:
                kill_tree(program.pid)
        self._answer(connection, request.get("id"))

    def close(self, connection: Connection, request: dict[str, Any]) -> None:
        """End the world, now."""
        self._answer(connection, request.get("id"))
        self.ending = True


_OPERATIONS: dict[str, Any] = {
    each.__name__: each
    for each in (
        Keeper.hello,
        Keeper.serve,
        Keeper.perform,
        Keeper.run,
        Keeper.employ,
        Keeper.dismiss,
        Keeper.strike,
        Keeper.close,
    )
}


def _child(work: Any, answer: int) -> None:
    """Do the work, write the answer, end. Never returns."""
    try:
        try:
            said = work()
        except Exception as error:
            said = {"error": f"{error}" if isinstance(error, hands.HandsFailed) else f"{type(error).__name__}: {error}"}
        with os.fdopen(answer, "wb") as file:
            file.write(json.dumps(said).encode())
    finally:
        os._exit(0)


def _furnish() -> None:
    """The world's own /run, with a place for network namespaces, and its own shared memory: what a program that was
    killed has there (PostgreSQL's initdb) goes with the world."""
    namespaces.mount("tmpfs", "/run", "tmpfs", data="mode=0755")
    if os.path.isdir("/dev/shm"):
        namespaces.mount("tmpfs", "/dev/shm", "tmpfs", data="mode=1777")
    os.mkdir(namespaces.FOLDER, 0o755)
    os.mkdir(namespaces.FURNITURE, 0o755)
    os.chmod(namespaces.FURNITURE, 0o755)
    resolver = os.path.realpath("/etc/resolv.conf")
    if resolver.startswith("/run/"):  # as on a machine with systemd-resolved: what hosts have is mounted there
        os.makedirs(os.path.dirname(resolver), 0o755, exist_ok=True)
        os.close(os.open(resolver, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644))
    os.mkdir(homes.FOLDER, 0o755)


def _listen(name: str) -> socket.socket:
    try:
        os.unlink(name)
    except FileNotFoundError:
        pass
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    listener.bind(name)  # a short name in the current folder: a whole path may be too long for a socket
    os.chmod(name, 0o600)
    listener.listen(64)
    listener.setblocking(False)
    return listener


def main() -> None:
    """Arguments: --world ID --linger SECONDS. Prints `ready` once it can be asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--world", required=True)
    parser.add_argument("--linger", type=float, default=60.0)
    arguments = parser.parse_args()
    os.umask(0o077)
    outsider = Outsider()
    namespaces.leave()
    lock = os.open("keeper.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(BUSY)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _furnish()
    keeper = Keeper(_listen("keeper.sock"), outsider, arguments.world, arguments.linger)
    print("ready", flush=True)
    os.dup2(2, 1)
    keeper.loop()
    os._exit(0)
