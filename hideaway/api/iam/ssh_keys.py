"""SSH keys of projects."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Annotated, Any, Literal

import msgspec

from hideaway.api.call import Call, answer
from hideaway.api.listing import listing
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Name, given
from hideaway.base.errors import invalid
from hideaway.cloud.identity import SshKey

AREA = "SSHKeys"
"""IAM's own permission sets do not reach SSH keys; SSHKeysFullAccess does."""
TYPES: dict[str, int] = {
    "ssh-ed25519": 256, "ecdsa-sha2-nistp256": 256, "ecdsa-sha2-nistp384": 384, "ecdsa-sha2-nistp521": 521,
    "sk-ssh-ed25519@openssh.com": 256, "sk-ecdsa-sha2-nistp256@openssh.com": 256, "ssh-rsa": 0, "ssh-dss": 0,
}  # fmt: skip
"""Type -> bits of its keys, 0 where the key says how many."""
Order = Literal[
    "created_at_asc", "created_at_desc", "updated_at_asc", "updated_at_desc", "name_asc", "name_desc"
]  # fmt: skip


class CreateKey(Body, frozen=True, kw_only=True):
    public_key: Annotated[str, msgspec.Meta(max_length=65000)]
    name: Name | None = None
    project_id: str | None = None


class UpdateKey(Body, frozen=True, kw_only=True):
    name: Name | None = None
    disabled: bool | None = None


class ListKeys(Listing, frozen=True, kw_only=True):
    order_by: Order | None = None
    name: str | None = None
    disabled: bool | None = None


def fingerprint(public_key: str) -> str:
    """`256 MD5:94:db:... comment (ssh-ed25519)`, as `ssh-keygen -l` and the vendor write it.

    Raises InvalidArguments naming public_key when it is none.
    """
    type_, _, rest = public_key.partition(" ")
    encoded, _, comment = rest.strip().partition(" ")
    try:
        blob = base64.b64decode(encoded, validate=True)
        fields = _fields(blob)
    except (binascii.Error, ValueError):
        fields = []
    if type_ not in TYPES or not fields or fields[0] != type_.encode():
        raise invalid("public_key", "value must be an SSH public key", "format")
    number = {"ssh-rsa": 2, "ssh-dss": 1}.get(type_)
    bits = int.from_bytes(fields[number]).bit_length() if number and len(fields) > number else TYPES[type_]
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    pairs = ":".join(digest[i : i + 2] for i in range(0, 32, 2))
    said = f" {comment.strip()}" if comment.strip() else ""
    return f"{bits} MD5:{pairs}{said} ({type_})"


def _fields(blob: bytes) -> list[bytes]:
    """The length-prefixed fields of a key (RFC 4251). Raises ValueError when they do not fill it."""
    fields, at = [], 0
    while at < len(blob):
        end = at + 4 + int.from_bytes(blob[at : at + 4])
        if end > len(blob) or at + 4 > len(blob):
            raise ValueError("a field is longer than the key")
        fields.append(blob[at + 4 : end])
        at = end
    return fields


def create(call: Call, body: CreateKey) -> dict[str, Any]:
    """Unlike elsewhere, an empty project_id is refused and not the default one (recorded)."""
    call.area = AREA
    if body.project_id == "":
        raise invalid("project_id", "value must be a valid UUID", "format")
    public_key = body.public_key.strip()
    print_ = fingerprint(public_key)
    common = call.common(body.project_id, SshKey.resource)
    key = SshKey(
        **common, name=body.name or f"key-{call.change.ids.word()}", public_key=public_key, fingerprint=print_
    )  # fmt: skip
    call.change.ledger.put(key)
    return answer(key)


def _own(call: Call) -> SshKey:
    call.area = AREA
    return call.own(SshKey, param="ssh_key_id")


def get(call: Call) -> dict[str, Any]:
    return answer(_own(call))


def list_(call: Call, query: ListKeys) -> dict[str, Any]:
    call.area = AREA
    return listing("ssh_keys", call.visible(SshKey), query, answer)


def update(call: Call, body: UpdateKey) -> dict[str, Any]:
    key = _own(call).changed(call.change.now, **given(body))
    call.change.ledger.put(key)
    return answer(key)


def delete(call: Call) -> None:
    call.change.ledger.remove(_own(call))


ONE = "/ssh-keys/{ssh_key_id}"
ROUTES = [
    Route(method="GET", path="/ssh-keys", handler=list_, query=ListKeys),
    Route(method="POST", path="/ssh-keys", handler=create, body=CreateKey),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PATCH", path=ONE, handler=update, body=UpdateKey),
    Route(method="DELETE", path=ONE, handler=delete, status=204),
]
