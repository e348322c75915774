"""What nft lists is read back to the rules that were written."""

from __future__ import annotations

from hideaway.backends.linux.meaning import Meanings
from hideaway.backends.linux.ruleset import listed
from tests.fabrics import cluster, tcp

LISTED = """table inet edge { # handle 3
\tmap inbound { # handle 9
\t\ttype ifname : verdict
\t\telements = { "e4pl77gvcu2tqyz" : goto in-kapsule }
\t}

\tchain in-kapsule { # handle 2
\t\tct state established,related counter packets 65 bytes 3562 accept comment "established" # handle 13
\t\tmeta nfproto ipv4 tcp dport 8080 counter packets 7 bytes 420 accept comment "rule 0" # handle 15
\t\tcounter packets 2 bytes 100 drop comment "policy" # handle 16
\t}

\tchain guard { # handle 3
\t\ttype filter hook prerouting priority raw; policy accept;
\t\tiifname "lo" accept # handle 17
\t}
}
"""


def test_rules_with_counters_and_comments() -> None:
    rules = list(listed(LISTED))
    assert [(r.chain, r.handle, r.comment, r.packets) for r in rules] == [
        ("in-kapsule", 13, "established", 65),
        ("in-kapsule", 15, "rule 0", 7),
        ("in-kapsule", 16, "policy", 2),
        ("guard", 17, "", None),
    ]
    assert [r.text for r in rules][1:3] == ["meta nfproto ipv4 tcp dport 8080 accept", "drop"]


def test_what_they_mean() -> None:
    meanings = Meanings(cluster(tcp(8080)))
    counts = [meanings.count("edge", rule) for rule in listed(LISTED)]
    assert [(c.says, c.verdict, c.packets, c.bytes) for c in counts if c] == [
        ("replies to what was let through, inbound", "accept", 65, 3562),
        ("accept inbound TCP 8080 from 0.0.0.0/0", "accept", 7, 420),
        ("inbound default policy: drop", "drop", 2, 100),
    ]
    assert counts[-1] is None
