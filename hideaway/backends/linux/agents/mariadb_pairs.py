"""A MariaDB server among those with the same data: it follows one, takes over, or is followed."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

from . import mariadb_replication as replication
from .engine import Engine, Trouble, sockets_of
from .mariadb_contents import SUPERUSER
from .mysql_wire import Session, literal
from .wire import Refused

COPIED = "hideaway.copied"
"""In data that was copied, until its server leads: the volume of whom it is to follow, if any."""


class Pairing(Engine):
    """What the engine asks of others' servers, and they of its."""

    def __init__(self, volume: Path):
        super().__init__(volume)
        self._followers: list[str] = []
        self._goal = -1
        """What a follower must have before it has all that its leader knows it to have; -1 until that is known."""
        self._whole = False

    @abstractmethod
    def session(self, database: str = "", timeout: float | None = 30) -> Session:
        """A session of the platform's own user, without a password. Raises Refused."""

    def forget(self) -> None:
        """Its server has ended: as a follower it fetches anew what it was sent and had not carried out."""
        self._goal, self._whole = -1, False

    def copied(self) -> str | None:
        """The volume that the data was copied from to follow it, "" to lead, None for data that is not a copy."""
        file = self.main / COPIED
        return file.read_text() if file.exists() else None

    def begin_afresh(self, session: Session) -> None:
        session.ask(replication.AFRESH)
        (self.main / COPIED).unlink(missing_ok=True)

    def promote(self) -> None:
        """Carry out what it was sent, and let users write."""
        try:
            with self.session("", 90) as session:
                status = replication.following(session)
                if status:
                    session.ask("stop slave io_thread")
                    received = replication.following(session).get("Gtid_IO_Pos")
                    if received and self._goal >= 0:
                        session.ask("start slave sql_thread")
                        if session.ask(f"select master_gtid_wait({literal(received)}, 1)") != [("0",)]:
                            raise Trouble("it carries out what it was sent before it takes over")
                    session.ask("stop slave; reset slave all")
                self.begin_afresh(session)
                session.ask("set global read_only = 0")
        except Refused as error:
            raise Trouble(f"it cannot take over yet: {error}") from error

    def hears(self, leader: str) -> bool:
        if self.copied() != leader:
            return False  # it is another one's history: this one's is copied whole
        try:
            replication.passage().leader = leader
            with self.session() as session:
                status = replication.following(session)
                if not status:
                    place = replication.place_of_copy(self.main)
                    session.ask(replication.BEGIN.format(place=place, port=replication.PORT, user=SUPERUSER))
                if "No" in (status.get("Slave_IO_Running", "No"), status.get("Slave_SQL_Running", "No")):
                    session.ask("start slave")
                status = replication.following(session)
            if replication.streams(status) and not self._whole:
                self._reach(leader, replication.number(status["Gtid_IO_Pos"]))
        except (Refused, OSError):
            return False
        return replication.streams(status)

    def _reach(self, leader: str, received: int) -> None:
        if self._goal < 0:
            with _session_of(leader) as session:
                self._goal = replication.number(session.ask("select @@gtid_binlog_pos")[0][0])
        self._whole = received >= self._goal

    def complete(self) -> bool:
        return self._whole

    def led_by(self, leader: str) -> bool:
        try:
            with _session_of(leader) as session:
                return session.ask("select @@read_only") == [("0",)]
        except Refused:
            return False

    def followers(self) -> list[dict[str, Any]]:
        found = []
        try:
            with self.session() as leader:
                for volume in self._followers:
                    status = _following(volume)
                    if replication.streams(status):
                        lag = replication.behind(leader, status)
                        found.append({"volume": volume, "state": "streaming", "lag": lag})
        except Refused as error:
            raise Trouble(str(error)) from error
        return found

    def place(self) -> str:
        try:
            with self.session() as session:
                return str(session.ask("select @@gtid_binlog_pos")[0][0] or "0")
        except Refused as error:
            raise Trouble(str(error)) from error

    def awaits(self, follower: str, place: str) -> bool:
        try:
            with self.session() as session:
                rows = session.ask("show status like 'Rpl_semi_sync_master_%'")
        except Refused as error:
            raise Trouble(str(error)) from error
        said = {str(row[0]).lower(): row[1] for row in rows}
        if said.get("rpl_semi_sync_master_status") != "ON" or said.get("rpl_semi_sync_master_clients") == "0":
            return False
        status = _following(follower)
        return replication.streams(status) and replication.number(status["Gtid_IO_Pos"]) >= replication.number(place)


def _session_of(volume: str) -> Session:
    """A session with the server that runs on another volume. Raises Refused."""
    return Session(f"{sockets_of(volume)}/{replication.SOCKET}", SUPERUSER, "", 5)


def _following(volume: str) -> dict[str, str | None]:
    """How the server on another volume follows; empty while it does not answer."""
    try:
        with _session_of(volume) as session:
            return replication.following(session)
    except Refused:
        return {}
