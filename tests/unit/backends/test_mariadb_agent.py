"""MariaDB's agent without a server: its SQL's spelling, its configuration, its protocol."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from hideaway.backends.linux.agents import mariadb, mariadb_contents, mariadb_replication, mysql_wire
from hideaway.backends.linux.agents.settings import Settings, read
from hideaway.backends.linux.agents.wire import Refused
from hideaway.backends.linux.services import database
from hideaway.backends.linux.services.base import SETTINGS, Place
from hideaway.fabric.services import DatabaseServer


def settings(tmp_path: Path, **fields: object) -> Settings:
    server = DatabaseServer(id="server", engine="MySQL-8", port=3306, node_memory=2 << 30, **({"volume": "v"} | fields))
    file = tmp_path / SETTINGS
    file.write_bytes(database.program("host", server, Place(folder=tmp_path, data=tmp_path)).files[SETTINGS])
    return read(file)


def test_names_and_texts_are_spelled_so_that_nothing_in_them_counts() -> None:
    assert mysql_wire.name("a`b") == "`a``b`"
    assert mysql_wire.literal("it's") == "'it''s'"
    assert mysql_wire.literal("a\\' or 1") == "x'615c27206f722031'"
    assert mariadb_contents._all_of("a_b%") == "`a\\_b\\%`.*", "a database's name is a pattern in grants"


def test_numbers_are_the_same_with_and_without_units() -> None:
    assert [mariadb._plain(value) for value in ("64M", "512K", "10.5", "ON", "off")] == [
        "67108864",
        "524288",
        "10.5",
        "1",
        "0",
    ]
    assert mariadb._same("67108864", "64M")
    assert mariadb._same("ON", "1")
    assert not mariadb._same("utf8mb4", "latin1")


def test_only_zones_that_need_no_tables_are_taken() -> None:
    assert not mariadb._unknown_zone("default_time_zone", "UTC")
    assert not mariadb._unknown_zone("default_time_zone", "+02:00")
    assert mariadb._unknown_zone("default_time_zone", "Europe/Paris")


def test_a_server_changes_its_part_without_a_restart(tmp_path: Path) -> None:
    leads = settings(tmp_path, followers=("b",))
    waits = settings(tmp_path, followers=("b",), awaited="b")
    standby = settings(tmp_path, volume="b", follows="v", awaited="b")
    replica = settings(tmp_path, volume="c", follows="v")
    said = [mariadb_replication.settings_of(each) for each in (leads, waits, standby, replica)]
    assert len({frozenset(each) for each in said}) == 1, "the same names, all of which a server that runs can change"
    assert [each["read_only"] for each in said] == ["0", "0", "1", "1"]
    assert [each["rpl_semi_sync_master_enabled"] for each in said] == ["0", "1", "0", "0"]
    assert [each["rpl_semi_sync_slave_enabled"] for each in said] == ["0", "0", "1", "0"], "replicas' word counts not"


def test_how_far_a_copy_is_stands_beside_it(tmp_path: Path) -> None:
    assert mariadb_replication.place_of_copy(tmp_path) == ""
    (tmp_path / "xtrabackup_binlog_info").write_text("binlog.000001\t2218\t0-42907984-11\n")
    assert mariadb_replication.place_of_copy(tmp_path) == "0-42907984-11"
    assert mariadb_replication.number("0-42907984-11") == 11
    assert mariadb_replication.number("") == 0


def packet(number: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "little") + bytes([number]) + body


@pytest.mark.parametrize("refuses", [False, True])
def test_the_protocol_takes_rows_and_errors(tmp_path: Path, refuses: bool) -> None:
    path = str(tmp_path / "s")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()
    asked: list[bytes] = []

    def serve() -> None:
        with listening.accept()[0] as client:
            client.sendall(packet(0, b"\x0aMariaDB"))
            client.recv(4096)
            client.sendall(packet(2, b"\0\0\0\2\0\0\0"))
            asked.append(client.recv(4096)[5:])
            column = b"\3def\0\0\0\1a\0\x0c"
            rows = [b"\1", column, b"\xfe\0\0\2\0", b"\2hi", b"\xfb", b"\xfe\0\0\2\0"]
            error = b"\xff\x7a\x04#42S02there is no such table"
            said = [error] if refuses else rows
            client.sendall(b"".join(packet(i + 1, body) for i, body in enumerate(said)))
            client.recv(4096)

    serving = threading.Thread(target=serve)
    serving.start()
    with mysql_wire.Session(path, "user") as session:
        if refuses:
            with pytest.raises(Refused, match="no such table") as refused:
                session.ask("select a")
            assert refused.value.code == "1146"
        else:
            assert session.table("select a") == [{"a": "hi"}, {"a": None}]
    serving.join(10)
    listening.close()
    assert asked == [b"select a"]
