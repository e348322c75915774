"""A server's user data: texts by key, cloud-init among them. Written and read as they are, not as JSON."""

from __future__ import annotations

import base64
from typing import Any

from hideaway.api.call import Call
from hideaway.api.pipeline import Raw, Route
from hideaway.base.errors import invalid
from hideaway.cloud.servers import Server

MAX_VALUE = 128 * 1024  # bytes, of one key
MAX_KEYS = 98  # the vendor's limit


def list_(call: Call) -> dict[str, Any]:
    return {"user_data": sorted(call.own(Server, param="server_id").user_data)}


def get(call: Call) -> Raw | None:
    """The text; 404 without a document where there is none (recorded)."""
    value = call.own(Server, param="server_id").user_data.get(call.params["key"])
    if value is None:
        call.status = 404
        return None
    return Raw(content=base64.b64decode(value))


def set_(call: Call, content: bytes) -> None:
    server = call.own(Server, param="server_id")
    user_data = with_key(server.user_data, call.params["key"], content)
    call.change.ledger.put(server.changed(call.change.now, user_data=user_data))


def with_key(user_data: dict[str, str], key: str, content: bytes) -> dict[str, str]:
    """User data with one more key, or another content of it. Raises InvalidArguments for too much of anything."""
    if len(content) > MAX_VALUE:
        raise invalid("content", f"user data of a key is {MAX_VALUE} bytes at most")
    if len(key) > 128:
        raise invalid("key", "a key has 128 characters at most")
    more = {**user_data, key: base64.b64encode(content).decode()}
    if len(more) > MAX_KEYS:
        raise invalid("key", f"a server has {MAX_KEYS} keys of user data at most")
    return more


def delete(call: Call) -> None:
    server = call.own(Server, param="server_id")
    left = {key: value for key, value in server.user_data.items() if key != call.params["key"]}
    call.change.ledger.put(server.changed(call.change.now, user_data=left))


BASE = "/zones/{zone}/servers/{server_id}/user_data"
ROUTES = [
    Route(method="GET", path=BASE, handler=list_),
    Route(method="GET", path=BASE + "/{key}", handler=get),
    Route(method="PATCH", path=BASE + "/{key}", handler=set_, body=bytes, status=204),
    Route(method="PUT", path=BASE + "/{key}", handler=set_, body=bytes, status=204),
    Route(method="DELETE", path=BASE + "/{key}", handler=delete, status=204),
]
