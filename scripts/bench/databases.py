"""What managed databases cost above the bare program: creating, restoring, upgrading, turn by turn in one run."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from hideaway.backends.linux import LinuxBackend
from hideaway.backends.linux.agents.postgres import bin_of
from scripts.bench.ratio import Ratio, in_turns
from tests.cloud_under_test import Cloud

FLAGS = ("--data-plane", "linux", "--linger", "0")
RDB = "/rdb/v1/regions/fr-par"
ROWS = 1_000_000
PATIENCE = 300.0
USER, PASSWORD = "bench", "B3nch_marks_it!"
AS_ANOTHER = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--ipc", "--")
FILL = f"create table filled as select i, md5(i::text) as text from generate_series(1, {ROWS}) i"
MAKE = (
    "create role bench login password 'x'; create database rdb",
    "grant all on database rdb to bench; grant all on schema public to bench",
)


class Bare:
    """PostgreSQL as somebody starts it by hand, each time in a new folder."""

    def __init__(self, folder: Path):
        folder.mkdir()
        self.folder, self.bin, self.number = folder, bin_of("15"), 0

    @property
    def data(self) -> Path:
        return self.folder / f"data{self.number}"

    def run(self, program: str, *arguments: object) -> None:
        argv = [*AS_ANOTHER, str(self.bin / program), *map(str, arguments)]
        subprocess.run(argv, check=True, capture_output=True, stdin=subprocess.DEVNULL)

    def sql(self, text: str, database: str = "postgres") -> None:
        self.run("psql", "-XqAt", "-h", self.folder, "-U", "platform", "-d", database, "-c", text)

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories='{self.folder}'"
        self.run("pg_ctl", "-D", self.data, "-l", self.folder / "log", "-o", options, "-w", "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop")

    def create(self) -> None:
        if self.number:
            self.stop()
        self.number += 1
        self.run("initdb", "-D", self.data, "-U", "platform", "-A", "trust", "-E", "UTF8", "--locale", "C.UTF-8")
        self.start()
        for statement in MAKE[0].split("; "):
            self.sql(statement)
        self.sql(MAKE[1], "rdb")

    def dump(self) -> None:
        self.run("pg_dump", "-h", self.folder, "-U", "platform", "-Fc", "-f", self.folder / "dump", "rdb")

    def restore(self) -> None:
        self.sql("drop database if exists restored")
        self.sql("create database restored template template0")
        self.run("pg_restore", "-h", self.folder, "-U", "platform", "-e", "-d", "restored", self.folder / "dump")

    def upgrade(self) -> None:
        """The same program serves both versions: a copy of the running server's data, and a server on it."""
        new = self.folder / f"data{self.number + 1}"
        self.run("pg_basebackup", "-h", self.folder, "-U", "platform", "-D", new, "-c", "fast", "-X", "stream")
        self.stop()
        self.number += 1
        self.start()


class Ours:
    """The same by the API."""

    def __init__(self, cloud: Cloud, http: httpx.Client):
        self.cloud, self.http, self.id = cloud, http, ""

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(method, RDB + path, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def ready(self, path: str) -> Any:
        deadline = time.monotonic() + PATIENCE
        while (found := self.call("GET", path))["status"] != "ready":
            assert time.monotonic() < deadline, found
        return found

    def create(self) -> None:
        body = {
            "name": "bench", "engine": "PostgreSQL-15", "node_type": "DB-DEV-S", "user_name": USER,
            "password": PASSWORD, "disable_backup": True,
        }  # fmt: skip
        if self.id:
            self.call("DELETE", f"/instances/{self.id}")
        self.id = self.call("POST", "/instances", body)["id"]
        self.ready(f"/instances/{self.id}")

    def fill(self) -> None:
        endpoint = self.call("GET", f"/instances/{self.id}")["endpoint"]
        to = f"host={endpoint['ip']} port={endpoint['port']} user={USER} dbname=rdb password={PASSWORD}"
        done = self.cloud.run("internet", "psql", "-XqAt", to, "-c", FILL, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr

    def dump(self) -> str:
        backup: str = self.call("POST", "/backups", {"instance_id": self.id, "database_name": "rdb"})["id"]
        self.ready(f"/backups/{backup}")
        return backup

    def restore(self, backup: str) -> None:
        self.call("POST", f"/backups/{backup}/restore", {"instance_id": self.id, "database_name": "restored"})
        self.ready(f"/backups/{backup}")

    def upgrade(self) -> None:
        """Always of the same instance: the new one goes again."""
        newer = self.call("GET", f"/instances/{self.id}")["upgradable_version"][0]["id"]
        workflow = {"upgradable_version_id": newer, "with_endpoints": False}
        made = self.call("POST", f"/instances/{self.id}/upgrade", {"major_upgrade_workflow": workflow})
        self.ready(f"/instances/{made['id']}")
        self.call("DELETE", f"/instances/{made['id']}")


def measure(rounds: int) -> list[Ratio]:
    """Seconds from a POST to ready, and of the bare program; each side's data is as large as the other's."""
    print("databases: PostgreSQL", flush=True)
    with tempfile.TemporaryDirectory(prefix="hw") as folder, _cloud(Path(folder)) as cloud, cloud.http() as http:
        ours, bare = Ours(cloud, http), Bare(Path(folder) / "bare")

        def turns(what: str, mine: Callable[[], object], theirs: Callable[[], object]) -> Ratio:
            return in_turns(
                what, lambda: _timed(mine), lambda: _timed(theirs), rounds=rounds, unit="s", goal="at most 1.30"
            )

        found = [turns("a database created (bare: initdb, start, createdb, a user, grants)", ours.create, bare.create)]
        ours.fill()
        bare.sql(FILL, "rdb")
        bare.dump()
        backup = ours.dump()
        what = f"a backup of {ROWS:,} rows restored (bare: createdb, pg_restore)"
        found.append(turns(what, lambda: ours.restore(backup), bare.restore))
        what = f"a database with {2 * ROWS:,} rows upgraded (bare: pg_basebackup, stop, start)"
        found.append(turns(what, ours.upgrade, bare.upgrade))
        bare.stop()
    return found


def _timed(action: Callable[[], object]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


@contextmanager
def _cloud(folder: Path) -> Iterator[Cloud]:
    cloud = Cloud(folder / "state", *FLAGS).start()
    keeper = LinuxBackend(cloud.state).keeper()
    try:
        yield cloud
    finally:
        cloud.stop()
        try:
            os.kill(keeper, signal.SIGKILL)
        except ProcessLookupError:
            pass


if __name__ == "__main__":
    for found in measure(5):
        print(found)
