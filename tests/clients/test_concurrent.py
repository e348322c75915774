"""32 clients at once in one Private Network: nothing that was answered is lost, nothing is given out twice, and when
all have deleted what they made, nothing of it is left.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hideaway.cloud.memory import MemoryLedger
from hideaway.cloud.network import Ip, PrivateNetwork
from hideaway.cloud.servers import SecurityGroup
from tests.cloud_under_test import Cloud, cloud
from tests.invariants import check_store, counts

CLIENTS = 32
STEPS = int(os.environ.get("HIDEAWAY_STEPS", "40"))
SEED = int(os.environ.get("HIDEAWAY_SEED", "20260101"))

REGION, ZONE = "regions/fr-par", "zones/fr-par-1"
NETWORKS = f"/vpc/v2/{REGION}/private-networks"
IPS = f"/ipam/v1/{REGION}/ips"
SERVERS = f"/instance/v1/{ZONE}/servers"
GROUPS = f"/instance/v1/{ZONE}/security_groups"
VOLUMES = f"/instance/v1/{ZONE}/volumes"
GATEWAYS = f"/vpc-gw/v2/{ZONE}/gateways"
ATTACHMENTS = f"/vpc-gw/v2/{ZONE}/gateway-networks"
LBS = f"/lb/v1/{ZONE}/lbs"
DATABASES = f"/rdb/v1/{REGION}/instances"
CLUSTERS = f"/k8s/v1/{REGION}/clusters"
POOLS = f"/k8s/v1/{REGION}/pools"

pytestmark = pytest.mark.slow


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Cloud]:
    with cloud(tmp_path, "--data-plane", "none") as running:
        yield running


class Client:
    """One client with a connection of its own. made: what stands of it, kind -> id -> what it knows of it."""

    def __init__(self, served: Cloud, number: int, shared: dict[str, str]):
        self.number, self.shared, self.random = number, shared, random.Random(SEED + number)
        self.http = httpx.AsyncClient(base_url=served.url, headers=served.headers, timeout=60)
        self.made: dict[str, dict[str, Any]] = {}
        self.written: dict[str, str] = {}  # user data key of the shared server -> its last value
        self.done: Counter[str] = Counter()

    async def ask(self, method: str, path: str, body: Any = None, *, accept: tuple[int, ...] = ()) -> Any:
        """What a request that must succeed (or be refused with one of `accept`: then None) answers."""
        answer = await self.http.request(method, path, json=body)
        if answer.status_code in accept:
            return None
        assert answer.is_success, f"{method} {path} {body}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else {}

    def keep(self, kind: str, id_: str, known: Any = None) -> None:
        self.made.setdefault(kind, {})[id_] = known
        self.done[kind] += 1

    def pick(self, kind: str) -> str | None:
        ids = sorted(self.made.get(kind, {}))
        return self.random.choice(ids) if ids else None

    # what a client may do next

    async def server(self) -> None:
        body = {"name": "s", "commercial_type": "DEV1-S", "image": "debian_bookworm", "dynamic_ip_required": True}
        server = (await self.ask("POST", SERVERS, body))["server"]
        self.keep("server", server["id"])
        await self.ask("POST", f"{SERVERS}/{server['id']}/action", {"action": "poweron"})

    async def nic(self) -> None:
        if server := self.pick("server"):
            body = {"private_network_id": self.shared["network"]}
            made = await self.ask("POST", f"{SERVERS}/{server}/private_nics", body, accept=(409,))
            if made:
                self.keep("nic", made["private_nic"]["id"], server)

    async def booking(self) -> None:
        source = {"private_network_id": self.shared["network"]}
        ip = await self.ask("POST", IPS, {"source": source, "is_ipv6": self.random.random() < 0.3})
        self.keep("booking", ip["id"], ip["address"])

    async def gateway(self) -> None:
        if len(self.made.get("gateway", {})) < 2:
            gateway = await self.ask("POST", GATEWAYS, {"type": "VPC-GW-S", "name": "g"})
            self.keep("gateway", gateway["id"])
            body = {"gateway_id": gateway["id"], "private_network_id": self.shared["network"]}
            self.keep("attachment", (await self.ask("POST", ATTACHMENTS, body))["id"])

    async def balancer(self) -> None:
        lb = await self.ask(
            "POST", LBS, {"name": "l", "type": "LB-S", "assign_flexible_ip": self.random.random() < 0.5}
        )
        self.keep("balancer", lb["id"])
        body = {"private_network_id": self.shared["network"]}
        await self.ask("POST", f"{LBS}/{lb['id']}/attach-private-network", body)

    async def database(self) -> None:
        if len(self.made.get("database", {})) < 1:
            inside = {"private_network": {"private_network_id": self.shared["network"], "ipam_config": {}}}
            body = {
                "name": "d", "engine": "PostgreSQL-15", "node_type": "DB-DEV-S", "user_name": "u",
                "password": "Password-1234567", "is_ha_cluster": False, "disable_backup": True, "volume_type": "lssd",
                "init_endpoints": [inside],
            }  # fmt: skip
            self.keep("database", (await self.ask("POST", DATABASES, body))["id"])

    async def group(self) -> None:
        self.keep("group", (await self.ask("POST", GROUPS, {"name": "g"}))["security_group"]["id"])

    async def volume(self) -> None:
        body = {"name": "v", "volume_type": "l_ssd", "size": 10**9}
        self.keep("volume", (await self.ask("POST", VOLUMES, body))["volume"]["id"])

    async def pool(self) -> None:
        if len(self.made.get("pool", {})) < 1:
            body = {"name": f"p{self.number}", "node_type": "DEV1-M", "size": self.random.randrange(1, 3)}
            made = await self.ask("POST", f"{CLUSTERS}/{self.shared['cluster']}/pools", body)
            self.keep("pool", made["id"])

    async def resize(self) -> None:
        if pool := self.pick("pool"):
            size = self.random.randrange(3)
            await self.ask("PATCH", f"{POOLS}/{pool}", {"size": size})
            self.made["pool"][pool] = size

    async def rule(self) -> None:
        """In a group that all share: its rules are one document, which all change."""
        body = {
            "protocol": "TCP", "direction": "inbound", "action": "accept", "ip_range": f"10.{self.number}.0.0/16",
            "dest_port_from": self.random.randrange(1, 65535),
        }  # fmt: skip
        made = await self.ask("POST", f"{GROUPS}/{self.shared['group']}/rules", body)
        self.keep("rule", made["rule"]["id"], body["dest_port_from"])

    async def write(self) -> None:
        """A key of one's own in a document that all write."""
        key, value = f"c{self.number}-{self.random.randrange(3)}", str(self.random.random())
        path = f"{SERVERS}/{self.shared['server']}/user_data/{key}"
        answer = await self.http.patch(path, content=value, headers={"Content-Type": "text/plain"})
        assert answer.status_code == 204, answer.text
        self.written[key] = value
        self.done["write"] += 1

    async def frontend(self) -> None:
        """On a port of one's own, of a Load Balancer that all share."""
        body = {"name": "f", "inbound_port": 1000 + self.number, "backend_id": self.shared["backend"]}
        made = await self.ask("POST", f"{LBS}/{self.shared['balancer']}/frontends", body, accept=(409,))
        assert (made is None) == bool(self.made.get("frontend"))
        if made:
            self.keep("frontend", made["id"])

    async def drop(self) -> None:
        kinds = [kind for kind in self.made if self.made[kind] and kind != "server"]
        if kinds:
            await self.delete(kind := self.random.choice(kinds), self.pick(kind) or "")

    async def delete(self, kind: str, id_: str) -> None:
        known = self.made[kind].pop(id_)
        paths = {
            "booking": f"{IPS}/{id_}", "attachment": f"{ATTACHMENTS}/{id_}", "group": f"{GROUPS}/{id_}",
            "gateway": f"{GATEWAYS}/{id_}?delete_ip=true", "balancer": f"{LBS}/{id_}?release_ip=true",
            "database": f"{DATABASES}/{id_}", "volume": f"{VOLUMES}/{id_}", "pool": f"{POOLS}/{id_}",
            "rule": f"{GROUPS}/{self.shared['group']}/rules/{id_}", "nic": f"{SERVERS}/{known}/private_nics/{id_}",
            "frontend": f"/lb/v1/{ZONE}/frontends/{id_}",
        }  # fmt: skip
        if kind == "gateway":
            self.made["attachment"] = {}  # which go with it; each client has its own
        if kind == "server":
            server = (await self.ask("GET", f"{SERVERS}/{id_}"))["server"]
            await self.ask("POST", f"{SERVERS}/{id_}/action", {"action": "terminate"})
            for volume in server["volumes"].values():
                await self.ask("DELETE", f"/block/v1/{ZONE}/volumes/{volume['id']}")
        else:
            await self.ask("DELETE", paths[kind])
        self.done["delete"] += 1

    async def walk(self) -> None:
        actions: list[Callable[[], Awaitable[None]]] = [
            self.server, self.nic, self.nic, self.booking, self.booking, self.gateway, self.balancer, self.database,
            self.group, self.volume, self.pool, self.resize, self.rule, self.rule, self.write, self.write,
            self.frontend, self.drop, self.drop, self.drop,
        ]  # fmt: skip
        for _ in range(STEPS):
            await self.random.choice(actions)()

    async def clean(self) -> None:
        order = ("nic", "frontend", "rule", "pool", "database", "balancer", "attachment", "gateway", "server")
        for kind in (*order, *self.made):
            for id_ in list(self.made.get(kind, {})):
                await self.delete(kind, id_)


async def share(served: Cloud) -> dict[str, str]:
    """What all clients work on."""
    one = Client(served, 999, {})
    network = await one.ask("POST", NETWORKS, {"name": "shared", "subnets": ["10.0.0.0/20"]})
    group = (await one.ask("POST", GROUPS, {"name": "shared"}))["security_group"]
    server = await one.ask("POST", SERVERS, {"name": "s", "commercial_type": "DEV1-S", "image": "debian_bookworm"})
    version = (await one.ask("GET", f"/k8s/v1/{REGION}/versions"))["versions"][0]["name"]
    body = {"name": "c", "type": "kapsule", "cni": "cilium", "version": version, "private_network_id": network["id"]}
    cluster = await one.ask("POST", CLUSTERS, body)
    lb = await one.ask("POST", LBS, {"name": "shared", "type": "LB-S"})
    backend = await one.ask(
        "POST", f"{LBS}/{lb['id']}/backends",
        {"name": "b", "forward_protocol": "tcp", "forward_port": 80, "server_ip": [], "health_check": {"port": 80}},
    )  # fmt: skip
    await one.http.aclose()
    return {
        "network": network["id"], "group": group["id"], "server": server["server"]["id"], "cluster": cluster["id"],
        "balancer": lb["id"], "backend": backend["id"],
    }  # fmt: skip


def test_32_clients_lose_no_update_and_leave_no_orphan(served: Cloud) -> None:
    asyncio.run(many(served))


async def many(served: Cloud) -> None:
    file = served.state / "store.sqlite"
    shared = await share(served)
    # Nodes bring a group for their cluster: it belongs to what stands before.
    first = Client(served, 1000, shared)
    await first.pool()
    await first.clean()
    await first.ask("GET", SERVERS)  # ends the last transitions
    before = counts(check_store(file))
    clients = [Client(served, number, shared) for number in range(CLIENTS)]

    walking = asyncio.gather(*(client.walk() for client in clients))
    while not walking.done():
        await asyncio.wait({walking}, timeout=1.5)
        await asyncio.to_thread(check_store, file)  # whole at every moment, seen from outside
    await walking
    assert sum((c.done for c in clients), Counter()).total() > CLIENTS * STEPS / 2
    await nothing_is_lost(first, clients, check_store(file))

    await asyncio.gather(*(client.clean() for client in clients))
    await first.ask("GET", SERVERS)
    after = counts(check_store(file))
    assert after == before
    for client in (first, *clients):
        await client.http.aclose()


async def nothing_is_lost(one: Client, clients: list[Client], ledger: MemoryLedger) -> None:
    """What each client was last answered is what there is."""
    shared = one.shared
    ips = {ip.id: ip.address for ip in ledger.find(Ip)}
    for client in clients:
        for id_, address in client.made.get("booking", {}).items():
            assert ips[id_] == address
        for pool, size in client.made.get("pool", {}).items():
            shown = await one.ask("GET", f"{POOLS}/{pool}")
            assert size is None or shown["size"] == size
    group = ledger.get(SecurityGroup, shared["group"])
    assert group is not None
    known = {id_: port for client in clients for id_, port in client.made.get("rule", {}).items()}
    assert {r.id: r.dest_port_from for r in group.rules} == known
    data = f"{SERVERS}/{shared['server']}/user_data"
    written = {key: value for client in clients for key, value in client.written.items()}
    assert set((await one.ask("GET", data))["user_data"]) == set(written)
    for key, value in written.items():
        assert (await one.http.get(f"{data}/{key}")).text == value


def test_of_32_who_want_the_same_one_gets_it(served: Cloud) -> None:
    asyncio.run(race(served))


async def race(served: Cloud) -> None:
    shared = await share(served)
    clients = [Client(served, number, shared) for number in range(CLIENTS)]
    one = clients[0]

    async def winners(ask: Callable[[Client], Awaitable[httpx.Response]], *refusals: int) -> list[Any]:
        """What those get who get something. The others are refused, each with one of these."""
        answers = await asyncio.gather(*(ask(client) for client in clients))
        assert {a.status_code for a in answers if not a.is_success} <= set(refusals), [a.text for a in answers]
        return [a.json() for a in answers if a.is_success]

    def post(path: str, body: Any) -> Callable[[Client], Awaitable[httpx.Response]]:
        return lambda client: client.http.post(path, json=body)

    source = {"private_network_id": shared["network"]}
    assert len(await winners(post(IPS, {"source": source, "address": "10.0.7.7"}), 400)) == 1
    frontend = {"name": "f", "inbound_port": 443, "backend_id": shared["backend"]}
    assert len(await winners(post(f"{LBS}/{shared['balancer']}/frontends", frontend), 409)) == 1
    assert len(await winners(post(f"{SERVERS}/{shared['server']}/private_nics", source), 409)) == 1

    booked = (await one.ask("POST", IPS, {"source": source}))["id"]
    volume = (await one.ask("POST", VOLUMES, {"name": "v", "volume_type": "scratch", "size": 10**9}))["volume"]["id"]
    servers = {}
    for client in clients:
        body = {"name": "s", "commercial_type": "DEV1-S", "image": "debian_bookworm"}
        servers[client.number] = (await client.ask("POST", SERVERS, body))["server"]["id"]
    wanting = {"private_network_id": shared["network"], "ipam_ip_ids": [booked]}
    assert (
        len(await winners(lambda c: c.http.post(f"{SERVERS}/{servers[c.number]}/private_nics", json=wanting), 412)) == 1
    )
    taking = {"volume_id": volume, "volume_type": "scratch"}
    got = await winners(lambda c: c.http.post(f"{SERVERS}/{servers[c.number]}/attach-volume", json=taking), 400, 412)
    assert len(got) == 1
    gateway = (await one.ask("POST", GATEWAYS, {"type": "VPC-GW-S", "name": "g"}))["id"]
    attachment = {"gateway_id": gateway, "private_network_id": shared["network"]}
    assert len(await winners(post(ATTACHMENTS, attachment), 409)) == 1

    gone = await asyncio.gather(*(c.http.delete(f"{IPS}/{booked}") for c in clients))
    assert {a.status_code for a in gone} == {412}, "it is attached"
    gone = await asyncio.gather(*(c.http.delete(f"{LBS}/{shared['balancer']}?release_ip=true") for c in clients))
    assert Counter(a.status_code for a in gone)[204] == 1
    assert {a.status_code for a in gone} <= {204, 404, 409}
    check_store(served.state / "store.sqlite")
    for client in clients:
        await client.http.aclose()


def test_the_last_address_of_a_network_is_one_s(served: Cloud) -> None:
    """A /28 has 13 addresses to give: of 32 bookings at once 13 come through, all of them different."""

    async def run() -> list[httpx.Response]:
        clients = [Client(served, number, {}) for number in range(CLIENTS)]
        network = await clients[0].ask("POST", NETWORKS, {"name": "small", "subnets": ["10.0.0.0/28"]})
        body = {"source": {"private_network_id": network["id"]}}
        answers = await asyncio.gather(*(client.http.post(IPS, json=body) for client in clients))
        for client in clients:
            await client.http.aclose()
        return list(answers)

    answers = asyncio.run(run())
    assert Counter(a.status_code for a in answers) == {200: 13, 400: CLIENTS - 13}
    assert len({a.json()["address"] for a in answers if a.is_success}) == 13
    ledger = check_store(served.state / "store.sqlite")
    (small,) = ledger.find(PrivateNetwork)
    assert len(ledger.find(Ip, ref=small.id)) == 13
