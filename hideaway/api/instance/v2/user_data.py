"""User data in v2alpha1: of servers, and of templates for the servers that are made of them. Contents are base64."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from hideaway.api.call import Call
from hideaway.api.instance.shared import Tokens, by_token
from hideaway.api.instance.user_data import with_key
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body
from hideaway.base.errors import NotFound, invalid
from hideaway.cloud.servers import Server
from hideaway.cloud.templates import Template

Owner = Callable[[Call], Server | Template]


class Content(Body, frozen=True, kw_only=True):
    content: str


def _server(call: Call) -> Server:
    return call.own(Server, param="server_id")


def _template(call: Call) -> Template:
    return call.own(Template, param="template_id")


def _routes(path: str, owner: Owner) -> list[Route]:
    """The routes of the user data below a path. cloud-init, which SDKs have methods of its own for, is a key as any."""

    def list_(call: Call, query: Tokens) -> dict[str, Any]:
        return by_token("keys", sorted(owner(call).user_data), query, str)

    def get(call: Call) -> dict[str, Any]:
        key = call.params["key"]
        content = owner(call).user_data.get(key)
        if content is None:
            raise NotFound("user_data", key)
        return {"key": key, "content": content}

    def set_(call: Call, body: Content) -> None:
        kept = owner(call)
        user_data = with_key(kept.user_data, call.params["key"], _decoded(body.content))
        call.change.ledger.put(kept.changed(call.change.now, user_data=user_data))

    def delete(call: Call) -> None:
        kept = owner(call)
        left = {key: content for key, content in kept.user_data.items() if key != call.params["key"]}
        call.change.ledger.put(kept.changed(call.change.now, user_data=left))

    one = path + "/{key}"
    return [
        Route(method="GET", path=path, handler=list_, query=Tokens),
        Route(method="GET", path=one, handler=get),
        Route(method="PUT", path=one, handler=set_, body=Content, status=204),
        Route(method="DELETE", path=one, handler=delete, status=204),
    ]


def _decoded(content: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        raise invalid("content", "value must be base64", "format") from None


ROUTES = [
    *_routes("/zones/{zone}/servers/{server_id}/user-data", _server),
    *_routes("/zones/{zone}/templates/{template_id}/user-data", _template),
]
