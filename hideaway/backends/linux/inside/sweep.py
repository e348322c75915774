"""What is revoked is cut: tracked connections that a filter or a gateway now refuses are deleted, by netlink.

A connection is judged by its first packet, as the rules judged it. Replies need no verdict of their own.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

INTERNET = (ipaddress.ip_network("198.18.0.0/15"), ipaddress.ip_network("2001:2::/48"))
NETLINK_NETFILTER = 12
CT_NEW, CT_GET, CT_DELETE = 0x100, 0x101, 0x102
NLMSG_ERROR, NLMSG_DONE = 2, 3
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
TUPLE_ORIGINAL, TUPLE_REPLY = 1, 2
PROTOCOLS = {6: "tcp", 17: "udp", 1: "icmp", 58: "icmp"}
TYPE_MASK = 0x3FFF  # without the flags for nested and network order


class Flow(NamedTuple):
    """One direction of a connection: addresses as text, protocol as the Fabric spells it ("" for others)."""

    source: str
    target: str
    protocol: str
    source_port: int
    target_port: int


class Connection(NamedTuple):
    """What the kernel tracks: both directions, and the raw attribute that names it."""

    family: int
    first: Flow
    reply: Flow
    name: bytes


def edge(order: dict[str, Any]) -> int:
    """Cut what the edge's filters refuse, in the namespace that this process is in; how many were cut."""
    owners: dict[str, str] = order["owners"]
    lost = set(order["lost"]) if "lost" in order else None
    judges = {key: _Judge(judge) for key, judge in order["judges"].items()}

    def stays(connection: Connection) -> bool:
        flow = connection.first
        ends = (flow.source, flow.target)
        if any(end in lost if lost is not None else end not in owners and _ours(end) for end in ends):
            return False
        sender, receiver = (judges.get(owners.get(end, "")) for end in ends)
        return (sender is None or sender.passes(flow, False)) and (receiver is None or receiver.passes(flow, True))

    concerned = None if lost is None else {ipaddress.ip_address(address).packed for address in (*owners, *lost)}
    return _cut(connection for connection in _connections(concerned) if not stays(connection))


def _ours(address: str) -> bool:
    """Whether an address is the world's own; all others are the real internet's."""
    found = ipaddress.ip_address(address)
    return any(found in network for network in INTERNET)


def gateway(order: dict[str, Any]) -> int:
    """Cut what a gateway no longer lets through; how many were cut."""
    own, mine = set(order["own"]), set(order["mine"])
    refused = [ipaddress.ip_interface(text).network for text in order["refused"]]
    allowed = {
        (protocol, each["public_port"]): (each["private_address"], each["private_port"])
        for each in order["translations"]
        for protocol in each["protocols"]
    }

    def stays(connection: Connection) -> bool:
        first, reply = connection.first, connection.reply
        if reply.source != first.target or reply.source_port != first.target_port:  # translated on its way in
            return allowed.get((first.protocol, first.target_port)) == (reply.source, reply.source_port)
        if reply.target != first.source:  # leaves with another's address
            address = ipaddress.ip_address(first.source)
            if first.protocol == "tcp" and first.target_port in order["closed"]:
                return False
            return order["open"] and reply.target in own and not any(address in network for network in refused)
        return first.source in mine or (first.target in mine and _answered(order, first))  # the gateway's own

    return _cut(connection for connection in _connections() if connection.family == 4 and not stays(connection))


def _answered(order: dict[str, Any], flow: Flow) -> bool:
    """Whether a gateway itself answers what comes to it."""
    if flow.protocol != "tcp" or flow.target_port in order["served"]:
        return True
    source = ipaddress.ip_address(flow.source)
    return any(
        port == flow.target_port and any(source in ipaddress.ip_network(network) for network in networks)
        for port, networks in order["openings"]
    )


class _Judge:
    """A filter as the rules have it: the first rule that matches, else the policy."""

    def __init__(self, judge: dict[str, Any]):
        self.policy = {True: judge["inbound"], False: judge["outbound"]}
        self.rules = [(rule, ipaddress.ip_network(rule["network"], strict=False)) for rule in judge["rules"]]

    def passes(self, flow: Flow, inbound: bool) -> bool:
        other = ipaddress.ip_address(flow.source if inbound else flow.target)
        for rule, network in self.rules:
            if rule["inbound"] == inbound and other in network and _concerns(rule, flow):
                return bool(rule["accept"])
        return bool(self.policy[inbound])


def _concerns(rule: dict[str, Any], flow: Flow) -> bool:
    if rule["protocol"] not in ("any", flow.protocol):
        return False
    if not rule["ported"]:
        return True
    return flow.protocol in ("tcp", "udp") and rule["low"] <= flow.target_port <= rule["high"]


def _connections(concerned: set[bytes] | None = None) -> list[Connection]:
    """What is tracked in this network namespace: all, or only what begins or ends at these addresses."""
    with _netlink() as channel:
        channel.send(_message(CT_GET, REQUEST | DUMP, 0, b""))
        return [
            found
            for kind, body in _answers(channel)
            if kind == CT_NEW and (concerned is None or _concerns_any(body, concerned))
            for found in [_decoded(body)]
            if found is not None
        ]


def _concerns_any(body: bytes, addresses: set[bytes]) -> bool:
    """Whether a message may be of a connection from or to one of these: tells most of the others at a glance.

    The kernel puts the addresses of the first packet first: three headers of attributes, source, a header, target.
    """
    length = struct.unpack_from("=H", body, 8)[0] - 4
    if length not in (4, 16):
        return True
    return body[12 : 12 + length] in addresses or body[16 + length : 16 + 2 * length] in addresses


def _cut(connections: Iterator[Connection]) -> int:
    count = 0
    with _netlink() as channel:
        for connection in list(connections):
            family = socket.AF_INET if connection.family == 4 else socket.AF_INET6
            channel.send(
                _message(CT_DELETE, REQUEST | ACK, family, _attribute(0x8000 | TUPLE_ORIGINAL, connection.name))
            )
            try:
                list(_answers(channel))
                count += 1
            except FileNotFoundError:  # it ended by itself
                pass
    return count


def _netlink() -> socket.socket:
    channel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
    channel.settimeout(10)
    channel.bind((0, 0))
    return channel


def _message(kind: int, flags: int, family: int, attributes: bytes) -> bytes:
    body = struct.pack("=BBH", family, 0, 0) + attributes
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def _answers(channel: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Messages until the kernel says that it is done. Raises OSError on an error that it reports."""
    while True:
        data = channel.recv(1 << 18)
        while len(data) >= 16:
            length, kind, _flags, _sequence, _port = struct.unpack_from("=IHHII", data)
            body, data = data[16:length], data[(length + 3) & ~3 :]
            if kind == NLMSG_DONE:
                return
            if kind == NLMSG_ERROR:
                (number,) = struct.unpack_from("=i", body)
                if number:
                    raise OSError(-number, os.strerror(-number))
                return
            yield kind, body[4:]


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found[kind & TYPE_MASK] = data[4:length]
        data = data[max(4, (length + 3) & ~3) :]
    return found


def _decoded(body: bytes) -> Connection | None:
    attributes = _attributes(body)
    if TUPLE_ORIGINAL not in attributes or TUPLE_REPLY not in attributes:
        return None
    first, reply = _flow(attributes[TUPLE_ORIGINAL]), _flow(attributes[TUPLE_REPLY])
    return Connection(6 if ":" in first.source else 4, first, reply, attributes[TUPLE_ORIGINAL])


def _flow(data: bytes) -> Flow:
    parts = _attributes(data)
    addresses, protocol = _attributes(parts.get(1, b"")), _attributes(parts.get(2, b""))
    source, target = (addresses.get(v4) or addresses.get(v4 + 2) or b"\0\0\0\0" for v4 in (1, 2))
    source_port, target_port = (struct.unpack("!H", protocol[key])[0] if key in protocol else 0 for key in (2, 3))
    return Flow(
        str(ipaddress.ip_address(source)),
        str(ipaddress.ip_address(target)),
        PROTOCOLS.get(protocol.get(1, b"\0")[0], ""),
        source_port,
        target_port,
    )
