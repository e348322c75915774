"""How MariaDB servers with the same data follow each other: its own replication, by GTID, over the leader's socket.

A MariaDB server can follow another one only over TCP, so the follower's agent listens on its host's loopback and passes
on what comes there to the leader's socket, in the world's own /run: no packet filter stands between the two.

A leader waits for the standby after it has written a commit to its binary log, and before anybody sees the commit
(semi-synchronous, AFTER_SYNC), without a bound. Only the standby answers for that, replicas never do.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from .engine import sockets_of
from .mysql_wire import Session
from .settings import Settings

SOCKET = "mariadb.sock"
PORT = 3307
"""On a follower's loopback: whoever connects there talks to the leader."""
FOREVER = "4294967295000"
"""Milliseconds that a commit waits for the standby."""
BEGIN = (
    "set global gtid_slave_pos = '{place}'; change master to master_host = '127.0.0.1', master_port = {port},"
    " master_user = '{user}', master_use_gtid = slave_pos, master_connect_retry = 1"
)
AFRESH = "reset master; set global gtid_slave_pos = ''"
"""A server that begins to lead has a history of its own: who followed another one copies it whole."""


def settings_of(settings: Settings) -> dict[str, str]:
    """What a server's configuration says of the others. Always the same names: what is changed needs no restart."""
    standby = settings.follows and settings.awaited == settings.volume
    return {
        "server_id": str(zlib.crc32(settings.volume.encode()) or 1),
        "log_bin": "binlog",
        "log_slave_updates": "1",
        "sync_binlog": "1",
        "max_binlog_size": "67108864",
        "binlog_expire_logs_seconds": "86400",
        "relay_log": "relay",
        "sync_relay_log": "1" if standby else "10000",
        "skip_slave_start": "1",
        "slave_net_timeout": "10",
        "read_only": "1" if settings.follows else "0",
        "rpl_semi_sync_master_enabled": "1" if settings.awaited and not settings.follows else "0",
        "rpl_semi_sync_master_wait_point": "AFTER_SYNC",
        "rpl_semi_sync_master_timeout": FOREVER,
        "rpl_semi_sync_slave_enabled": "1" if standby else "0",
    }


def place_of_copy(copy: Path) -> str:
    """How far the history of a server is in a copy of its data: a GTID, "" where nothing was ever written."""
    for name in ("mariadb_backup_binlog_info", "xtrabackup_binlog_info"):
        if (copy / name).exists():
            fields = (copy / name).read_text().strip().split("\t")
            return fields[2].replace("\n", "") if len(fields) > 2 else ""
    return ""


def number(place: str | None) -> int:
    """The last number of a GTID (0-1-42), which grows with every commit; there is one domain."""
    return int(place.rpartition("-")[2]) if place else 0


def following(session: Session) -> dict[str, str | None]:
    """What a follower says of how it follows; empty for one that does not."""
    rows = session.table("show all slaves status")
    return rows[0] if rows else {}


def streams(status: Mapping[str, str | None]) -> bool:
    """Whether a follower hears from its leader, and does what it hears."""
    return status.get("Slave_IO_Running") == "Yes" and status.get("Slave_SQL_Running") == "Yes"


def behind(leader: Session, status: Mapping[str, str | None]) -> int:
    """The bytes of the leader's binary log that a follower does not have yet."""
    logs = {str(name): int(size or 0) for name, size, *_ in leader.ask("show binary logs")}
    file, at = str(status.get("Master_Log_File")), int(status.get("Read_Master_Log_Pos") or 0)
    return max(0, sum(size for name, size in logs.items() if name >= file) - at)


class Passage:
    """Leads from a port of the host's loopback to the socket of a server, for as long as the agent lives."""

    leader = ""

    def __init__(self) -> None:
        self._door = socket.create_server(("127.0.0.1", PORT))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            near, _ = self._door.accept()
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(str(sockets_of(self.leader) / SOCKET))
            except OSError:
                near.close()
                far.close()
                continue
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=_pass_on, args=(source, target), daemon=True).start()


@cache
def passage() -> Passage:
    """The one of this agent. Raises OSError."""
    return Passage()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
