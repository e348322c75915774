"""The database agent without an engine: its volume, its tasks, its logs, its SQL's spelling, what it is told."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest

from hideaway.backends.linux.agents import logs, settings, wire
from hideaway.backends.linux.agents.engine import Engine, Need, Trouble
from hideaway.backends.linux.agents.settings import Settings
from hideaway.backends.linux.agents.tasks import Tasks
from hideaway.backends.linux.agents.volume import Volume
from hideaway.backends.linux.services import database
from hideaway.backends.linux.services.base import SETTINGS, STATUS, Place, digest_of
from hideaway.fabric.services import DatabaseServer, Grant, Login, Origin, Task


class Fake(Engine):
    """An engine whose data is a file that says what it is of."""

    stop_signal = 15
    fail = ""
    program = "15"

    def __init__(self, volume: Path):
        super().__init__(volume)
        self.did: list[str] = []

    def _made(self, into: Path, content: str) -> None:
        if self.fail:
            raise Trouble(self.fail)
        into.mkdir()
        (into / "is").write_text(content)

    def create(self, into: Path) -> None:
        self._made(into, f"new {self.program}")

    def clone(self, volume: str, into: Path) -> None:
        self._made(into, f"clone of {volume}")

    def fits(self, data: Path) -> bool:
        return self.program in (data / "is").read_text() or not (data / "is").read_text().startswith("new")

    def upgrade(self, old: Path, into: Path) -> None:
        self._made(into, f"upgrade of {(old / 'is').read_text()}")

    def configure(self, settings: Settings) -> Need:
        return Need.NOTHING

    def command(self) -> list[str]:
        return ["true"]

    def clear(self) -> None: ...

    def answers(self) -> None: ...

    def apply(self, settings: Settings) -> None:
        self.did.append("apply")

    def sizes(self) -> dict[str, int]:
        return {}

    def dump(self, database: str, into: Path) -> None:
        self._made(into, f"dump of {database}")
        self.did.append(f"dump {database}")

    def restore(self, database: str, source: Path) -> None:
        self.did.append(f"restore {database} from {(source / 'is').read_text()}")

    def tidy(self) -> None:
        self.did.append("tidy")

    def copy(self, into: Path) -> None:
        self._made(into, "copy")

    version = "Fake 15.0"

    @property
    def ignored(self) -> list[str]:
        return []


def told(tmp_path: Path, **fields: object) -> Settings:
    """Settings as the agent reads them, of a server with these fields."""
    server = DatabaseServer(id="server", engine="PostgreSQL-15", volume="v", port=5432, node_memory=0)
    for name, value in fields.items():
        server = type(server)(**{f: getattr(server, f) for f in server.__struct_fields__} | {name: value})
    place = Place(folder=tmp_path, data=tmp_path)
    file = tmp_path / SETTINGS
    file.write_bytes(database.program("host", server, place).files[SETTINGS])
    return settings.read(file)


def of(volume: Volume) -> str:
    return (volume.main / "is").read_text()


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    made = Volume(tmp_path / "volumes" / "v")
    assert made.held()
    return made


def test_settings_are_read_as_they_were_written(tmp_path: Path) -> None:
    said = told(
        tmp_path,
        users=(Login(name="a", verifier="v", admin=True),),
        grants=(Grant(user="a", database="d", permission="all"),),
        settings=(("work_mem", "4MB"),),
        origin=Origin(volume="o", engine="PostgreSQL-14", live=True),
        tasks=(Task(id="t", what="restore", volume="b", database="d"),),
    )
    assert said.users == [settings.Login("a", "v", True)]
    assert said.grants == [settings.Grant("a", "d", "all")]
    assert said.settings == {"work_mem": "4MB"}
    assert said.origin == settings.Origin("o", "PostgreSQL-14", True)
    assert (said.restored, said.folder) == ({"d"}, tmp_path / "volumes" / "v")
    assert said.digest == digest_of((tmp_path / SETTINGS).read_bytes())


def test_a_volume_is_held_by_one(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hideaway.backends.linux.agents.volume.HOLD_PATIENCE", 0.0)
    assert not Volume(volume.folder).held()


def test_data_is_made_once_and_upgraded_when_another_version_is_asked_for(volume: Volume, tmp_path: Path) -> None:
    engine = Fake(volume.folder)
    volume.furnish(engine, told(tmp_path))
    assert (of(volume), volume.engine) == ("new 15", "PostgreSQL-15")
    volume.furnish(engine, told(tmp_path))
    assert of(volume) == "new 15"
    volume.furnish(engine, told(tmp_path, engine="PostgreSQL-16"))
    assert (of(volume), volume.engine) == ("upgrade of new 15", "PostgreSQL-16")
    assert sorted(p.name for p in volume.folder.iterdir()) == ["lock", "main", "volume.json"]


def test_data_begins_as_another_s_and_is_upgraded_where_its_program_is_another(volume: Volume, tmp_path: Path) -> None:
    origin = Origin(volume="o", engine="PostgreSQL-14", live=False)
    source = tmp_path / "volumes" / "o" / "main"
    with pytest.raises(Trouble, match="no data in o"):
        volume.furnish(Fake(volume.folder), told(tmp_path, origin=origin))
    source.mkdir(parents=True)
    (source / "is").write_text("new 14")
    volume.furnish(Fake(volume.folder), told(tmp_path, origin=origin))
    assert (of(volume), volume.engine) == ("upgrade of new 14", "PostgreSQL-15")
    assert (source / "is").read_text() == "new 14"


def test_what_was_cut_short_is_begun_again_and_nothing_is_lost(volume: Volume, tmp_path: Path) -> None:
    engine = Fake(volume.folder)
    (volume.folder / "main.new").mkdir()
    volume.main.mkdir()  # made, and not yet said of what
    volume.furnish(engine, told(tmp_path))
    assert of(volume) == "new 15"
    os.rename(volume.main, volume.folder / "main.old")  # an upgrade, between two names
    volume.furnish(engine, told(tmp_path))
    assert of(volume) == "new 15"
    engine.fail = "no"
    with pytest.raises(Trouble):
        volume.furnish(engine, told(tmp_path, engine="PostgreSQL-16"))
    assert of(volume) == "new 15"


def test_tasks_are_done_once_in_turn_and_forgotten_when_nobody_asks(volume: Volume, tmp_path: Path) -> None:
    engine, ended = Fake(volume.folder), threading.Event()
    tasks = Tasks(engine, volume, ended.set)
    dump = Task(id="1", what="dump", volume="b", database="d")
    back = Task(id="2", what="restore", volume="b", database="e")
    lost = Task(id="3", what="restore", volume="nothing", database="e")
    wanted = told(tmp_path, tasks=(dump, back, lost))
    deadline = time.monotonic() + 20
    while len(tasks.done) < 3:
        tasks.take(wanted)
        assert time.monotonic() < deadline
        ended.wait(1)
        ended.clear()
    assert [how["error"] for how in tasks.done.values()] == ["", "", "there is no data in the backup"]
    assert tasks.done["1"]["size"] == len("dump of d")
    assert engine.did[:3] == ["dump d", "restore e from dump of d", "apply"]
    again = Tasks(engine, volume, ended.set)  # after a restart
    again.take(wanted)
    assert again.done == tasks.done
    again.take(told(tmp_path, tasks=()))
    assert (again.done, json.loads((volume.folder / "tasks.json").read_text())) == ({}, {})


def test_a_log_is_what_was_said_in_a_time(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("2026-01-01 10:00:00.1 UTC one\n\tmore of one\n2026-01-01 10:00:05.0 UTC two\n")
    (tmp_path / "b.log").write_text("2026-01-01T10:00:09 three\n")
    at = 1767261600.0  # 2026-01-01 10:00:00 UTC
    assert logs.between(tmp_path, 0, 0).count(b"\n") == 4
    assert logs.between(tmp_path, at + 3, at + 7) == b"2026-01-01 10:00:05.0 UTC two\n"
    assert logs.between(tmp_path, at - 9, at + 3) == b"2026-01-01 10:00:00.1 UTC one\n\tmore of one\n"


def test_logs_are_forgotten_by_age_and_by_size_and_the_newest_stays_a_file(tmp_path: Path) -> None:
    for number, name in enumerate("abc"):
        (tmp_path / f"{name}.log").write_text("x" * 100)
        os.utime(tmp_path / f"{name}.log", (number, number))
    logs.forget(tmp_path, 1.0, 150)
    assert [(f["name"], f["size"]) for f in logs.kept(tmp_path)] == [("c.log", 100)]
    logs.forget(tmp_path, 9.0, 0)
    assert [(f["name"], f["size"]) for f in logs.kept(tmp_path)] == [("c.log", 0)]


@pytest.mark.parametrize("text", ["plain", "a'b", 'a"b', "back\\slash", "$x$"])
def test_sql_s_texts_and_names_cannot_be_left(text: str) -> None:
    assert wire.literal(text)[1:-1].replace("''", "'") == text
    assert wire.name(text)[1:-1].replace('""', '"') == text


def test_a_status_is_believed_only_of_an_agent_that_lives(tmp_path: Path) -> None:
    server = DatabaseServer(id="server", engine="PostgreSQL-15", volume="v", port=5432, node_memory=0)
    place = Place(folder=tmp_path, data=tmp_path)
    assert database.look(server, place).reason == "its agent does not run: it is starting"
    digest = digest_of(database.program("host", server, place).files[SETTINGS])
    said = {"settings": digest, "ready": True, "reason": "", "facts": {}, "outcomes": {"t": {"size": 3, "error": ""}}}
    (tmp_path / STATUS).write_text(json.dumps(said))
    (tmp_path / "log").write_text("first\nunshare: not permitted\n")
    assert database.look(server, place).reason == "its agent does not run: unshare: not permitted"
    with alive(tmp_path):
        seen = database.look(server, place)
        assert (seen.ready, seen.outcomes["t"].size) == (True, 3)
        other = DatabaseServer(id="server", engine="PostgreSQL-16", volume="v", port=5432, node_memory=0)
        assert not database.look(other, place).ready


class alive:  # reads as a word
    """Hold the agent's file, as one that runs does: from another open file, as locks are by those."""

    def __init__(self, folder: Path):
        self.file = folder / "alive"

    def __enter__(self) -> None:
        import fcntl

        self.held = self.file.open("w")
        fcntl.flock(self.held, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self.held.close()
