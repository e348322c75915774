"""Load Balancers are HAProxy: a master that keeps the sockets, and workers that follow each other without a gap.

A change is a new worker, which takes over the listening sockets; the old one ends when its last connection has. So no
connection is refused or cut. What a worker knows of its servers' health, its follower learns from `servers.state`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import time
from pathlib import Path

from hideaway.backends.linux.channel import connect
from hideaway.backends.linux.services.base import LOG, Place, Program
from hideaway.backends.linux.services.haproxy_text import CONFIGURATION, STATES, STATS, TRUSTED, rendered
from hideaway.fabric.balancing import Wellness
from hideaway.fabric.services import Balancer, Observed

MASTER = "master.sock"
PATIENCE = 1.0  # seconds
# Until HAProxy minds the signal to reload (some milliseconds) it would die of it: it is held back, not lost.
ARGV = ("env", "--block-signal=USR2", "haproxy", "-W", "-db", "-S", f"unix@{MASTER}", "-f", CONFIGURATION)
STATE_NAMES = ("stopped", "starting", "running", "stopping")
CHECK_NAMES = ("unknown", "neutral", "failed", "passed", "condpass")
"""HAProxy's numbers in `show servers state`, by the vendor's names for them."""


def program(_host: str, balancer: Balancer, _place: Place) -> Program:
    """HAProxy in the foreground, with a master that starts new workers on SIGUSR2 and lets old ones finish."""
    return Program(argv=ARGV, files=rendered(balancer).files, reload=signal.SIGUSR2)


def prepare(balancer: Balancer, place: Place) -> None:
    """Before a change: write down how the servers fare, and forget certificates that no frontend shows any more."""
    _trust(place)
    wanted = rendered(balancer).files
    for file in place.folder.glob("cert-*.pem"):
        if file.name not in wanted:
            file.unlink(missing_ok=True)
    try:
        states = _ask(place, "show servers state")
    except OSError:  # it does not run: there is nothing to hand over
        return
    new = place.folder / f"{STATES}.new"
    new.write_text(handed_over(states, {f"b-{pool.id}": pool.check.port for pool in balancer.pools}))
    os.replace(new, place.folder / STATES)


def _trust(place: Place) -> None:
    """Servers' certificates are held to what the machine trusts (SSL_CERT_FILE, or its own)."""
    folder = place.folder / TRUSTED
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    link, authorities = folder / "machine.pem", ssl.get_default_verify_paths().cafile
    link.unlink(missing_ok=True)
    if authorities:
        link.symlink_to(Path(authorities).absolute())


def handed_over(states: str, ports: dict[str, int]) -> str:
    """`show servers state` for a worker whose health checks go to these ports, by backend.

    What stands there would outrank its configuration: a check went on asking on the port that it had before.
    """
    lines = states.splitlines()
    columns = next((line[2:].split() for line in lines if line.startswith("# be_id ")), [])
    changed = []
    for line in lines:
        words = line.split(" ")
        if not line.startswith("#") and len(words) == len(columns):
            row = dict(zip(columns, words, strict=True))
            row["srv_check_port"] = str(ports.get(row["be_name"], 0))
            row["srv_agent_port"] = "0"  # HAProxy writes one down, and complains of it when it reads it
            line = " ".join(row.values())
        changed.append(line)
    return "".join(f"{line}\n" for line in changed)


class Late:
    """Whom the last change has not reached, and since when.

    HAProxy forgets a signal that comes while it begins (it ignores SIGUSR2 for a moment, after it has read its
    configuration), so one that is late is told again, later each time: its configuration may be one that it refuses.
    """

    FIRST, LAST = 0.2, 5.0  # seconds

    def __init__(self) -> None:
        self._due: dict[Path, tuple[float, float]] = {}  # when to tell it again, and how long to wait then

    def came(self, place: Place) -> None:
        self._due.pop(place.folder, None)

    def waits(self, place: Place) -> None:
        now = time.monotonic()
        due, pause = self._due.setdefault(place.folder, (now + self.FIRST, self.FIRST))
        if now < due:
            return
        pause = min(pause * 2, self.LAST)
        self._due[place.folder] = now + pause, pause
        with contextlib.suppress(OSError), connect(place.folder, MASTER, PATIENCE) as channel:
            channel.sendall(b"reload\n")


_late = Late()


def look(balancer: Balancer, place: Place) -> Observed:
    """Ready once the worker that answers runs this very configuration."""
    try:
        said = _ask(place, "show info;show servers state")
    except OSError as error:
        return Observed(ready=False, reason=_complaint(place) or f"HAProxy does not answer: {error}")
    facts = {"servers": tuple(_wellness(said))}
    described = next((line[13:] for line in said.splitlines() if line.startswith("description: ")), "")
    if described != rendered(balancer).digest:
        _late.waits(place)
        return Observed(ready=False, reason=_complaint(place) or "HAProxy takes up the last change", facts=facts)
    _late.came(place)
    return Observed(ready=True, facts=facts)


def _ask(place: Place, commands: str) -> str:
    """What HAProxy answers on its own socket. Raises OSError."""
    with connect(place.folder, STATS, PATIENCE) as channel:
        channel.sendall(f"{commands}\n".encode())
        said = []
        while data := channel.recv(1 << 16):
            said.append(data)
    return b"".join(said).decode(errors="replace")


def _wellness(said: str) -> list[Wellness]:
    """Servers, from the lines of `show servers state` (version 1): one a server, its columns named by a line with #."""
    lines = said.splitlines()
    header = next((number for number, line in enumerate(lines) if line.startswith("# be_id ")), None)
    if header is None:
        return []
    columns = lines[header][2:].split()
    rows = (dict(zip(columns, line.split(), strict=False)) for line in lines[header + 1 :] if line.strip())
    return [
        Wellness(
            pool=row["be_name"][2:],
            address=row["srv_name"].rpartition(":")[0],
            state=STATE_NAMES[int(row["srv_op_state"])],
            check=CHECK_NAMES[int(row["srv_check_result"])],
            since=int(row["srv_time_since_last_change"]),
        )
        for row in rows
        if row["be_name"].startswith("b-")
    ]


def _complaint(place: Place) -> str:
    """What HAProxy said last that it could not do; "" when it has nothing to complain of."""
    try:
        with open(place.folder / LOG, "rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - 4096))
            lines = log.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    loads = [number for number, line in enumerate(lines) if "Loading success" in line]
    alerts = [line.partition(" : ")[2] for line in lines[max(loads, default=-1) + 1 :] if line.startswith("[ALERT]")]
    return f"HAProxy: {alerts[0]}" if alerts else ""
