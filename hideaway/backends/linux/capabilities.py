"""What this machine can do for the data plane, and what to install or switch where it cannot."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import msgspec

from hideaway.base.errors import Unavailable
from hideaway.fabric.model import INTERNET_V4

TUN = "/dev/net/tun"
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


class Capability(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that this machine can or cannot do. version is "" for what has none; remedy says how to get it."""

    name: str
    ok: bool
    version: str = ""
    remedy: str = ""
    needed: bool = True


class _Program(msgspec.Struct, frozen=True):
    name: str
    package: str
    version: tuple[str, ...]  # arguments that make it tell its version
    needed: bool


PROGRAMS = (
    _Program("unshare", "util-linux", ("--version",), True),
    _Program("nsenter", "util-linux", ("--version",), True),
    _Program("ip", "iproute2", ("-V",), True),
    _Program("nft", "nftables", ("--version",), True),
    _Program("conntrack", "conntrack", ("--version",), False),
    _Program("setpriv", "util-linux", ("--version",), False),
    _Program("busybox", "busybox-static", ("--help",), False),
    _Program("ping", "iputils-ping", ("-V",), False),
    _Program("dnsmasq", "dnsmasq-base", ("--version",), False),
    _Program("dhclient", "isc-dhcp-client", ("--version",), False),
    _Program("pasta", "passt", ("--version",), False),
    _Program("radvd", "radvd", ("--version",), False),
    _Program("haproxy", "haproxy", ("-v",), False),
    _Program("postgres", "postgresql", ("--version",), False),
    _Program("mariadbd", "mariadb-server", ("--version",), False),
    _Program("mariabackup", "mariadb-backup", ("--version",), False),
)

SWITCHES = (
    # file, the value that forbids user namespaces, what to do
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    ("/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
    ("/proc/sys/user/max_net_namespaces", "0", "sysctl -w user.max_net_namespaces=15000"),
)

TRIAL = """
mount -t tmpfs tmpfs /run && mkdir /run/netns && ip netns add trial &&
ip link add t0 type veth peer name t1 netns trial &&
ip link add t2 type bridge && ip -n trial address add 2001:2::9/128 dev t1 nodad && nft -f - <<'END'
table inet trial {
 map m { type ifname : verdict; }
 chain c { type filter hook forward priority filter; policy drop; ct state established accept; iifname vmap @m; }
 chain n { type nat hook postrouting priority srcnat; oifname "t1" snat ip to 198.18.0.9; }
}
END
"""
"""What a world needs of the kernel, in a world that ends at once."""


def capabilities() -> list[Capability]:
    """Packets with and without root, databases, and each program with its version."""
    found = [_packets(rootless=False), _packets(rootless=True), _internet(), _databases()]
    return [*found, *(_program(p) for p in PROGRAMS)]


def require(rootless: bool) -> None:
    """Raise Unavailable, naming all that is missing, unless the programs that a world needs are there."""
    missing = [p for p in PROGRAMS if p.needed and not _found(p.name)]
    if missing:
        names = ", ".join(p.name for p in missing)
        packages = " ".join(sorted({p.package for p in missing}))
        raise Unavailable(f"packets need {names}: apt-get install {packages}")
    if not rootless and os.geteuid() != 0:
        raise Unavailable("packets with root need root: leave it to `auto`, or start as root")


def require_internet(rootless: bool) -> None:
    """Raise Unavailable unless the world can have a way to the real internet through this machine."""
    if not rootless and _reads("/proc/sys/net/ipv4/ip_forward") == "1":
        return
    how = "" if rootless else ", or with root on a machine that forwards packets (net.ipv4.ip_forward is 0)"
    if not _found("pasta"):
        raise Unavailable(f"--internet goes by pasta{how}: apt-get install passt")
    if not os.access(TUN, os.R_OK | os.W_OK):
        raise Unavailable(f"--internet goes by pasta{how}, which needs {TUN}: chmod a+rw {TUN}")


def require_route(rootless: bool) -> None:
    """Raise Unavailable unless this machine may have a route of its own to the world's public addresses."""
    if rootless:
        raise Unavailable("--host-route needs root: leave it out, and doors at 127.18.0.0/15 lead to the world")
    argv = ["ip", "route", "show", "root", INTERNET_V4]
    done = subprocess.run(argv, env=environment(), capture_output=True, text=True, timeout=20, check=False)
    if done.stdout.strip():
        raise Unavailable(f"--host-route: this machine has a route there already ({done.stdout.split(chr(10))[0]})")


def environment() -> dict[str, str]:
    """This process's environment, with the folders in which administration programs are."""
    return {**os.environ, "PATH": f"{os.environ.get('PATH', '/usr/bin:/bin')}:{SBIN}"}


def explain(rootless: bool, said: str) -> str:
    """Why a world could not be made, from what was said, with what to switch or install."""
    remedies = [remedy for file, forbids, remedy in SWITCHES if rootless and _reads(file) == forbids]
    if not remedies and re.search(r"unshare failed|Operation not permitted|mount", said):
        remedies = [
            "allow user namespaces (in a container: its seccomp and AppArmor profiles, or --privileged)"
            if rootless
            else "give it CAP_SYS_ADMIN and CAP_NET_ADMIN (in a container: --privileged)"
        ]
    if not Path("/proc/sys/net/ipv6").exists():
        remedies.append("load IPv6 (the kernel was started with ipv6.disable=1)")
    advice = f"; what helps: {'; '.join(remedies)}" if remedies else ""
    return f"this machine does not allow packets {'without' if rootless else 'with'} root: {said}{advice}"


def _packets(rootless: bool) -> Capability:
    name = "packets without root" if rootless else "packets with root"
    if not rootless and os.geteuid() != 0:
        return Capability(name=name, ok=False, remedy="start as root", needed=False)
    try:
        require(rootless)
    except Unavailable as error:
        return Capability(name=name, ok=False, remedy=str(error))
    user = ["--user", "--map-root-user"] if rootless else []
    argv = ["unshare", *user, "--net", "--mount-proc", "--pid", "--fork", "--kill-child", "--propagation", "private"]
    try:
        done = subprocess.run(
            [*argv, "sh", "-ec", TRIAL], env=environment(), capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Capability(name=name, ok=False, remedy=explain(rootless, str(error)))
    if done.returncode != 0:
        return Capability(name=name, ok=False, remedy=explain(rootless, (done.stderr or done.stdout).strip()))
    return Capability(name=name, ok=True)


def _databases() -> Capability:
    """Engines refuse uid 0 and run in a user namespace of their own, with root and without."""
    name = "managed databases"
    argv = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--ipc", "true"]
    try:
        done = subprocess.run(argv, env=environment(), capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Capability(name=name, ok=False, remedy=str(error), needed=False)
    if done.returncode != 0:
        return Capability(name=name, ok=False, remedy=explain(True, done.stderr.strip()), needed=False)
    return Capability(name=name, ok=True, needed=False)


def _internet() -> Capability:
    """Whether `--internet` would have a way, for who asks."""
    try:
        require_internet(rootless=os.geteuid() != 0)
    except Unavailable as error:
        return Capability(name="internet", ok=False, remedy=str(error), needed=False)
    return Capability(name="internet", ok=True)


def _program(program: _Program) -> Capability:
    found = _found(program.name)
    remedy = "" if found else f"apt-get install {program.package}"
    return Capability(
        name=program.name,
        ok=bool(found),
        version=_version([found, *program.version]) if found else "",
        remedy=remedy,
        needed=program.needed,
    )


def _found(name: str) -> str | None:
    """Debian keeps engines of several versions apart, outside the PATH."""
    kept = sorted(str(folder) for folder in Path("/usr/lib/postgresql").glob("*/bin"))
    return shutil.which(name, path=":".join([environment()["PATH"], *kept]))


def _version(argv: list[str]) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"\d+(\.\d+)+|\d{8}", done.stdout + done.stderr)
    return found[0] if found else ""


def _reads(file: str) -> str:
    try:
        return Path(file).read_text().strip()
    except OSError:
        return ""
