"""product-catalog/v2alpha1: the price list, of Instances only. `scw instance server-type list` reads it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.pipeline import Product, Route
from hideaway.api.shapes import Query
from hideaway.cloud.places import ZONES
from hideaway.cloud.server_types import ServerType, offered

PAGE_SIZE, MAX_PAGE_SIZE = 20, 1000
PageNumber = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]


class ListProducts(Query, frozen=True, kw_only=True):
    page: PageNumber | None = None
    page_size: PageNumber | None = None
    product_types: list[str] | None = None
    status: list[str] | None = None
    zone: str | None = None
    region: str | None = None
    datacenter: str | None = None


def view(zone: str, kind: ServerType) -> dict[str, Any]:
    """A server type in a zone. Its price is the recorded one; its family is the first part of its name."""
    units = int(kind.hourly_price)
    return {
        "sku": f"/compute/{kind.name.lower().replace('-', '_')}/run_{zone}",
        "service_category": "Compute",
        "product_category": "Instances",
        "product": kind.name,
        "variant": kind.name,
        "description": kind.name,
        "status": "end_of_sale" if kind.end_of_service else "general_availability",
        "badges": [],
        "locality": {"zone": zone},
        "price": {
            "retail_price": {
                "currency_code": "EUR",
                "units": units,
                "nanos": round((kind.hourly_price - units) * 10**9),
            }
        },
        "properties": {
            "hardware": _hardware(kind),
            "instance": {
                "range": kind.name.split("-")[0],
                "offer_id": kind.name,
                "recommended_replacement_offer_ids": [],
            },
        },
        "environmental_impact_estimation": None,
        "unit_of_measure": {"unit": "hour", "size": 1},
    }


def _hardware(kind: ServerType) -> dict[str, Any]:
    network = kind.network
    return {
        "cpu": {
            "description": f"{kind.ncpus} vCPU",
            "arch": "arm64" if kind.arch == "arm64" else "x64",
            "type": "",
            "threads": kind.ncpus,
            "shared": False,
            "virtual": {"count": kind.ncpus},
        },
        "ram": {"description": "", "size": kind.ram, "type": ""},
        "storage": {"description": "", "total": kind.volumes_constraint.max_size},
        "network": {
            "description": "",
            "internal_bandwidth": network.get("sum_internal_bandwidth", 0),
            "public_bandwidth": network.get("sum_internet_bandwidth", 0),
            "max_public_bandwidth": network.get("sum_internet_bandwidth", 0),
        },
        "gpu": {"description": "", "count": kind.gpu, "type": (kind.gpu_info or {}).get("gpu_name", "")},
    }


def list_(call: Call, query: ListProducts) -> dict[str, Any]:
    """Products of other kinds have no price here, so lists of these are empty."""
    kinds = [t for t in query.product_types or [] if not t.startswith("unknown")]
    zones = [z for z, region in ZONES.items() if query.zone in (None, z) and query.region in (None, region)]
    if (kinds and "instance" not in kinds) or query.datacenter:
        zones = []
    shown = [view(zone, kind) for zone in zones for kind in offered(zone).values()]
    statuses = [s for s in query.status or [] if not s.startswith("unknown")]
    if statuses:
        shown = [product for product in shown if product["status"] in statuses]
    size = min(query.page_size or PAGE_SIZE, MAX_PAGE_SIZE)
    start = ((query.page or 1) - 1) * size
    return {"products": shown[start : start + size], "total_count": len(shown)}


PRODUCT = Product(
    prefix="/product-catalog/v2alpha1",
    area="ProductCatalog",
    routes=[Route(method="GET", path="/public-catalog/products", handler=list_, query=ListProducts, open=True)],
)
