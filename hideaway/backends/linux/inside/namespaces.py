"""The system calls for namespaces and mounts (os.setns and os.unshare came with Python 3.12).

A network namespace that is a host may have files of its own in /etc: they are kept in FURNITURE, and whatever program
starts there sees them in the place of the machine's, in a mount namespace of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterator, Mapping

FOLDER = "/run/netns"
FURNITURE = "/run/hosts"
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC = 4096, 16384
MNT_DETACH = 2
SYS_MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE = 442, -100, 0x8000

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


def leave() -> None:
    """Take this process into a new network namespace."""
    _checked(_libc.unshare(CLONE_NEWNET), "unshare")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    arguments = (text.encode() if text else None for text in (source, target, kind))
    source_, target_, kind_ = arguments
    _checked(_libc.mount(source_, target_, kind_, ctypes.c_ulong(flags), data.encode() or None), f"mount {target}")


def protect(target: str) -> None:
    """Let nothing be written to what is mounted there and below."""
    attributes = struct.pack("=QQQQ", MS_RDONLY, 0, 0, 0)
    result = _libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, target.encode(), AT_RECURSIVE, attributes, len(attributes))
    _checked(result, f"mount_setattr {target}")


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


def adopt(name: str, descriptor: int) -> None:
    """Give a namespace that a descriptor leads to a name here: it lives as long as that stands."""
    target = path(name)
    os.close(os.open(target, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
    mount(f"/proc/self/fd/{descriptor}", target, flags=MS_BIND)


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
        os.unlink(target)  # and so in the mount namespaces of other hosts' programs
    with contextlib.suppress(FileNotFoundError):
        furniture = os.path.join(FURNITURE, name)
        for each in os.listdir(furniture):
            os.unlink(os.path.join(furniture, each))
        os.rmdir(furniture)


def furnish(name: str, files: Mapping[str, str]) -> None:
    """State the files that a host has in its /etc. Programs that run there see what is new in them at once."""
    folder = os.path.join(FURNITURE, name)
    os.makedirs(folder, 0o755, exist_ok=True)
    os.chmod(folder, 0o755)
    for each, text in files.items():
        descriptor = os.open(os.path.join(folder, each), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "r+b") as file:
            # The same file for ever: a new one would not be seen where the old one is mounted.
            os.fchmod(descriptor, 0o644)
            file.write(text.encode())
            file.truncate()


def settle_in(name: str) -> None:
    """Give this process a view of its own, in which the files of a host lie in /etc. For a process that ends there.

    What the machine has no file for stays as it is: nothing can be mounted there.
    """
    try:
        there = os.listdir(os.path.join(FURNITURE, name)) if name else []
    except FileNotFoundError:
        there = []
    if there:
        _checked(_libc.unshare(CLONE_NEWNS), "unshare")
    for each in there:
        with contextlib.suppress(FileNotFoundError):
            mount(os.path.join(FURNITURE, name, each), os.path.join("/etc", each), flags=MS_BIND)


def identity(name: str) -> tuple[int, int]:
    """What no other living namespace has: its file's device and number."""
    return identity_of(path(name))


def identity_of(file: str) -> tuple[int, int]:
    """The same of any file that leads to a namespace, such as /proc/1/ns/net."""
    found = os.stat(file)
    return found.st_dev, found.st_ino
