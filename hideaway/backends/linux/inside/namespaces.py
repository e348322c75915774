"""The system calls for namespaces and mounts (os.setns and os.unshare came with Python 3.12)."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator

FOLDER = "/run/netns"
CLONE_NEWNET = 0x40000000
MS_BIND = 4096
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def path(name: str) -> str:
    """Where a network namespace is to be found; "" is the world's own."""
    return os.path.join(FOLDER, name) if name else "/proc/1/ns/net"


def enter(descriptor: int) -> None:
    """Take this process into a network namespace."""
    _checked(_libc.setns(descriptor, CLONE_NEWNET), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    arguments = (text.encode() if text else None for text in (source, target, kind))
    source_, target_, kind_ = arguments
    _checked(_libc.mount(source_, target_, kind_, ctypes.c_ulong(flags), data.encode() or None), f"mount {target}")


def detach(target: str) -> None:
    """Unmount, at once for new users and in the end for those who have it open."""
    _checked(_libc.umount2(target.encode(), MNT_DETACH), f"umount {target}")


@contextlib.contextmanager
def inside(name: str) -> Iterator[None]:
    """In a network namespace for the length of a with. Raises FileNotFoundError where there is none of that name."""
    back = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(path(name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            enter(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            enter(back)
    finally:
        os.close(back)


def create(name: str) -> None:
    """A new network namespace, empty. Raises FileExistsError where there is one of that name."""
    target = path(name)
    os.close(os.open(target, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
    back = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _checked(_libc.unshare(CLONE_NEWNET), "unshare")
        try:
            mount("/proc/self/ns/net", target, flags=MS_BIND)
        finally:
            enter(back)
    finally:
        os.close(back)


def exists(name: str) -> bool:
    """Whether there is a whole namespace of that name (a bare file is what a `create` that was killed left behind)."""
    try:
        with inside(name):
            return True
    except OSError:
        return False


def remove(name: str) -> None:
    """End a namespace, or what a killed `create` left of it. Does nothing where there is none."""
    target = path(name)
    with contextlib.suppress(OSError):
        detach(target)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(target)


def identity(name: str) -> tuple[int, int]:
    """What no other living namespace has: its file's device and number."""
    return identity_of(path(name))


def identity_of(file: str) -> tuple[int, int]:
    """The same of any file that leads to a namespace, such as /proc/1/ns/net."""
    found = os.stat(file)
    return found.st_dev, found.st_ino
