"""Everything that a cloud lists, to compare before and after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx

from hideaway.api.products import PRODUCTS
from hideaway.cloud.places import REGIONS, ZONES
from tests.cloud_under_test import Cloud

LOG = "/iam/v1alpha1/logs"
"""Who made and deleted what: it grows by what it tells of, and nothing takes that back."""


def lists() -> Iterator[str]:
    """The path of every GET that needs to know nothing but a region or a zone, for each of them."""
    for product in PRODUCTS:
        for route in product.routes:
            path = product.prefix + route.path
            if route.method != "GET" or path == LOG:
                continue
            for region in REGIONS if "{region}" in path else ("",):
                for zone in ZONES if "{zone}" in path else ("",):
                    filled = path.replace("{region}", region).replace("{zone}", zone)
                    if "{" not in filled:
                        yield filled


def everything(cloud: Cloud) -> dict[str, Any]:
    """Every list's whole answer, by its path; what is asked for more than a place refuses, the same each time."""
    with cloud.http() as http:
        return {path: _body(http.get(path, params={"page_size": 100, "per_page": 100})) for path in lists()}


def _body(answer: httpx.Response) -> Any:
    assert answer.status_code < 500, answer.text
    return answer.json() if answer.content else None


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The lists whose answers differ, with both answers."""
    return {path: (before[path], after[path]) for path in before if before[path] != after[path]}
