"""Whom programs of the world ask for names that are in hosts without a resolv.conf of their own: gateways, the edge.

The world's own /etc/resolv.conf, over the machine's. There is one in any case, for other files can be put only over it:
on many machines it is a link to somewhere in /run, where the world has nothing of the machine's.
"""

from __future__ import annotations

import os
from typing import Any

from . import namespaces

FILE, OURS = "/etc/resolv.conf", "/run/resolv.conf"


def resolve(order: dict[str, Any]) -> None:
    """See operations.Resolve."""
    file, server = os.path.realpath(FILE), order["server"]
    if file.startswith("/run/"):
        os.makedirs(os.path.dirname(file), mode=0o755, exist_ok=True)
        _write(file, server)
        return
    if os.path.exists(OURS):
        namespaces.detach(file)
        os.unlink(OURS)
    if server and os.path.exists(file):
        _write(OURS, server)
        namespaces.mount(OURS, file, flags=namespaces.MS_BIND)


def _write(file: str, server: str) -> None:
    with open(file, "w") as written:
        written.write(f"nameserver {server}\n" if server else "")
    os.chmod(file, 0o644)
