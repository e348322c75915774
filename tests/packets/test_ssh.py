"""SSH as its users speak it, with OpenSSH's own client: into Instances, and through a gateway's bastion."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.cloud_under_test import cloud
from tests.packets.tenant import GATEWAY, INSTANCE, Machine, Tenant

pytestmark = [pytest.mark.packets, pytest.mark.slow]
KEYS = "/iam/v1alpha1/ssh-keys"
PORT = 61000
OPTIONS = """
Host *
  IdentityFile {key}
  IdentitiesOnly yes
  StrictHostKeyChecking {checking}
  UserKnownHostsFile {known}
  LogLevel ERROR
  ConnectTimeout 5
  BatchMode yes
"""
SILENT = 255
"""What ssh ends with when no session came about."""


class Stage(msgspec.Struct, frozen=True):
    """A network with a gateway, the Instance `outer` with a public address in it, and `inner` with none."""

    tenant: Tenant
    folder: Path
    network: str
    gateway: str
    address: str
    outer: Machine
    inner: Machine

    def config(self, key: str = "key", *, checking: bool = False) -> Path:
        """A client's configuration that tries one key; checking: only hosts that it knows will do."""
        file = self.folder / f"config-{key}-{checking}"
        known = self.folder / "known" if checking else Path(os.devnull)
        words = {"key": self.folder / key, "known": known, "checking": "yes" if checking else "no"}
        file.write_text(OPTIONS.format(**words))
        return file

    def ssh(self, *words: str, key: str = "key", stdin: str = "", checking: bool = False) -> tuple[int, str]:
        """What ssh on the internet ends with and prints."""
        argv = ["timeout", "20", "ssh", "-F", str(self.config(key, checking=checking)), *words]
        done = subprocess.run(
            self.tenant.hosts.argv("internet", argv), input=stdin, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout or done.stderr

    @property
    def jump(self) -> list[str]:
        return ["-J", f"bastion@{self.address}:{PORT}"]

    @property
    def root(self) -> str:
        return f"root@{self.tenant.public(self.outer.id)[0]}"


def make_key(folder: Path, name: str) -> str:
    """A new pair of keys; the public one."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)], check=True)
    return (folder / f"{name}.pub").read_text().strip()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, packets: None) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("cloud")
    with cloud(folder, "--data-plane", "linux", "--linger", "0") as running:
        tenant = Tenant(running)
        tenant.call("POST", KEYS, name="key", public_key=make_key(folder, "key"))
        make_key(folder, "stranger")
        network = tenant.network("inside")
        gateway, address = tenant.gateway("way-in", enable_bastion=True)
        tenant.attach(gateway, network)
        outer = tenant.instance("outer", network, public=True, listen=False)
        inner = tenant.instance("inner", network, listen=False)
        yield Stage(tenant, folder, network, gateway, address, outer, inner)
        tenant.close()


def test_a_key_of_the_project_opens_a_shell(stage: Stage) -> None:
    assert stage.ssh(stage.root, "hostname; id -u; pwd; exit 7") == (7, "outer\n0\n/root\n")
    assert stage.ssh(stage.root, "cat", stdin="words\n" * 1000) == (0, "words\n" * 1000)
    assert stage.ssh(stage.root, stdin="echo $HOME\n") == (0, "/root\n")
    status, said = stage.ssh("-tt", stage.root, "tty; echo $TERM")
    assert (status, said.startswith("/dev/pts/")) == (0, True)


def test_other_keys_and_other_users_are_refused(stage: Stage) -> None:
    user, _, address = stage.root.partition("@")
    for key, who in (("stranger", user), ("key", "ubuntu")):
        status, said = stage.ssh(f"{who}@{address}", "true", key=key)
        assert (status, "Permission denied" in said) == (SILENT, True)


def test_it_speaks_from_within_the_host(stage: Stage) -> None:
    assert stage.ssh(stage.root, "ip -br -4 address show ens5")[1].split()[2] == f"{stage.outer.v4(stage.network)}/22"
    assert stage.ssh(stage.root, f"ping -c1 -W2 -q {stage.inner.v4(stage.network)} >/dev/null") == (0, "")


def test_what_is_written_stays_in_the_instance(stage: Stage) -> None:
    """The machine's files are there to be read, and are as they were; others do not see what one wrote."""
    marks = [f"/{place}/hideaway-test-{os.getpid()}" for place in ("root", "etc", "tmp", "var/lib")]
    assert stage.ssh(stage.root, f"echo mine | tee {' '.join(marks)}; rm -r /etc/alternatives; ls {marks[0]}") == (
        0,
        f"mine\n{marks[0]}\n",
    )
    assert stage.tenant.inside("outer", "cat", marks[1]) == "mine\n", "exec is at home there too"
    assert stage.tenant.hosts.run("inner", "cat", marks[1]).returncode != 0
    assert not any(os.path.exists(mark) for mark in marks)
    assert os.path.isdir("/etc/alternatives")


def test_the_clouds_own_files_are_not_shown(stage: Stage) -> None:
    state = stage.folder / "state"
    assert (state / "credentials.json").exists()
    assert stage.ssh(stage.root, f"ls -A {state}") == (0, "")
    assert stage.ssh(stage.root, "ls -A /root/.ssh 2>/dev/null | wc -l") == (0, "0\n")


@pytest.mark.parametrize("flags", [[], ["-O"]], ids=["sftp", "scp"])
def test_files_are_copied(stage: Stage, flags: list[str]) -> None:
    source, back = stage.folder / "source", stage.folder / "back"
    source.write_bytes(os.urandom(300_000))
    for pair in ((str(source), f"{stage.root}:copied"), (f"{stage.root}:/root/copied", str(back))):
        argv = stage.tenant.hosts.argv("internet", ["scp", *flags, "-F", str(stage.config()), *pair])
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
    assert back.read_bytes() == source.read_bytes()
    assert not os.path.exists("/root/copied")


def test_a_port_is_forwarded_from_an_instance(stage: Stage) -> None:
    """What `-J` and `-L` need: connections that begin in the host."""
    inner = stage.inner.v4(stage.network)
    assert stage.ssh("-J", stage.root, f"root@{inner}", "hostname") == (0, "inner\n")


def test_a_key_that_is_new_is_known_after_a_start_and_one_that_is_gone_at_once(stage: Stage) -> None:
    tenant = stage.tenant
    late = tenant.call("POST", KEYS, name="late", public_key=make_key(stage.folder, "late"))["id"]
    tenant.settled()
    assert stage.ssh(stage.root, "true", key="late")[0] == SILENT
    tenant.call("POST", f"{INSTANCE}/servers/{stage.outer.id}/action", action="reboot")
    tenant.running(stage.outer.id)
    tenant.settled()
    assert stage.ssh(stage.root, "true", key="late")[0] == 0
    with tenant.command("internet", *hold(stage, "late")) as held:
        assert held.line() == "in"
        tenant.call("PATCH", f"{KEYS}/{late}", disabled=True)
        tenant.settled()
        assert held.line() == "", "who was let in by it is put out"
    assert stage.ssh(stage.root, "true", key="late")[0] == SILENT
    assert stage.ssh(stage.root, "true")[0] == 0
    tenant.call("DELETE", f"{KEYS}/{late}")


def hold(stage: Stage, key: str) -> list[str]:
    return ["ssh", "-F", str(stage.config(key)), stage.root, "echo in; cat"]


def test_a_key_in_a_tag(stage: Stage) -> None:
    public = make_key(stage.folder, "tagged")
    tag = "AUTHORIZED_KEY=" + public.replace(" ", "_")
    machine = stage.tenant.instance("tagged", stage.network, listen=False, tags=[tag, "other"])
    to = [*stage.jump, f"root@{machine.v4(stage.network)}", "hostname"]
    # The bastion knows the project's keys only, so another key opens that door.
    proxy = f"ssh -F {stage.config()} -W %h:%p -p {PORT} bastion@{stage.address}"
    assert stage.ssh("-o", f"ProxyCommand={proxy}", *to[2:], key="tagged") == (0, "tagged\n")
    stage.tenant.call("PATCH", f"{INSTANCE}/servers/{machine.id}", tags=["other"])
    stage.tenant.settled()
    assert stage.ssh("-o", f"ProxyCommand={proxy}", *to[2:], key="tagged")[0] == SILENT


def test_a_bastion_leads_to_private_hosts_by_address_and_by_name(stage: Stage) -> None:
    inner = stage.inner.v4(stage.network)
    assert stage.ssh(f"root@{inner}", "true")[0] == SILENT, "there is no way but by the bastion"
    assert stage.ssh(*stage.jump, f"root@{inner}", "hostname") == (0, "inner\n")
    assert stage.ssh(*stage.jump, "root@inner.inside.internal", "hostname") == (0, "inner\n")
    assert stage.ssh(*stage.jump, "root@outer.inside.internal", "hostname") == (0, "outer\n")


def test_a_bastion_leads_nowhere_else_and_has_no_shell(stage: Stage) -> None:
    assert stage.ssh("-p", str(PORT), f"bastion@{stage.address}", "id")[0] == 1
    public = stage.root.partition("@")[2]
    for target in ("198.18.9.9", public, "127.0.0.1", "nobody.inside.internal"):
        assert stage.ssh(*stage.jump, f"root@{target}", "true")[0] == SILENT, target
    assert stage.ssh("-p", str(PORT), f"bastion@{stage.address}", "id", key="stranger")[0] == SILENT


def bastion(stage: Stage, key: str = "key") -> bool:
    """Whether a bastion lets somebody in: it then ends with 1, having no shell."""
    return stage.ssh("-p", str(PORT), f"bastion@{stage.address}", "id", key=key)[0] == 1


def allow(stage: Stage, *ranges: str) -> None:
    path = f"{GATEWAY}/gateways/{stage.gateway}/bastion-allowed-ips"
    stage.tenant.call("PUT", path, ip_ranges=list(ranges))
    stage.tenant.settled()


def test_a_bastion_answers_the_addresses_that_are_allowed(stage: Stage) -> None:
    through = shlex.join(["ssh", "-F", str(stage.config()), *stage.jump, f"root@{stage.inner.v4(stage.network)}"])
    with stage.tenant.command("internet", "sh", "-c", f"exec {through} 'echo in; cat'") as held:
        assert held.line() == "in"
        allow(stage, "198.18.9.0/24", "198.51.100.0/24")
        assert held.tell("still there") == "still there"
        allow(stage, "198.51.100.0/24")
        assert not bastion(stage)
        stage.tenant.quiet(held, "and now")
    allow(stage, "0.0.0.0/0")
    assert bastion(stage)


def test_a_bastions_keys_are_refreshed(stage: Stage) -> None:
    tenant, path = stage.tenant, f"{GATEWAY}/gateways/{stage.gateway}"
    late = tenant.call("POST", KEYS, name="fresh", public_key=make_key(stage.folder, "fresh"))["id"]
    tenant.settled()
    assert not bastion(stage, "fresh")
    tenant.call("POST", f"{path}/refresh-ssh-keys")
    tenant.gateway_runs(stage.gateway)
    tenant.settled()
    assert bastion(stage, "fresh")
    tenant.call("DELETE", f"{KEYS}/{late}")
    tenant.settled()
    assert not bastion(stage, "fresh")


def test_a_bastion_is_switched_off_and_moved(stage: Stage) -> None:
    tenant, path = stage.tenant, f"{GATEWAY}/gateways/{stage.gateway}"
    tenant.call("PATCH", path, enable_bastion=False)
    tenant.settled()
    assert not bastion(stage)
    tenant.call("PATCH", path, enable_bastion=True, bastion_port=2222)
    tenant.settled()
    assert not bastion(stage)
    assert stage.ssh("-p", "2222", f"bastion@{stage.address}", "id")[0] == 1
    tenant.call("PATCH", path, bastion_port=PORT)
    tenant.settled()
    assert bastion(stage)


def test_doors_lead_in_from_the_machine_outside(stage: Stage) -> None:
    """To an Instance, and through a bastion to one that has no public address: with the user's own ssh."""
    outer, bastion = (at_door(stage, name) for name in ("outer", "way-in"))
    inner = f"root@{stage.inner.v4(stage.network)}"
    proxy = f"ssh -F {stage.config()} -W %h:%p {bastion[0]} {bastion[1]} bastion@{bastion[2]}"
    for words, name in (((*outer[:2], f"root@{outer[2]}"), "outer"), (("-o", f"ProxyCommand={proxy}", inner), "inner")):
        argv = ["ssh", "-F", str(stage.config()), *words, "hostname"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode, done.stdout) == (0, f"{name}\n"), done.stderr


def at_door(stage: Stage, host: str) -> tuple[str, str, str]:
    """How ssh is told where a host's own port is outside: an option, a port, an address."""
    (door,) = stage.tenant.call("POST", "/hideaway/v1/open", resource=host)["doors"]
    address, _, port = door["at"].partition(":")
    return "-p", port, address


def test_who_attends_hosts_is_back_when_it_was_killed(stage: Stage) -> None:
    """Guests come in again, by the same keys, to the same files."""
    assert stage.ssh(stage.root, "echo kept > /root/kept")[0] == 0
    (pid,) = attendants(stage)
    os.kill(pid, signal.SIGKILL)
    assert stage.tenant.soon(lambda: stage.ssh(stage.root, "cat /root/kept") == (0, "kept\n"), 30)
    assert bastion(stage)


def attendants(stage: Stage) -> list[int]:
    """The processes, outside, that attend this cloud's hosts."""
    mark = f"--data\0{stage.folder}/state/data\0".encode()
    found = []
    for each in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if each.name.isdigit() and mark in (each / "cmdline").read_bytes():
                found.append(int(each.name))
    return found


def test_hosts_are_known_again_whatever_became_of_the_world(stage: Stage) -> None:
    """Another key of a host's would be what an attacker has: ssh refuses it."""
    known = stage.folder / "known"
    address = stage.root.partition("@")[2]
    for where in (address, f"[{stage.address}]:{PORT}"):
        name, _, port = where.strip("[").partition("]:")
        scanned = stage.tenant.inside("internet", "ssh-keyscan", "-T", "10", "-p", port or "22", name)
        with known.open("a") as file:
            file.write("".join(line + "\n" for line in scanned.splitlines() if not line.startswith("#")))
    assert len({line.split()[2] for line in known.read_text().splitlines()}) == 2, "each host has a key of its own"
    assert stage.ssh(stage.root, "true", checking=True)[0] == 0
    stage.tenant.cloud.kill()  # the world ends with it: nobody lingers here
    stage.tenant.cloud.start()
    stage.tenant.connect()
    stage.tenant.settled()
    assert stage.ssh(stage.root, "hostname", checking=True) == (0, "outer\n")
    assert stage.ssh("-p", str(PORT), f"bastion@{stage.address}", "id", checking=True)[0] == 1
