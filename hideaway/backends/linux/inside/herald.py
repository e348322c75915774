"""The herald tells Instances and nodes about themselves: HTTP at 169.254.42.42 and fd00:42::42, as the vendor does.

Every such host has a wire of its own to the herald's namespace, and a socket listens on each wire: who asks is known by
where the question comes in, whatever address it comes from. What is answered the server says, on a Unix socket, asked
anew each time; while none is there, the answer is 503.

Told on a Unix socket, JSON lines: `set` (all hosts and their wires). Kept in a file, for the next herald of this world.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import errno
import json
import os
import socket
from typing import Any

SETTINGS, SOCKET, ORACLE = "herald.json", "herald.sock", "guests.sock"
PORT = 80
RETRY = 1.0
PATIENCE = 10.0
"""Seconds for a whole request, and for the server's answer."""
TOGETHER = 32
"""Requests of one host that are served at once."""
HEAD, BODY = 16_384, 1 << 18  # bytes
REASONS = {200: "OK", 204: "No Content", 400: "Bad Request", 403: "Forbidden", 404: "Not Found",
           405: "Method Not Allowed", 411: "Length Required", 413: "Content Too Large", 429: "Too Many Requests",
           503: "Service Unavailable"}  # fmt: skip


class Wrong(Exception):
    """A request that cannot be passed on: the status of its answer."""


class Herald:
    def __init__(self, world: str):
        self.world = world
        self.settings: dict[str, Any] = {"world": world, "hosts": []}
        self.servers: dict[tuple[str, str], tuple[int, asyncio.AbstractServer]] = {}
        self.busy: dict[str, int] = {}
        self.again: asyncio.TimerHandle | None = None

    async def set(self, settings: dict[str, Any]) -> None:
        """Answer these hosts, and no others."""
        self.settings = settings
        await self._listen()

    async def _listen(self) -> None:
        wanted = {(each["host"], each["link"]) for each in self.settings["hosts"]}
        numbers = {name: number for number, name in socket.if_nameindex()}
        for key, (number, server) in list(self.servers.items()):
            if key not in wanted or numbers.get(key[1]) != number:  # gone, or built anew
                server.close()
                del self.servers[key]
        missing = False
        for key in wanted - self.servers.keys():
            try:
                listener = _listener(key[1])
            except OSError:  # the wire is just going, or its host's root has cut it
                missing = True
                continue
            server = await asyncio.start_server(self._caller(key[0]), sock=listener, limit=HEAD)
            self.servers[key] = (numbers.get(key[1], 0), server)
        if self.again is not None:
            self.again.cancel()
        self.again = asyncio.get_running_loop().call_later(RETRY, self._listen_again) if missing else None

    def _listen_again(self) -> None:
        self.retrying = asyncio.ensure_future(self._listen())

    def _caller(self, host: str) -> Any:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.busy[host] = self.busy.get(host, 0) + 1
            try:
                with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                    await asyncio.wait_for(self._serve(host, reader, writer), 2 * PATIENCE)
            finally:
                self.busy[host] -= 1
                writer.close()

        return answer

    async def _serve(self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.busy[host] > TOGETHER:
                raise Wrong(429)
            request = await asyncio.wait_for(_read(reader, writer), PATIENCE)
            said = await _asked({**request, "host": host, "port": writer.get_extra_info("peername")[1]})
        except Wrong as error:
            said = _said(error.args[0])
        except (ValueError, asyncio.LimitOverrunError):
            said = _said(400)
        writer.write(_http(said["status"], said["type"], base64.b64decode(said["body"])))
        await writer.drain()


def _listener(link: str) -> socket.socket:
    """Both families on one socket, which hears what comes in on one wire only."""
    listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(("::", PORT))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dict[str, Any]:
    """A request: its method, path, query and body."""
    method, target, version = (await reader.readline()).decode("latin-1").split()
    if not version.startswith("HTTP/1."):
        raise Wrong(400)
    headers: dict[str, str] = {}
    while line := (await reader.readline()).decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
        if len(headers) > 100:
            raise Wrong(400)
    if "transfer-encoding" in headers:
        raise Wrong(411)
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= BODY:
        raise Wrong(413)
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(length)
    path, _, query = target.partition("?")
    return {"method": method, "path": path, "query": query, "body": base64.b64encode(body).decode()}


async def _asked(request: dict[str, Any]) -> dict[str, Any]:
    """What the server says to a request; 503 where none is there."""
    try:
        reader, writer = await asyncio.open_unix_connection(ORACLE, limit=1 << 22)
        try:
            writer.write(json.dumps(request).encode() + b"\n")
            line = await asyncio.wait_for(reader.readline(), PATIENCE)
        finally:
            writer.close()
        said: dict[str, Any] = json.loads(line)
        return said
    except (OSError, ValueError, TimeoutError):
        return _said(503)


def _said(status: int) -> dict[str, Any]:
    body = json.dumps({"message": REASONS[status], "type": "unavailable" if status == 503 else "invalid_request"})
    return {"status": status, "type": "application/json", "body": base64.b64encode(body.encode()).decode()}


def _http(status: int, type_: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} {REASONS.get(status, 'Answer')}\r\nContent-Type: {type_}\r\n"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


async def _told(herald: Herald, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Do what the server says, one line each."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while line := await reader.readline():
            request = json.loads(line)
            if request["op"] == "set":
                _keep(request["settings"])
                await herald.set(request["settings"])
            writer.write(json.dumps({"id": request.get("id"), "hosts": len(herald.servers)}).encode() + b"\n")
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


async def _run(world: str) -> None:
    herald = Herald(world)
    settings = _kept(world)
    if settings is not None:
        await herald.set(settings)
    try:
        os.unlink(SOCKET)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
    server = await asyncio.start_unix_server(lambda r, w: _told(herald, r, w), SOCKET, limit=1 << 26)
    os.chmod(SOCKET, 0o600)
    await server.serve_forever()


def main() -> None:
    """Arguments: --world ID. Runs until it is killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--world", required=True)
    os.umask(0o077)
    asyncio.run(_run(parser.parse_args().world))
