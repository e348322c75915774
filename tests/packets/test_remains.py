"""Server and keeper killed at once, with all running that a world can run: nothing of it stays on the machine."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from hideaway.backends.linux import LinuxBackend
from tests.cloud_under_test import Cloud, cloud
from tests.packets.databases import Databases
from tests.packets.tenant import Tenant

pytestmark = [pytest.mark.packets, pytest.mark.slow]
FLAGS = ("--data-plane", "linux", "--linger", "600", "--doors", "127.28.0.0/15")
NAMESPACES = ("net", "mnt", "pid", "ipc", "user")


class Machine(msgspec.Struct):
    """What of a machine a world might leave something in. Other worlds may come and go meanwhile."""

    mounts: set[str]
    links: set[str]
    groups: set[str]
    shared: set[str]
    namespaces: set[str]

    def beside(self, other: Machine) -> dict[str, set[str]]:
        """What is here and not there."""
        found = {name: getattr(self, name) - getattr(other, name) for name in self.__struct_fields__}
        return {name: more for name, more in found.items() if more}


def machine() -> Machine:
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout.splitlines()
    return Machine(
        mounts={line.split()[4] for line in mounts},
        links={line.split()[1].partition("@")[0] for line in links},
        groups={str(folder) for folder in Path("/sys/fs/cgroup").glob("**/") if not folder.is_symlink()},
        shared={str(file) for file in Path("/dev/shm").iterdir()}
        | {" ".join(line.split()[:2]) for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]},
        namespaces={str(file) for file in _named()},
    )


def _named() -> list[Path]:
    folder = Path("/run/netns")
    return list(folder.iterdir()) if folder.is_dir() else []


def processes(inside: Callable[[Path], bool]) -> list[str]:
    """The command lines of all processes that something holds for, by their folders in /proc."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if inside(folder) and "State:\tZ" not in (folder / "status").read_text():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


@pytest.fixture
def full(tmp_path: Path, packets: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """A cloud in which everything runs that a world can run, with a folder of its own for temporary files."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    with cloud(tmp_path, *FLAGS) as running:
        yield running


def test_nothing_stays_after_sigkill_of_both(full: Cloud, tmp_path: Path) -> None:
    before = machine()
    populate(full)
    keeper = LinuxBackend(full.state).keeper()
    held = {os.readlink(f"/proc/{keeper}/ns/{kind}") for kind in NAMESPACES} - _own()

    def of_the_world(folder: Path) -> bool:
        words = (folder / "cmdline").read_bytes().decode(errors="replace")
        its = {os.readlink(folder / "ns" / kind) for kind in NAMESPACES}
        return bool(its & held) or str(tmp_path) in words or (folder / "cwd").readlink().is_relative_to(tmp_path)

    left = tenant_of(full, lambda tenant: tenant.inside("remains", "sh", "-c", "echo > /dev/shm/remains; ls /dev/shm"))
    assert "remains" in left, "shared memory, as a program that is killed leaves it"
    running = " ".join(processes(of_the_world))
    for program in ("haproxy", "postgres", "dnsmasq", "sleep 1000"):
        assert program in running, f"{program} does not run: the test would show nothing"
    assert full.process is not None
    os.kill(full.process.pid, signal.SIGKILL)
    os.kill(keeper, signal.SIGKILL)
    full.process.wait()
    soon(lambda: not processes(of_the_world), lambda: processes(of_the_world))
    soon(lambda: not machine().beside(before), lambda: machine().beside(before))
    assert list((tmp_path / "temporary").iterdir()) == []


def _own() -> set[str]:
    return {os.readlink(f"/proc/self/ns/{kind}") for kind in NAMESPACES}


def tenant_of(running: Cloud, act: Callable[[Tenant], str]) -> str:
    tenant = Tenant(running)
    try:
        return act(tenant)
    finally:
        tenant.close()


def populate(running: Cloud) -> None:
    """A cluster's node, an Instance that runs something, a gateway with a bastion, a Load Balancer, a database."""
    tenant = Tenant(running)
    try:
        network = tenant.network("remains")
        gateway, _ = tenant.gateway("remains", enable_bastion=True)
        tenant.attach(gateway, network)
        tenant.instance("remains", network, public=True, listen=False)
        assert tenant.hosts.run("remains", "sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 &").returncode == 0
        balancer = tenant.call("POST", "/lb/v1/zones/fr-par-1/lbs", name="remains", type="LB-S")["id"]
        check = {"port": 80, "check_delay": 1000, "check_timeout": 1000, "check_max_retries": 2, "tcp_config": {}}
        body = {"name": "b", "forward_protocol": "http", "forward_port": 80, "server_ip": ["172.16.0.9"]}
        path = f"/lb/v1/zones/fr-par-1/lbs/{balancer}"
        backend = tenant.call("POST", f"{path}/backends", **body, health_check=check)["id"]
        tenant.call("POST", f"{path}/frontends", name="f", inbound_port=80, backend_id=backend)
        Databases(running, tenant.http).make()
        tenant.settled()
    finally:
        tenant.close()


def soon(condition: Callable[[], bool], said: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, said()
        time.sleep(0.1)
