"""What databases go through: endpoints that move, servers, agents and worlds that are killed, deletion."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hideaway.backends.linux import LinuxBackend
from tests.cloud_under_test import Cloud, cloud
from tests.packets.databases import PASSWORD, RDB, USER, Databases, Instance, until

pytestmark = [pytest.mark.packets, pytest.mark.slow]
FLAGS = ("--data-plane", "linux", "--linger", "30")
NETWORKS, SERVERS = "/vpc/v2/regions/fr-par/private-networks", "/instance/v1/zones/fr-par-1/servers"
CURL = Path(__file__).parents[1] / "clients" / "document" / "endpoint.sh"


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory, packets: None) -> Iterator[Databases]:
    with cloud(tmp_path_factory.mktemp("databases"), *FLAGS) as running, running.http() as http:
        yield Databases(running, http)
        os.kill(keeper(running), signal.SIGKILL)


def keeper(running: Cloud) -> int:
    return LinuxBackend(running.state).keeper()


class Session:
    """psql that goes on inside a host: it is asked one line after the other."""

    def __init__(self, process: subprocess.Popen[str]):
        self.process = process

    def ask(self, sql: str) -> str:
        """The one line that SQL answers; "" when the session has ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{sql};\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@contextmanager
def session(instance: Instance, host: str, at: tuple[str, int]) -> Iterator[Session]:
    to = f"host={at[0]} port={at[1]} user={USER} dbname=rdb connect_timeout=5"
    argv = ("env", f"PGPASSWORD={PASSWORD}", "stdbuf", "-oL", "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", to)
    command = instance.databases.cloud.inside(host, argv)
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as process:
        try:
            yield Session(process)
        finally:
            process.kill()


def client(databases: Databases, network_id: str) -> str:
    """An Instance in a Private Network, running; its id."""
    body = {"name": "client", "commercial_type": "DEV1-S", "image": "ubuntu_jammy", "dynamic_ip_required": False}
    server = databases.call("POST", SERVERS, body)["server"]
    path = f"{SERVERS}/{server['id']}"
    databases.call("POST", f"{path}/private_nics", {"private_network_id": network_id})
    databases.call("POST", f"{path}/action", {"action": "poweron"})
    until(lambda: databases.call("GET", path)["server"]["state"] == "running")
    return str(server["id"])


def test_an_old_static_endpoint_becomes_one_of_ipam_s_by_the_documents_own_call(databases: Databases) -> None:
    network = databases.call("POST", NETWORKS, {"name": "pn", "subnets": ["172.18.0.0/22"]})
    static = {"private_network": {"private_network_id": network["id"], "service_ip": "172.18.1.200/22"}}
    instance = databases.make(init_endpoints=[static])
    host = client(databases, network["id"])
    old = instance.endpoint(private=True)
    assert old == ("172.18.1.200", 5432)
    instance.ask("create table moved as select 1 as i", host=host, at=old)
    began = instance.ask("select pg_postmaster_start_time()", host=host, at=old)

    (endpoint,) = instance.said["endpoints"]
    databases.call("DELETE", f"{RDB}/endpoints/{endpoint['id']}")
    instance.settled()
    assert instance.refuses("select 1", host=host, at=old, options="connect_timeout=2")
    script = CURL.read_text().replace("https://api.scaleway.com", databases.cloud.url)
    environment = {
        "PATH": os.environ["PATH"],
        "REGION": "fr-par",
        "INSTANCE_ID": instance.id,
        "SCW_SECRET_KEY": databases.cloud.owner["secret_key"],
    }
    argv = ["bash", "-c", script.replace("<PRIVATE_NETWORK_ID>", network["id"])]
    subprocess.run(argv, env=environment, capture_output=True, timeout=30, check=True)
    instance.settled()

    new = instance.endpoint(private=True)
    assert new != old
    assert instance.ask("insert into moved values (2); select sum(i) from moved", host=host, at=new) == "3"
    assert instance.ask("select pg_postmaster_start_time()", host=host, at=new) == began, "the server runs on"
    assert instance.refuses("select 1", host=host, at=old, options="connect_timeout=2")
    instance.do("DELETE", "")


def test_both_kinds_of_endpoint_lead_to_one_server(databases: Databases) -> None:
    network = databases.call("POST", NETWORKS, {"name": "both"})
    private = {"private_network": {"private_network_id": network["id"], "ipam_config": {}}}
    instance = databases.make(init_endpoints=[private, {"load_balancer": {}}])
    host = client(databases, network["id"])
    instance.ask("create table shared as select 1 as i")
    assert instance.ask("select i from shared", host=host, at=instance.endpoint(private=True)) == "1"
    public = next(e for e in instance.said["endpoints"] if "load_balancer" in e)
    at = instance.endpoint()
    databases.call("DELETE", f"{RDB}/endpoints/{public['id']}")
    instance.settled()
    assert instance.refuses("select 1", at=at, options="connect_timeout=2")
    assert instance.ask("select i from shared", host=host, at=instance.endpoint(private=True)) == "1"
    instance.do("DELETE", "")


def test_a_session_goes_on_while_hideaway_is_killed_and_started_again(databases: Databases) -> None:
    instance = databases.make()
    with session(instance, "internet", instance.endpoint()) as open_:
        assert open_.ask("select 1") == "1"
        databases.cloud.kill()
        assert open_.ask("select 2") == "2"
        databases.cloud.start()
        databases.http = databases.cloud.http()
        until(lambda: databases.call("GET", "/hideaway/v1/health")["settled"])
        assert open_.ask("select 3") == "3"
    instance.do("DELETE", "")


@pytest.mark.parametrize("victim", ["postgres", "agent", "world"])
def test_no_acknowledged_transaction_is_lost(databases: Databases, victim: str) -> None:
    instance = databases.make()
    at = instance.endpoint()
    instance.ask("create table kept (i int primary key)")
    acknowledged = 0
    with session(instance, "internet", at) as writing:
        deadline = time.monotonic() + 0.7
        killed = False
        while line := writing.ask(f"insert into kept values ({acknowledged + 1}) returning i"):
            acknowledged = int(line)
            if not killed and time.monotonic() > deadline:
                killed = True
                kill(databases, instance, victim)
    assert acknowledged > 10
    until(lambda: there(instance, at))
    assert acknowledged <= int(instance.ask("select max(i) from kept", at=at)) <= acknowledged + 1
    assert instance.ask("select count(*) = max(i) from kept", at=at) == "t"
    instance.do("DELETE", "")


def there(instance: Instance, at: tuple[str, int]) -> bool:
    """Whether the instance answers; in a world that is just being made nothing can be run at first."""
    try:
        return instance.run("select 1", at=at).returncode == 0
    except AssertionError:
        return False


def kill(databases: Databases, instance: Instance, victim: str) -> None:
    if victim == "world":
        os.kill(keeper(databases.cloud), signal.SIGKILL)
        return
    pattern = {"postgres": f"bin/postgres -D .*{instance.id}", "agent": "agents.database"}[victim]
    script = f"for p in $(pgrep -f '{pattern}'); do ip netns identify $p | grep -q {instance.id} && kill -KILL $p; done"
    databases.cloud.run(instance.id, "sh", "-c", script)


def test_the_data_goes_with_the_instance_and_not_before(databases: Databases) -> None:
    instance = databases.make()
    volumes = databases.cloud.state / "data" / "volumes"
    assert (volumes / instance.id / "main" / "PG_VERSION").exists()
    made = databases.call("POST", f"{RDB}/backups", {"instance_id": instance.id, "database_name": "rdb", "name": "b"})
    databases.settled(f"{RDB}/backups/{made['id']}")
    instance.do("DELETE", "")
    until(lambda: not (volumes / instance.id).exists())
    assert (volumes / made["id"]).exists(), "a backup is kept without its instance"
    other = databases.make()
    databases.call("POST", f"{RDB}/backups/{made['id']}/restore", {"instance_id": other.id})
    assert databases.settled(f"{RDB}/backups/{made['id']}")["size"] > 0
    databases.call("DELETE", f"{RDB}/backups/{made['id']}")
    other.do("DELETE", "")
    until(lambda: not {other.id, made["id"]} & {folder.name for folder in volumes.iterdir()})
    processes = databases.cloud.run("internet", "pgrep", "-f", other.id)
    assert processes.stdout == "", "nothing runs on"
