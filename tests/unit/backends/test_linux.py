"""What of the Linux backend needs no kernel: names, the journal, what a machine lacks in words; and the dry backend."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from hideaway.backends.base import Present, WorldLost
from hideaway.backends.dry import DryBackend
from hideaway.backends.linux import capabilities, journal, names, sweeps
from hideaway.backends.linux.inside import sweep
from hideaway.base.errors import NotFound, Unavailable
from hideaway.fabric.model import PROBE_V4, Fabric
from hideaway.plan import plan
from hideaway.plan.shapes import edge, edge_change
from tests.fabrics import NODE_V4, PLANE_V4, cluster, fabric, group, node, plane, probe, tcp

IDS = [f"{n:08x}-0000-4000-8000-000000000000" for n in range(2000)]


def test_names_fit_and_differ() -> None:
    links = {names.edge_link(i, f"pub-{i}") for i in IDS} | {names.switch_link(i, f"pn-{i}") for i in IDS}
    assert len(links) == 2 * len(IDS)
    assert max(map(len, [*links, names.bridge(IDS[0])])) == 15
    assert len({names.mac(f"pub-{i}") for i in IDS}) == len(IDS)


@pytest.mark.parametrize("odd", ["", ".", "..", "a/b", "acl:x", "x" * 300, "é", "-n", "a b"])
def test_an_odd_id_makes_no_odd_file_and_no_odd_chain(odd: str) -> None:
    for name in (names.namespace(odd), names.chain("in", odd)):
        assert len(name) < 128
        assert all(c.isascii() and (c.isalnum() or c in "_-") for c in name)
    assert names.namespace(odd) != names.namespace(odd + "x")


def test_a_mac_that_is_wanted_is_taken() -> None:
    assert names.mac("port", "02:00:00:aa:bb:cc") == "02:00:00:aa:bb:cc"


def test_the_journal_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "journal.json"
    assert journal.read(file) is None
    written = journal.Journal(world="w", fabric=cluster(tcp(80)), suspects=("node", "whole:edge"), stamps={"edge": 7})
    journal.write(file, written)
    assert journal.read(file) == written
    file.write_bytes(file.read_bytes()[:-1])
    assert journal.read(file) is None


def test_a_doubt_lasts_until_the_next_journal_of_its_world(tmp_path: Path) -> None:
    file = tmp_path / "journal.json"
    first = journal.Journal(world="w", number=1, suspects=("node",))
    for number, world, suspects in ((1, "w", {"node", "other"}), (2, "w", {"node"}), (1, "v", {"node"})):
        journal.write(file, first)
        journal.doubt(file, first, frozenset({"other"}))
        journal.write(file, msgspec.structs.replace(first, number=number, world=world))
        kept = journal.read(file)
        assert kept is not None
        assert kept.present.suspects == suspects


def test_missing_programs_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capabilities.shutil, "which", lambda name, path: None if name in ("nft", "ip") else name)
    with pytest.raises(Unavailable, match="ip, nft: apt-get install iproute2 nftables"):
        capabilities.require(rootless=True)


def test_the_switch_that_forbids_user_namespaces_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {file: forbids for file, forbids, _ in capabilities.SWITCHES[:1]}
    monkeypatch.setattr(capabilities, "_reads", lambda file: values.get(file, ""))
    said = capabilities.explain(True, "unshare: unshare failed: Operation not permitted")
    assert "sysctl -w kernel.unprivileged_userns_clone=1" in said
    monkeypatch.setattr(capabilities, "_reads", lambda file: "")
    assert "seccomp" in capabilities.explain(True, "unshare: unshare failed: Operation not permitted")


def test_the_sweep_judges_as_the_filters_do() -> None:
    step = edge(fabric(node(), probe(), filters=(group(tcp(80), tcp(443, "198.18.10.0/24")),)))
    judge = sweep._Judge(_plain(sweeps.edge_sweep(step).judges["kapsule"]))
    flows = {
        ("198.18.9.9", 80, "tcp"): True,
        ("198.18.9.9", 443, "tcp"): False,
        ("198.18.10.9", 443, "tcp"): True,
        ("198.18.9.9", 80, "udp"): False,
        ("2001:2::9", 80, "tcp"): False,
    }
    for (source, port, protocol), passes in flows.items():
        assert judge.passes(sweep.Flow(source, NODE_V4, protocol, 40000, port), inbound=True) is passes
        assert judge.passes(sweep.Flow(NODE_V4, source, protocol, 40000, port), inbound=False) is True


def test_a_change_sweeps_only_what_it_concerns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that went, one whose filter refuses now, and one that nothing changed for."""
    other = node("other", "198.18.16.3", filter="still", inside="172.16.0.4")
    still = msgspec.structs.replace(group(), id="still")
    before = fabric(node(), other, probe(), plane(), filters=(group(tcp(80)), still))
    after = fabric(node(), other, probe(), filters=(group(tcp(443)), still))
    order = msgspec.to_builtins(sweeps.edge_change_sweep(edge_change(edge(before), edge(after))))

    def tracked(source: str, target: str, port: int) -> sweep.Connection:
        first, reply = sweep.Flow(source, target, "tcp", 40000, port), sweep.Flow(target, source, "tcp", port, 40000)
        return sweep.Connection(4, first, reply, b"")

    refused, allowed = tracked(PROBE_V4, NODE_V4, 80), tracked(PROBE_V4, NODE_V4, 443)
    lost, unconcerned = tracked(NODE_V4, PLANE_V4, 8132), tracked(PROBE_V4, "198.18.16.3", 80)
    monkeypatch.setattr(sweep, "_connections", lambda _concerned: [refused, allowed, lost, unconcerned])
    monkeypatch.setattr(sweep, "_cut", lambda connections: cut.extend(connections))
    cut: list[sweep.Connection] = []
    sweep.edge(order)
    assert cut == [refused, lost]


def _plain(judge: object) -> dict[str, object]:

    plain: dict[str, object] = msgspec.to_builtins(judge)
    return plain


def test_the_dry_backend_remembers() -> None:
    dry = DryBackend()
    with pytest.raises(WorldLost):
        dry.present()
    assert not dry.up()
    steps = plan(cluster(), Fabric())
    dry.apply(steps, cluster())
    assert dry.up()
    assert dry.present() == Present(fabric=cluster())
    assert dry.applied == [steps]
    assert dry.command("node", ["true"]) == ["true"]
    with pytest.raises(NotFound):
        dry.command("nobody", ["true"])
    dry.close()
    assert not dry.alive()
