"""What goes on inside hosts on a user's word: SSH into Instances, gateways' bastions, scripts of first boots.

One process for all hosts, however many they are: it enters a host's namespace to make a socket there, as the pulse
does, and what it starts for somebody runs in the host. Asked on a Unix socket, JSON lines: `set` (all entrances and
scripts), `state`, and `house` (a host's root, see homes). What was set is kept in a file, so that a new process under
the same world goes on with it. SSH itself is in entrances.py, loaded when somebody first comes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import json
import os
import resource
import socket
import sys
from collections.abc import Callable
from typing import Any

from . import homes, namespaces, scripts

SETTINGS, SOCKET = "attendant.json", "attendant.sock"
RETRY = 1.0
BACKLOG = 128
SECRET = "ssh.secret"
"""In the data folder: what all hosts' keys follow from, so that a host is known again whatever became of its world."""
GUESTS = 64
"""Connections to one host at once, those that have not yet proved who they are included."""


class Entrance:
    """A listening socket in a host, and who may come in. said: what the server said of it."""

    def __init__(self, said: dict[str, Any], identity: Any, listener: socket.socket):
        self.said, self.identity, self.listener = said, identity, listener
        self.guests: set[Any] = set()  # connections that have something like close() and know their key

    def follows(self, said: dict[str, Any]) -> None:
        """Go on with what is said now: who is let in no more is put out."""
        self.said = said
        for guest in list(self.guests):
            if not guest.welcome(said):
                guest.abort()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.listener.fileno())
        self.listener.close()
        for guest in list(self.guests):
            guest.abort()


class Attendant:
    """paths: where libraries are that are not Python's own."""

    def __init__(self, world: str, data: str, paths: list[str]):
        self.world, self.data, self.paths = world, data, paths
        self.settings: dict[str, Any] = {"world": world, "entrances": [], "scripts": []}
        self.entrances: dict[tuple[str, int], Entrance] = {}
        self.scripts = scripts.Scripts()
        self.faults: dict[str, str] = {}
        self.again: asyncio.TimerHandle | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self._serve: Callable[..., Any] | None = None

    def set(self, settings: dict[str, Any]) -> None:
        """Have these entrances and no others, and run the scripts that were not run yet."""
        self.settings = settings
        self.scripts.set(settings["scripts"])
        self._listen()

    def state(self) -> dict[str, Any]:
        """faults: why a host has no entrance, `<host>:<port>` -> reason. scripts: host -> how its script fares."""
        return {"faults": self.faults, "scripts": self.scripts.state()}

    def _listen(self) -> None:
        wanted = {(each["host"], each["port"]): each for each in self.settings["entrances"]}
        for key, entrance in list(self.entrances.items()):
            said = wanted.get(key)
            if said is None or _identity(said["namespace"]) != entrance.identity:  # gone, or built anew
                self.entrances.pop(key).close()
            else:
                entrance.follows(said)
        self.faults = {}
        for key, said in wanted.items():
            if key not in self.entrances:
                try:
                    self._open(key, said)
                except OSError as error:  # a program of the host's own has the port, or the host is just going
                    self.faults[f"{key[0]}:{key[1]}"] = str(error)
        if self.again is not None:
            self.again.cancel()
        self.again = asyncio.get_running_loop().call_later(RETRY, self._listen) if self.faults else None

    def _open(self, key: tuple[str, int], said: dict[str, Any]) -> None:
        identity = _identity(said["namespace"])
        entrance = self.entrances[key] = Entrance(said, identity, _listener(said["namespace"], said["port"]))
        asyncio.get_running_loop().add_reader(entrance.listener.fileno(), self._accept, entrance)

    def _accept(self, entrance: Entrance) -> None:
        try:
            channel, _address = entrance.listener.accept()
        except OSError:
            return
        if len(entrance.guests) >= GUESTS:
            channel.close()
            return
        task = asyncio.ensure_future(self._admit(entrance, channel))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _admit(self, entrance: Entrance, channel: socket.socket) -> None:
        try:
            await self._ssh()(entrance, channel)
        except Exception as error:
            # One caller's fault is not the others'.
            print(f"{entrance.said['host']}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            channel.close()

    def _ssh(self) -> Callable[..., Any]:
        if self._serve is None:
            sys.path += self.paths
            from .entrances import Ssh

            self._serve = Ssh(_secret(os.path.join(self.data, SECRET))).serve
        return self._serve


def _secret(file: str) -> bytes:
    """32 bytes that nobody else knows, made when they are first asked for."""
    os.makedirs(os.path.dirname(file), 0o700, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        made = f"{file}.{os.getpid()}"
        with open(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as written:
            written.write(os.urandom(32))
            os.fsync(written.fileno())
        try:
            os.link(made, file)
        finally:
            os.unlink(made)
    with open(file, "rb") as kept:
        return kept.read()


def _identity(namespace: str) -> Any:
    try:
        return namespaces.identity(namespace)
    except OSError:
        return None


def _listener(namespace: str, port: int) -> socket.socket:
    """Both families on one socket."""
    with namespaces.inside(namespace):
        listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(("::", port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


async def _asked(attendant: Attendant, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the server's questions, one a line."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while line := await reader.readline():
            request = json.loads(line)
            said: dict[str, Any] = {"id": request.get("id")}
            try:
                if request["op"] == "set":
                    _keep(request["settings"])
                    attendant.set(request["settings"])
                elif request["op"] == "house":
                    said["root"] = homes.home(request["namespace"])
                said |= attendant.state()
            except Exception as error:
                said["error"] = f"{request['op']}: {type(error).__name__}: {error}"
            writer.write(json.dumps(said).encode() + b"\n")
            await writer.drain()
    writer.close()


def _keep(settings: dict[str, Any]) -> None:
    with open(os.open(f"{SETTINGS}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
        json.dump(settings, file)
    os.replace(f"{SETTINGS}.new", SETTINGS)


def _kept(world: str) -> dict[str, Any] | None:
    try:
        with open(SETTINGS) as file:
            settings: dict[str, Any] = json.load(file)
    except (OSError, ValueError):
        return None
    return settings if settings.get("world") == world else None


async def _run(attendant: Attendant) -> None:
    settings = _kept(attendant.world)
    if settings is not None:
        attendant.set(settings)
    try:
        os.unlink(SOCKET)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
    server = await asyncio.start_unix_server(lambda r, w: _asked(attendant, r, w), SOCKET, limit=1 << 28)
    os.chmod(SOCKET, 0o600)
    await server.serve_forever()


def main() -> None:
    """Arguments: --world ID --data FOLDER, and --path FOLDER for each place of libraries. Runs until it is killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--world", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--path", action="append", default=[])
    arguments = parser.parse_args()
    os.umask(0o022)  # as what it starts expects
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a socket a host, and more for each guest
    homes.hidden.append(os.path.dirname(arguments.data))  # where the cloud keeps its keys and its databases
    asyncio.run(_run(Attendant(arguments.world, arguments.data, arguments.path)))
