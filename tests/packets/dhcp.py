"""DHCP clients that tests run inside hosts. They change nothing there: what they were given is printed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.cloud_under_test import Cloud

TELL = """#!/bin/sh
env | grep -E '^(reason|interface|ip|mask|router|dns|domain|search|staticroutes|mtu|lease|serverid|hostname|new_)'
echo "event=$1"
"""
"""What a client runs at each event: says all of it, on one line a setting, and the event last."""


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder for a client's script and leases, which programs of the world can read."""
    with tempfile.TemporaryDirectory(prefix="dhcp") as name:
        os.chmod(name, 0o755)
        script = Path(name) / "tell"
        script.write_text(TELL)
        script.chmod(0o755)
        yield Path(name)


def settings(said: str, event: str) -> dict[str, str]:
    """What the client told at an event, the last of its kind."""
    found: dict[str, str] = {}
    collected: dict[str, str] = {}
    for line in said.splitlines():
        key, _, value = line.partition("=")
        if key == "event":
            found = collected if event in (value, collected.get("reason")) else found
            collected = {}
        elif _:
            collected[key] = value
    assert found, said
    return found


def lease(cloud: Cloud, host: str, device: str) -> dict[str, str]:
    """What DHCP gives to a host at a device. Empty when nobody answers."""
    with folder() as there:
        options = ("-O", "search", "-O", "staticroutes", "-O", "mtu")
        client = ("busybox", "udhcpc", "-f", "-q", "-n", "-t", "4", "-T", "1", "-i", device, "-s", str(there / "tell"))
        done = cloud.run(host, *client, *options)
        return settings(done.stdout, "bound") if done.returncode == 0 else {}


class Client:
    """A client that goes on: it renews when it is told to."""

    def __init__(self, cloud: Cloud, host: str, device: str, there: Path):
        argv = ("busybox", "udhcpc", "-f", "-i", device, "-s", str(there / "tell"), "-O", "staticroutes")
        # A shell around it says the client's number within the world, and ends it with who ran it.
        around = '"$@" & client=$!; trap "kill $client" HUP EXIT; echo $client; wait'
        self.process = subprocess.Popen(
            cloud.inside(host, ["sh", "-c", around, "sh", *argv]),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.cloud, self.host = cloud, host
        assert self.process.stdout is not None
        self.number = self.process.stdout.readline().strip()

    def told(self, event: str) -> dict[str, str]:
        """What it tells at its next event of this kind."""
        assert self.process.stdout is not None
        said = ""
        for line in self.process.stdout:
            said += line
            if line.strip() == f"event={event}":
                return settings(said, event)
        raise AssertionError(f"the client ended: {said}")

    def renew(self) -> dict[str, str]:
        assert self.cloud.run(self.host, "kill", "-USR1", self.number).returncode == 0
        return self.told("renew")


@contextlib.contextmanager
def client(cloud: Cloud, host: str, device: str) -> Iterator[Client]:
    """A client that goes on for the length of a with."""
    with folder() as there:
        running = Client(cloud, host, device, there)
        try:
            yield running
        finally:
            running.process.send_signal(signal.SIGTERM)
            running.process.wait(10)


def has_v6() -> bool:
    """Whether this machine has the program that asks by DHCPv6."""
    return shutil.which("dhclient", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


def lease_v6(cloud: Cloud, host: str, device: str) -> dict[str, str]:
    """What DHCPv6 gives to a host at a device."""
    with folder() as there:
        files = ("-sf", f"{there}/tell", "-lf", f"{there}/leases", "-pf", f"{there}/pid", "-cf", "/dev/null")
        # It goes to the background once it has an address; -x ends it there.
        script = 'trap "dhclient -6 -x -pf $1/pid -lf $1/leases -sf /bin/true $2" EXIT; shift 2; "$@"'
        argv = ("dhclient", "-6", "-1", *files, device)
        done = cloud.run(host, "sh", "-c", script, "sh", str(there), device, *argv)
        return settings(done.stdout, "BOUND6")
