"""One real packet on its way: a mark in the rules of the namespaces that it may come through, and what the kernel says.

Orders are JSON on standard input, the answer JSON on standard output (see `_follow`). The mark is a table of its own in
each namespace that no rule of the world's knows of; it belongs to this process, and the kernel takes it away with it.
The packet carries a number nobody else's has (TCP: its sequence number), which address translation leaves as it is.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator
from typing import Any

from . import namespaces

NETLINK_NETFILTER = 12
SOL_NETLINK, ADD_MEMBERSHIP = 270, 1
NFTRACE = 9  # the multicast group (linux/netfilter/nfnetlink.h)
TRACE = 10 << 8 | 17  # NFNL_SUBSYS_NFTABLES, NFT_MSG_TRACE
TABLE, CHAIN, HANDLE, TYPE, VERDICT, NETWORK, TRANSPORT, IIF, OIF, NFPROTO, POLICY = 1, 2, 3, 4, 5, 8, 9, 10, 12, 15, 16
TYPES = {1: "policy", 2: "return", 3: "rule"}
VERDICTS = {0: "drop", 1: "accept", 2: "stolen", 3: "queue", 0xFFFFFFFF: "continue", 0xFFFFFFFE: "break",
            0xFFFFFFFD: "jump", 0xFFFFFFFC: "goto", 0xFFFFFFFB: "return"}  # fmt: skip
NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1, "icmp6": 58}
EARLY, TRACKED, LATE = -500, -150, 500
MARKED = "meta nftrace set 1"
BACK = "back-"
"""How the names of chains begin that mark what comes back."""
SYN, MOST = 0x02, 0xFFFFFFFF
AFTER = 0.15
"""Seconds that are waited for what else comes, once the packet or its answer has ended."""


class Mark:
    """The table that marks the packet in one namespace, and the kernel's reports from there."""

    def __init__(self, namespace: str, table: str, probe: Probe, tracking: bool):
        self.namespace, self.table = namespace, table
        with namespaces.inside(namespace):
            self.reports = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
            self.reports.bind((0, 0))  # one without a number of its own hears nothing
            self.reports.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, NFTRACE)
            self.reports.setblocking(False)
            self.names = dict(socket.if_nameindex())
            self.nft = Nft()
        there, back = [f"{probe.match()} {MARKED}"], [f"{match} {MARKED}" for match in probe.answers()]
        chains = [
            *(_chain(hook, hook, EARLY, there) for hook in ("prerouting", "output")),
            *(_chain(f"{BACK}{hook}", hook, EARLY + 1, back) for hook in ("prerouting", "output")),
            *(_chain(hook, hook, LATE, []) for hook in ("input", "postrouting")),
        ]
        if tracking and probe.protocol == "udp":
            # Its answer is known by its port, which may be translated: there the connection itself is marked.
            number = probe.number
            chains.append(_chain("connection", "prerouting", TRACKED, [f"{probe.match()} ct mark set {number}"]))
            known = [f"ct direction reply ct mark {number} {MARKED}"]
            chains.append(_chain(f"{BACK}connection", "prerouting", TRACKED + 1, known))
        self.nft.run(f"table inet {table} {{\n flags owner;\n{''.join(chains)}}}\n")

    def read(self) -> Iterator[dict[str, Any]]:
        """What was reported since, oldest first."""
        while True:
            try:
                data = self.reports.recv(1 << 16)
            except BlockingIOError:
                return
            while len(data) >= 16:
                length, kind = struct.unpack_from("=IH", data)
                if kind == TRACE:
                    yield self._event(_attributes(data[20:length]))
                data = data[max((length + 3) & ~3, 16) :]

    def _event(self, said: dict[int, bytes]) -> dict[str, Any]:
        verdict = _attributes(said.get(VERDICT, b""))
        code = said.get(POLICY) or verdict.get(1) or struct.pack(">I", 0xFFFFFFFF)
        return {
            "namespace": self.namespace,
            "table": _text(said.get(TABLE, b"")),
            "ours": _text(said.get(TABLE, b"")) == self.table,
            "chain": _text(said.get(CHAIN, b"")),
            "handle": int.from_bytes(said.get(HANDLE, b""), "big"),
            "type": TYPES.get(int.from_bytes(said.get(TYPE, b""), "big"), ""),
            "verdict": VERDICTS.get(struct.unpack(">I", code)[0], "continue"),
            "to": _text(verdict.get(2, b"")),
            "came_by": self.names.get(int.from_bytes(said.get(IIF, b""), "big"), ""),
            "leaves_by": self.names.get(int.from_bytes(said.get(OIF, b""), "big"), ""),
            "packet": _packet(said[NETWORK], said.get(TRANSPORT, b"")) if NETWORK in said else None,
        }

    def rules(self) -> str:
        """The namespace's rules with their counters and handles, as nft lists them."""
        return self.nft.run("list ruleset")

    def end(self) -> None:
        self.nft.run(f"delete table inet {self.table}")
        self.reports.close()


def _chain(name: str, hook: str, priority: int, rules: list[str]) -> str:
    body = "".join(f"  {rule}\n" for rule in rules)
    return f" chain {name} {{\n  type filter hook {hook} priority {priority}; policy accept;\n{body} }}\n"


class Nft:
    """libnftables in the present network namespace: what it makes belongs to its one connection with the kernel."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL("libnftables.so.1")
        self.library.nft_ctx_new.restype = ctypes.c_void_p
        for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
            getattr(self.library, name).restype = ctypes.c_char_p
        self.context = ctypes.c_void_p(self.library.nft_ctx_new(ctypes.c_uint32(0)))
        self.library.nft_ctx_buffer_output(self.context)
        self.library.nft_ctx_buffer_error(self.context)
        self.library.nft_ctx_output_set_flags(self.context, ctypes.c_uint(1 << 3))  # NFT_CTX_OUTPUT_HANDLE

    def run(self, command: str) -> str:
        if self.library.nft_run_cmd_from_buffer(self.context, command.encode()) != 0:
            said = _text(self.library.nft_ctx_get_error_buffer(self.context)).splitlines()
            raise OSError(f"nft: {said[0] if said else 'nothing was said'}")
        return _text(self.library.nft_ctx_get_output_buffer(self.context) or b"")


class Probe:
    """The packet: a TCP SYN, a UDP datagram or an ICMP echo request from a free port of the source's own."""

    def __init__(self, order: dict[str, Any]):
        self.protocol, self.target, self.port = order["protocol"], order["target"], order["port"]
        self.v6 = ":" in self.target
        self.family = socket.AF_INET6 if self.v6 else socket.AF_INET
        self.number = struct.unpack("=I", os.urandom(4))[0] or 1
        self.token = struct.pack("!II", self.number, self.number ^ MOST)
        with namespaces.inside(order["source"]):
            self.source = self._source()
            kind = socket.SOCK_STREAM if self.protocol == "tcp" else socket.SOCK_DGRAM
            self.holder = socket.socket(self.family, kind)  # keeps the port: nobody else's answers come to it
            self.holder.bind((self.source, 0))
            self.own_port = int(self.holder.getsockname()[1])
            self.raw = self._raw() if self.protocol != "udp" else self.holder

    def _source(self) -> str:
        """The address that the routes choose. Raises OSError where there is no way."""
        with socket.socket(self.family, socket.SOCK_DGRAM) as asks:
            asks.connect((self.target, self.port or 9))
            return str(asks.getsockname()[0])

    def _raw(self) -> socket.socket:
        number = NUMBERS["icmp6" if self.v6 and self.protocol == "icmp" else self.protocol]
        raw = socket.socket(self.family, socket.SOCK_RAW, number)
        raw.bind((self.source, 0))
        return raw

    def match(self) -> str:
        """The packet, as nft finds it: address translation leaves it so."""
        if self.protocol == "tcp":
            return f"tcp flags & (syn | ack) == syn tcp sequence {self.number}"
        which = "meta l4proto udp" if self.protocol == "udp" else f"{'icmpv6' if self.v6 else 'icmp'} type echo-request"
        return f"{which} @th,64,64 0x{self.token.hex()}"

    def answers(self) -> list[str]:
        """What comes back, and the errors that name the packet."""
        inner = 8 + (40 if self.v6 else 20)  # where an error has the packet's own head, after its own and the address's
        wrong = "icmpv6 type { 1, 2, 3 }" if self.v6 else "icmp type { 3, 11 }"
        if self.protocol == "tcp":
            return [f"tcp ackseq {(self.number + 1) & MOST}", f"{wrong} @th,{(inner + 4) * 8},32 {self.number}"]
        named = f"{wrong} @th,{(inner + 8) * 8},64 0x{self.token.hex()}"
        if self.protocol == "udp":
            return [f"udp dport {self.own_port}", named]
        return [f"{'icmpv6' if self.v6 else 'icmp'} type echo-reply @th,64,64 0x{self.token.hex()}", named]

    def send(self) -> None:
        if self.protocol == "udp":
            self.holder.sendto(self.token, (self.target, self.port))
            return
        data = self._syn() if self.protocol == "tcp" else self._echo()
        self.raw.sendto(data, (self.target, 0))

    def _syn(self) -> bytes:
        head = struct.pack("!HHIIBBHHH", self.own_port, self.port, self.number, 0, 6 << 4, SYN, 64240, 0, 0)
        head += struct.pack("!BBH", 2, 4, 1400)  # the largest segment
        return self._summed(head, 16)

    def _echo(self) -> bytes:
        return self._summed(struct.pack("!BBHHH", 128 if self.v6 else 8, 0, 0, self.own_port, 1) + self.token, 2)

    def _summed(self, data: bytes, at: int) -> bytes:
        number = NUMBERS["icmp6" if self.v6 and self.protocol == "icmp" else self.protocol]
        pair = socket.inet_pton(self.family, self.source) + socket.inet_pton(self.family, self.target)
        pseudo = b"" if number == NUMBERS["icmp"] else pair + struct.pack("!II", len(data), number)
        return data[:at] + struct.pack("!H", _checksum(pseudo + data)) + data[at + 2 :]


def _checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(~total & 0xFFFF)


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found[kind & 0x3FFF] = data[4:length]
        data = data[max((length + 3) & ~3, 4) :]
    return found


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode(errors="replace")


def _packet(network: bytes, transport: bytes) -> dict[str, Any]:
    v6 = network[0] >> 4 == 6
    if v6:
        addresses, number, ttl = (network[8:24], network[24:40]), network[6], network[7]
    else:
        addresses, number, ttl = (network[12:16], network[16:20]), network[9], network[8]
    family = socket.AF_INET6 if v6 else socket.AF_INET
    name = next((name for name, each in NUMBERS.items() if each == number), str(number))
    ported = name in ("tcp", "udp") and len(transport) >= 4
    ports = struct.unpack_from("!HH", transport) if ported else (0, 0)
    return {
        "source": socket.inet_ntop(family, addresses[0]),
        "target": socket.inet_ntop(family, addresses[1]),
        "protocol": "icmp" if name == "icmp6" else name,
        "source_port": ports[0],
        "target_port": ports[1],
        "ttl": ttl,
        "note": _note(name, transport),
    }


def _note(name: str, transport: bytes) -> str:
    if name == "tcp" and len(transport) >= 14:
        flags = {"syn": 2, "ack": 16, "rst": 4, "fin": 1}
        return " ".join(flag for flag, bit in flags.items() if transport[13] & bit)
    if name == "icmp" and transport:
        return {8: "echo-request", 0: "echo-reply", 3: "unreachable", 11: "too many hops"}.get(transport[0], "error")
    if name == "icmp6" and transport:
        return {128: "echo-request", 129: "echo-reply", 1: "unreachable", 3: "too many hops"}.get(transport[0], "error")
    return ""


def _follow(order: dict[str, Any]) -> dict[str, Any]:
    """order: source, namespaces, tracking (those that track connections), target, protocol, port, patience (s).

    The answer is backends/linux/following.py's Followed.
    """
    try:
        probe = Probe(order)
    except OSError as error:
        return {"source": "", "source_port": 0, "error": error.strerror or str(error), "events": [], "rules": {}}
    with contextlib.ExitStack() as ends:
        marks = []
        for name in order["namespaces"]:
            with contextlib.suppress(FileNotFoundError):  # the host has just gone
                marks.append(Mark(name, f"trace-{probe.token.hex()}", probe, name in order["tracking"]))
                ends.callback(marks[-1].end)
        said = ""
        try:
            probe.send()
        except OSError as error:
            said = error.strerror or str(error)
        events = _collected(marks, order["source"], order["patience"])
        seen = {event["namespace"] for event in events}
        rules = {mark.namespace: mark.rules() for mark in marks if mark.namespace in seen}
    return {"source": probe.source, "source_port": probe.own_port, "error": said, "events": events, "rules": rules}


def _collected(marks: list[Mark], source: str, patience: float) -> list[dict[str, Any]]:
    """What is reported within patience seconds, less when the packet or its answer has ended before."""
    events: list[dict[str, Any]] = []
    heads: dict[str, Any] = {}
    deadline = time.monotonic() + patience
    while (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([mark.reports for mark in marks], [], [], left)
        for mark in marks:
            for event in mark.read() if mark.reports in ready else ():
                # Heads come with a hook's first report only.
                heads[mark.namespace] = event["packet"] = event["packet"] or heads.get(mark.namespace)
                events.append(event)
                if event["verdict"] == "drop" or _is_back(event, source, events):
                    deadline = min(deadline, time.monotonic() + AFTER)
    return events


def _is_back(event: dict[str, Any], source: str, events: list[dict[str, Any]]) -> bool:
    """Whether an answer has arrived where the packet came from."""
    if not (event["ours"] and event["namespace"] == source and event["chain"] == "input"):
        return False
    return any(e["ours"] and e["namespace"] == source and e["chain"].startswith(BACK) and e["handle"] for e in events)


def main() -> None:
    """No arguments. Orders on standard input."""
    try:
        print(json.dumps(_follow(json.load(sys.stdin))))
    except OSError as error:
        sys.exit(str(error))
