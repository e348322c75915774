"""A client that changes a cloud at random, from a seed, and remembers every answer it was given.

A change whose answer never came may have happened or not: after each break the walker looks at what is there, and
checks that everything that was answered is. What it may do is in moves.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import httpx

from tests.cloud_under_test import Cloud

REGION, ZONE = "fr-par", "fr-par-1"
VPC, INSTANCE = f"/vpc/v2/regions/{REGION}", f"/instance/v1/zones/{ZONE}"
GATEWAY, LB = f"/vpc-gw/v2/zones/{ZONE}", f"/lb/v1/zones/{ZONE}"
K8S, RDB = f"/k8s/v1/regions/{REGION}", f"/rdb/v1/regions/{REGION}"

LISTS = {
    "vpc": (f"{VPC}/vpcs", "vpcs"),
    "network": (f"{VPC}/private-networks", "private_networks"),
    "route": (f"{VPC}/routes-with-nexthop", "routes"),
    "server": (f"{INSTANCE}/servers", "servers"),
    "ip": (f"{INSTANCE}/ips", "ips"),
    "group": (f"{INSTANCE}/security_groups", "security_groups"),
    "gateway": (f"{GATEWAY}/gateways", "gateways"),
    "attachment": (f"{GATEWAY}/gateway-networks", "gateway_networks"),
    "translation": (f"{GATEWAY}/pat-rules", "pat_rules"),
    "balancer": (f"{LB}/lbs", "lbs"),
    "way": (f"{LB}/routes", "routes"),
    "database": (f"{RDB}/instances", "instances"),
    "cluster": (f"{K8S}/clusters", "clusters"),
}
"""Where each kind is listed, and under which key."""
NESTED = {
    "rule": ("group", f"{INSTANCE}/security_groups/{{}}/rules", "rules"),
    "node": ("cluster", f"{K8S}/clusters/{{}}/nodes", "nodes"),
    "pool": ("cluster", f"{K8S}/clusters/{{}}/pools", "pools"),
    "backend": ("balancer", f"{LB}/lbs/{{}}/backends", "backends"),
    "frontend": ("balancer", f"{LB}/lbs/{{}}/frontends", "frontends"),
    "acl": ("frontend", f"{LB}/frontends/{{}}/acls", "acls"),
}
"""The same of what is listed below each of another kind. What goes takes what is below it along."""
WITHIN = {"nic": ("server", "private_nics"), "endpoint": ("database", "endpoints")}
"""What is said in the answer of another kind."""
ENTAILED = {"route": ("vpc", "vpc_id"), "translation": ("gateway", "gateway_id"), "way": ("frontend", "frontend_id")}
"""What goes with what it names."""
LEAVING = ("deleting", "to_delete", "detaching", "stopping")

Item = dict[str, Any]


class Broken(Exception):
    """The server went away before it answered."""


class Walker:
    """Changes a cloud. known: what is there now by kind, id -> its answer; there: what was answered to be there."""

    def __init__(self, cloud: Cloud, seed: int, moves: tuple[Callable[[Walker], None], ...]):
        self.cloud, self.random, self.moves = cloud, random.Random(seed), moves
        self.known: dict[str, dict[str, Item]] = {kind: {} for kind in (*LISTS, *NESTED, *WITHIN)}
        self.above: dict[tuple[str, str], tuple[str, str]] = {}
        self.there: set[tuple[str, str]] = set()
        self.gone: set[tuple[str, str]] = set()
        self.changes = 0
        self.done: dict[str, int] = {}
        self.http: httpx.Client | None = None

    def step(self) -> None:
        """One random change. Raises Broken."""
        move, before = self.random.choice(self.moves), self.changes
        move(self)
        self.done[move.__name__] = self.done.get(move.__name__, 0) + self.changes - before

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request; None where it was refused: what it needs is not there or in the way. Raises Broken when no whole
        answer came; a fault of the server's is an error of the test."""
        if self.http is None or self.http.base_url != self.cloud.url:  # a server that was started again is elsewhere
            self.http = self.cloud.http()
        try:
            answer = self.http.request(method, path, json=body)
        except httpx.TransportError as error:
            self.http.close()
            self.http = None
            raise Broken from error
        assert answer.status_code < 500, f"{method} {path}: {answer.status_code} {answer.text}"
        if answer.status_code >= 300:
            return None
        return answer.json() if answer.content else {}

    def look(self) -> None:
        """Learn what is there, and check it against every answer given so far."""
        seen = {kind: self._listed(path, key) for kind, (path, key) in LISTS.items()}
        self.above = {}
        for kind, (above, path, key) in NESTED.items():
            seen[kind] = {}
            for owner in seen[above]:
                self._below(seen, kind, (above, owner), self._listed(path.format(owner), key))
        for kind, (above, key) in WITHIN.items():
            seen[kind] = {}
            for owner, item in seen[above].items():
                self._below(seen, kind, (above, owner), {each["id"]: each for each in item[key]})
        for kind, (above, field) in ENTAILED.items():
            self.above |= {(kind, id_): (above, item[field]) for id_, item in seen[kind].items() if item.get(field)}
        for group in seen["group"].values():
            if group["name"].startswith("kubernetes "):  # a cluster's own, made and deleted with it
                self.above["group", group["id"]] = ("cluster", group["name"].split()[1])
        lost = {(kind, id_) for kind, id_ in self.there if id_ not in seen[kind]}
        assert not lost, f"answered, then lost: {lost}"
        self.known = {
            kind: {id_: item for id_, item in items.items() if not self._leaves(seen, kind, item)}
            for kind, items in seen.items()
        }
        back = {(kind, id_) for kind, id_ in self.gone if id_ in self.known[kind]}
        assert not back, f"answered as deleted, then there: {back}"

    def _leaves(self, seen: dict[str, dict[str, Item]], kind: str, item: Item) -> bool:
        """Whether something is on its way out, or may be: an endpoint is listed until its instance has changed."""
        if kind == "endpoint":
            _, owner = self.above[kind, item["id"]]
            return bool(seen["database"][owner]["status"] != "ready")
        return item.get("status", item.get("state")) in LEAVING

    def _below(
        self, seen: dict[str, dict[str, Item]], kind: str, above: tuple[str, str], items: dict[str, Item]
    ) -> None:
        seen[kind] |= items
        self.above |= {(kind, id_): above for id_ in items}

    def _listed(self, path: str, key: str) -> dict[str, Item]:
        """All pages of a list: what is on its way out is still listed, and there may be much of it."""
        found: dict[str, Item] = {}
        page = 1
        while (answer := self.call("GET", f"{path}?page={page}")) and answer[key]:
            listed = [item.get("route", item) for item in answer[key]]  # routes are listed with what they lead to
            found |= {item["id"]: item for item in listed}
            page += 1
        return found

    def pick(self, kind: str, wanted: Callable[[Item], bool] = lambda _: True) -> str | None:
        """One of a kind, at random; None where there is none."""
        ids = sorted(id_ for id_, item in self.known[kind].items() if wanted(item))
        return self.random.choice(ids) if ids else None

    def room(self, kind: str, most: int) -> bool:
        return len(self.known[kind]) < most

    def add(self, kind: str, path: str, body: Any, key: str = "", above: tuple[str, str] | None = None) -> Item | None:
        """Make one; key: where in the answer it is said."""
        answer = self.call("POST", path, body)
        if answer is None:
            return None
        item: Item = answer[key] if key else answer
        self.changes += 1
        if not item["id"]:  # an endpoint that is yet to come
            return item
        self.known[kind][item["id"]] = item
        self.there.add((kind, item["id"]))
        if above is not None:
            self.above[kind, item["id"]] = above
        return item

    def alter(self, method: str, path: str, body: Any = None) -> Any:
        """Change something that stays."""
        answer = self.call(method, path, body)
        self.changes += answer is not None
        return answer

    def drop(self, kind: str, id_: str, path: str, method: str = "DELETE", body: Any = None) -> None:
        """End something, and all below it."""
        ending = {(kind, id_)}
        while below := {each for each, above in self.above.items() if above in ending} - ending:
            ending |= below
        self.there -= ending
        if self.call(method, path, body) is not None:
            for each, which in ending:
                self.known[each].pop(which, None)
            self.gone.add((kind, id_))
            self.changes += 1
