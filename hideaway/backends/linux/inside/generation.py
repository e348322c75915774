"""How often a network namespace's nft rules were changed: the kernel counts, whoever changes them."""

from __future__ import annotations

import os
import socket
import struct

NETLINK_NETFILTER = 12
NEWGEN, GETGEN = 15, 16  # of NFNL_SUBSYS_NFTABLES (linux/netfilter/nf_tables.h)
SUBSYSTEM = 10 << 8
REQUEST = 1
GEN_ID = 1  # NFTA_GEN_ID, a big-endian u32
HEADER, FAMILY, ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BBH"), struct.Struct("=HH")


def generation() -> int:
    """The generation of the present network namespace's rules. Raises OSError."""
    request = HEADER.pack(HEADER.size + FAMILY.size, SUBSYSTEM | GETGEN, REQUEST, 1, 0) + FAMILY.pack(0, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as channel:
        channel.settimeout(5)
        channel.sendto(request, (0, 0))
        return _read(channel.recv(4096))


def _read(answer: bytes) -> int:
    length, kind, *_ = HEADER.unpack_from(answer)
    if kind != SUBSYSTEM | NEWGEN:
        number = -struct.unpack_from("=i", answer, HEADER.size)[0]
        raise OSError(number, os.strerror(number), "nft generation")
    at = HEADER.size + FAMILY.size
    while at + ATTRIBUTE.size <= length:
        size, name = ATTRIBUTE.unpack_from(answer, at)
        if name == GEN_ID:
            return int(struct.unpack_from(">I", answer, at + ATTRIBUTE.size)[0])
        at += max(size + 3 & ~3, ATTRIBUTE.size)
    raise OSError("the kernel names no generation of its rules")
