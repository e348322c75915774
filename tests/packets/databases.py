"""Managed databases as packet tests use them: made through the API, asked with psql from inside hosts."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any

import httpx

from tests.cloud_under_test import Cloud

RDB = "/rdb/v1/regions/fr-par"
USER, PASSWORD = "username", "thiZ_is_v&ry_s3cret"
PATIENCE = 60.0


def until(what: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """The first true value that comes, within a time that no machine needs."""
    deadline = time.monotonic() + patience
    while not (found := what()):
        assert time.monotonic() < deadline, f"not within {patience:g} s: {what}"
        time.sleep(0.03)
    return found


class Databases:
    """The databases of a cloud, with the owner's key."""

    def __init__(self, cloud: Cloud, http: httpx.Client):
        self.cloud, self.http = cloud, http

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """A call that must succeed; what it answers, None for nothing."""
        answer = self.http.request(method, path, json=body)
        assert answer.is_success, (method, path, answer.text)
        return answer.json() if answer.content else None

    def settled(self, path: str, wanted: str = "ready") -> Any:
        """What stands at a path, once it is on its way no more."""

        def look() -> Any:
            found = self.call("GET", path)
            return found if not found["status"].endswith("ing") else None

        found = until(look)
        assert found["status"] == wanted, found
        return found

    def make(self, **fields: Any) -> Instance:
        body = {"engine": "PostgreSQL-15", "node_type": "DB-DEV-S", "user_name": USER, "password": PASSWORD}
        made = self.call("POST", f"{RDB}/instances", {"name": "db", "disable_backup": True} | body | fields)
        return self.ready(made["id"])

    def ready(self, id_: str) -> Instance:
        self.settled(f"{RDB}/instances/{id_}")
        return Instance(self, id_)


class Instance:
    def __init__(self, databases: Databases, id_: str):
        self.databases, self.id = databases, id_
        self.path = f"{RDB}/instances/{id_}"

    @property
    def said(self) -> Any:
        return self.databases.call("GET", self.path)

    def do(self, method: str, path: str, body: Any = None) -> Any:
        """A call below the instance's own path."""
        return self.databases.call(method, f"{self.path}{path}", body)

    def settled(self) -> Any:
        return self.databases.settled(self.path)

    def endpoint(self, *, private: bool = False) -> tuple[str, int]:
        """The address and the port of an endpoint."""
        found = next(e for e in self.said["endpoints"] if ("private_network" in e) is private)
        return found["ip"], found["port"]

    def run(
        self,
        sql: str,
        *,
        host: str = "internet",
        at: tuple[str, int] | None = None,
        user: str = USER,
        password: str = PASSWORD,
        database: str = "rdb",
        options: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """SQL by the engine's own client inside a host; options are that client's."""
        argv = self._argv(sql, *(at or self.endpoint()), user, password, database, options)
        return self.databases.cloud.run(host, *argv, timeout=60)

    def _argv(
        self, sql: str, address: str, port: int, user: str, password: str, database: str, options: str
    ) -> list[str]:
        to = f"host={address} port={port} user={user} dbname={database} connect_timeout=5 {options}"
        return ["env", f"PGPASSWORD={password}", "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", to, "-c", sql]

    def ask(self, sql: str, **how: Any) -> str:
        """What SQL that must succeed answers."""
        done = self.run(sql, **how)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def refuses(self, sql: str, **how: Any) -> str:
        """What SQL that must fail is refused with; it may take a moment until it does."""
        return str(until(lambda: (done := self.run(sql, **how)).returncode and done.stderr.strip()))


class MySQL(Instance):
    """One of the engine MySQL, asked with MariaDB's client."""

    def _argv(
        self, sql: str, address: str, port: int, user: str, password: str, database: str, options: str
    ) -> list[str]:
        to = ("--no-defaults", f"--host={address}", f"--port={port}", f"--user={user}", f"--database={database}")
        how = ("--connect-timeout=5", "--batch", "--skip-column-names", "--skip-reconnect", *options.split())
        return ["env", f"MYSQL_PWD={password}", "mariadb", *to, *how, f"--execute={sql}"]
