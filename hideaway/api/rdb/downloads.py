"""What exported backups and prepared logs hold, to whoever has the address that the API handed out."""

from __future__ import annotations

from hideaway.api.call import Call
from hideaway.api.pipeline import Product, Route, Stored
from hideaway.base.errors import NotFound
from hideaway.cloud.databases import Backup, InstanceLog
from hideaway.fabric.services import DUMP, LOG

PATH = "/hideaway/v1/downloads/"
SECRET = 43
"""Letters and digits of an address that nobody guesses."""


def address(call: Call, token: str) -> str:
    """Where the holder of a token downloads."""
    return f"{call.server}{PATH}{token}"


def download(call: Call) -> Stored:
    """Needs no key, as the vendor's signed addresses do not. Raises NotFound for a token that is none, or is over."""
    token = call.params["token"]
    for backup in call.change.ledger.find(Backup, ref=token):
        until = backup.download_url_expires_at
        path = call.settings.stored(backup.id, DUMP)
        if path is not None and until is not None and call.change.now < until:
            return Stored(path=path, name=f"{backup.database_name}.dump")
    for log in call.change.ledger.find(InstanceLog, ref=token):
        path = call.settings.stored(log.id, LOG)
        if path is not None and log.status == "ready" and (log.expires_at is None or call.change.now < log.expires_at):
            return Stored(path=path, name=f"{log.node_name}.log")
    raise NotFound("download")


PRODUCT = Product(
    prefix="",
    area="RelationalDatabases",
    routes=[Route(method="GET", path=f"{PATH}{{token}}", handler=download, open=True)],
)
