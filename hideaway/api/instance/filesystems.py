"""Filesystems of servers. They are a product of their own (file/v1alpha1) that hideaway does not serve: none exists.

So every call names a filesystem that is not there, and is refused as the vendor refuses that.
"""

from __future__ import annotations

from typing import NoReturn

from hideaway.api.call import Call
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body
from hideaway.base.errors import NotFound, invalid
from hideaway.base.ids import is_uuid
from hideaway.cloud.servers import Server


class Filesystem(Body, frozen=True, kw_only=True):
    filesystem_id: str


def need_filesystem(id_: str, argument: str) -> NoReturn:
    """Raises InvalidArguments for what is no UUID, else NotFound."""
    if not is_uuid(id_):
        raise invalid(argument, "value must be a valid UUID", "format")
    raise NotFound("filesystem", id_)


def name_filesystem(call: Call, body: Filesystem) -> NoReturn:
    """Attach or detach a filesystem."""
    call.own(Server, param="server_id")
    need_filesystem(body.filesystem_id, "filesystem_id")


ONE = "/zones/{zone}/servers/{server_id}"
ROUTES = [
    Route(method="POST", path=ONE + "/attach-filesystem", handler=name_filesystem, body=Filesystem),
    Route(method="POST", path=ONE + "/detach-filesystem", handler=name_filesystem, body=Filesystem),
]
