"""Load Balancers and the types that they come in."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.lb.shapes import Ids
from hideaway.api.lb.views import lb_of, view_lb, wanted
from hideaway.api.listing import listing, page_of
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Listing, Name, Query, Tags, Text
from hideaway.base.errors import NotFound, invalid
from hideaway.cloud.balancer_parts import (
    SslLevel,
)
from hideaway.cloud.balancers import (
    Lb,
    LbIp,
    Subscriber,
)
from hideaway.cloud.balancing import delete_lb, make_lb, migrate_lb, update_lb
from hideaway.cloud.places import region_of


class LbType(msgspec.Struct, frozen=True, kw_only=True):
    """bandwidth: bit/s. multicloud: whether its backends' servers may be anywhere."""

    name: str
    bandwidth: int
    multicloud: bool
    description: str
    stock_status: str = "available"


@cache
def catalogue() -> dict[str, LbType]:
    """The vendor's commercial types, by their name in lower case."""
    types = msgspec.json.decode((Path(__file__).parent / "lb_types.json").read_bytes(), type=list[LbType])
    return {type_.name.lower(): type_ for type_ in types}


class CreateLb(Body, frozen=True, kw_only=True):
    project_id: str | None = None
    organization_id: str | None = None
    name: Name | None = None
    description: Text | None = None
    type: Name
    ip_id: str | None = None
    ip_ids: Ids | None = None
    assign_flexible_ip: bool | None = None
    assign_flexible_ipv6: bool | None = None
    tags: Tags | None = None
    ssl_compatibility_level: SslLevel | None = None


class UpdateLb(Body, frozen=True, kw_only=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    description: Text | None = None
    tags: Tags | None = None
    ssl_compatibility_level: SslLevel | None = None


class MigrateLb(Body, frozen=True, kw_only=True):
    type: Name


class DeleteLb(Query, frozen=True, kw_only=True):
    release_ip: bool = False


class ListLbs(Listing, frozen=True, kw_only=True):
    name: str | None = None
    tags: list[str] | None = None
    lb_ids: list[str] | None = None


class ListTypes(Listing, frozen=True, kw_only=True):
    pass


class Subscribe(Body, frozen=True, kw_only=True):
    subscriber_id: str


def _type(name: str) -> str:
    """In lower case, as the vendor answers it however it was spelled (recorded: LB-S is lb-s)."""
    if name.lower() not in catalogue():
        names = ", ".join(type_.name for type_ in catalogue().values())
        raise invalid("type", f"{name!r} is no Load Balancer type; there are {names}")
    return name.lower()


def _free_ips(call: Call, body: CreateLb, project_id: str) -> list[LbIp]:
    """The addresses that a new LB shall have: of its zone and project. Raises NotFound."""
    named = [(body.ip_id, "ip_id")] if body.ip_id else []
    named += [(id_, "ip_ids") for id_ in body.ip_ids or []]
    ips = {ip.id: ip for ip in (call.refer(LbIp, id_, where, project_id=project_id) for id_, where in named)}
    if any(ip.zone != call.place for ip in ips.values()):
        raise NotFound(LbIp.resource)
    return list(ips.values())


def create(call: Call, body: CreateLb) -> dict[str, Any]:
    """A public IPv4 address is made unless one is named or `assign_flexible_ip` says no: then the LB is private."""
    common = call.common(body.project_id, Lb.resource)
    ips = _free_ips(call, body, common["project_id"])
    level = body.ssl_compatibility_level
    lb = Lb(
        **common,
        zone=call.place,
        name=body.name or f"lb-{call.change.ids.word()}",
        description=body.description or "",
        type=_type(body.type),
        tags=body.tags or [],
        ssl_compatibility_level=SslLevel.INTERMEDIATE if level in (None, SslLevel.UNKNOWN) else level,
    )
    v4 = not ips if body.assign_flexible_ip is None else body.assign_flexible_ip
    return view_lb(call, make_lb(call.change, lb, ips, v4=v4, v6=bool(body.assign_flexible_ipv6)))


def get(call: Call) -> dict[str, Any]:
    return view_lb(call, lb_of(call))


def list_(call: Call, query: ListLbs) -> dict[str, Any]:
    special = {"lb_ids": lambda lb, ids: lb.id in ids}
    return listing("lbs", call.visible(Lb), query, lambda lb: view_lb(call, lb), special=special)


def update(call: Call, body: UpdateLb) -> dict[str, Any]:
    """All of it is replaced, but a level that is left out stays. Its status stays `ready` (recorded)."""
    lb, level = lb_of(call), body.ssl_compatibility_level
    changed = update_lb(
        call.change,
        lb,
        name=body.name,
        description=body.description or "",
        tags=body.tags or [],
        ssl_compatibility_level=lb.ssl_compatibility_level if level in (None, SslLevel.UNKNOWN) else level,
    )
    return view_lb(call, changed)


def delete(call: Call, query: DeleteLb) -> None:
    """With all that it has; its public addresses stay unless `release_ip` says otherwise."""
    delete_lb(call.change, lb_of(call), and_ips=query.release_ip)


def migrate(call: Call, body: MigrateLb) -> dict[str, Any]:
    lb, type_ = lb_of(call), _type(body.type)
    return view_lb(call, lb if type_ == lb.type else migrate_lb(call.change, lb, type_))


def list_types(call: Call, query: ListTypes) -> dict[str, Any]:
    place = {"zone": call.place, "region": region_of(call.place)}
    types = [msgspec.structs.asdict(type_) | place for type_ in catalogue().values()]
    return {"total_count": len(types), "lb_types": page_of(types, query)}


def subscribe(call: Call, body: Subscribe) -> dict[str, Any]:
    lb = lb_of(call)
    subscriber = call.own(Subscriber, wanted(body.subscriber_id, "subscriber_id"))
    if subscriber.project_id != lb.project_id:
        raise NotFound(subscriber.resource, subscriber.id)
    changed = lb.changed(call.change.now, subscriber_id=subscriber.id)
    call.change.ledger.put(changed)
    return view_lb(call, changed)


def unsubscribe(call: Call) -> dict[str, Any]:
    changed = lb_of(call).changed(call.change.now, subscriber_id=None)
    call.change.ledger.put(changed)
    return view_lb(call, changed)


ONE = "/lbs/{lb_id}"
ROUTES = [
    Route(method="GET", path="/lb-types", handler=list_types, query=ListTypes),
    Route(method="POST", path="/lbs", handler=create, body=CreateLb, records=False),
    Route(method="GET", path="/lbs", handler=list_, query=ListLbs),
    Route(method="GET", path=ONE, handler=get),
    Route(method="PUT", path=ONE, handler=update, body=UpdateLb, records=False),
    Route(method="DELETE", path=ONE, handler=delete, query=DeleteLb, status=204, records=False),
    Route(method="POST", path=ONE + "/migrate", handler=migrate, body=MigrateLb, records=False),
    Route(method="POST", path="/lb/{lb_id}/subscribe", handler=subscribe, body=Subscribe),
    Route(method="DELETE", path="/lb/{lb_id}/unsubscribe", handler=unsubscribe),
]
