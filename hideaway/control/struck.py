"""What a fault takes out says so in its status, and is well again when the fault is taken back."""

from __future__ import annotations

from hideaway.cloud.balancers import Lb
from hideaway.cloud.change import Change
from hideaway.cloud.databases import Database
from hideaway.cloud.faults import Fault, fatal
from hideaway.cloud.gateways import Gateway

STATUSES: dict[type[Gateway | Lb | Database], tuple[str, str]] = {
    Gateway: ("running", "failed"),
    Lb: ("ready", "error"),
    Database: ("ready", "error"),
}
"""What a resource that is well says, and what one says that a fault took out. Instances have no word for it; nodes are
not ready by themselves, once their heartbeats stay away."""


def mark(change: Change) -> bool:
    """Let all of them say how they are; whether there is any fault."""
    for type_, (well, ill) in STATUSES.items():
        for document in change.ledger.find(type_):
            if document.pending is None and document.status in (well, ill):
                said = ill if fatal(change.ledger, document) else well
                if said != document.status:
                    change.ledger.put(document.changed(change.now, status=said))
    return bool(change.ledger.find(Fault))
