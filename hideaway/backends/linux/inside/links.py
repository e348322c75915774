"""Links and neighbours by netlink (rtnetlink(7)), where a run of `ip` for each namespace would take the time.

`ip link show` asks for the id of every namespace that there is: in each of them, that takes the square of their number.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from . import namespaces

NEWLINK, GETLINK, NEWNEIGH, DELNEIGH, GETNEIGH = 16, 18, 28, 29, 30
ERROR, DONE = 2, 3
REQUEST, ACK, DUMP, REPLACE, CREATE = 0x1, 0x4, 0x300, 0x100, 0x400
IFNAME, OPERSTATE, OPERATIONAL = 3, 16, 6
DESTINATION, LINK_ADDRESS = 1, 2
PERMANENT = 0x80
HEADER, LINK, NEIGHBOUR = struct.Struct("=IHHII"), struct.Struct("=BxHiII"), struct.Struct("=BxxxiHBB")
AT_ONCE = 400  # messages in one system call

Entry = tuple[int, bytes]
"""A neighbour: its family, and the attributes that say its address and who has it."""


def know(order: dict[str, Any]) -> None:
    """See operations.Know."""
    entries = [(owner, address, *_entry(address, mac)) for address, mac, owner in order["neighbours"]]
    for namespace, device in order["places"]:
        mine = [(address, (family, said)) for owner, address, family, said in entries if owner != namespace]
        with namespaces.inside(namespace), _netlink() as channel:
            index = socket.if_nametoindex(device)
            stale: Iterable[str] = order["stale"]
            if order["whole"]:
                stale = _known(channel, index) - {address for address, _entry in mine}
            _tell(channel, NEWNEIGH, CREATE | REPLACE, index, [entry for _address, entry in mine])
            for address in stale:
                try:
                    _tell(channel, DELNEIGH, 0, index, [_entry(address)])
                except FileNotFoundError:
                    pass


def without_carrier(names: Sequence[str]) -> list[str]:
    """Which of these links in the present namespace carry no packets yet. From Linux 6.8, asking makes it notice."""
    found = []
    with _netlink() as channel:
        for name in names:
            body = LINK.pack(0, 0, 0, 0, 0) + _attribute(IFNAME, name.encode() + b"\0")
            channel.send(_message(GETLINK, 0, body))
            states = [_attributes(said[LINK.size :]).get(OPERSTATE) for _kind, said in _answers(channel, one=True)]
            if states != [bytes([OPERATIONAL])]:
                found.append(name)
    return found


def _entry(address: str, mac: str = "") -> Entry:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    said = _attribute(DESTINATION, socket.inet_pton(family, address))
    return family, said + (_attribute(LINK_ADDRESS, bytes.fromhex(mac.replace(":", ""))) if mac else b"")


def _tell(channel: socket.socket, kind: int, flags: int, index: int, entries: Sequence[Entry]) -> None:
    """Send a message an entry. Only the last of each batch is answered, and whatever fails: raises OSError."""
    for start in range(0, len(entries), AT_ONCE):
        batch = entries[start : start + AT_ONCE]
        bodies = [NEIGHBOUR.pack(family, index, PERMANENT, 0, 0) + said for family, said in batch]
        messages = [_message(kind, flags, body) for body in bodies[:-1]]
        channel.send(b"".join(messages) + _message(kind, flags | ACK, bodies[-1]))
        list(_answers(channel))


def _known(channel: socket.socket, index: int) -> set[str]:
    """The addresses of a link's permanent neighbours."""
    found = set()
    for asked in (socket.AF_INET, socket.AF_INET6):
        channel.send(_message(GETNEIGH, DUMP, NEIGHBOUR.pack(asked, 0, 0, 0, 0)))
        for _kind, body in _answers(channel):
            family, link, state, _flags, _type = NEIGHBOUR.unpack_from(body)
            if link == index and state == PERMANENT:
                found.add(socket.inet_ntop(family, _attributes(body[NEIGHBOUR.size :])[DESTINATION]))
    return found


def _netlink() -> socket.socket:
    channel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    channel.settimeout(10)
    return channel


def _message(kind: int, flags: int, body: bytes) -> bytes:
    return HEADER.pack(HEADER.size + len(body), kind, REQUEST | flags, 0, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def _answers(channel: socket.socket, one: bool = False) -> Iterator[tuple[int, bytes]]:
    """(kind, body) of messages until the kernel says that it is done; one: a single one. Raises OSError."""
    while True:
        data = channel.recv(1 << 18)
        while len(data) >= HEADER.size:
            length, kind, _flags, _sequence, _port = HEADER.unpack_from(data)
            body, data = data[HEADER.size : length], data[(length + 3) & ~3 :]
            if kind == ERROR:
                (number,) = struct.unpack_from("=i", body)
                if number:
                    raise OSError(-number, os.strerror(-number))
            if kind in (ERROR, DONE):
                return
            yield kind, body
            if one:
                return


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found[kind & 0x3FFF] = data[4:length]
        data = data[max(4, (length + 3) & ~3) :]
    return found
