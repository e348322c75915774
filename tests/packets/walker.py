"""A client that changes a cloud at random, from a seed, and remembers every answer it was given.

A change whose answer never came may have happened or not: after each break the walker looks at what is there, and
checks that everything that was answered is.
"""

from __future__ import annotations

import random
from typing import Any

import httpx

from tests.cloud_under_test import Cloud

REGION, ZONE = "fr-par", "fr-par-1"
NETWORKS = f"/vpc/v2/regions/{REGION}/private-networks"
SERVERS = f"/instance/v1/zones/{ZONE}/servers"
GATEWAYS = f"/vpc-gw/v2/zones/{ZONE}/gateways"
ATTACHMENTS = f"/vpc-gw/v2/zones/{ZONE}/gateway-networks"
GROUPS = f"/instance/v1/zones/{ZONE}/security_groups"
CLUSTERS = f"/k8s/v1/regions/{REGION}/clusters"
POOLS = f"/k8s/v1/regions/{REGION}/pools"

MOST = {"network": 3, "server": 4, "gateway": 2, "attachment": 3, "rule": 4, "nic": 5}


class Broken(Exception):
    """The server went away before it answered."""


class Walker:
    """Changes a cloud. known: what is there now by kind, id -> its answer; promised: what was answered to be there."""

    def __init__(self, cloud: Cloud, seed: int):
        self.cloud, self.random = cloud, random.Random(seed)
        self.known: dict[str, dict[str, Any]] = {kind: {} for kind in [*MOST, "cluster", "pool"]}
        self.there: set[tuple[str, str]] = set()
        self.gone: set[tuple[str, str]] = set()
        self.changes = 0
        self.http: httpx.Client | None = None
        self.group = ""

    def call(self, method: str, path: str, body: Any = None, accept: tuple[int, ...] = (200, 201, 202, 204)) -> Any:
        """One request. Raises Broken when no whole answer came; an answer of another status is an error of the test."""
        if self.http is None:
            self.http = self.cloud.http()
        try:
            answer = self.http.request(method, path, json=body)
        except httpx.TransportError as error:
            self.http.close()
            self.http = None
            raise Broken from error
        assert answer.status_code < 500, f"{method} {path}: {answer.status_code} {answer.text}"
        if answer.status_code not in accept:
            return None  # refused: what it needs is not there or in the way, e.g. a gateway in transition
        return answer.json() if answer.content else {}

    def look(self) -> None:
        """Learn what is there, and check it against every answer given so far."""
        seen: dict[str, dict[str, Any]] = {kind: {} for kind in self.known}
        seen["network"] = self._listed(NETWORKS, "private_networks")
        seen["server"] = {i: s for i, s in self._listed(SERVERS, "servers").items() if not s["tags"]}
        seen["gateway"] = self._listed(GATEWAYS, "gateways")
        seen["attachment"] = self._listed(ATTACHMENTS, "gateway_networks")
        groups = self._listed(GROUPS + "?project_default=true", "security_groups")
        self.group = next(iter(groups), "")
        if self.group:
            rules = self.call("GET", f"{GROUPS}/{self.group}/rules")["rules"]
            seen["rule"] = {r["id"]: r for r in rules if r["editable"]}
        seen["nic"] = {n["id"]: n for s in seen["server"].values() for n in s["private_nics"]}
        seen["cluster"] = self._listed(CLUSTERS, "clusters")
        for cluster_id in seen["cluster"]:
            seen["pool"] |= self._listed(f"{CLUSTERS}/{cluster_id}/pools", "pools")
        leaving = ("deleting", "detaching", "stopping")
        self.known = {
            kind: {i: v for i, v in items.items() if v.get("status", v.get("state")) not in leaving}
            for kind, items in seen.items()
        }
        lost = {(k, i) for k, i in self.there if i not in seen[k]}
        assert not lost, f"answered, then lost: {lost}"
        back = {(k, i) for k, i in self.gone if i in self.known[k]}
        assert not back, f"answered as deleted, then there: {back}"

    def _listed(self, path: str, key: str) -> dict[str, Any]:
        """All pages of a list: what is on its way out is still listed, and there may be much of it."""
        found: dict[str, Any] = {}
        page = 1
        while items := self.call("GET", f"{path}{'&' if '?' in path else '?'}page={page}")[key]:
            found |= {item["id"]: item for item in items}
            page += 1
        return found

    def made(self, kind: str, item: Any) -> None:
        if item is not None:
            self.known[kind][item["id"]] = item
            self.there.add((kind, item["id"]))
            self.changes += 1

    def step(self) -> None:
        """One random change. Raises Broken."""
        actions = (
            self.add_network, self.add_server, self.add_server, self.add_gateway, self.attach, self.attach,
            self.add_rule, self.add_rule, self.add_nic, self.add_nic, self.add_cluster, self.resize,
            self.drop_rule, self.detach, self.drop_server, self.drop_nic, self.power, self.drop_gateway,
        )  # fmt: skip
        self.random.choice(actions)()

    def _pick(self, kind: str) -> str | None:
        ids = sorted(self.known[kind])
        return self.random.choice(ids) if ids else None

    def _room(self, kind: str) -> bool:
        return len(self.known[kind]) < MOST[kind]

    def add_network(self) -> None:
        if self._room("network"):
            self.made("network", self.call("POST", NETWORKS, {"name": "net"}))

    def add_server(self) -> None:
        if self._room("server"):
            body = {"name": "srv", "commercial_type": "DEV1-S", "image": "ubuntu_jammy", "dynamic_ip_required": True}
            made = self.call("POST", SERVERS, body)
            self.made("server", made and made["server"])
            if made:
                self.call("POST", f"{SERVERS}/{made['server']['id']}/action", {"action": "poweron"})

    def power(self) -> None:
        server = self._pick("server")
        if server:
            action = self.random.choice(["poweron", "poweroff", "reboot"])
            self.changes += self.call("POST", f"{SERVERS}/{server}/action", {"action": action}) is not None

    def add_nic(self) -> None:
        server, network = self._pick("server"), self._pick("network")
        if server and network and self._room("nic"):
            made = self.call("POST", f"{SERVERS}/{server}/private_nics", {"private_network_id": network})
            self.made("nic", made and made["private_nic"])

    def drop_nic(self) -> None:
        nic = self._pick("nic")
        if nic:
            server = self.known["nic"][nic]["server_id"]
            self._drop("nic", nic, f"{SERVERS}/{server}/private_nics/{nic}")

    def drop_server(self) -> None:
        server = self._pick("server")
        if server and self.random.random() < 0.5:
            for nic in [n for n, v in self.known["nic"].items() if v["server_id"] == server]:
                self.there.discard(("nic", nic))
                del self.known["nic"][nic]
            self.there.discard(("server", server))
            done = self.call("POST", f"{SERVERS}/{server}/action", {"action": "terminate"})
            if done is not None:
                del self.known["server"][server]
                self.gone.add(("server", server))
                self.changes += 1

    def add_gateway(self) -> None:
        if self._room("gateway"):
            body = {"name": "gw", "type": "VPC-GW-S", "enable_smtp": False, "enable_bastion": False}
            self.made("gateway", self.call("POST", GATEWAYS, body))

    def drop_gateway(self) -> None:
        gateway = self._pick("gateway")
        used = {a["gateway_id"] for a in self.known["attachment"].values()}
        if gateway and gateway not in used:
            self._drop("gateway", gateway, f"{GATEWAYS}/{gateway}?delete_ip=true")

    def attach(self) -> None:
        gateway, network = self._pick("gateway"), self._pick("network")
        if gateway and network and self._room("attachment"):
            body = {
                "gateway_id": gateway, "private_network_id": network, "enable_masquerade": True,
                "push_default_route": self.random.random() < 0.8,
            }  # fmt: skip
            self.made("attachment", self.call("POST", ATTACHMENTS, body))

    def detach(self) -> None:
        attachment = self._pick("attachment")
        if attachment:
            self._drop("attachment", attachment, f"{ATTACHMENTS}/{attachment}")

    def add_rule(self) -> None:
        if self.group and self._room("rule"):
            port = self.random.randrange(1000, 2000)
            body = {
                "protocol": "TCP", "direction": "inbound", "action": self.random.choice(["accept", "drop"]),
                "ip_range": "0.0.0.0/0", "dest_port_from": port, "position": 1, "editable": True,
            }  # fmt: skip
            made = self.call("POST", f"{GROUPS}/{self.group}/rules", body)
            self.made("rule", made and made["rule"])

    def drop_rule(self) -> None:
        rule = self._pick("rule")
        if rule:
            self._drop("rule", rule, f"{GROUPS}/{self.group}/rules/{rule}")

    def add_cluster(self) -> None:
        network = self._pick("network")
        if network and not self.known["cluster"]:
            version = self.call("GET", f"/k8s/v1/regions/{REGION}/versions")["versions"][0]["name"]
            body = {
                "name": "k", "type": "kapsule", "version": version, "cni": "cilium", "private_network_id": network,
                "description": "",
                "pools": [{"name": "p", "node_type": "DEV1-M", "size": 1, "autoscaling": False, "autohealing": False}],
            }  # fmt: skip
            self.made("cluster", self.call("POST", CLUSTERS, body))

    def resize(self) -> None:
        pool = self._pick("pool")
        if pool:
            self.changes += self.call("PATCH", f"{POOLS}/{pool}", {"size": self.random.randrange(3)}) is not None

    def _drop(self, kind: str, id_: str, path: str) -> None:
        self.there.discard((kind, id_))
        if self.call("DELETE", path) is not None:
            self.known[kind].pop(id_, None)
            self.gone.add((kind, id_))
            self.changes += 1
