"""What only an instance's own server knows, where one runs."""

from __future__ import annotations

import msgspec

from hideaway.api.call import Call
from hideaway.cloud.databases import Database
from hideaway.fabric.services import DATABASE, DatabaseFacts


def facts_of(call: Call, database: Database) -> DatabaseFacts:
    """What its server says now; nothing where none runs."""
    observed = call.settings.observed(database.host_id, DATABASE)
    return msgspec.convert(observed.facts, DatabaseFacts) if observed else DatabaseFacts()
