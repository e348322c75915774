"""The kernel's state of the whole world as normalised text: two worlds that hold the same read the same.

What depends on when and in which order things were made is left out: interface numbers, handles, counters, dynamic
neighbours, the order of a set's elements, and what IPv6 makes of a MAC by itself some time after the link is up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from hideaway.backends.linux.backend import LinuxBackend
from hideaway.base.errors import HideawayError

SYSCTLS = (
    "net/ipv4/ip_forward",
    "net/ipv6/conf/all/forwarding",
    "net/netfilter/nf_conntrack_tcp_loose",
    *(
        f"net/ipv4/conf/*/{name}"
        for name in ("rp_filter", "send_redirects", "accept_redirects", "proxy_arp", "arp_notify")
    ),
    *(f"net/ipv6/conf/*/{name}" for name in ("disable_ipv6", "accept_ra", "accept_dad", "ndisc_notify", "forwarding")),
)
OF_ITSELF = ("fe80:", "ff00:")
MARK = "@@@"
SCRIPT = f"""
ip -j -d address show; echo {MARK}
ip -j route show table all; echo {MARK}
ip -j neighbour show nud permanent; echo {MARK}
nft -s list ruleset; echo {MARK}
cd /proc/sys && grep -s . {" ".join(SYSCTLS)} || true
"""


def observe(backend: LinuxBackend) -> str:
    """All of the world that a backend serves: a paragraph a network namespace, the world's own first."""
    listed = backend.run_in("", ["ls", "/run/netns"])
    namespaces = ["", *listed["stdout"].split()]
    return "\n".join(_paragraph(name, backend.run_in(name, ["sh", "-c", SCRIPT])) for name in namespaces)


def _paragraph(name: str, ran: dict[str, Any]) -> str:
    parts = ran["stdout"].split(f"{MARK}\n")
    if ran["status"] != 0 or len(parts) != 5:
        raise HideawayError(f"the namespace {name or 'of the world'} cannot be observed: {ran['stderr']}")
    links, routes, neighbours, ruleset, sysctls = parts
    lines = [
        *sorted(_links(json.loads(links))),
        *sorted(_routes(json.loads(routes or "[]"))),
        *sorted(_neighbours(json.loads(neighbours or "[]"))),
        *_rules(ruleset),
        *sorted(sysctls.splitlines()),
    ]
    return f"[{name or 'world'}]\n" + "\n".join(lines) + "\n"


def _links(links: list[dict[str, Any]]) -> Iterator[str]:
    for link in links:
        if not link:
            continue
        kind = link.get("linkinfo", {}).get("info_kind", "")
        up = "up" if "UP" in link["flags"] else "down"
        said = f"link {link['ifname']} {kind} {link.get('address', '')} mtu {link['mtu']} {up}"
        yield f"{said} master {link.get('master', '-')} group {link.get('group', '-')}"
        for address in link.get("addr_info", ()):
            if not address["local"].startswith(OF_ITSELF):
                yield f"address {link['ifname']} {address['local']}/{address['prefixlen']} {address['scope']}"


def _routes(routes: list[dict[str, Any]]) -> Iterator[str]:
    told = ("type", "dst", "gateway", "dev", "table", "protocol", "scope", "prefsrc", "metric", "flags")
    for route in routes:
        if not route["dst"].startswith(OF_ITSELF):
            yield "route " + " ".join(f"{key} {text}" for key in told if (text := _text(route.get(key, ""))))


def _text(value: Any) -> str:
    # A link's carrier comes some time after the link.
    return ",".join(sorted(set(value) - {"linkdown"})) if isinstance(value, list) else str(value)


def _neighbours(entries: list[dict[str, Any]]) -> Iterator[str]:
    for entry in entries:
        if "PERMANENT" in entry.get("state", ()):
            yield f"neighbour {entry['dst']} {entry.get('lladdr', '')} dev {entry['dev']}"


def _rules(text: str) -> Iterator[str]:
    """The ruleset: each table's sets and chains by name, not by age, and the elements of each set in order (the kernel
    lists them by a hash of its own)."""
    for table in re.findall(r"^table .*?^}$", text, flags=re.DOTALL | re.MULTILINE):
        yield table.partition("\n")[0]
        for part in sorted(re.findall(r"^\t\w.*?^\t}$", table, flags=re.DOTALL | re.MULTILINE)):
            yield from _lines(part)


def _lines(text: str) -> Iterator[str]:
    """A chain or set, line by line."""

    def ordered(found: re.Match[str]) -> str:
        elements = sorted(element.strip() for element in found[1].split(","))
        return "elements = {\n" + ",\n".join(elements) + "\n}"

    normal = re.sub(r"elements = \{(.*?)\}", ordered, text, flags=re.DOTALL)
    yield from (" ".join(line.split()) for line in normal.splitlines() if line.strip())
