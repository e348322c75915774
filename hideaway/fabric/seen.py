"""What was seen of packets: the way of one, rule by rule, and how much each rule has met."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Packet(msgspec.Struct, frozen=True, kw_only=True):
    """The head of a packet. Ports are 0 where the protocol has none; note says what kind it is (syn, echo-reply)."""

    source: str
    target: str
    protocol: str  # tcp, udp, icmp (ICMPv6 too)
    source_port: int = 0
    target_port: int = 0
    note: str = ""


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """A rule and what it has met since it was last stated: packets and their bytes, heads included.

    Of translations, whose rule only a connection's first packet meets, it is connections that count. because names the
    resource that the rule is there for (`<kind>:<id>`), which the rule within it (its id, its number from 1, or what
    asks for it in turn), says what it is in words, verdict what becomes of the packet: accept, drop, translate. host is
    where it stands: a Host's id, or `edge`.
    """

    host: str
    says: str
    verdict: str
    because: str = ""
    which: str = ""
    name: str = ""  # of the resource; "" where it has none, or nobody asked
    packets: int = 0
    bytes: int = 0


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """One host on the way, or the edge, or the uplink to the real internet (host is `edge` or `uplink` then).

    came_by and left_by are its ports' names ("" where the way begins and ends); at the edge, the host and port at the
    other end. arrived and left are the packet's head before and after; rules are those that it met, in order.
    """

    host: str
    name: str
    role: str
    came_by: str = ""
    left_by: str = ""
    arrived: Packet
    left: Packet
    rules: tuple[Count, ...] = ()


class Outcome(StrEnum):
    """How a trace ended. Of a packet that was dropped or lost nothing came back; answers may meet the same end."""

    ANSWERED = "answered"
    REFUSED = "refused"  # somebody on the way, mostly the target itself, said no
    UNANSWERED = "unanswered"  # it arrived, and nothing came back
    DROPPED = "dropped"  # a rule dropped it
    LOST = "lost"  # there was no way on
    ANSWER_DROPPED = "answer dropped"
    ANSWER_LOST = "answer lost"


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one real packet. why is a sentence; reply is the way of what came back."""

    packet: Packet
    outcome: Outcome
    why: str
    way: tuple[Hop, ...] = ()
    reply: tuple[Hop, ...] = ()
