"""Sockets that live in a host's network while the test itself holds them: servers are threads, clients plain calls.

A helper inside the host makes each socket and passes it on; a socket stays in the network that it was made in, whoever
uses it.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

MAKE = """
import socket, sys
channel = socket.socket(fileno=int(sys.argv[1]))
while asked := channel.recv(64):
    family, kind = map(int, asked.split())
    with socket.socket(family, kind) as made:
        socket.send_fds(channel, [b"."], [made.fileno()])
"""
PATIENCE = 10.0  # seconds


class Elsewhere:
    """A host's sockets. argv: the command line that runs a command inside the host."""

    def __init__(self, argv: Callable[[Sequence[str]], list[str]]):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-I", "-S", "-c", MAKE, str(theirs.fileno())]
        self._helper = subprocess.Popen(argv(command), pass_fds=[theirs.fileno()])
        theirs.close()
        ours.settimeout(PATIENCE)
        self._channel, self._lock = ours, threading.Lock()

    def close(self) -> None:
        self._channel.close()  # the helper then ends by itself
        self._helper.wait(PATIENCE)

    def socket(self, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> socket.socket:
        """A new socket in the host's network."""
        with self._lock:
            self._channel.send(f"{int(family)} {int(kind)}".encode())
            _said, descriptors, _flags, _address = socket.recv_fds(self._channel, 1, 1)
        return socket.socket(fileno=descriptors[0])

    def connect(self, address: str, port: int, *, source: str = "", patience: float = PATIENCE) -> socket.socket:
        """A connection from the host. Raises OSError."""
        made = self.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        try:
            made.settimeout(patience)
            if source:
                made.bind((source, 0))
            made.connect((address, port))
        except OSError:
            made.close()
            raise
        return made

    @contextlib.contextmanager
    def serve(self, port: int, handle: Callable[[socket.socket, str], None], *, v6: bool = False) -> Iterator[None]:
        """Answer on a port of the host for the length of a with: each connection in a thread, with its peer's address.

        Connections that are still open at the end are cut.
        """
        listener = self.socket(socket.AF_INET6 if v6 else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("::" if v6 else "", port))
        listener.listen(256)
        held: set[socket.socket] = set()

        def one(connection: socket.socket, peer: str) -> None:
            with contextlib.suppress(OSError), connection:
                handle(connection, peer)
            held.discard(connection)

        def accept() -> None:
            while True:
                try:
                    connection, peer = listener.accept()
                except OSError:
                    return
                connection.settimeout(60)
                held.add(connection)
                threading.Thread(target=one, args=(connection, peer[0]), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield
        finally:
            for each in (listener, *held):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
