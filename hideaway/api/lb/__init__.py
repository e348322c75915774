"""lb/v1: Load Balancers and all that belongs to them.

Each route stands in two spellings: below a zone and, deprecated by the vendor, below a region, which here means the
region's first zone (assumed: its clients knew of no other). A 404 is the vendor's bare one (recorded):
`{"message": "lbs not Found"}`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.lb import acls, backends, certificates, frontends, ips, lbs, networks, routes, stats, subscribers
from hideaway.api.pipeline import Product, Route
from hideaway.base.errors import NotFound, PlainError
from hideaway.cloud.places import REGIONS

_TABLES: Sequence[Sequence[Route]] = (
    lbs.ROUTES,
    ips.ROUTES,
    backends.ROUTES,
    frontends.ROUTES,
    routes.ROUTES,
    acls.ROUTES,
    certificates.ROUTES,
    networks.ROUTES,
    stats.ROUTES,
    subscribers.ROUTES,
)


def _in_its_words(handler: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handler)
    def handle(call: Call, *arguments: Any) -> Any:
        if call.place in REGIONS:
            call.place = REGIONS[call.place][0]
        try:
            return handler(call, *arguments)
        except NotFound as error:
            raise PlainError(404, f"{error.resource} not Found") from None

    return handle


PRODUCT = Product(
    prefix="/lb/v1",
    area="LoadBalancers",
    routes=[
        msgspec.structs.replace(route, path=prefix + route.path, handler=_in_its_words(route.handler))
        for prefix in ("/zones/{zone}", "/regions/{region}")
        for table in _TABLES
        for route in table
    ],
)
