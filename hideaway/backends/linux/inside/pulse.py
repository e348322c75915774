"""Listeners and heartbeats of all hosts, in one process that enters a host's namespace only to make a socket there.

A heartbeat is a new TCP connection from the node's namespace to its control plane's address. It counts when the control
plane's own listener has read it. Asked on a Unix socket, JSON lines: `set` (all listeners and heartbeats) and `ages`.
What was set is kept in a file, so that a new process under the same world goes on with it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import json
import os
import socket
import time
from typing import Any

from . import namespaces

SETTINGS, SOCKET = "pulse.json", "pulse.sock"
RETRY = 1.0
BACKLOG = 4096
"""Callers that may wait at once: the whole of a cluster's nodes beats as one when a gateway comes back."""
PATIENCE = 5.0
"""Seconds that a listener waits for what a caller has to say."""


class Pulse:
    def __init__(self, world: str):
        self.world = world
        self.settings: dict[str, Any] = {"world": world, "interval": 10.0, "listeners": [], "heartbeats": []}
        self.servers: dict[tuple[str, int, str], tuple[Any, asyncio.AbstractServer]] = {}
        self.beating: dict[tuple[str, str, str, int], asyncio.Task[None]] = {}
        self.expected: set[tuple[str, str]] = set()
        self.arrived: dict[tuple[str, str], float] = {}  # (source, target) -> when, by the monotonic clock
        self.faults: dict[str, str] = {}
        self.again: asyncio.TimerHandle | None = None

    async def set(self, settings: dict[str, Any]) -> None:
        """Serve these listeners and send these heartbeats, and no others."""
        self.settings = settings
        self.expected = {(s["source"], s["target"]) for s in settings["heartbeats"]}
        self.arrived = {pair: when for pair, when in self.arrived.items() if pair in self.expected}
        await self._listen()
        self._beat()

    def ages(self) -> dict[str, float]:
        """Source -> seconds since a heartbeat of it last arrived."""
        now = time.monotonic()
        return {source: now - when for (source, _target), when in self.arrived.items()}

    # Listeners

    async def _listen(self) -> None:
        wanted = {(s["host"], s["port"], s["what"]): s["namespace"] for s in self.settings["listeners"]}
        for key, (identity, server) in list(self.servers.items()):
            if key not in wanted or _identity(wanted[key]) != identity:  # gone, or built anew under the same name
                server.close()
                del self.servers[key]
        self.faults = {}
        for key in wanted.keys() - self.servers.keys():
            host, port, what = key
            try:
                identity = _identity(wanted[key])
                server = await asyncio.start_server(
                    self._caller(host, what), sock=_listener(wanted[key], port), limit=4096, backlog=BACKLOG
                )
                self.servers[key] = (identity, server)
            except OSError as error:  # a program of the host's own has the port, or the host is just going
                self.faults[f"{host}:{port}"] = str(error)
        if self.again is not None:
            self.again.cancel()
        self.again = asyncio.get_running_loop().call_later(RETRY, self._listen_again) if self.faults else None

    def _listen_again(self) -> None:
        self.retrying = asyncio.ensure_future(self._listen())

    def _caller(self, host: str, what: str) -> Any:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, TimeoutError, asyncio.LimitOverrunError, ValueError):
                line = await asyncio.wait_for(reader.readline(), PATIENCE)
                if what == "control-plane":
                    writer.write(self._heard(host, line.decode(errors="replace").split()))
                else:
                    await asyncio.wait_for(_headers(reader), PATIENCE)
                    writer.write(_address(writer) if what == "address" else _closed())
                await asyncio.wait_for(writer.drain(), PATIENCE)
            with contextlib.suppress(OSError):
                writer.close()

        return answer

    def _heard(self, target: str, words: list[str]) -> bytes:
        if len(words) != 2 or words[0] != "heartbeat":
            return b"no heartbeat\n"
        if (words[1], target) not in self.expected:
            return b"not of this cluster\n"
        self.arrived[words[1], target] = time.monotonic()
        return b"heard\n"

    # Heartbeats

    def _beat(self) -> None:
        wanted = {(s["source"], s["namespace"], s["address"], s["port"]) for s in self.settings["heartbeats"]}
        for key in [key for key in self.beating if key not in wanted or self.beating[key].done()]:
            self.beating.pop(key).cancel()
        for key in wanted - self.beating.keys():
            self.beating[key] = asyncio.ensure_future(self._beats(*key))

    async def _beats(self, source: str, namespace: str, address: str, port: int) -> None:
        """One at once, then one an interval; sooner again after one that was not heard."""
        while True:
            began = time.monotonic()
            interval = float(self.settings["interval"])
            heard = await _send(source, namespace, address, port, min(max(interval, 0.2), 2.0))
            pause = interval if heard else min(interval, RETRY)
            await asyncio.sleep(max(0.05, began + pause - time.monotonic()))


async def _send(source: str, namespace: str, address: str, port: int, patience: float) -> bool:
    """One heartbeat; whether the control plane said that it heard it, within patience seconds."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with namespaces.inside(namespace):
            channel = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    except OSError:
        return False
    with channel:
        try:
            return await asyncio.wait_for(_exchange(channel, source, address, port), patience)
        except (TimeoutError, OSError):
            return False


async def _exchange(channel: socket.socket, source: str, address: str, port: int) -> bool:
    loop = asyncio.get_running_loop()
    await loop.sock_connect(channel, (address, port))
    await loop.sock_sendall(channel, f"heartbeat {source}\n".encode())
    return await loop.sock_recv(channel, 64) == b"heard\n"


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


async def _headers(reader: asyncio.StreamReader) -> None:
    while (await reader.readline()).strip():
        pass


def _address(writer: asyncio.StreamWriter) -> bytes:
    address = str(writer.get_extra_info("peername")[0]).partition("%")[0]
    return _http("200 OK", "text/plain", address.removeprefix("::ffff:") if "." in address else address)


def _closed() -> bytes:
    message = "hideaway: no Kubernetes runs behind this address"
    said = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "ServiceUnavailable"}
    return _http("503 Service Unavailable", "application/json", json.dumps({**said, "message": message, "code": 503}))


def _http(status: str, kind: str, body: str) -> bytes:
    return f"HTTP/1.0 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


async def _asked(pulse: Pulse, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the server's questions, one a line."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while line := await reader.readline():
            request = json.loads(line)
            if request["op"] == "set":
                _keep(request["settings"])
                await pulse.set(request["settings"])
            answer = {"id": request.get("id"), "ages": pulse.ages(), "faults": pulse.faults}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
    writer.close()


def _keep(settings: dict[str, Any]) -> None:
    with open(f"{SETTINGS}.new", "w") as file:
        json.dump(settings, file)
    os.replace(f"{SETTINGS}.new", SETTINGS)


def _kept(world: str) -> dict[str, Any] | None:
    try:
        with open(SETTINGS) as file:
            settings: dict[str, Any] = json.load(file)
    except (OSError, ValueError):
        return None
    return settings if settings.get("world") == world else None


async def _serve(world: str) -> None:
    pulse = Pulse(world)
    settings = _kept(world)
    if settings is not None:
        await pulse.set(settings)
    try:
        os.unlink(SOCKET)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
    server = await asyncio.start_unix_server(lambda r, w: _asked(pulse, r, w), SOCKET, limit=1 << 26)
    os.chmod(SOCKET, 0o600)
    await server.serve_forever()


def main() -> None:
    """Arguments: --world ID. Runs until it is killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--world", required=True)
    os.umask(0o077)
    asyncio.run(_serve(parser.parse_args().world))
