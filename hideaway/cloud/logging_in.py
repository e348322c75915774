"""Who may log in over SSH: IAM's keys of a project, and keys in a server's tags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hideaway.cloud.documents import Ledger
from hideaway.cloud.identity import SshKey

KEY_TAG = "AUTHORIZED_KEY="
"""Begins a tag that carries a key, with _ for each space (recorded)."""


def enabled_keys(ledger: Ledger, project_id: str) -> list[str]:
    """The ids of a project's SSH keys that are not disabled."""
    return [key.id for key in ledger.find(SshKey, project=project_id) if not key.disabled]


def public_keys(ledger: Ledger, known: Iterable[str], tags: Iterable[str] = ()) -> Iterator[str]:
    """The public keys, as text, of those that a machine came to know and that are still good.

    known are ids of IAM's and tags; tags are those that the machine has now. A key that was deleted or disabled, and
    one whose tag was taken away, opens nothing any more.
    """
    present = set(tags)
    for each in known:
        if each.startswith(KEY_TAG):
            if each in present:
                yield each.removeprefix(KEY_TAG).replace("_", " ")
        else:
            key = ledger.get(SshKey, each)
            if key is not None and not key.disabled:
                yield key.public_key
