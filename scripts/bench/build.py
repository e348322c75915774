"""Building many hosts: hideaway from its documents, and the commands alone that the same kernel state takes."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import hideaway.api.products  # noqa: F401  # so that every kind of document in a store is known
from hideaway.backends.linux import LinuxBackend, text
from hideaway.backends.linux.operations import Appear, Ip, Know, Nft, Operation
from hideaway.cloud.memory import MemoryLedger
from hideaway.compile import compile_fabric
from hideaway.fabric.model import Fabric
from hideaway.plan import plan
from hideaway.store import Store
from scripts.bench.ratio import Ratio, bare_world, in_turns
from tests.cloud_under_test import cloud
from tests.many import populate

HOSTS, VPCS, NETWORKS = 500, 4, 5


def measure(rounds: int) -> list[Ratio]:
    """Seconds from documents to packets that flow, and of the bare `ip -batch` and `nft -f`."""
    print(f"build: {HOSTS} hosts in {VPCS * NETWORKS} networks", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ledger = _documents(folder)
        operations = text.operations(plan(compile_fabric(ledger), Fabric()))
        script = folder / "bare.sh"
        script.write_text("".join(_script(folder, operations)))
        numbers = iter(range(1000))
        found = in_turns(
            f"{HOSTS} hosts in {VPCS * NETWORKS} Private Networks built (bare: `ip -batch` and `nft -f` alone)",
            lambda: _ours(folder / f"world-{next(numbers)}", ledger),
            lambda: _bare(script),
            rounds=rounds,
            unit="s",
            goal="at most 2.00",
        )
    return [found]


def _documents(folder: Path) -> MemoryLedger:
    with cloud(folder, "--data-plane", "none", "--pace", "instant") as running, running.http() as http:
        populate(http, hosts=HOSTS, vpcs=VPCS, networks=NETWORKS)
    store = Store(folder / "state" / "store.sqlite")
    _, ledger = store.snapshot()
    store.close()
    return ledger


def _ours(folder: Path, ledger: MemoryLedger) -> float:
    """Compile, plan, and carry out in a new world: journal, sysctls, carriers and sweep as well."""
    backend = LinuxBackend(folder, linger=0)
    backend.up()
    try:
        began = time.monotonic()
        fabric = compile_fabric(ledger)
        backend.apply(plan(fabric, Fabric()), fabric)
        return time.monotonic() - began
    finally:
        backend.close()


def _bare(script: Path) -> float:
    done = subprocess.run([*bare_world(), "bash", "-e", str(script)], capture_output=True, text=True, check=True)
    began, ended = map(float, done.stdout.split())
    return ended - began


def _script(folder: Path, operations: Iterable[Operation]) -> Iterator[str]:
    """The same `ip` lines and nft texts, one run of a program for each namespace, and nothing else: no sysctls."""
    neighbours = _neighbours(operations)
    yield "mount -t tmpfs tmpfs /run; mkdir /run/netns\n"
    numbers = iter(range(1 << 20))

    def kept(lines: Iterable[str]) -> Path:
        file = folder / f"bare-{next(numbers)}"
        file.write_text("".join(f"{line}\n" for line in lines))
        return file

    for operation in text.base():
        yield from _commands(operation, kept, {})
    yield "echo $EPOCHREALTIME\n"
    for operation in operations:
        yield from _commands(operation, kept, neighbours)
    yield "echo $EPOCHREALTIME\n"


def _commands(operation: Operation, kept, neighbours: dict[str, list[str]]) -> Iterator[str]:  # type: ignore[no-untyped-def]
    match operation:
        case Appear():
            yield f"ip -batch {kept(f'netns add {name}' for name in operation.namespaces)}\n"
        case Ip():
            where = f"-n {operation.namespace} " if operation.namespace else ""
            yield f"ip {where}-batch {kept((*operation.lines, *neighbours.pop(operation.namespace, ())))}\n"
        case Nft():
            where = f"ip netns exec {operation.namespace} " if operation.namespace else ""
            yield f"{where}nft -f {kept([operation.text])}\n"


def _neighbours(operations: Iterable[Operation]) -> dict[str, list[str]]:
    """What hosts know of each other as lines for `ip`, by namespace."""
    found: dict[str, list[str]] = defaultdict(list)
    for operation in operations:
        if isinstance(operation, Know):
            for namespace, device in operation.places:
                found[namespace] += [
                    f"neighbour replace {address} lladdr {mac} dev {device} nud permanent"
                    for address, mac, owner in operation.neighbours
                    if owner != namespace
                ]
    return found
