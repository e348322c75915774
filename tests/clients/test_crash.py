"""A server killed at random while eight clients write: each write that was answered is there, and no half of one."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import httpx
import pytest

from hideaway.cloud.documents import KINDS
from hideaway.cloud.memory import MemoryLedger
from tests.cloud_under_test import Cloud, cloud
from tests.invariants import check_store

CLIENTS = 8
KILLS = int(os.environ.get("HIDEAWAY_KILLS", "50"))
SEED = int(os.environ.get("HIDEAWAY_SEED", "20260101"))

NETWORKS = "/vpc/v2/regions/fr-par/private-networks"
SERVERS = "/instance/v1/zones/fr-par-1/servers"
GATEWAYS = "/vpc-gw/v2/zones/fr-par-1/gateways"
LBS = "/lb/v1/zones/fr-par-1/lbs"
IPS = "/ipam/v1/regions/fr-par/ips"

pytestmark = pytest.mark.slow


class Gone(Exception):
    """The server went away before it answered."""


class Writer:
    """Makes, renames and deletes things. What it was answered last is what there must be.

    names: (kind, id) -> its name; gone: what was answered as deleted; doubt: what was asked for when the server went
    away: it may have come to pass or not, but not by half (the invariants see to that).
    """

    def __init__(self, served: Cloud, number: int):
        self.served, self.number, self.random = served, number, random.Random(SEED + number)
        self.names: dict[tuple[str, str], str] = {}
        self.gone: set[tuple[str, str]] = set()
        self.doubt: set[tuple[str, str]] = set()
        self.answers = self.counter = 0

    async def until_it_dies(self) -> None:
        # verify=False: loading the certificates of the world's authorities takes longer than the server lives
        async with httpx.AsyncClient(
            base_url=self.served.url, headers=self.served.headers, timeout=30, verify=False
        ) as self.http:
            while True:
                try:
                    await self.random.choice((self.make, self.make, self.nic, self.rename, self.rename, self.drop))()
                except Gone:
                    return

    async def ask(self, method: str, path: str, body: Any, about: tuple[str, str] | None = None) -> Any:
        try:
            answer = await self.http.request(method, path, json=body)
        except httpx.TransportError as error:
            if about is not None:
                self.doubt.add(about)
            raise Gone from error
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        self.answers += 1
        return answer.json() if answer.content else {}

    def name(self) -> str:
        self.counter += 1
        return f"w{self.number}-{self.counter}"

    async def make(self) -> None:
        name = self.name()
        kind, path, body, key = self.random.choice(
            [
                ("vpc/private_network", NETWORKS, {}, None),
                ("instance/server", SERVERS, {"commercial_type": "DEV1-S", "image": "debian_bookworm"}, "server"),
                ("vpcgw/gateway", GATEWAYS, {"type": "VPC-GW-S"}, None),
                ("lb/lb", LBS, {"type": "LB-S"}, None),
            ]
        )
        made = await self.ask("POST", path, body | {"name": name})
        self.names[kind, (made[key] if key else made)["id"]] = name

    def pick(self, *kinds: str) -> tuple[str, str] | None:
        standing = sorted(key for key in self.names if key not in self.doubt and (not kinds or key[0] in kinds))
        return self.random.choice(standing) if standing else None

    async def nic(self) -> None:
        """A NIC is five documents at least: itself, its two addresses, what they are attached to."""
        server, network = self.pick("instance/server"), self.pick("vpc/private_network")
        if server and network:
            try:
                made = await self.ask("POST", f"{SERVERS}/{server[1]}/private_nics", {"private_network_id": network[1]})
            except AssertionError:  # it is in that network already, or in eight
                return
            self.names["instance/private_nic", made["private_nic"]["id"]] = ""

    PATHS = {"vpc/private_network": NETWORKS, "instance/server": SERVERS, "vpcgw/gateway": GATEWAYS, "lb/lb": LBS}

    async def rename(self) -> None:
        if about := self.pick(*self.PATHS):
            name = self.name()
            method = "PUT" if about[0] == "lb/lb" else "PATCH"
            await self.ask(method, f"{self.PATHS[about[0]]}/{about[1]}", {"name": name}, about)
            self.names[about] = name

    async def drop(self) -> None:
        if about := self.pick("vpcgw/gateway", "lb/lb"):
            extra = "?delete_ip=true" if about[0] == "vpcgw/gateway" else "?release_ip=true"
            await self.ask("DELETE", f"{self.PATHS[about[0]]}/{about[1]}{extra}", None, about)
            del self.names[about]
            self.gone.add(about)

    def check(self, ledger: MemoryLedger) -> None:
        """Nothing that was answered is lost."""
        for key, name in self.names.items():
            document = ledger.get(KINDS[key[0]], key[1])
            if key in self.doubt:
                continue
            assert document is not None, f"{key} was answered, and lost"
            assert not name or document.label == name, f"{key}: {name} was answered, it is {document.label}"
        for kind, id_ in self.gone:
            left = ledger.get(KINDS[kind], id_)
            assert left is None or left.pending is not None, f"{kind} {id_} was answered as deleted, and is there"
        for key in self.doubt:  # from now on it is what it turned out to be
            document = ledger.get(KINDS[key[0]], key[1])
            if document is None or document.pending is not None:
                self.names.pop(key, None)
            else:
                self.names[key] = document.label
        self.doubt.clear()


@pytest.mark.parametrize(("durability", "kills"), [("process", KILLS * 4 // 5), ("power", KILLS // 5)])
def test_what_was_answered_survives_a_kill(tmp_path: Path, durability: str, kills: int) -> None:
    moments = random.Random(SEED)
    with cloud(tmp_path, "--data-plane", "none", "--durability", durability) as served:
        writers = [Writer(served, number) for number in range(CLIENTS)]

        async def write_until(seconds: float) -> None:
            writing = [asyncio.create_task(writer.until_it_dies()) for writer in writers]
            before = sum(writer.answers for writer in writers)
            while sum(writer.answers for writer in writers) == before:
                await asyncio.sleep(0.005)
            await asyncio.sleep(seconds)
            assert served.process is not None
            served.process.kill()
            await asyncio.gather(*writing)

        for _ in range(kills):
            asyncio.run(write_until(moments.uniform(0.05, 0.5)))
            assert served.process is not None
            served.process.wait()
            ledger = check_store(served.state / "store.sqlite")
            for writer in writers:
                writer.check(ledger)
            served.start()
        assert sum(writer.answers for writer in writers) > kills * CLIENTS
        with served.http() as http:
            assert http.get("/hideaway/v1/health").json()["durability"] == durability
