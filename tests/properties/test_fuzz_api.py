"""Nothing that is sent ever makes the API fall over, leave something half done, or keep what it cannot serve later.

Requests are made of the routes' own types and then spoiled: wrong types, huge numbers, odd texts, nulls, missing and
extra fields, deep nesting. They meet a cloud in which one of each main thing stands. HYPOTHESIS_PROFILE=long for more.
"""

from __future__ import annotations

import functools
import json
import os
import types
import typing
from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hideaway.api.k8s import catalogue
from hideaway.cloud.documents import KINDS, Document
from hideaway.compile import compile_fabric
from tests.api_in_process import Cloud
from tests.invariants import faults
from tests.walk import PLACES, Planted, Step, steps

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
EXAMPLES = 20000 if LONG else 800
ROUTES = steps()
LISTS = [s for s in ROUTES if s.route.method == "GET" and set(s.parameters) <= set(PLACES)]
CHANGES = [s for s in ROUTES if s.route.method != "GET"]
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEEYrzDOZmhItdKaDAEqJQ4ORS2GyBMtBozYsK5kiXXX"


class World(Cloud):
    """A cloud with one of each main thing in it, which can be put back to how it was."""

    def __init__(self) -> None:
        super().__init__()
        self.built = build(self)
        self.get("/vpc/v2/regions/fr-par/vpcs")  # ends the last transitions
        _, ledger = self.store.snapshot()
        self.documents: list[Document] = [d for type_ in KINDS.values() for d in ledger.find(type_)]
        self.ids_of: list[str] = [d.id for d in self.documents]
        self.look()

    def back(self) -> None:
        with self.store.transaction() as ledger:
            ledger.clear()
            for document in self.documents:
                ledger.put(document)
        self.look()

    def look(self) -> None:
        """Let the next requests be about what stands now."""
        _, ledger = self.store.snapshot()
        self.things = Planted(self.project, [d for type_ in KINDS.values() for d in ledger.find(type_)])


def build(cloud: Cloud) -> dict[str, str]:
    """What stands before each request; returns some ids by the names that parameters and fields have for them."""
    region, zone = "regions/fr-par", "zones/fr-par-1"
    vpc = cloud.post(f"/vpc/v2/{region}/vpcs", name="v")
    network = cloud.post(f"/vpc/v2/{region}/private-networks", vpc_id=vpc["id"])
    other = cloud.post(f"/vpc/v2/{region}/private-networks")
    ip = cloud.post(f"/ipam/v1/{region}/ips", source={"private_network_id": network["id"]})
    held = {"mac_address": "02:00:00:00:00:01"}
    cloud.post(f"/ipam/v1/{region}/ips", source={"private_network_id": other["id"]}, resource=held)
    hop = {"nexthop_private_network_id": network["id"]}
    route = cloud.post(f"/vpc/v2/{region}/routes", {"vpc_id": vpc["id"], "destination": "10.9.0.0/24"} | hop)
    rule = {"source": "10.0.0.0/24", "nexthop_resource_ip": "172.16.0.9"} | hop
    cloud.post(f"/vpc/v2/{region}/ingress-rules", {"vpc_id": vpc["id"]} | rule)
    cloud.post(f"/vpc/v2/{region}/vpc-connectors", vpc_id=vpc["id"], target_vpc_id=other["vpc_id"])
    gateway = cloud.post(f"/vpc-gw/v2/{zone}/gateways", type="VPC-GW-S", name="g")
    cloud.get(f"/vpc-gw/v2/{zone}/gateways")
    attached = {"gateway_id": gateway["id"], "private_network_id": network["id"], "push_default_route": True}
    binding = cloud.post(f"/vpc-gw/v2/{zone}/gateway-networks", attached)
    group = cloud.post(f"/instance/v1/{zone}/security_groups", name="s")["security_group"]
    server = cloud.post(f"/instance/v1/{zone}/servers", name="i", commercial_type="DEV1-S", image="debian_bookworm")
    cluster_body = {"name": "c", "type": "kapsule", "cni": "cilium", "private_network_id": network["id"]}
    version = cloud.get(f"/k8s/v1/{region}/versions")["versions"][0]["name"]
    cluster = cloud.post(f"/k8s/v1/{region}/clusters", cluster_body | {"version": version})
    cloud.get(f"/k8s/v1/{region}/clusters/{cluster['id']}")
    pool_body = {"name": "p", "node_type": "DEV1-M", "size": 1}
    pool = cloud.post(f"/k8s/v1/{region}/clusters/{cluster['id']}/pools", pool_body)
    zone_body = {"name": "t", "size": 10**9, "volume_type": "l_ssd"}
    volume = cloud.post(f"/instance/v1/{zone}/volumes", zone_body)["volume"]
    database_body = {"engine": "PostgreSQL-15", "node_type": "DB-DEV-S", "user_name": "u", "password": "Walker-1234567"}
    database = cloud.post(f"/rdb/v1/{region}/instances", database_body | {"name": "d"})
    balancer = cloud.post(f"/lb/v1/{zone}/lbs", name="l", type="LB-S", description="")
    cloud.get(f"/lb/v1/{zone}/lbs")
    application = cloud.post("/iam/v1alpha1/applications", name="a")
    rules = [{"permission_set_names": ["IPAMReadOnly"], "organization_id": cloud.owner.organization_id}]
    policy = cloud.post("/iam/v1alpha1/policies", application_id=application["id"], rules=rules)
    key = cloud.post("/iam/v1alpha1/api-keys", application_id=application["id"])
    ssh_key = cloud.post("/iam/v1alpha1/ssh-keys", public_key=ED25519)
    return {
        "vpc_id": vpc["id"], "private_network_id": network["id"], "ip_id": ip["id"], "route_id": route["id"],
        "gateway_id": gateway["id"], "gateway_network_id": binding["id"], "cluster_id": cluster["id"],
        "server_id": server["server"]["id"], "security_group_id": group["id"], "pool_id": pool["id"],
        "application_id": application["id"], "policy_id": policy["id"], "access_key": key["access_key"],
        "volume_id": volume["id"], "instance_id": database["id"], "lb_id": balancer["id"], "ssh_key_id": ssh_key["id"],
        "project_id": cloud.project, "organization_id": cloud.owner.organization_id,
    }  # fmt: skip


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


odd_texts = st.sampled_from(
    [
        "", " ", "\x00", "\ud800", "\u202e", "é" * 300, "x" * 5000, "../..", "%s%n", "0", "-1", "null", "1e999", "NaN",
        "10.0.0.0/8", "0.0.0.0/0", "::/0", "fe80::1%eth0", "10.0.0.1/24", "fd00::/64", "999.1.1.1", "172.16.0.9",
        "2026-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00",
        "00000000-0000-0000-0000-000000000000",
        "fr-par", "fr-par-9", "unknown_type", "a,b", "'; DROP TABLE documents; --", "1.30", "1.2.3.4.5",
        "debian_bookworm",
    ]
)  # fmt: skip
numbers = st.sampled_from([0, 1, -1, 2, 22, 65535, 65536, 2**31, 2**32, 2**63, 2**64, 10**30, -(2**63) - 1, 0.5, 1e300])
deep = st.integers(1, 1200).map(lambda n: functools.reduce(lambda inner, _: [inner], range(n), 0))
junk = st.one_of(
    st.none(),
    st.booleans(),
    numbers,
    odd_texts,
    st.text(max_size=20),
    st.lists(odd_texts | numbers, max_size=3),
    st.dictionaries(st.sampled_from(["id", "name", "tags", "", "x", "0"]), odd_texts | numbers | st.none(), max_size=3),
    deep,
)


LIKELY: dict[str, list[str]] = {
    "version": [*(v.name for v in catalogue.versions()), "1"], "cni": ["cilium", "calico", "kilo", "none"],
    "image": ["debian_bookworm"],
    "type": ["kapsule", "multicloud", "VPC-GW-S", "LB-S", "routed_ipv4", "unmanaged", "signing"],
    "node_type": ["DEV1-M", "DB-DEV-S", "external"], "commercial_type": ["DEV1-S"], "volume_type": ["l_ssd", "lssd"],
    "engine": ["PostgreSQL-15", "MySQL-8"], "password": ["Walker-1234567"], "user_name": ["walker"],
    "address": ["172.16.0.9", "172.16.4.200"], "private_ip": ["172.16.0.9"], "ip": ["10.0.0.0/8", "198.51.100.1"],
    "destination": ["10.8.0.0/16"], "source": ["10.8.0.0/16", "0.0.0.0/0"], "subnets": ["10.64.0.0/22", "fd00:1::/64"],
    "ip_range": ["0.0.0.0/0"], "protocol": ["TCP", "UDP", "ANY", "tcp", "both"],
    "action": ["accept", "drop", "poweron"], "order_by": ["created_at_asc"],
    "direction": ["inbound", "outbound"], "mac_address": ["02:00:00:00:00:09"], "hostname": ["a.example.com"],
    "email": ["z@example.com"], "username": ["zoe"], "public_key": [ED25519], "default_policy": ["drop", "accept"],
    "permission_set_names": ["VPCReadOnly", "IAMManager"], "condition": ["true", "request.ip == '1'"],
    "forward_protocol": ["tcp", "http"], "key": ["k"], "value": ["v"], "effect": ["NoSchedule"], "reverse": ["a.b.c"],
    "nexthop_resource_ip": ["172.16.0.9"], "permission": ["readonly", "all"], "expires_at": ["2030-01-01T00:00:00Z"],
}  # fmt: skip
"""By a field's name, texts with which a request may well come through."""


def ids(world: World, name: str, spoil: bool) -> st.SearchStrategy[str]:
    """The id that the name means, or of anything of its kind; spoiled, also of anything else, or nonsense."""
    known = world.built.get(name.removesuffix("s") if name.endswith("ids") else name)
    any_ = st.sampled_from(world.things.for_name(name))
    right = any_ if known is None else st.one_of(st.just(known), any_)
    return st.one_of(right, st.sampled_from(world.ids_of), odd_texts) if spoil else right


def texts(world: World, name: str, spoil: bool) -> st.SearchStrategy[str]:
    if name.endswith(("_id", "_ids", "_key")) or name in ("server", "security_group", "placement_group", "project"):
        return ids(world, name, spoil)
    likely = st.sampled_from(LIKELY.get(name, ["thing", "other"]))
    return st.one_of(likely, likely, odd_texts, st.text(max_size=12)) if spoil else likely


def values(world: World, hint: Any, name: str, spoil: bool, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values of a type, as JSON has them; a field's name says what kind of text it likely holds."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return values(world, arguments[0], name, spoil, depth)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*(values(world, a, name, spoil, depth) for a in arguments))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is list:
        return st.lists(values(world, arguments[0], name, spoil, depth + 1), max_size=2)
    if origin is dict:
        keys = odd_texts if spoil else st.sampled_from(["0", "1", "a"])
        return st.dictionaries(keys, values(world, arguments[1], name, spoil, depth + 1), max_size=2)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct) and depth < 4:
        return bodies(world, hint, spoil, depth + 1)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from([member.value for member in hint])
    if hint is str:
        return texts(world, name, spoil)
    small = st.integers(0, 100) | st.sampled_from([443, 8080, 10**9, 20 * 10**9])
    plain: dict[Any, st.SearchStrategy[Any]] = {
        int: small | numbers if spoil else small,
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        datetime: st.just("2030-01-01T00:00:00Z") | odd_texts if spoil else st.just("2030-01-01T00:00:00Z"),
        type(None): st.none(),
    }
    return plain.get(hint, junk if spoil else st.none())


def bodies(world: World, type_: type[msgspec.Struct], spoil: bool, depth: int = 0) -> st.SearchStrategy[dict[str, Any]]:
    """Bodies of a type; spoiled: a field may be junk or missing, and one may be there that is none."""
    hints = typing.get_type_hints(type_, include_extras=True)
    required, optional = {}, {}
    for field in msgspec.structs.fields(type_):
        right = values(world, hints[field.name], field.name, spoil, depth)
        kept = required if field.required or field.name in LIKELY else optional
        kept[field.encode_name] = st.one_of(*[right] * 9, junk) if spoil else right
    if spoil:
        optional["no_such_field"] = junk
    return st.fixed_dictionaries(required, optional=optional)


class Sent(msgspec.Struct):
    step: Step
    path: str
    body: Any
    query: list[tuple[str, str]]


@st.composite
def requests(draw: st.DrawFn, world: World, routes: Sequence[Step] = ROUTES, spoiled: bool = True) -> Sent:
    """A request to any route: half of them well-formed, the others spoiled somewhere, a few nonsense."""
    step = draw(st.sampled_from(routes))
    spoil = spoiled and draw(st.booleans())
    astray = spoil and draw(st.integers(0, 5)) == 0
    parameters = {
        name: draw(st.sampled_from(["nl-ams", "x"]) if astray else st.just(PLACES[name]))
        if name in PLACES
        else draw(ids(world, name, astray))
        for name in step.parameters
    }
    path = step.path({name: quoted(value) for name, value in parameters.items()})
    body, query = None, []
    if step.route.body is not None:
        typed = junk if step.route.body is bytes else bodies(world, step.route.body, spoil)
        body = draw(st.one_of(*[typed] * 9, junk) if spoil else typed)
    if step.route.query is not None:
        asked = draw(bodies(world, step.route.query, spoil))
        query = [
            (name, str(one))
            for name, value in asked.items()
            for one in (value if isinstance(value, list) else [value])
            if one is not None
        ]
    return Sent(step, path, body, query)


def quoted(text: str) -> str:
    """A path's segment as a client sends it: what would end it is left out."""
    return "".join(c for c in text if c not in "/?#\ud800")[:200] or "-"


def encoded(body: Any) -> bytes:
    """A body as bytes; what JSON cannot say as UTF-8 is sent as it is, for the server to refuse."""
    return b"" if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")


def check_answer(world: World, sent: Sent) -> None:
    before = world.store.revision
    query = [(n, v.encode("utf-8", "replace").decode()) for n, v in sent.query]
    answer = world.ask(sent.step.route.method, sent.path, query=query, raw=encoded(sent.body))
    assert answer.status < 500, f"{sent} -> {answer.raw!r}"
    if answer.status >= 400:
        assert not answer.raw or isinstance(answer.body["message"], str)
        assert world.store.revision == before, f"{sent} was refused with {answer.status} and changed something"
    elif world.store.revision != before:
        check_kept(world, sent)


def check_kept(world: World, sent: Sent) -> None:
    """What was kept is whole, and can be read back, listed, and compiled for the data plane."""
    world.store._known.clear()
    _, ledger = world.store.snapshot()
    assert faults(ledger) == [], f"after {sent}"
    compile_fabric(ledger)
    for step in LISTS:
        if step.prefix == sent.step.prefix or step.prefix.startswith(("/ipam", "/instance/v1")):
            answer = world.ask("GET", step.path(PLACES))
            assert answer.status < 500, f"after {sent}: {step} -> {answer.raw!r}"


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_request_is_answered_and_leaves_the_cloud_whole(world: World, data: st.DataObject) -> None:
    world.back()
    sent = data.draw(requests(world))
    check_answer(world, sent)


@settings(max_examples=EXAMPLES // 8, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_few_changes_one_after_the_other_leave_it_whole(world: World, data: st.DataObject) -> None:
    """What is made is used, what is in use goes: nothing that is left over makes a later request fall over."""
    world.back()
    for _ in range(data.draw(st.integers(2, 12))):
        check_answer(world, data.draw(requests(world, CHANGES, spoiled=False)))
        world.look()
        world.clock.advance(1)


@pytest.mark.parametrize("raw", [b"{", b"\xff", b"[" * 100_000, b'{"a":' * 5000, b"null", b"[]", b'"x"', b"1", b" "])
def test_what_is_no_body_is_refused_everywhere(world: World, raw: bytes) -> None:
    world.back()
    for step in ROUTES:
        if isinstance(step.route.body, type) and issubclass(step.route.body, msgspec.Struct):
            path = step.path(PLACES | {name: world.built.get(name, world.ids_of[0]) for name in step.parameters})
            answer = world.ask(step.route.method, path, raw=raw)
            assert answer.status < 500, f"{step}: {answer.raw!r}"
            if raw.strip() not in (b"", b"null"):
                assert answer.status in (400, 404), f"{step} took {raw[:20]!r}"


@pytest.mark.parametrize("step", [s for s in LISTS if s.route.query is not None], ids=str)
def test_every_order_that_a_list_names_is_served(world: World, step: Step) -> None:
    world.back()
    for field in msgspec.structs.fields(step.route.query):
        for literal in (field.type, *typing.get_args(field.type)):
            if field.name == "order_by" and typing.get_origin(literal) is Literal:
                for order in typing.get_args(literal):
                    assert world.ask("GET", step.path(PLACES), query={field.encode_name: order}).status == 200, order


def test_a_body_that_is_too_long_is_refused(world: World) -> None:
    world.back()
    raw = b'{"name": "' + b"x" * (3 * 1024 * 1024) + b'"}'
    assert world.ask("POST", "/vpc/v2/regions/fr-par/vpcs", raw=raw).status == 400
