"""What can be done to a server: start, stop, reboot, terminate, back up; attach and detach volumes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hideaway.api.call import Call
from hideaway.api.instance.servers import wrapped
from hideaway.api.instance.storage import free_volume
from hideaway.api.instance.views import ALLOWED, task_view
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Name
from hideaway.base.errors import NotFound, PlainError, PreconditionFailed, TransientState, invalid
from hideaway.cloud import instances
from hideaway.cloud.backups import backup
from hideaway.cloud.change import Change
from hideaway.cloud.images import public_image
from hideaway.cloud.server_types import offered
from hideaway.cloud.servers import Server
from hideaway.cloud.volumes import Volume

STEPS: dict[str, tuple[str, Callable[[Change, Server], Server]]] = {
    "poweron": ("server_batch_poweron", instances.power_on),
    "poweroff": ("server_poweroff", instances.power_off),
    "stop_in_place": ("server_stop_in_place", instances.stop_in_place),
    "reboot": ("server_reboot", instances.reboot),
    "terminate": ("server_terminate", instances.terminate),
}
"""Action -> its task's description (recorded for poweron, poweroff, terminate), and what is done."""


class Action(Body, frozen=True, kw_only=True):
    action: str | None = None
    name: Name | None = None
    volumes: dict[str, dict[str, Any]] | None = None


class OneVolume(Body, frozen=True, kw_only=True):
    volume_id: str
    volume_type: str | None = None
    boot: bool | None = None


def act(call: Call, body: Action) -> dict[str, Any]:
    """Begin an action and answer its task. A server in transition, or at rest in another state, refuses it."""
    server, action = call.own(Server, param="server_id"), body.action or "poweron"
    here = f"/servers/{server.id}"
    if action == "backup":
        if not server.volumes:
            raise PreconditionFailed("resource_not_usable", "the server has no volume", server.resource, server.id)
        image = backup(call.change, server, body.name or "")
        return {"task": task_view(call, "instance_backup", here + "/action", f"/images/{image.id}")}
    if action not in STEPS:
        raise invalid("action", f"{action!r} is none of {', '.join([*STEPS, 'backup'])}")
    if server.pending is not None:
        raise TransientState(server.resource, server.id, server.state)
    if action not in ALLOWED.get(server.state, []):
        wanted = "stopped" if action == "poweron" else "running"
        raise PlainError(400, f"server should be {wanted}", "invalid_request_error")
    if action == "terminate" and server.protected:
        raise PreconditionFailed("resource_not_usable", "the server is protected", server.resource, server.id)
    description, step = STEPS[action]
    step(call.change, server)
    return {"task": task_view(call, description, here + "/action", here)}


def actions(call: Call) -> dict[str, Any]:
    return {"actions": ALLOWED.get(call.own(Server, param="server_id").state, [])}


def compatible(call: Call) -> dict[str, Any]:
    """The types that a server could become: those of its architecture, with room for its local volumes."""
    server = call.own(Server, param="server_id")
    volumes = [call.change.ledger.get(Volume, id_) for id_ in server.volumes.values()]
    local = sum(v.size for v in volumes if v is not None and v.volume_type == "l_ssd")
    image = public_image(server.image_id or "")
    windows = image is not None and image.label.startswith("windows")
    fitting = [
        kind.name
        for kind in offered(server.zone).values()
        if kind.arch == server.arch
        and local <= kind.volumes_constraint.max_size
        and not kind.end_of_service
        and kind.name.endswith("-WIN") == windows
    ]
    return {"compatible_types": fitting}


def attach_volume(call: Call, body: OneVolume) -> dict[str, Any]:
    server = call.own(Server, param="server_id")
    return wrapped(call, add_volume(call, server, body.volume_id, boot=bool(body.boot)), server)


def add_volume(call: Call, server: Server, volume_id: str, *, boot: bool) -> Server:
    """Attach a volume in the lowest free slot from 1 on (0 when it is to be booted from and is free)."""
    volume = free_volume(call, volume_id, "volume_id", server.project_id)
    if len(server.volumes) >= 16:
        raise PreconditionFailed("too_many_volumes", "a server has 16 volumes at most", server.resource, server.id)
    first = 0 if boot or not server.volumes else 1
    slot = next(str(n) for n in range(first, 17) if str(n) not in server.volumes)
    server = instances.attach_volume(call.change, server, volume, slot)
    if boot:
        server = server.changed(call.change.now, boot_slots=[slot])
        call.change.ledger.put(server)
    return server


def detach_volume(call: Call, body: OneVolume) -> dict[str, Any]:
    return wrapped(call, drop_volume(call, call.own(Server, param="server_id"), body.volume_id))


def drop_volume(call: Call, server: Server, volume_id: str) -> Server:
    """Detach a volume. Raises NotFound for one that the server does not have."""
    if volume_id.lower() not in server.volumes.values():
        raise NotFound(Volume.resource, volume_id)
    return instances.detach_volume(call.change, server, volume_id.lower())


ONE = "/zones/{zone}/servers/{server_id}"
ROUTES = [
    Route(method="GET", path=ONE + "/action", handler=actions),
    Route(method="POST", path=ONE + "/action", handler=act, body=Action, status=202, records=False),
    Route(method="GET", path=ONE + "/compatible-types", handler=compatible),
    Route(method="POST", path=ONE + "/attach-volume", handler=attach_volume, body=OneVolume),
    Route(method="POST", path=ONE + "/detach-volume", handler=detach_volume, body=OneVolume),
]
