"""A small client of MariaDB's protocol (text queries) over a Unix socket where no password is asked."""

from __future__ import annotations

import contextlib
import socket
import struct
from types import TracebackType
from typing import Self

from .wire import Refused, Row

CAPABILITIES = 0x1 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x10000 | 0x20000 | 0x80000
"""Long passwords, a database at once, protocol 4.1, transactions, its authentication, several statements and results,
plugins."""
UTF8MB4 = 45
MORE = 0x8
"""In a status: another result follows."""


class Session:
    """One session. Raises Refused from everything that the server refuses, and when it goes away."""

    def __init__(self, path: str, user: str, database: str = "", timeout: float | None = 10):
        """path is the socket's; timeout: seconds for the connection, and for each answer."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        self._number = 0
        try:
            self._socket.connect(path)
            self._reader = self._socket.makefile("rb")
            self._packet()  # its greeting: there is no password, so its challenge does not matter
            head = struct.pack("<IIB23x", CAPABILITIES, 1 << 24, UTF8MB4)
            self._send(head + user.encode() + b"\0\0" + database.encode() + b"\0mysql_native_password\0")
            if self._packet()[:1] == b"\xfe":  # it would like another way; there is no password either way
                self._send(b"")
                self._packet()
        except OSError as error:
            self._socket.close()
            raise Refused(f"it does not answer: {error}") from error
        except Refused:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._number = 0
            self._send(b"\1")
        self._socket.close()

    def ask(self, sql: str) -> list[Row]:
        """Carry out statements, one after the other until one fails; the rows of all."""
        try:
            self._number = 0
            self._send(b"\3" + sql.encode())
            rows: list[Row] = []
            while self._result(rows) & MORE:
                pass
            return rows
        except OSError as error:
            raise Refused(f"it does not answer: {error}") from error

    def table(self, sql: str) -> list[dict[str, str | None]]:
        """The rows of one statement, by the names of its columns."""
        rows = self.ask(sql)
        return [dict(zip(self._names, row, strict=True)) for row in rows]

    def _result(self, rows: list[Row]) -> int:
        """Take one result; its status."""
        first = self._packet()
        if first[:1] == b"\0":
            at = _number(first, _number(first, 1)[1])[1]
            return int(struct.unpack_from("<H", first, at)[0])
        columns, _ = _number(first, 0)
        self._names = [_texts(self._packet(), 5)[4] or "" for _ in range(columns)]
        self._packet()  # the end of the columns
        while True:
            packet = self._packet()
            if packet[:1] == b"\xfe" and len(packet) < 9:
                return int(struct.unpack_from("<H", packet, 3)[0])
            rows.append(tuple(_texts(packet, columns)))

    def _send(self, body: bytes) -> None:
        """All that is said here is shorter than a packet may be."""
        self._socket.sendall(len(body).to_bytes(3, "little") + bytes([self._number]) + body)

    def _packet(self) -> bytes:
        body = b""
        while True:
            head = self._reader.read(4)
            length = int.from_bytes(head[:3], "little")
            part = self._reader.read(length)
            if len(head) < 4 or len(part) < length:
                raise Refused("it ended the connection")
            body += part
            self._number = (head[3] + 1) % 256
            if length < 0xFFFFFF:
                break
        if body[:1] == b"\xff":
            said = body[9:] if body[3:4] == b"#" else body[3:]
            raise Refused(said.decode(errors="replace"), str(struct.unpack_from("<H", body, 1)[0]))
        return body


def _number(packet: bytes, at: int) -> tuple[int, int]:
    """A number that says its own length, and where it ends."""
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(packet[at], 0)
    return (int.from_bytes(packet[at + 1 : at + 1 + size], "little"), at + 1 + size) if size else (packet[at], at + 1)


def _texts(packet: bytes, count: int) -> list[str | None]:
    found: list[str | None] = []
    at = 0
    for _ in range(count):
        if packet[at] == 0xFB:
            found.append(None)
            at += 1
            continue
        length, at = _number(packet, at)
        found.append(packet[at : at + length].decode(errors="replace"))
        at += length
    return found


def literal(text: str) -> str:
    """A text as SQL spells it, whatever the sql_mode says of backslashes."""
    return f"x'{text.encode().hex()}'" if "\\" in text else "'" + text.replace("'", "''") + "'"


def name(text: str) -> str:
    """The name of a thing as SQL spells it."""
    return "`" + text.replace("`", "``") + "`"
