"""What SSH's guests run inside a host: a shell or a command, with a terminal or without."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import signal
import struct
import termios
from collections.abc import Awaitable, Callable
from typing import Any

import asyncssh

from . import homes

CHUNK = 1 << 16
RESOLVE_SECONDS = 5
LAST_WORDS = 2.0  # seconds that what a command said last may take to come out of its terminal
REFUSAL = b"This is a bastion: it forwards connections (ssh -J) and has no shell.\n"


def serve(entrance: Any) -> Callable[[Any], Awaitable[None]]:
    """What runs for a guest of a host: what was asked for, else a shell; ends with its status."""

    async def run(process: Any) -> None:
        said = entrance.said
        terminal = process.term_type is not None
        shell = _shell()
        asked = process.command
        if isinstance(asked, bytes):
            asked = asked.decode(errors="surrogateescape")
        command = [shell, "-l"] if asked is None else [shell, "-c", asked]
        environment = homes.environment(said["user"], shell)
        if terminal:
            environment["TERM"] = process.term_type
        for name, value in process.env.items():
            if name == "LANG" or name.startswith("LC_"):
                environment[name] = value
        argv = homes.entered(said["namespace"], said["hostname"], environment, command)
        status = await (_with_terminal if terminal else _without)(process, argv)
        process.exit(status if status >= 0 else 128 - status)

    return run


async def refuse(process: Any) -> None:
    """A bastion has nothing to run."""
    process.stderr.write(REFUSAL)
    process.exit(1)


async def resolve(entrance: Any, name: str) -> list[str]:
    """The addresses of a name as programs of the host find them, the first first."""
    said = entrance.said
    command = homes.entered(said["namespace"], "", {"PATH": homes.PATH}, ["getent", "ahosts", name])
    asked = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        told, _ = await asyncio.wait_for(asked.communicate(), RESOLVE_SECONDS)
    except TimeoutError:
        asked.kill()
        return []
    return list(dict.fromkeys(line.split()[0].decode() for line in told.splitlines() if line.split()))


def _shell() -> str:
    return "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"


async def _without(process: Any, argv: list[str]) -> int:
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec("setsid", *argv, stdin=pipe, stdout=pipe, stderr=pipe)
    fed = asyncio.ensure_future(_feed(process, child.pid, child.stdin, None))
    try:
        await asyncio.gather(_pump(child.stdout, process.stdout), _pump(child.stderr, process.stderr))
        return await child.wait()
    finally:
        fed.cancel()


async def _with_terminal(process: Any, argv: list[str]) -> int:
    master, slave = pty.openpty()
    try:
        _resize(slave, process.term_size)
        child = await asyncio.create_subprocess_exec("setsid", "--ctty", *argv, stdin=slave, stdout=slave, stderr=slave)
    finally:
        os.close(slave)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    reading, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(master, "rb", 0))
    typed = os.fdopen(os.dup(master), "wb", 0)
    writing, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, typed)
    writer = asyncio.StreamWriter(writing, protocol, None, loop)
    fed = asyncio.ensure_future(_feed(process, child.pid, writer, master))
    shown = asyncio.ensure_future(_pump(reader, process.stdout))
    left = asyncio.ensure_future(_hang_up(process, child.pid))
    try:
        status = await child.wait()
        # What was left running in the background has the terminal still, and may never let go of it.
        await asyncio.wait({shown}, timeout=LAST_WORDS)
        return status
    finally:
        for task in (fed, shown, left):
            task.cancel()
        for transport in (writing, reading):
            transport.close()


async def _hang_up(process: Any, child: int) -> None:
    """A guest who left has left the terminal."""
    await process.channel.wait_closed()
    _signal(child, signal.SIGHUP)


async def _pump(source: asyncio.StreamReader | None, target: Any) -> None:
    """All that a program says, until it says no more or nobody listens."""
    assert source is not None
    try:
        while data := await source.read(CHUNK):
            target.write(data)
            await target.drain()
    except (OSError, asyncssh.Error):  # a terminal that is left by all ends with an error
        pass


async def _feed(process: Any, child: int, target: Any, terminal: int | None) -> None:
    """All that the guest says: what they type, the size of their window, signals."""
    while True:
        try:
            data = await process.stdin.read(CHUNK)
        except asyncssh.TerminalSizeChanged as change:
            if terminal is not None:
                _resize(terminal, change.term_size)
            continue
        except asyncssh.BreakReceived:
            _signal(child, signal.SIGINT)
            continue
        except asyncssh.SignalReceived as sent:
            _signal(child, getattr(signal, f"SIG{sent.signal}", None))
            continue
        except (OSError, asyncssh.Error):
            data = b""
        try:
            if not data:
                if terminal is None:
                    target.close()
                return
            target.write(data)
            await target.drain()
        except OSError:
            return


def _resize(terminal: int, size: tuple[int, int, int, int]) -> None:
    """size: columns, rows, and both in pixels."""
    columns, rows, wide, high = (min(max(number, 0), 0xFFFF) for number in size)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, wide, high))


def _signal(child: int, number: signal.Signals | None) -> None:
    """To all of the child's session that is of its first group."""
    if number is not None:
        try:
            os.killpg(child, number)
        except ProcessLookupError:
            pass
