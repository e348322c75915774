"""What hosts, ports and segments are called in the kernel: pure functions of their ids, so that every server agrees.

An interface's name has at most 15 characters, so ids are hashed there (35 bits a host and a port).
"""

from __future__ import annotations

import base64
import hashlib
import re

from hideaway.fabric.model import Port

EDGE_NAMESPACE = "edge"
METADATA_NAMESPACE = "metadata"
"""Where hosts' wires lead, by which they are told about themselves."""
UPLINK_NAMESPACE = "uplink"
"""Between the edge and the machine's own network, where the world has a way to the real internet."""
UPLINK_LINK = "uplink"
"""What the edge calls its way there: no other link of it begins so."""
ROAD_LINK = "machine"
"""What the edge calls its link to the machine itself, with --host-route."""
METADATA_LINK = "metadata"
"""What a host calls its end of that wire."""
SWITCH = ""
"""The world's own network namespace, where the bridges are."""

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


def namespace(host: str) -> str:
    """A host's network namespace, as /run/netns has it: its id, with a hash where a file could not be named so."""
    return "host-" + _spelled(host)


def edge_link(host: str, port: str) -> str:
    """The edge's end of a public port."""
    return f"{edge_links(host)}{_hash(port, 7)}"


def edge_links(host: str) -> str:
    """How the names of the edge's ends of all of a host's public ports begin."""
    return f"e{_hash(host, 7)}"


def switch_link(host: str, port: str) -> str:
    """The bridge's end of a port on a segment."""
    return f"{switch_links(host)}{_hash(port, 7)}"


def switch_links(host: str) -> str:
    """How the names of the bridges' ends of all of a host's ports begin."""
    return f"p{_hash(host, 7)}"


def hidden_link(host: str, port: str) -> str:
    """What a port's outer end is called while its link is late or lossy: another has its place then."""
    return f"{hidden_links(host)}{_hash(port, 7)}"


def hidden_links(host: str) -> str:
    """How the names of all of a host's hidden links begin."""
    return f"x{_hash(host, 7)}"


def twin_link(host: str, port: str) -> str:
    """The other end of the link that has its place."""
    return f"y{_hash(host, 7)}{_hash(port, 7)}"


def metadata_link(host: str) -> str:
    """The far end of the wire by which a host is told about itself."""
    return f"m{_hash(host, 14)}"


def bridge(segment: str) -> str:
    """A segment's bridge."""
    return f"b{_hash(segment, 14)}"


def chain(direction: str, filter_id: str) -> str:
    """An nft chain's name for one direction of a filter."""
    return f"{direction}-{_spelled(filter_id)}"


def mac(port_id: str, wanted: str = "") -> str:
    """A port's MAC: the one that is wanted, else one of its own (locally administered)."""
    return wanted or _mac(0x68, port_id)


def port_mac(port: Port) -> str:
    return mac(port.id, port.mac)


def edge_mac(port_id: str) -> str:
    """The MAC of the edge's end of a public port."""
    return _mac(0x65, port_id)


def switch_mac(port_id: str) -> str:
    """The MAC of the bridge's end of a port."""
    return _mac(0x73, port_id)


def twin_mac(port_id: str) -> str:
    """The MAC of the other end of the link that stands in the place of a late or lossy one."""
    return _mac(0x79, port_id)


def bridge_mac(segment: str) -> str:
    return _mac(0x62, segment)


def _spelled(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else f"_{_hash(text, 20)}"


def _mac(kind: int, text: str) -> str:
    tail = hashlib.blake2s(text.encode(), digest_size=4).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, kind, *tail))


def _hash(text: str, length: int) -> str:
    digest = hashlib.blake2s(text.encode(), digest_size=16).digest()
    return base64.b32encode(digest).decode().lower()[:length]
