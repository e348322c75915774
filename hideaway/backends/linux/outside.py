"""The world's side of its ways outside, as operations: the uplink to the real internet, and none. Pure.

Which way it is outside, translation by the kernel or pasta, is inside/uplink.py's matter.
"""

from __future__ import annotations

from collections.abc import Iterator

from hideaway.backends.linux import names
from hideaway.backends.linux.operations import Appear, Ip, Nft, Operation, Resolve, Unlink, Vanish
from hideaway.backends.linux.text import FORWARD_V4, FORWARD_V6, QUEUES, SYSCTLS
from hideaway.fabric.model import EDGE_V4, INTERNET_V4, INTERNET_V6, USER_V4

UPLINK_MAC, ROAD_MAC = "02:75:00:00:00:01", "02:72:00:00:00:01"
METRIC = 100
"""Before the edge's blackholes."""
RULES = f"""table inet uplink
delete table inet uplink
table inet uplink {{
 set machine4 {{
  type ipv4_addr
 }}
 set machine6 {{
  type ipv6_addr
 }}
 chain forward {{
  type filter hook forward priority filter; policy drop;
  ip daddr @machine4 drop
  ip6 daddr @machine6 drop
  iifname "edge" oifname "out" ip saddr {INTERNET_V4} accept
  iifname "edge" oifname "out" ip6 saddr {INTERNET_V6} accept
  iifname "out" oifname "edge" ct state established,related accept
 }}
 chain input {{
  type filter hook input priority filter; policy drop;
  iifname "lo" accept
  icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept
 }}
 chain postrouting {{
  type nat hook postrouting priority srcnat; policy accept;
  oifname "out" masquerade
 }}
}}
"""


def uplink() -> Iterator[Operation]:
    """A namespace between the edge and the machine, which hides the world's addresses behind one. May be repeated."""
    yield from no_uplink()
    space, edge = names.UPLINK_NAMESPACE, names.EDGE_NAMESPACE
    yield Appear(namespaces=(space,), sysctls={**FORWARD_V4, **FORWARD_V6, **SYSCTLS})
    yield Nft(namespace=space, text=RULES)
    # Both ends have one MAC and nobody asks for the other's, as on the wires to where metadata is.
    peer = f"name edge netns {space} address {UPLINK_MAC} {QUEUES}"
    yield Ip(
        namespace=edge,
        lines=(
            f"link add {names.UPLINK_LINK} address {UPLINK_MAC} {QUEUES} type veth peer {peer}",
            f"link set {names.UPLINK_LINK} up arp off",
            f"route replace 0.0.0.0/0 dev {names.UPLINK_LINK} metric {METRIC}",
            f"route replace ::/0 dev {names.UPLINK_LINK} metric {METRIC}",
        ),
    )
    yield Ip(
        namespace=space,
        lines=(
            "link set lo up",
            "link set edge up arp off",
            f"route replace {INTERNET_V4} dev edge",
            f"route replace {INTERNET_V6} dev edge",
        ),
    )
    yield Resolve(server=EDGE_V4)


def no_road() -> Iterator[Operation]:
    """The users' address is the edge's own again. May be repeated."""
    yield Unlink(namespace=names.EDGE_NAMESPACE, names=(names.ROAD_LINK,))
    yield Ip(namespace=names.EDGE_NAMESPACE, lines=(f"address replace {USER_V4}/32 dev lo",))


def no_uplink() -> Iterator[Operation]:
    """Without it. May be repeated."""
    yield Resolve(server="")
    yield Unlink(namespace=names.EDGE_NAMESPACE, names=(names.UPLINK_LINK,))
    yield Vanish(namespaces=(names.UPLINK_NAMESPACE,))
