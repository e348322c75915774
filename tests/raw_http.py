"""HTTP as bytes on a socket: for what no client would send."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from typing import Any

import msgspec

from tests.cloud_under_test import Cloud

SECONDS = 10.0
"""After this long without an answer a test fails: ten times what is promised, for a machine that is busy."""


class Answered(msgspec.Struct, frozen=True):
    """What came back, and how long it took. status 0: the connection was closed without an answer."""

    status: int
    headers: dict[str, str]
    raw: bytes
    seconds: float

    @property
    def document(self) -> Any:
        return json.loads(self.raw)


def address(cloud: Cloud) -> tuple[str, int]:
    host, _, port = cloud.url.removeprefix("http://").rpartition(":")
    return host, int(port)


def head(cloud: Cloud, method: str, path: str, *headers: str, key: str | None = "", close: bool = True) -> bytes:
    """A request up to its body. key: a secret key, None for none, "" for the owner's."""
    secret = cloud.owner["secret_key"] if key == "" else key
    lines = [f"{method} {path} HTTP/1.1", "Host: cloud", *headers]
    lines += [f"X-Auth-Token: {secret}"] if secret else []
    lines += ["Connection: close"] if close else []
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogatepass")


def with_body(cloud: Cloud, method: str, path: str, body: bytes, *headers: str, key: str | None = "") -> bytes:
    """A whole request."""
    return head(cloud, method, path, f"Content-Length: {len(body)}", *headers, key=key) + body


def chunked(*parts: bytes) -> bytes:
    """A body in chunks."""
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def send(cloud: Cloud, sent: bytes, seconds: float = SECONDS) -> Answered:
    """Send bytes on a connection of their own and read until it is closed. Raises TimeoutError when that takes long."""
    began = time.monotonic()
    with socket.create_connection(address(cloud), timeout=seconds) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused before all was sent
            connection.sendall(sent)
        came = read_to_end(connection)
    return parsed(came, time.monotonic() - began)


def read_to_end(connection: socket.socket) -> bytes:
    came = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(1 << 16):
            came += part
    return came


def parsed(came: bytes, seconds: float = 0.0) -> Answered:
    """An answer of bytes."""
    top, _, raw = came.partition(b"\r\n\r\n")
    lines = top.decode("latin-1").split("\r\n")
    status = int(lines[0].split()[1]) if came else 0
    headers = {n.lower(): v for n, _, v in (line.partition(": ") for line in lines[1:])}
    return Answered(status, headers, raw, seconds)
