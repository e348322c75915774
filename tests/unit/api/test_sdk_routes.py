"""Every route that the vendor's Python SDK can ask is served, and every field that it sends along is known."""

from __future__ import annotations

import msgspec
import pytest

from hideaway.api.pipeline import Route
from hideaway.api.products import PRODUCTS
from hideaway.api.routing import Table
from tests.unit.api.sdk_source import VERSIONS, Asked, asked, calls

GAPS: dict[str, str] = {}
"""What is not served, as `METHOD path`, and why. It is exact: a line for what is served fails the test, too."""

WHOLE = "instance/v1's PUT sends the whole resource; what cannot be changed of it is passed over"
PASSED_OVER: dict[str, str] = {
    "PUT /instance/v1/zones/{zone}/images/{id}": WHOLE,
    "PUT /instance/v1/zones/{zone}/security_groups/{id}": WHOLE,
    "PUT /instance/v1/zones/{zone}/servers/{id}": WHOLE,
    "PUT /instance/v1/zones/{zone}/snapshots/{snapshot_id}": WHOLE,
    "PUT /instance/v1/zones/{zone}/security_groups/{security_group_id}/rules/{security_group_rule_id}": WHOLE,
    "POST /instance/v1/zones/{zone}/security_groups/{security_group_id}/rules": "a user's rule is editable",
    "PATCH /instance/v1/zones/{zone}/servers/{server_id}": "private NICs have routes of their own; all IPs are routed",
    "PATCH /instance/v1/zones/{zone}/ips/{ip}": "type: all IPs are routed ones, as the vendor's are since 2025",
    "POST /instance/v1/zones/{zone}/servers/{server_id}/action": "disable_ipv6: of the move to routed IPs, now over",
    "GET /instance/v1/zones/{zone}/servers/{server_id}/user_data/{key}": "the SDK repeats the path's parameters",
}
"""Routes that some of the SDK's fields make no difference to, and why. As exact."""


@pytest.fixture(scope="module")
def served() -> Table[Route]:
    table: Table[Route] = Table()
    for product in PRODUCTS:
        for route in product.routes:
            table.add(route.method, product.prefix + route.path, route)
    return table


def test_the_sdk_is_read_as_it_is_written() -> None:
    source = """
class A:
    def f(self):
        self._request("GET", f"/a/{param_zone}/b/{key}", params={"page": 1, **one_of([OneOfPossibility("x", x)])})
        self._request("PUT", "/c", body=marshal_C(CRequest(), self.client))
"""
    assert list(calls(source, {"marshal_C": frozenset(["name"])})) == [
        Asked("GET", "/a/{zone}/b/{key}", query=frozenset(["page", "x"])),
        Asked("PUT", "/c", body=frozenset(["name"])),
    ]
    named = {str(one): one for one in asked("vpc/v2")}
    assert {"name", "subnets", "vpc_id"} <= named["POST /vpc/v2/regions/{region}/private-networks"].body
    assert {"name", "order_by", "is_default"} <= named["GET /vpc/v2/regions/{region}/vpcs"].query


@pytest.mark.parametrize("version", VERSIONS)
def test_every_route_of_the_sdk_is_served(version: str, served: Table[Route]) -> None:
    found = asked(version)
    assert found, "nothing was read from the SDK"
    missing = [str(one) for one in found if served.find(one.method, one.path) is None]
    assert missing == [str(one) for one in found if str(one) in GAPS]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_field_that_the_sdk_sends_is_known(version: str, served: Table[Route]) -> None:
    passed_over = {}
    for one in asked(version):
        route = served.find(one.method, one.path)
        if route is not None and (unknown := one.body - _names(route[0].body) | one.query - _names(route[0].query)):
            passed_over[str(one)] = sorted(unknown)
    told = {str(one) for one in asked(version)} & PASSED_OVER.keys()
    assert passed_over.keys() == told, {name: passed_over.get(name) for name in passed_over.keys() ^ told}


def _names(type_: type | None) -> frozenset[str]:
    if type_ is None or not issubclass(type_, msgspec.Struct):
        return frozenset()
    return frozenset(field.encode_name for field in msgspec.structs.fields(type_))


def test_every_exception_is_a_route_of_the_sdk() -> None:
    assert GAPS.keys() | PASSED_OVER.keys() <= {str(one) for version in VERSIONS for one in asked(version)}
