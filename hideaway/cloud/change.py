"""One change to the cloud: the ledger it works on, when it happens, and where new identifiers come from."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from hideaway.base.errors import NotFound
from hideaway.base.ids import Ids
from hideaway.cloud.documents import GONE, Document, Ledger

D = TypeVar("D", bound=Document)


class Pace(StrEnum):
    """How long transitions take where no data plane says it: none at all, or what the vendor was recorded to take."""

    INSTANT = "instant"
    RECORDED = "recorded"


RECORDED_SECONDS: dict[str, float] = {
    # scaleway.md: cluster 107 s, first pool about 11 min, second 4 min 40; the others are medians over the recordings.
    "k8s/cluster": 107,
    "k8s/pool": 280,
    "k8s/node": 240,
    "vpcgw/gateway": 10,
    "vpcgw/gateway_network": 13,
    "instance/server": 8,
    "instance/private_nic": 5,
    "lb/lb": 3,
    "lb/instance": 0.3,
    "lb/balancer_attachment": 3,
    "lb/certificate": 8,
    "rdb/instance": 180,
    "rdb/instance initializing": 20,  # an endpoint more, another node or volume
    "rdb/instance configuring": 5,
    "rdb/instance deleting": 10,
}
DEFAULT_SECONDS = 2.0


class Change(msgspec.Struct, frozen=True):
    """What an operation on the cloud works with. All within one transaction of the ledger."""

    ledger: Ledger
    now: datetime
    ids: Ids
    pace: Pace = Pace.INSTANT

    def due(self, kind: str, status: str = "") -> float:
        """When a transition of this kind of document, in this passing status, that begins now ends (epoch seconds)."""
        of_kind = RECORDED_SECONDS.get(kind, DEFAULT_SECONDS)
        seconds = 0.0 if self.pace == Pace.INSTANT else RECORDED_SECONDS.get(f"{kind} {status}", of_kind)
        return self.now.timestamp() + seconds

    def of(self, owner: Document, project_id: str = "") -> dict[str, Any]:
        """The fields of a new document of another's project, or of this one of its organization: id, owners, times."""
        return {
            "id": self.ids.uuid(),
            "organization_id": owner.organization_id,
            "project_id": project_id or owner.project_id,
            "created_at": self.now,
            "updated_at": self.now,
        }

    def begin(self, document: D, status: str, to: str = "ready") -> D:
        """Keep a document in a passing status, on its way to another, and return it as kept."""
        kept = document.toward(self.now, status, to, self.due(document.kind, status))
        self.ledger.put(kept)
        return kept

    def retire(self, document: D, status: str = "deleting") -> D:
        """Begin to delete a document."""
        return self.begin(document, status, GONE)

    def need(self, type_: type[D], id_: str) -> D:
        """The document with this id. Raises NotFound."""
        found = self.ledger.get(type_, id_)
        if found is None:
            raise NotFound(type_.resource, id_)
        return found


def settle_due(ledger: Ledger, now: datetime, *, carried: bool) -> int:
    """End every pending transition that is due and return how many; carried: also those that the data plane carries."""
    count = 0
    for document in ledger.due(now.timestamp(), carried=carried):
        settle(ledger, document, now)
        count += 1
    return count


def settle(ledger: Ledger, document: Document, now: datetime) -> None:
    """End one document's pending transition, unless what ended just before it has changed or taken it along."""
    if ledger.get(type(document), document.id) != document:
        return
    result = document.settled(ledger, now)
    if result is None:
        ledger.remove(document)
    elif result is not document:  # itself: it waits for something else
        ledger.put(result)
