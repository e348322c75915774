"""What `nft list ruleset` says, read: each rule with its handle, what it has counted, and which one it is. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

_TABLE, _CHAIN = re.compile(r"^table \w+ (\S+) \{"), re.compile(r"^\s+chain (\S+) \{")
_RULE = re.compile(r"^\t\t(?P<text>.*?) # handle (?P<handle>\d+)$")
_COUNTER = re.compile(r"\bcounter packets (\d+) bytes (\d+) ?")
_COMMENT = re.compile(r' ?comment "([^"]*)"')


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A rule as the kernel has it. text is without counter and comment; packets is None where it does not count."""

    table: str
    chain: str
    handle: int
    text: str
    comment: str = ""
    packets: int | None = None
    bytes: int = 0


def listed(ruleset: str) -> Iterator[Listed]:
    """The rules of `nft -a list ruleset`, in order."""
    table = chain = ""
    for line in ruleset.splitlines():
        if found := _TABLE.match(line):
            table, chain = found[1], ""
        elif found := _CHAIN.match(line):
            chain = found[1]
        elif chain and (found := _RULE.match(line)):
            yield _rule(table, chain, int(found["handle"]), found["text"])


def _rule(table: str, chain: str, handle: int, text: str) -> Listed:
    counter, comment = _COUNTER.search(text), _COMMENT.search(text)
    return Listed(
        table=table,
        chain=chain,
        handle=handle,
        text=_COMMENT.sub("", _COUNTER.sub("", text)).strip(),
        comment=comment[1] if comment else "",
        packets=int(counter[1]) if counter else None,
        bytes=int(counter[2]) if counter else 0,
    )
