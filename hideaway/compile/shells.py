"""How people come in over SSH, into Instances and by gateways' bastions, and what an Instance's first start runs."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Sequence

from hideaway.cloud.gateways import Gateway
from hideaway.cloud.logging_in import public_keys
from hideaway.cloud.memory import MemoryLedger
from hideaway.cloud.naming import domain, host_name
from hideaway.cloud.network import Ip, PrivateNetwork
from hideaway.cloud.servers import Server
from hideaway.compile.common import DEFAULT_V4, because, by_age, is_v6, network
from hideaway.fabric.model import EDGE, Opening, Port, Route
from hideaway.fabric.services import Bastion, Script, Shell

SCRIPT = "script"
"""The id of the service that is an Instance's first script."""
OUTPUT = "/var/log/cloud-init-output.log"
"""Where it says what it says, in the Instance."""
USER_DATA = "cloud-init"
"""The key of user data that a first start runs, where it is a script."""


def of_server(ledger: MemoryLedger, server: Server) -> tuple[Script | Shell, ...]:
    """An Instance's SSH, and the script of its first start. A node has neither: no service listens on it."""
    if server.node_id:
        return ()
    keys = tuple(dict.fromkeys(public_keys(ledger, server.authorized, server.tags)))
    shell = Shell(id="ssh", hostname=server.hostname, keys=keys, because=because(server))
    script = server.user_data.get(USER_DATA, "") if server.boots == 1 else ""
    if not _is_script(script):
        return (shell,)
    return (Script(id=SCRIPT, content=script, output=OUTPUT, hostname=server.hostname, because=because(server)), shell)


def _is_script(content: str) -> bool:
    """Whether user data (base64) is for a shell or the like, as the two characters that it begins with say."""
    try:
        return base64.b64decode(content[:4]).startswith(b"#!")
    except binascii.Error:
        return False


def bastion(
    ledger: MemoryLedger, gateway: Gateway, ports: Sequence[Port], routes: Sequence[Route]
) -> Iterator[Bastion]:
    """A gateway's bastion, if it is enabled. It leads to its Private Networks, and to what is routed from them."""
    if gateway.bastion_enabled and not gateway.is_legacy:
        inside = {port.id: port for port in ports if port.link != EDGE}
        near = [n for port in inside.values() for a in port.addresses if (n := network(a))]
        routed = [r.destination for r in routes if r.port in inside and r.destination != DEFAULT_V4]
        networks = [n for n in dict.fromkeys((*near, *routed)) if not is_v6(n)]
        yield Bastion(
            id="bastion",
            port=gateway.bastion_port,
            keys=tuple(dict.fromkeys(public_keys(ledger, gateway.ssh_keys))),
            networks=tuple(sorted(networks)),
            names=tuple(sorted(set(_names(ledger, inside.values())))),
            because=because(gateway),
        )


def openings(gateway: Gateway) -> tuple[Opening, ...]:
    """What a gateway answers itself: its bastion, to the addresses that are allowed."""
    if not gateway.bastion_enabled or gateway.is_legacy:
        return ()
    return (Opening(port=gateway.bastion_port, networks=tuple(sorted(gateway.bastion_allowed_ips))),)


def _names(ledger: MemoryLedger, inside: Iterable[Port]) -> Iterator[tuple[str, str]]:
    """What is called how in the networks that a gateway is in, and in their VPCs' others. IPv4, as the gateway is."""
    near = [private for port in inside if (private := ledger.get(PrivateNetwork, port.link))]
    for vpc in sorted({private.vpc_id for private in near}):
        for private in ledger.find(PrivateNetwork, ref=vpc):
            for ip in by_age(ledger.find(Ip, ref=private.id)):
                name = host_name(ip.attachment.name or "") if ip.attachment else ""
                if name and ip.private_network_id == private.id and not ip.is_ipv6:
                    yield f"{name}.{domain(private)}", ip.host
