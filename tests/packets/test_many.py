"""Five hundred hosts in twenty Private Networks: each reaches all that it may, and no neighbour is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from hideaway.backends.linux import LinuxBackend, journal
from tests.cloud_under_test import cloud
from tests.many import pairs, populate, unanswered
from tests.packets.test_kills import settle

pytestmark = [pytest.mark.packets, pytest.mark.slow]

HOSTS, VPCS, NETWORKS = 500, 4, 5
FLAGS = ("--data-plane", "linux", "--heartbeat-interval", "1", "--linger", "0")


def test_all_pairs_of_500_hosts_in_20_networks_answer(tmp_path: Path, packets: None) -> None:
    """Within each network and, by the VPC's router, between its networks: 62,000 pairs, IPv4 and IPv6."""
    with cloud(tmp_path, *FLAGS) as running:
        with running.http() as http:
            vpc_of = populate(http, hosts=HOSTS, vpcs=VPCS, networks=NETWORKS)
        settle(running, 180)
        backend = LinuxBackend(running.state)
        kept = journal.read(running.state / "world" / "journal.json")
        assert kept is not None
        wanted = list(pairs(kept.fabric, vpc_of))
        assert len(wanted) == HOSTS
        assert sum(len(targets) for _, _, targets in wanted) == 2 * HOSTS * (HOSTS // VPCS - 1)
        assert unanswered(backend, wanted) == {}
        for namespace, _, _ in wanted[:: HOSTS // 20]:
            there = backend.run_in(namespace, ["ip", "neighbour", "show", "dev", "ens5"])["stdout"].splitlines()
            asked_for = [line for line in there if "PERMANENT" not in line and not line.startswith("fe80")]
            assert asked_for == []
            assert len(there) >= 2 * (HOSTS // (VPCS * NETWORKS))
