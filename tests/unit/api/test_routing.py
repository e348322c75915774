"""Routes are found by method and path; literals go before parameters; what no route fits is found nowhere."""

from __future__ import annotations

import pytest

from hideaway.api.routing import Table

PATHS = [
    "/vpc/{region}/networks",
    "/vpc/{region}/networks/{network_id}",
    "/vpc/{region}/networks/{other_id}/dhcp",
    "/vpc/{region}/networks/all",
    "/gw/{gateway_id}/ranges/{range:path}",
    "/metadata",
]


@pytest.fixture
def table() -> Table[str]:
    table: Table[str] = Table()
    for path in PATHS:
        table.add("GET", path, path)
    table.add("POST", "/vpc/{region}/networks", "create")
    table.add("DELETE", "/vpc/{region}/networks/{network_id}", "delete")
    return table


@pytest.mark.parametrize(
    ("method", "path", "route", "params"),
    [
        ("GET", "/metadata", "/metadata", {}),
        ("GET", "/vpc/fr-par/networks", PATHS[0], {"region": "fr-par"}),
        ("HEAD", "/vpc/fr-par/networks", PATHS[0], {"region": "fr-par"}),
        ("POST", "/vpc/fr-par/networks", "create", {"region": "fr-par"}),
        ("GET", "/vpc/fr-par/networks/7", PATHS[1], {"region": "fr-par", "network_id": "7"}),
        ("GET", "/vpc/fr-par/networks/all", PATHS[3], {"region": "fr-par"}),
        # A literal of another method does not hide it either.
        ("DELETE", "/vpc/fr-par/networks/all", "delete", {"region": "fr-par", "network_id": "all"}),
        # Another name for the same segment belongs to that route alone.
        ("GET", "/vpc/fr-par/networks/7/dhcp", PATHS[2], {"region": "fr-par", "other_id": "7"}),
        # A literal that leads nowhere does not hide the parameter beside it.
        ("GET", "/vpc/fr-par/networks/all/dhcp", PATHS[2], {"region": "fr-par", "other_id": "all"}),
        ("GET", "/gw/1/ranges/10.0.0.0/8", PATHS[4], {"gateway_id": "1", "range": "10.0.0.0/8"}),
    ],
)
def test_found(table: Table[str], method: str, path: str, route: str, params: dict[str, str]) -> None:
    assert table.find(method, path) == (route, params)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", ""),
        ("GET", "/vpc"),
        ("GET", "/vpc/fr-par"),
        ("GET", "/vpc//networks"),  # a parameter is never empty
        ("GET", "/vpc/fr-par/networks/"),
        ("GET", "/vpc/fr-par/networks/7/dhcp/more"),
        ("GET", "/gw/1/ranges/"),
        ("GET", "metadata"),
        ("DELETE", "/vpc/fr-par/networks"),
        ("PURGE", "/metadata"),
    ],
)
def test_found_nowhere(table: Table[str], method: str, path: str) -> None:
    assert table.find(method, path) is None
