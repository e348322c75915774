"""Passes frames on between two links: late, some of them never.

Frames are taken and given with what the kernel noted of them (a checksum still to be made, a packet still to be cut
up), so that neither end sees a difference. Order is kept each way.
"""

from __future__ import annotations

import argparse
import collections
import errno
import random
import select
import socket
import time

ALL = 0x0003  # ETH_P_ALL
SOL_PACKET, PACKET_VNET_HDR = 263, 15
OUTGOING = 4  # PACKET_OUTGOING
LONGEST = 1 << 18
WAITING = 1 << 14
"""Frames that wait each way; what comes then is lost, as on a link that is full."""


class Way:
    """One direction: from one socket to another."""

    def __init__(self, source: socket.socket, target: socket.socket, delay: float, jitter: float, loss: float):
        self.source, self.target = source, target
        self.delay, self.jitter, self.loss = delay, jitter, loss
        self.waiting: collections.deque[tuple[float, bytes]] = collections.deque()

    def take(self) -> None:
        """All that has come."""
        while True:
            try:
                frame, address = self.source.recvfrom(LONGEST)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno == errno.ENETDOWN:  # it was, for a moment
                    return
                raise
            if address[2] == OUTGOING or random.random() < self.loss or len(self.waiting) >= WAITING:
                continue
            due = time.monotonic() + self.delay + random.random() * self.jitter
            last = self.waiting[-1][0] if self.waiting else 0.0
            self.waiting.append((max(due, last), frame))

    def give(self) -> None:
        """All that is due."""
        now = time.monotonic()
        while self.waiting and self.waiting[0][0] <= now:
            try:
                self.target.send(self.waiting.popleft()[1])
            except OSError:  # the link is full, or down: lost
                continue


def _open(link: str) -> socket.socket:
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    end.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
    end.bind((link, ALL))
    end.setblocking(False)
    return end


def main() -> None:
    """Arguments: ONE OTHER DELAY JITTER LOSS: two links, milliseconds twice, percent. Runs until it is killed.

    Writes a file `ready` where it was started.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("links", nargs=2)
    for name in ("delay", "jitter", "loss"):
        parser.add_argument(name, type=float)
    told = parser.parse_args()
    one, other = map(_open, told.links)
    how = told.delay / 1000, told.jitter / 1000, told.loss / 100
    with open("ready", "w"):
        pass
    ways = [Way(one, other, *how), Way(other, one, *how)]
    while True:
        due = min((way.waiting[0][0] for way in ways if way.waiting), default=None)
        patience = None if due is None else max(0.0, due - time.monotonic())
        ready, _, _ = select.select([one, other], [], [], patience)
        for way in ways:
            if way.source in ready:
                way.take()
            way.give()
