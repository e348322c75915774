"""A user's own curl, psql and ssh, on the machine outside, type what `hideaway open` prints and are there."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hideaway.fabric.doors import outside
from hideaway.fabric.model import USER_V4
from tests.cloud_under_test import Cloud, cloud
from tests.packets.balanced import LB
from tests.packets.databases import PASSWORD, USER, Databases
from tests.packets.tenant import PROBE, Tenant
from tests.packets.test_ssh import KEYS, OPTIONS, PORT, make_key

pytestmark = [pytest.mark.packets, pytest.mark.slow]

NETWORK = f"127.{32 + os.getpid() % 100 * 2}.0.0/15"
SECONDS = 60


class Scene:
    """An Instance with SSH, a gateway with a bastion, a Load Balancer before the Instance, and a database."""

    def __init__(self, running: Cloud, folder: Path):
        self.cloud, self.folder = running, folder
        self.tenant = tenant = Tenant(running)
        tenant.call("POST", KEYS, name="key", public_key=make_key(folder, "key"))
        network = tenant.network("inside")
        gateway, self.gateway = tenant.gateway("way-in", enable_bastion=True)
        tenant.attach(gateway, network)
        self.web = tenant.instance("web", network, public=True, listen=False)
        serve = [sys.executable, "-m", "http.server", "8000", "--directory", "/usr/share/common-licenses"]
        self.page = subprocess.Popen(
            tenant.hosts.argv("web", serve), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.inner = tenant.instance("inner", network, listen=False)
        self.lb = self._balancer(network)
        with running.http() as http:
            self.database = Databases(running, http).make(name="shop").id

    def _balancer(self, network: str) -> str:
        lb = str(self.tenant.call("POST", f"{LB}/lbs", name="front", type="LB-S")["id"])
        self.tenant.call("POST", f"{LB}/lbs/{lb}/attach-private-network", private_network_id=network)
        check = {"port": 8000, "check_delay": 200, "check_timeout": 1000, "check_max_retries": 2, "tcp_config": {}}
        backend = self.tenant.call(
            "POST", f"{LB}/lbs/{lb}/backends", name="b", forward_protocol="http", forward_port=8000,
            server_ip=[self.web.v4(network)], health_check=check,
        )["id"]  # fmt: skip
        self.tenant.call("POST", f"{LB}/lbs/{lb}/frontends", name="f", inbound_port=80, backend_id=backend)
        self.tenant.settled()
        return lb

    def open(self, resource: str, *more: str) -> list[dict[str, Any]]:
        """The doors that the command shows."""
        argv = [sys.executable, "-m", "hideaway.cli", "open", resource, "--state", str(self.cloud.state), "--json"]
        done = subprocess.run([*argv, *more], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr + done.stdout
        doors: list[dict[str, Any]] = json.loads(done.stdout)["doors"]
        return doors

    def hint(self, resource: str, port: int | None = None) -> str:
        """What to type, for one of its ports; for the one that it has, where none is named."""
        (found,) = [door["hint"] for door in self.open(resource) if port in (None, door["port"])]
        return str(found)

    def ssh(self, hint: str, *command: str) -> subprocess.CompletedProcess[str]:
        """The command that was printed, with a key and without questions."""
        config = self.folder / "config"
        config.write_text(OPTIONS.format(key=self.folder / "key", known=os.devnull, checking="no"))
        words = shlex.split(hint)
        argv = [words[0], "-F", str(config), *words[1:], *command]
        return subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=False)

    def psql(self, hint: str, sql: str) -> subprocess.CompletedProcess[str]:
        argv = [*shlex.split(hint), "-Atc", sql]
        environment = {**os.environ, "PGPASSWORD": PASSWORD, "PGCONNECT_TIMEOUT": "10"}
        return subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=False, env=environment)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, packets: None) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("cloud")
    with cloud(folder, "--data-plane", "linux", "--linger", "60", "--doors", NETWORK) as running:
        made = Scene(running, folder)
        yield made
        made.tenant.close()
        made.page.kill()
        made.page.wait()


def curl(url: str) -> str:
    argv = ["curl", "-sSf", "--noproxy", "*", "--max-time", "20", "--retry", "5", "--retry-all-errors", url]
    return subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS * 3, check=True).stdout


def all_work(scene: Scene) -> None:
    assert "GPL-3" in curl(scene.hint("front", 80))
    who = "select inet_client_addr(), current_user"
    assert scene.psql(scene.hint("shop"), who).stdout == f"{USER_V4}|{USER}\n"
    assert scene.ssh(scene.hint("web", 22), "hostname").stdout == "web\n"


def test_a_balancer_a_database_and_a_server_are_used_from_outside(scene: Scene) -> None:
    all_work(scene)


def test_the_places_follow_from_the_addresses(scene: Scene) -> None:
    (door,) = [d for d in scene.open("web") if d["port"] == 22]
    assert door["at"].partition(":")[0] == outside(scene.tenant.public(scene.web.id)[0], NETWORK)


def test_an_isolated_server_is_reached_through_the_bastion(scene: Scene) -> None:
    hint = scene.hint("way-in", PORT)
    assert hint.startswith(f"ssh -J bastion@{outside(scene.gateway, NETWORK)}:{PORT} root@NAME.NETWORK.internal")
    assert scene.ssh(hint.replace("NAME.NETWORK", "inner.inside"), "hostname").stdout == "inner\n"


def test_a_port_that_is_asked_for_and_what_has_none(scene: Scene) -> None:
    (door,) = scene.open("web", "--port", "8000")
    assert "GPL-3" in curl(door["hint"])
    argv = [sys.executable, "-m", "hideaway.cli", "open", "inner", "--state", str(scene.cloud.state)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, "no public IPv4 address" in done.stderr) == (1, True)


def test_a_databases_acl_is_for_users_too(scene: Scene) -> None:
    with scene.cloud.http() as http:
        path, allow = f"/rdb/v1/regions/fr-par/instances/{scene.database}/acls", scene.hint("shop")
        for ip, answered in ((f"{PROBE}/32", False), (f"{USER_V4}/32", True)):
            # Not while it is still configuring the last one.
            assert scene.tenant.soon(lambda to=ip: http.put(path, json={"rules": [{"ip": to}]}).is_success)  # type: ignore[misc]
            assert scene.tenant.soon(lambda want=answered: (scene.psql(allow, "select 1").returncode == 0) is want)  # type: ignore[misc]


def test_all_of_it_is_the_same_under_the_next_server(scene: Scene) -> None:
    names = ("web", "front", "shop", "way-in")
    before = {name: [door["at"] for door in scene.open(name)] for name in names}
    hints = scene.hint("front", 80), scene.hint("shop"), scene.hint("web", 22)
    scene.tenant.close()
    scene.cloud.kill()
    assert "GPL-3" in curl(hints[0])
    assert scene.psql(hints[1], "select 1").stdout == "1\n"
    assert scene.ssh(hints[2], "hostname").stdout == "web\n"
    scene.cloud.start()
    scene.tenant.connect()
    assert {name: [door["at"] for door in scene.open(name)] for name in names} == before
    all_work(scene)
