"""A tree of things with their health: what the server answers and the command line shows. Knows no kind of resource."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One thing in the tree, with what stands below it.

    kind is the word a person would use: cluster, pool, node, gateway, network, a group's heading. status is the API's
    word for its state, or empty where it has none. healthy says whether a person need worry; reason says why it is not
    healthy (or not yet). facts are short things worth a column (zone, public_ip, isolation), in the order shown. notes
    are sentences that a person should read though nothing is wrong.
    """

    kind: str
    name: str
    id: str = ""
    status: str = ""
    healthy: bool = True
    reason: str = ""
    facts: dict[str, str] = {}
    notes: list[str] = []
    children: list[Item] = []

    def walk(self) -> Iterator[Item]:
        """This item and all below it, from the top."""
        yield self
        for child in self.children:
            yield from child.walk()

    def unhealthy(self) -> list[Item]:
        """Every item here and below that is not healthy, from the top."""
        return [item for item in self.walk() if not item.healthy]
