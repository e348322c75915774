"""What an Instance is told about itself at 169.254.42.42: the vendor's metadata and the Instance's own user data.

`/conf` in lines for a shell, `/conf?format=json`; `/user_data`, `/user_data/<key>` to read, PATCH and DELETE; and
`/vendor_data/<key>`, of which there is none. Whoever asks is the Instance itself: there is no key. But user data is for
its root only, who alone can ask from a port below 1024 (vendor: its SDK and cloud-init ask so).
"""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec

from hideaway.api.call import Call
from hideaway.api.documents_of_errors import document_of
from hideaway.api.instance.shared import stamp
from hideaway.api.instance.user_data import with_key
from hideaway.api.instance.views import server_view
from hideaway.base.errors import HideawayError, PlainError
from hideaway.cloud.documents import Ledger
from hideaway.cloud.identity import SshKey
from hideaway.cloud.servers import Server

PRIVILEGED = 1024
ABOUT = (
    "Metadata API, just query http://169.254.42.42/conf or http://169.254.42.42/conf?format=json "
    "to get info about yourself"
)
HIDDEN = ("admin_password_encryption_ssh_key_id", "admin_password_encrypted_value", "public_ips", "dns")
"""What the vendor's API answers of a server and its metadata do not."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A request of an Instance's. host is its id; port the one that it asks from; path and query are encoded."""

    host: str
    port: int
    method: str
    path: str
    query: str = ""
    body: bytes = b""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The answer."""

    status: int = 200
    type: str = "application/json"
    body: bytes = b""


def tell(call: Call, question: Question) -> Told:
    """Answer an Instance. Never raises: what is wrong is told."""
    try:
        server = call.change.ledger.get(Server, question.host)
        if server is None:
            raise PlainError(404, "this Instance is not known any more", "not_found")
        return _told(call, server, question)
    except HideawayError as error:
        status, document = document_of(error)
        return Told(status=status, body=msgspec.json.encode(document))


def _told(call: Call, server: Server, question: Question) -> Told:
    area, _, key = question.path.strip("/").partition("/")
    if area in ("user_data", "vendor_data") and question.port >= PRIVILEGED:
        raise PlainError(403, f"ask from a port below {PRIVILEGED}: user data is for root", "denied_access")
    if area == "user_data" and key and question.method in ("PATCH", "PUT", "DELETE"):
        return _write(call, server, unquote(key), question)
    if question.method not in ("GET", "HEAD"):
        raise PlainError(405, f"{question.method} is not for {question.path}", "invalid_request")
    if not area:
        return _document({"api": "api-metadata", "description": ABOUT}, json=True)
    json = "json" in parse_qs(question.query).get("format", ())
    if area == "conf" and not key:
        return _document(metadata(call, server), json)
    if area == "user_data" and not key:
        return _document({"user_data": sorted(server.user_data)}, json)
    if area == "user_data" and unquote(key) in server.user_data:
        return Told(type="text/plain", body=base64.b64decode(server.user_data[unquote(key)]))
    raise PlainError(404, f"there is no {question.path}", "not_found")


def _write(call: Call, server: Server, key: str, question: Question) -> Told:
    """200 also where nothing is answered: the vendor's SDK takes any other status for a failure."""
    if question.method == "DELETE":
        user_data = {name: value for name, value in server.user_data.items() if name != key}
    else:
        user_data = with_key(server.user_data, key, question.body)
    call.change.ledger.put(server.changed(call.change.now, user_data=user_data))
    return Told(type="text/plain")


def metadata(call: Call, server: Server) -> dict[str, Any]:
    """All that a server is told of itself: what the API answers of it, its addresses by family, its project's keys."""
    view = server_view(call, server)
    addresses = view["public_ips"]
    v4, v6 = ([a for a in addresses if a["family"] == family] for family in ("inet", "inet6"))
    first = v6[0] if v6 else None
    return {name: value for name, value in view.items() if name not in HIDDEN} | {
        "public_ip": v4[0] if v4 else None,
        "public_ips_v4": v4,
        "public_ips_v6": v6,
        "ipv6": {name: first[name] for name in ("address", "netmask", "gateway")} if first else None,
        "ssh_public_keys": list(_keys(call.change.ledger, server)),
        "timezone": "UTC",
    }


def _keys(ledger: Ledger, server: Server) -> Iterator[dict[str, Any]]:
    for key in ledger.find(SshKey, organization=server.organization_id, project=server.project_id):
        if not key.disabled:
            yield {
                "id": key.id,
                "key": key.public_key,
                "description": key.name,
                "fingerprint": key.fingerprint,
                "ip": None,
                "creation_date": stamp(key.created_at),
                "modification_date": stamp(key.updated_at),
            }


def _document(document: dict[str, Any], json: bool) -> Told:
    if json:
        return Told(body=msgspec.json.encode(document))
    lines = "".join(f"{line}\n" for name, value in document.items() for line in _lines(name, value))
    return Told(type="text/plain", body=lines.encode())


def _lines(name: str, value: Any) -> Iterator[str]:
    """As the vendor writes it for shells: a list has its length, an object the names of its fields, and then each."""
    name = re.sub(r"\W", "_", name).upper()
    if isinstance(value, dict):
        yield f"{name}={shlex.quote(' '.join(str(key).upper() for key in value))}"
        for key, each in value.items():
            yield from _lines(f"{name}_{key}", each)
    elif isinstance(value, list):
        yield f"{name}={len(value)}"
        for number, each in enumerate(value):
            yield from _lines(f"{name}_{number}", each)
    else:
        yield f"{name}={'' if value is None else shlex.quote(str(value))}"
