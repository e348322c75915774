"""Rule 1.1: Private Networks."""

from __future__ import annotations

from hideaway.fabric.model import Segment
from tests.unit.compile.factory import Cloud


def test_a_private_network_is_a_segment_with_both_its_subnets() -> None:
    cloud = Cloud()
    network = cloud.network(None, "172.16.8.0/22", "fd46:78ab:30b8:1::/64", name="kapsule")
    assert cloud.fabric().segments == (
        Segment(
            id=network.id,
            name="kapsule",
            networks=("172.16.8.0/22", "fd46:78ab:30b8:1::/64"),
            because=f"vpc/private_network:{network.id}",
        ),
    )


def test_segments_are_sorted_by_id() -> None:
    cloud = Cloud()
    ids = [cloud.network().id for _ in range(5)]
    assert [s.id for s in cloud.fabric().segments] == sorted(ids)


def test_an_empty_cloud_is_the_internet_alone() -> None:
    fabric = Cloud().fabric()
    assert [h.name for h in fabric.hosts] == ["internet"]
    assert (fabric.segments, fabric.filters, fabric.heartbeats) == ((), (), ())
