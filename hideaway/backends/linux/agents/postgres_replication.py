"""How PostgreSQL servers with the same data follow each other: streaming replication over the leader's Unix socket.

The socket is in the world's own /run, where no tenant comes: no packet filter stands between the two.
"""

from __future__ import annotations

from typing import Any

from .engine import sockets_of
from .postgres_contents import SUPERUSER
from .settings import Settings
from .wire import Connection

KEPT = "512MB"
"""How far a follower may be behind and still go on; one that is farther is copied anew."""
PATIENCE = "5s"
"""How long a leader waits for a word of a follower that it sends to."""

PROMOTE = "select pg_promote(true, 60) where pg_is_in_recovery()"
HEARS = "select 1 from pg_stat_wal_receiver where status = 'streaming' and sender_host = {}"
PLACE = "select pg_current_wal_flush_lsn()"
FOLLOWERS = (
    "select application_name, state, coalesce(pg_wal_lsn_diff(pg_current_wal_flush_lsn(), flush_lsn), 0)::bigint"
    " from pg_stat_replication where application_name <> 'pg_basebackup' order by 1"
)
AWAITS = (
    "select 1 from pg_stat_replication where application_name = {} and sync_state = 'sync'"
    " and state = 'streaming' and flush_lsn >= {}::pg_lsn"
)


def settings_of(settings: Settings) -> dict[str, str]:
    """What a server's configuration says of the others."""
    if settings.follows:
        leader = f"host={sockets_of(settings.follows)} user={SUPERUSER} application_name={settings.volume}"
        return {"primary_conninfo": leader}
    awaited = f'FIRST 1 ("{settings.awaited}")' if settings.awaited else ""
    kept = {"wal_keep_size": KEPT, "wal_sender_timeout": PATIENCE} if settings.followers else {}
    return {"synchronous_standby_names": awaited, **kept}


def follows(session: Connection) -> bool:
    """Whether a server follows another one."""
    return session.ask("select pg_is_in_recovery()") == [("t",)]


def follower(volume: str | None, state: str | None, lag: str | None) -> dict[str, Any]:
    """A row of FOLLOWERS as the Fabric's `Follower`."""
    return {"volume": volume or "", "state": state or "", "lag": int(lag or 0)}
