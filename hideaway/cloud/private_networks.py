"""Who is in a Private Network, and its end."""

from __future__ import annotations

from hideaway.base.errors import PreconditionFailed
from hideaway.cloud.change import Change
from hideaway.cloud.documents import KINDS, Document, Ledger
from hideaway.cloud.network import PrivateNetwork


def users(ledger: Ledger, network: PrivateNetwork) -> list[Document]:
    """All that belongs to or uses a Private Network: addresses, NICs, gateways' attachments, clusters, routes, ..."""
    return [user for type_ in KINDS.values() for user in ledger.find(type_, ref=network.id)]


def remove(change: Change, network: PrivateNetwork) -> None:
    """Delete an empty Private Network. Raises PreconditionFailed, in the vendor's words, for one in use."""
    held = users(change.ledger, network)
    if held:
        kinds = sorted({user.kind.partition("/")[2].replace("_", " ") for user in held})
        raise PreconditionFailed(
            "resource_still_in_use",
            f"Private Network must be empty to be deleted; it still has: {', '.join(kinds)}",
            network.resource,
            network.id,
        )
    change.ledger.remove(network)
