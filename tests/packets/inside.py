"""Small programs that packet tests run inside hosts. Every probe uses a new source port (the system's choice)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from hideaway.backends.linux import LinuxBackend

PYTHON = [sys.executable, "-I", "-S", "-c"]

ASK = """
import socket, sys
address, port, patience = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
try:
    s = socket.create_connection((address, port), patience)
    s.settimeout(patience)
    s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    data = b""
    while chunk := s.recv(4096): data += chunk
    print(data.partition(b"\\r\\n\\r\\n")[2].decode(), end="")
except OSError as error:
    print("-", type(error).__name__, end="")
"""
ECHO = """
import os, socket, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
s = socket.create_server(("", int(sys.argv[1])))
print("listening", flush=True)
while True:
    c, _ = s.accept()
    while d := c.recv(64): c.sendall(d)
"""
HOLD = """
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)
for line in sys.stdin:
    s.settimeout(float(line))
    try:
        s.sendall(b"x"); print("lives" if s.recv(64) else "ended", flush=True)
    except OSError: print("cut", flush=True)
"""
HEAR = """
import socket, sys, time
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM); s.bind((sys.argv[1], int(sys.argv[2])))
print("listening", flush=True); sys.stdin.readline(); s.setblocking(False)
try:
    while True:
        data, who = s.recvfrom(64); print(who[0], data.decode(), end=";")
except BlockingIOError: pass
"""
SAY = """
import socket, sys
source, target, port, word = sys.argv[1:]
s = socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_DGRAM)
if source: s.bind((source, 0))
s.sendto(word.encode(), (target, int(port)))
"""


class Inside:
    """Programs in the hosts of a backend's world."""

    def __init__(self, backend: LinuxBackend):
        self.backend = backend

    def run(self, host: str, *argv: str, stdin: str | None = None) -> str:
        """Run a program in a host, which must succeed; what it printed."""
        command = self.backend.command(host, argv)
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, (host, argv, done.stderr)
        return done.stdout

    def ask(self, host: str, address: str, port: int, patience: float = 0.6) -> str | None:
        """What a listener on the other side says to a host over TCP; None when no connection comes about."""
        said = self.run(host, *PYTHON, ASK, address, str(port), str(patience))
        return None if said.startswith("-") else said

    def nft(self, host: str, text: str) -> None:
        self.run(host, "nft", "-f", "-", stdin=text)

    def say(self, host: str, target: str, port: int, word: str, source: str = "") -> None:
        """One UDP packet."""
        self.run(host, *PYTHON, SAY, source, target, str(port), word)

    @contextmanager
    def started(self, host: str, program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A program of this module that goes on in a host for the length of a with: until its input ends."""
        command = self.backend.command(host, [*PYTHON, program, *arguments])
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            if program in (ECHO, HEAR):
                assert line(process) == "listening"
            yield process
        finally:
            process.communicate(timeout=10)  # nsenter's child would survive nsenter's end


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def still(process: subprocess.Popen[str], patience: float = 1.0) -> str:
    """Whether the connection that a HOLD has lives: lives, ended or cut."""
    assert process.stdin is not None
    process.stdin.write(f"{patience}\n")
    process.stdin.flush()
    return line(process)


def heard(process: subprocess.Popen[str]) -> list[str]:
    """What a HEAR has received until now, each as `source word`."""
    said, _ = process.communicate("\n", timeout=10)
    return said.strip(";").split(";") if said else []
