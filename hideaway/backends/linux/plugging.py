"""Where machines that the cloud did not make are: namespaces of the machine outside, and what tap devices take."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from hideaway.backends.linux import names
from hideaway.base.errors import Unavailable
from hideaway.fabric.model import Plug
from hideaway.plan import Step
from hideaway.plan.steps import AddHost

log = logging.getLogger(__name__)
TUN = "/dev/net/tun"
OWN = "/proc/self/ns/net"


def examined(plug: Plug, rootless: bool) -> Plug:
    """A plug with the identity of its place. Raises Unavailable with why this data plane cannot serve it."""
    if plug.tap and not os.access(TUN, os.R_OK | os.W_OK):
        raise Unavailable(f"a tap device takes {TUN}, which this server may not open: load tun, or start it as root")
    if not plug.place:
        return plug
    if rootless:
        raise Unavailable("only a server that runs as root may plug in a network namespace of the machine's")
    try:
        descriptor = _open(plug.place)
    except OSError as error:
        raise Unavailable(f"{plug.place} is no network namespace that can be opened: {error.strerror}") from error
    with contextlib.closing(os.fdopen(descriptor)):
        identity = _identity(descriptor)
    if identity == _identity_of(OWN):
        raise Unavailable(f"{plug.place} is the machine's own network: what is plugged in has a namespace of its own")
    return msgspec.structs.replace(plug, identity=identity)


@contextlib.contextmanager
def places(steps: Sequence[Step]) -> Iterator[Mapping[str, int]]:
    """The descriptors of the places of machines that are to be plugged in, by what their namespaces are called.

    A place that is gone, or another one now, is left out: its machine is not plugged in, and nothing else suffers.
    """
    found: dict[str, int] = {}
    try:
        for step in steps:
            if isinstance(step, AddHost) and step.plug is not None and step.plug.place:
                with contextlib.suppress(OSError):
                    found[names.namespace(step.host)] = _held(step.plug)
        yield found
    finally:
        for descriptor in found.values():
            os.close(descriptor)


def _held(plug: Plug) -> int:
    """A descriptor of a place. Raises OSError where it is not there any more."""
    descriptor = _open(plug.place)
    if _identity(descriptor) != plug.identity:
        os.close(descriptor)
        log.warning("%s is another network namespace than the one that was plugged in", plug.place)
        raise FileNotFoundError(plug.place)
    return descriptor


def _open(place: str) -> int:
    """Raises OSError for what is no network namespace."""
    descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode) or os.fstat(descriptor).st_dev != os.stat(OWN).st_dev:
        os.close(descriptor)
        raise OSError(22, "it is none")
    return descriptor


def _identity(descriptor: int) -> str:
    found = os.fstat(descriptor)
    return f"{found.st_dev}:{found.st_ino}"


def _identity_of(path: str) -> str:
    found = os.stat(path)
    return f"{found.st_dev}:{found.st_ino}"
