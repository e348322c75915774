"""A small client of PostgreSQL's protocol (version 3, simple queries) over a Unix socket where no password is asked."""

from __future__ import annotations

import contextlib
import socket
import struct
from types import TracebackType
from typing import Self

Row = tuple[str | None, ...]


class Refused(Exception):
    """The server said no. code is the SQLSTATE, "" where the connection broke."""

    def __init__(self, text: str, code: str = ""):
        self.code = code
        super().__init__(text)


class Connection:
    """One session. Raises Refused from everything that the server refuses, and when it goes away."""

    def __init__(self, path: str, user: str, database: str, options: str = "", timeout: float | None = 10):
        """path is the socket's; options as the server's own command line; timeout: seconds, for each answer."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(path)
            pairs = ("user", user, "database", database, "client_encoding", "UTF8", "options", options)
            said = b"".join(text.encode() + b"\0" for text in pairs)
            self._socket.sendall(struct.pack("!ii", len(said) + 9, 196608) + said + b"\0")
            self._reader = self._socket.makefile("rb")
            self._answers()
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
            self._socket.sendall(b"X\0\0\0\4")
        self._socket.close()

    def ask(self, sql: str) -> list[Row]:
        """Carry out statements, all or none of them, unless they are of the kind that runs alone; the rows of all."""
        text = sql.encode() + b"\0"
        try:
            self._socket.sendall(b"Q" + struct.pack("!i", len(text) + 4) + text)
            return self._answers()
        except OSError as error:
            raise Refused(f"it does not answer: {error}") from error

    def _answers(self) -> list[Row]:
        """Everything until it is ready for the next query."""
        rows: list[Row] = []
        refused: Refused | None = None
        while True:
            head = self._reader.read(5)
            if len(head) < 5:
                raise refused or Refused("it ended the connection")
            kind, length = head[:1], struct.unpack("!i", head[1:])[0]
            body = self._reader.read(length - 4)
            if kind == b"D":
                rows.append(_row(body))
            elif kind == b"E":
                refused = refused or _refusal(body)
            elif kind == b"R" and struct.unpack("!i", body[:4])[0] != 0:
                raise Refused("it asks for a password")
            elif kind == b"Z":
                if refused:
                    raise refused
                return rows


def _row(body: bytes) -> Row:
    (count,), at, found = struct.unpack("!h", body[:2]), 2, []
    for _ in range(count):
        (length,) = struct.unpack("!i", body[at : at + 4])
        at += 4
        found.append(None if length < 0 else body[at : at + length].decode(errors="replace"))
        at += max(length, 0)
    return tuple(found)


def _refusal(body: bytes) -> Refused:
    fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
    return Refused(fields.get(b"M", "it says no"), fields.get(b"C", ""))


def literal(text: str) -> str:
    """A text as SQL spells it. Backslashes are plain (standard_conforming_strings)."""
    return "'" + text.replace("'", "''") + "'"


def name(text: str) -> str:
    """The name of a thing as SQL spells it."""
    return '"' + text.replace('"', '""') + '"'
