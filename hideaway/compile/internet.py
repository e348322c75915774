"""What is always there: the probe host, which stands for anybody on the public internet."""

from __future__ import annotations

from hideaway.compile.common import edge_routes
from hideaway.fabric.model import EDGE, PROBE_V4, PROBE_V6, Host, Listener, Port, Role

NAME = "internet"
BECAUSE = "fixed:internet"


def probe() -> Host:
    """The probe host: no filter, both families, and on port 80 it answers with the caller's address."""
    port = Port(
        id=f"pub-{NAME}", name="pub", link=EDGE, addresses=(f"{PROBE_V4}/32", f"{PROBE_V6}/128"), because=BECAUSE
    )
    return Host(
        id=NAME,
        name=NAME,
        role=Role.PROBE,
        ports=(port,),
        routes=tuple(edge_routes(port)),
        listeners=(Listener(port=80, what="address"),),
        because=BECAUSE,
    )
