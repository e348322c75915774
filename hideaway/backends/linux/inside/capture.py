"""The packets of one interface, or of all, as a pcap on standard output, until nobody reads it any more.

tcpdump gives its root up at once, which a user namespace with one user forbids: so this is what looks, and tcpdump,
outside and as whoever asked, is what filters, prints and writes.
"""

from __future__ import annotations

import argparse
import os
import socket
import struct
import sys
from typing import Any

ALL = 0x0003  # ETH_P_ALL
SO_TIMESTAMPNS = 35
ETHERNET, COOKED = 1, 276  # link types of pcap: DLT_EN10MB, LINKTYPE_LINUX_SLL2
OUTGOING = 4  # PACKET_OUTGOING
LONGEST = 262144
MAGIC = 0xA1B2C3D4


def _head(link: int) -> bytes:
    return struct.pack("=IHHiIII", MAGIC, 2, 4, 0, 0, LONGEST, link)


def _open(interface: str) -> socket.socket:
    """All frames of an interface; of `any`, what frames carry."""
    every = interface == "any"
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM if every else socket.SOCK_RAW, socket.htons(ALL))
    listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
    if not every:
        listener.bind((interface, ALL))
    return listener


def _record(data: bytes, ancillary: list[Any]) -> bytes:
    stamps = [value for level, kind, value in ancillary if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS)]
    seconds, nanoseconds = struct.unpack("=qq", stamps[0][:16])
    return struct.pack("=IIII", seconds & 0xFFFFFFFF, nanoseconds // 1000, len(data), len(data)) + data


def _cooked(address: Any) -> bytes:
    """The head that stands for the link's own in a capture of all interfaces."""
    name, protocol, kind, hardware, source = address
    padded = bytes(source[:8]).ljust(8, b"\0")
    return struct.pack("!HHIHBB", protocol, 0, socket.if_nametoindex(name), hardware, kind, len(source)) + padded


def main() -> None:
    """Arguments: INTERFACE."""
    parser = argparse.ArgumentParser()
    parser.add_argument("interface")
    interface = parser.parse_args().interface
    try:
        listener = _open(interface)
    except OSError as error:
        sys.exit(f"{interface}: {error.strerror}")
    print(f"capturing on {interface}", file=sys.stderr, flush=True)
    every = interface == "any"
    try:
        os.write(1, _head(COOKED if every else ETHERNET))
        while True:
            data, ancillary, _flags, address = listener.recvmsg(LONGEST, 256)
            if address[0] == "lo" and address[2] == OUTGOING:  # it comes in again
                continue
            _write(_record(_cooked(address) + data if every else data, ancillary))
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(0)


def _write(record: bytes) -> None:
    while record:
        record = record[os.write(1, record) :]
