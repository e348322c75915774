"""Every route that the vendor's Python SDK can call is served. The routes are read from the SDK's own source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from hideaway.api.pipeline import Route
from hideaway.api.products import PRODUCTS
from hideaway.api.routing import Table

scaleway = pytest.importorskip("scaleway", reason="the Python SDK is not installed")
SDK = Path(scaleway.__file__).parent

VERSIONS = [
    "account/v3", "block/v1", "block/v1alpha1", "iam/v1alpha1", "instance/v1", "instance/v2alpha1", "ipam/v1", "k8s/v1",
    "lb/v1", "marketplace/v2", "rdb/v1", "vpc/v2", "vpcgw/v2",
]  # fmt: skip
GAPS: dict[str, str] = {
}
"""What is not served, as `METHOD path`, and why. It is exact: a line for what is served fails the test, too."""


class Called(msgspec.Struct, frozen=True, order=True):
    """A route as a method of the SDK calls it; its path's parameters are `{name}`."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def calls(source: str) -> Iterator[Called]:
    """Every `..._request("METHOD", f"path", ...)` of a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "_request":
            method, path = node.args[:2]
            assert isinstance(method, ast.Constant)
            yield Called(str(method.value), "".join(_parts(path)))


def _parts(path: ast.expr) -> Iterator[str]:
    for part in path.values if isinstance(path, ast.JoinedStr) else [path]:
        if isinstance(part, ast.Constant):
            yield str(part.value)
        else:
            assert isinstance(part, ast.FormattedValue)
            yield "{" + ast.unparse(part.value).removeprefix("param_") + "}"


def routes(version: str) -> list[Called]:
    """All that one version of a product can be asked in the SDK."""
    return sorted({call for module in (SDK / version).glob("*api.py") for call in calls(module.read_text())})


@pytest.fixture(scope="module")
def served() -> Table[Route]:
    table: Table[Route] = Table()
    for product in PRODUCTS:
        for route in product.routes:
            table.add(route.method, product.prefix + route.path, route)
    return table


def test_the_sdk_is_read_as_it_is_written() -> None:
    source = 'class A:\n def f(self):\n  self._request("GET", f"/a/{param_zone}/b/{key}")\n  self._request("PUT", "/c")'
    assert list(calls(source)) == [Called("GET", "/a/{zone}/b/{key}"), Called("PUT", "/c")]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_route_of_the_sdk_is_served(version: str, served: Table[Route]) -> None:
    found = routes(version)
    assert found, "nothing was read from the SDK"
    missing = [str(call) for call in found if served.find(call.method, call.path) is None]
    assert missing == [str(call) for call in found if str(call) in GAPS]


def test_every_gap_is_a_route_of_the_sdk() -> None:
    assert set(GAPS) <= {str(call) for version in VERSIONS for call in routes(version)}
