"""The control loop on a backend that only records: statuses follow what the data plane was seen to do."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from hideaway.backends.dry import DryBackend
from hideaway.base.clock import ManualClock
from hideaway.base.errors import HideawayError
from hideaway.base.ids import Ids
from hideaway.cloud.change import Change, Pace
from hideaway.cloud.founding import Credentials, found
from hideaway.cloud.kubernetes import Cluster, Node, Pool
from hideaway.cloud.network import PrivateNetwork, Subnet, Vpc
from hideaway.cloud.nodes import make_cluster, make_pool, retire_cluster
from hideaway.control.loop import Loop
from hideaway.store import Store

OWNER = Credentials(
    access_key="SCW00000000000000000",
    secret_key="11111111-1111-4111-8111-111111111111",
    organization_id="22222222-2222-4222-8222-222222222222",
    project_id="22222222-2222-4222-8222-222222222222",
    user_id="33333333-3333-4333-8333-333333333333",
)


class Rig:
    """A loop whose passes the test makes, one by one."""

    def __init__(self) -> None:
        self.store, self.clock, self.ids, self.backend = Store(None), ManualClock(), Ids(1), DryBackend()
        self.loop = Loop(self.store, self.backend, self.clock, self.ids, Pace.INSTANT, interval=10, grace=40)
        self.backend.up()
        with self.store.transaction() as ledger:
            found(self.change(ledger), OWNER)

    def change(self, ledger) -> Change:  # type: ignore[no-untyped-def]
        return Change(ledger, self.clock.now(), self.ids, Pace.INSTANT)

    def run(self, passes: int = 3) -> None:
        for _ in range(passes):
            self.loop.step()

    def all(self, type_):  # type: ignore[no-untyped-def]
        with self.store.transaction() as ledger:
            return ledger.find(type_)

    def one(self, type_):  # type: ignore[no-untyped-def]
        (only,) = self.all(type_)
        return only

    def beat(self, age: float = 0.0) -> None:
        self.backend.beats = {n.server_id: age for n in self.all(Node)}

    def cluster(self, *, size: int = 2) -> None:
        with self.store.transaction() as ledger:
            change = self.change(ledger)
            vpc = next(v for v in ledger.find(Vpc) if v.region == "fr-par")
            common = {
                "organization_id": OWNER.organization_id, "project_id": OWNER.project_id,
                "created_at": change.now, "updated_at": change.now, "region": "fr-par",
            }  # fmt: skip
            subnets = [Subnet(id=self.ids.uuid(), subnet=s) for s in ("172.16.0.0/22", "fd46:78ab:30b8:1::/64")]
            network = PrivateNetwork(id=self.ids.uuid(), name="pn", vpc_id=vpc.id, subnets=subnets, **common)
            ledger.put(network)
            wanted = Cluster(id=self.ids.uuid(), name="k", version="1.35.1", private_network_id=network.id, **common)
            cluster = make_cluster(change, wanted)
            make_pool(
                change, cluster,
                Pool(id=self.ids.uuid(), cluster_id=cluster.id, name="p", version="1.35.1", node_type="DEV1-M",
                     size=size, zone_of="fr-par-1", **common),
            )  # fmt: skip


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.store.close()


def test_nothing_is_ready_before_its_heartbeat_arrived(rig: Rig) -> None:
    rig.cluster()
    rig.run()
    assert {n.status for n in rig.all(Node)} == {"creating"}
    assert rig.one(Pool).status == "scaling"
    assert not rig.loop.settled
    rig.beat()
    rig.run()
    assert {n.status for n in rig.all(Node)} == {"ready"}
    assert rig.one(Pool).status == "ready"
    assert rig.one(Cluster).status == "ready"


def test_a_pool_waits_for_the_last_of_its_nodes(rig: Rig) -> None:
    rig.cluster()
    rig.run()
    first, second = rig.all(Node)
    rig.backend.beats = {first.server_id: 0.0}
    rig.run()
    assert [n.status for n in rig.all(Node)] == ["ready", "creating"]
    assert rig.one(Pool).status == "scaling"
    rig.backend.beats = {first.server_id: 0.0, second.server_id: 0.0}
    rig.run()
    assert rig.one(Pool).status == "ready"


def test_a_silent_node_is_not_ready_after_the_grace_period_and_ready_when_heard_again(rig: Rig) -> None:
    rig.cluster(size=1)
    rig.beat()
    rig.run()
    rig.beat(age=39.0)
    rig.run()
    assert rig.one(Node).status == "ready"
    rig.beat(age=40.5)
    rig.run()
    assert rig.one(Node).status == "not_ready"
    assert "no heartbeat for 40 s" in rig.one(Node).error_message
    assert rig.one(Node).conditions["Ready"] != "True"
    assert rig.one(Pool).status == "warning"
    rig.beat(age=0.2)
    rig.run()
    assert rig.one(Node).status == "ready"
    assert rig.one(Pool).status == "ready"


def test_a_server_that_takes_up_an_unheard_world_gives_nodes_the_grace_period(rig: Rig) -> None:
    rig.cluster(size=1)
    rig.beat()
    rig.run()
    rig.backend.beats = {}
    rig.loop._since = time.monotonic()
    rig.run()
    assert rig.one(Node).status == "ready", "silence counts from when the world is watched"


def test_a_cluster_on_its_way_out_is_gone_only_after_its_packets_are(rig: Rig) -> None:
    rig.cluster()
    rig.beat()
    rig.run()
    with rig.store.transaction() as ledger:
        retire_cluster(rig.change(ledger), ledger.find(Cluster)[0])
    assert rig.one(Cluster).status == "deleting"
    steps_before = len(rig.backend.applied)
    rig.run()
    assert rig.all(Cluster) == []
    assert rig.all(Node) == []
    assert len(rig.backend.applied) > steps_before
    assert [h.name for h in rig.backend.present().fabric.hosts] == ["internet"]


def test_a_lost_world_is_built_anew(rig: Rig) -> None:
    rig.cluster()
    rig.beat()
    rig.run()
    before = rig.backend.present().fabric
    rig.backend.close()
    up, settled = rig.backend.up, []

    def coming_up() -> bool:
        settled.append(rig.loop.settled)
        return up()

    rig.backend.up = coming_up  # type: ignore[method-assign]
    rig.run(1)
    assert rig.backend.present().fabric == before
    assert settled == [False], "while it is built anew, nothing is said to be there"


def test_a_pass_that_fails_settles_nothing(rig: Rig) -> None:
    rig.cluster()

    def refuse(*_: object) -> None:
        raise HideawayError("the kernel said no")

    rig.backend.apply = refuse  # type: ignore[method-assign]
    rig.beat()
    with pytest.raises(HideawayError):
        rig.loop.step()
    assert {n.status for n in rig.all(Node)} == {"creating"}
    assert rig.one(Cluster).status == "creating"


def test_an_unchanged_cloud_is_applied_once(rig: Rig) -> None:
    rig.cluster()
    rig.beat()
    rig.run()
    applied = len(rig.backend.applied)
    rig.run(5)
    assert len(rig.backend.applied) == applied
    assert rig.loop.settled
