"""Faults are wished for, listed and taken back through HTTP; a wish that makes no sense says why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from hideaway.api.call import Settings
from hideaway.api.pipeline import Api
from hideaway.api.products import PRODUCTS
from hideaway.cloud.change import Change
from hideaway.cloud.faults import Fault
from hideaway.compile import compile_fabric
from hideaway.control.struck import mark
from hideaway.fabric.model import Fabric
from hideaway.server.own import own_product
from hideaway.server.seen import Sight
from tests.api_in_process import Cloud
from tests.unit.api.instances import running
from tests.unit.server.test_own import inside_of, restricted

FAULTS = "/hideaway/v1/faults"
GATEWAYS = "/vpc-gw/v2/zones/fr-par-1/gateways"


class Broken(Cloud):
    """A cloud whose data plane remembers whom it was told to strike. data_plane: whether it has one."""

    def __init__(self, *, data_plane: bool = True) -> None:
        super().__init__()
        self.strikes: list[tuple[str, bool]] = []

        def fabric() -> Fabric:
            return compile_fabric(self.store.snapshot()[1])

        def unseen(*_: Any) -> Any:
            raise AssertionError("nobody looks here")

        def strike(host: str, program: bool) -> None:
            self.strikes.append((host, program))

        sight = Sight(trace=unseen, counts=unseen, capture=unseen, strike=strike) if data_plane else None
        inside = msgspec.structs.replace(inside_of(self), fabric=fabric, sight=sight)
        products = (*PRODUCTS, own_product(inside))
        self.application = Api(self.store, self.clock, self.ids, self.pace, Settings(), products).application()

    def refused(self, **wish: Any) -> str:
        answer = self.ask("POST", FAULTS, wish)
        assert answer.status in (400, 404, 412), answer.raw
        return answer.raw.decode()

    def hosts(self) -> set[str]:
        return {host.id for host in compile_fabric(self.store.snapshot()[1]).hosts}

    def mark(self) -> bool:
        with self.store.transaction() as ledger:
            return mark(Change(ledger, self.clock.now(), self.ids, self.pace))


@pytest.fixture
def cloud() -> Iterator[Broken]:
    made = Broken()
    yield made
    made.close()


def test_a_fault_stands_until_it_is_taken_back(cloud: Broken) -> None:
    server = running(cloud, name="web")
    fault = cloud.post(FAULTS, harm="kill", target="web")
    assert (fault["target"], fault["name"], fault["said"]) == (server["id"], "web", "web is killed")
    assert server["id"] not in cloud.hosts()
    assert cloud.get(FAULTS) == {"faults": [fault], "total_count": 1}
    cloud.delete(f"{FAULTS}/{fault['id']}")
    assert server["id"] in cloud.hosts()
    assert cloud.ask("DELETE", f"{FAULTS}/{fault['id']}").status == 404


def test_all_are_taken_back_at_once_or_with_everything(cloud: Broken) -> None:
    running(cloud, name="web")
    cloud.post(FAULTS, harm="cut", target="web")
    cloud.post(FAULTS, harm="zone", target="fr-par-2")
    cloud.delete(FAULTS)
    assert cloud.get(FAULTS)["faults"] == []
    cloud.post(FAULTS, harm="zone", target="fr-par-2")
    cloud.post("/hideaway/v1/reset")
    assert cloud.get(FAULTS)["faults"] == []


def test_one_of_a_kind_at_a_place(cloud: Broken) -> None:
    running(cloud, name="web", dynamic_ip_required=True)
    first = cloud.post(FAULTS, harm="delay", target="web", delay=10)
    second = cloud.post(FAULTS, harm="delay", target="web", delay=20, loss=1)
    other = cloud.post(FAULTS, harm="delay", target="web:pub", jitter=3)
    assert second["id"] == first["id"]
    assert second["said"] == "the link of web is late by 20 ms, loses 1 %"
    assert other["said"] == "the link of web:pub is late by 0 ms, and up to 3 ms more"
    assert [f["id"] for f in cloud.get(FAULTS)["faults"]] == [first["id"], other["id"]]


def test_what_is_over_at_once_is_not_kept(cloud: Broken) -> None:
    server = running(cloud, name="web")
    assert cloud.post(FAULTS, harm="kill", target="web", once=True)["id"] == ""
    assert cloud.strikes == [(server["id"], False)]
    assert cloud.get(FAULTS)["faults"] == []


def test_wishes_that_make_no_sense(cloud: Broken) -> None:
    running(cloud, name="web")
    assert "no host is called 'nobody'" in cloud.refused(harm="kill", target="nobody")
    assert "no interface 'ens9'" in cloud.refused(harm="cut", target="web:ens9")
    assert "is no zone" in cloud.refused(harm="zone", target="fr-par-9")
    assert "is no Private Network" in cloud.refused(harm="dhcp", target="nowhere")
    assert "no program but its owner's" in cloud.refused(harm="kill", target="web", program=True)
    assert "does not go with cut" in cloud.refused(harm="cut", target="web", once=True)
    assert "does not go with kill" in cloud.refused(harm="kill", target="web", loss=3)
    assert "say how late" in cloud.refused(harm="delay", target="web")
    assert "loss" in cloud.refused(harm="delay", target="web", loss=101)
    assert "harm" in cloud.refused(harm="paint", target="web")
    assert cloud.get(FAULTS)["faults"] == []


def test_only_owners_may_and_only_where_packets_flow(cloud: Broken) -> None:
    key = restricted(cloud, "InstancesFullAccess", project=cloud.owner.project_id)
    body = {"harm": "zone", "target": "fr-par-1"}
    for method, sent in (("GET", None), ("POST", body), ("DELETE", None)):
        assert cloud.ask(method, FAULTS, sent, key=key).status == 403
    dry = Broken(data_plane=False)
    try:
        assert dry.ask("POST", FAULTS, body).status == 412
    finally:
        dry.close()


def test_a_gateway_that_is_taken_out_says_so(cloud: Broken) -> None:
    gateway = cloud.post(GATEWAYS, name="gate", type="VPC-GW-S")["id"]

    def status() -> str:
        return str(cloud.get(f"{GATEWAYS}/{gateway}")["status"])

    assert status() == "running"
    assert not cloud.mark()
    cloud.post(FAULTS, harm="zone", target="fr-par-1")
    assert cloud.mark()
    assert status() == "failed"
    cloud.delete(FAULTS)
    assert gateway in cloud.hosts(), "what failed is built again"
    assert not cloud.mark()
    assert status() == "running"


def test_a_fault_keeps_nothing_from_being_deleted(cloud: Broken) -> None:
    network = cloud.post("/vpc/v2/regions/fr-par/private-networks", name="net")["id"]
    fault = cloud.post(FAULTS, harm="dhcp", target="net")
    cloud.delete(f"/vpc/v2/regions/fr-par/private-networks/{network}")
    assert [f["id"] for f in cloud.get(FAULTS)["faults"]] == [fault["id"]]
    assert cloud.store.snapshot()[1].find(Fault)[0].target == network
