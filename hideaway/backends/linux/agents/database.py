"""The agent of a managed database: has its server run with the data, users, databases and settings that it shall have.

Runs in the host's network namespace, as a user that engines accept, in a folder of its own: reads `settings.json` (on
SIGHUP again), writes `status.json`, and starts the server as its child. It goes round on a signal, when the server or a
task has ended, and now and then; each round starts from the whole. SIGTERM ends the server, then it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

from . import logs
from .engine import Engine, Need, Trouble, Unfinished
from .mariadb import MariaDB
from .postgres import Postgres
from .processes import end_all
from .settings import Settings, Status, read, write
from .tasks import Tasks
from .volume import Volume
from .wire import Refused

SETTINGS, STATUS, ALIVE, LOG = "settings.json", "status.json", "alive", "log"
FAILURES = 3
"""Starts in a row that fail until the server is tried without its users' settings."""
CALM, EAGER, SORRY = 2.0, 0.02, 0.5
"""Seconds between rounds: when all is well, while the server starts, after trouble."""
WATCHFUL = 0.25
"""Seconds between rounds where several servers have the same data."""
START_PATIENCE = 5.0
STOP_PATIENCE = 12.0
STUCK = 15.0
"""Seconds after which a follower that hears nothing from a leader that lives is copied anew."""
IN_FORCE = 1.0
"""Seconds after which commits surely wait for the follower that was named: sessions are told of it by and by."""
MEASURE = 15.0
"""Seconds between looks at sizes."""


def engine_for(settings: Settings) -> Engine:
    """The engine that is asked for, on its volume. Raises Trouble."""
    kind, _, version = settings.engine.partition("-")
    if kind == "PostgreSQL":
        return Postgres(settings.folder, version)
    if kind == "MySQL":
        return MariaDB(settings.folder)
    raise Trouble(f"no program here is {settings.engine}")


class Agent:
    def __init__(self, folder: Path):
        self.folder = folder
        self.status = Status(reason="its data is being made")
        self.settings: Settings | None = None
        self.engine: Engine | None = None
        self.volume: Volume | None = None
        self.tasks: Tasks | None = None
        self.server: subprocess.Popen[bytes] | None = None
        self.failures = 0
        """How often the server ended in a row before it answered."""
        self.started = 0
        """The `starts` that the server was started with."""
        self.applied = ""
        """The digest of the settings that are in force in the server that runs."""
        self.measured = 0.0
        self.heard = 0.0
        """When a follower last heard from its leader (monotonic)."""
        self.mark: tuple[str, float, str] = ("", 0.0, "")
        """The follower that commits wait for, since when, and how far the server had written a little later."""
        self.said: dict[str, object] = {}
        self.told, self.ending = True, False
        self.awake, self.alarm = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> None:
        """Until SIGTERM."""
        signal.set_wakeup_fd(self.alarm, warn_on_full_buffer=False)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, self._signalled)
        while not self.ending:
            pause = self._round()
            self._report()
            if not self.told and not self.ending:
                self._sleep(pause)
        self._stop()

    def _signalled(self, number: int, _frame: object) -> None:
        self.told |= number == signal.SIGHUP
        self.ending |= number == signal.SIGTERM

    def _wake(self) -> None:
        os.write(self.alarm, b"\0")

    def _sleep(self, seconds: float) -> None:
        select.select([self.awake], [], [], seconds)
        try:
            os.read(self.awake, 4096)
        except BlockingIOError:
            pass

    def _round(self) -> float:
        """Bring everything a step nearer to the settings; the seconds until it should be tried again."""
        try:
            if self.told:
                self.told = False
                self.settings = read(self.folder / SETTINGS)
            assert self.settings is not None
            ready = self._step(self.settings)
        except (Trouble, Refused, OSError) as error:  # a full disk, too: the server is not to go down with its agent
            self.status.ready, self.status.reason = False, str(error)
            if not isinstance(error, Unfinished):
                self.status.standing = ""
            return SORRY
        if ready:
            return WATCHFUL if self.settings.several else CALM
        return EAGER

    def _step(self, settings: Settings) -> bool:
        """Whether the settings are in force. Raises Trouble."""
        engine = self._engine(settings)
        assert self.tasks is not None
        if not self._running(engine, settings):
            return False
        if settings.follows:
            self._follow(engine, settings)
            return True
        self._lead(engine, settings)
        if self.applied != settings.digest:
            try:
                engine.apply(settings)
            except Trouble as error:
                raise Unfinished(str(error)) from error
            self.applied, self.measured = settings.digest, 0.0
        self.status.settings, self.status.ready, self.status.reason = settings.digest, True, ""
        self.tasks.take(settings)
        self._measure(engine, settings)
        return True

    def _follow(self, engine: Engine, settings: Settings) -> None:
        """A follower has what its leader has, users and databases too; it is ready while it hears from it."""
        assert self.volume is not None
        self._measure(engine, settings)
        now = time.monotonic()
        if engine.hears(settings.follows):
            self.heard = now
            self.status.settings, self.status.standing = settings.digest, "streams" if engine.complete() else ""
            self.status.ready, self.status.reason = True, ""
            return
        self.status.ready, self.status.standing = False, "follows" if engine.complete() else ""
        self.status.reason = "it does not hear from the server that it follows"
        if not engine.led_by(settings.follows):
            self.heard = now
        elif now - self.heard > STUCK:
            self._stop()
            self.volume.differs()

    def _lead(self, engine: Engine, settings: Settings) -> None:
        """Lead, if it followed until now; and see whether the follower that commits wait for has everything."""
        assert self.volume is not None
        if self.volume.follows:
            self._say("it takes over")
            engine.promote()
            self.volume.leads()
        self.status.standing = "leads"
        if settings.followers:
            self.status.facts["followers"] = engine.followers()
        if self.mark[0] != settings.awaited:
            self.mark = (settings.awaited, time.monotonic(), "")
        follower, since, place = self.mark
        if follower and not place and time.monotonic() - since > IN_FORCE:
            place = engine.place()
            self.mark = (follower, since, place)
        if place and engine.awaits(follower, place):
            self.status.standing = "paired"

    def _engine(self, settings: Settings) -> Engine:
        """The engine, on a volume that this agent holds, with data of the engine that is asked for."""
        if self.engine is None or self.volume is None:
            volume = Volume(settings.folder)
            if not volume.held():
                end_all(lambda line: str(settings.folder) in line or f": {settings.volume}: " in line)
                raise Trouble("an earlier server of this volume is being ended")
            engine = engine_for(settings)
            engine.clear()
            self.volume, self.engine = volume, engine
            self.tasks = Tasks(engine, volume, self._wake)
        if not self.volume.fits(settings):
            self._say(self._becoming(self.volume, settings))
            self._stop()
            self.heard = time.monotonic()
            threading.Thread(target=self._inquire, args=(self.engine,), daemon=True).start()
            self.volume.furnish(self.engine, settings)
            self.engine = engine_for(settings)
            self.tasks = Tasks(self.engine, self.volume, self._wake)
        return self.engine

    def _inquire(self, engine: Engine) -> None:
        with contextlib.suppress(Trouble):  # whoever needs it meets it again
            engine.inquire()

    def _becoming(self, volume: Volume, settings: Settings) -> str:
        if settings.follows:
            return "its leader's data is being copied"
        return f"it becomes {settings.engine}" if volume.engine else "its data is being made"

    def _running(self, engine: Engine, settings: Settings) -> bool:
        """Whether the server runs as it is configured, and answers. Raises Trouble."""
        if self.server is not None and self.server.poll() is not None:
            status, self.server = self.server.returncode, None
            self.failures += 1
            self._say(f"its server ended with status {status}: {self._last_words(engine)}")
            engine.clear()
            if self.failures >= FAILURES:
                engine.relax()
        need = engine.configure(settings)
        if self.server is not None and (need is Need.RESTART or self.started != settings.starts):
            self._say("it is being restarted")
            self._stop()
        elif self.server is not None and need is Need.RELOAD:
            self.server.send_signal(signal.SIGHUP)
        if self.server is None:
            self._start(engine, settings)
        return self._answers(engine)

    def _start(self, engine: Engine, settings: Settings) -> None:
        assert self.volume is not None
        self.applied, self.started = "", settings.starts
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": str(self.folder)}
        # The volume stays held for as long as anything of the server runs.
        hold = self.volume.hold()
        self.server = subprocess.Popen(engine.command(), env=environment, stdin=subprocess.DEVNULL, pass_fds=(hold,))

    def _answers(self, engine: Engine) -> bool:
        """Wait a little for a server that starts; what it is told in the meantime comes first."""
        deadline = time.monotonic() + START_PATIENCE
        while not (self.told or self.ending):
            try:
                engine.answers()
                self.failures = 0
                return True
            except Trouble:
                assert self.server is not None
                if self.server.poll() is not None or time.monotonic() > deadline:
                    raise
            time.sleep(EAGER)
        return False

    def _last_words(self, engine: Engine) -> str:
        """The last line that the server said."""
        files = [self.folder / LOG, *sorted(engine.logs.glob("*.log"))[-1:]]
        newest = max((file for file in files if file.exists()), key=lambda file: file.stat().st_mtime, default=None)
        lines = newest.read_text(errors="replace").splitlines() if newest else []
        return lines[-1] if lines else "it said nothing"

    def _measure(self, engine: Engine, settings: Settings) -> None:
        """Look now and then at what only the server knows."""
        if time.monotonic() - self.measured < MEASURE:
            return
        self.measured = time.monotonic()
        oldest = time.time() - settings.log_days * logs.DAY if settings.log_days else 0.0
        logs.forget(engine.logs, max(oldest, settings.logs_since), settings.log_bytes)
        self.status.facts |= {
            "version": engine.version,
            "databases": [{"name": name, "size": size} for name, size in sorted(engine.sizes().items())],
            "logs": logs.kept(engine.logs),
            "ignored": engine.ignored,
        }

    def _stop(self) -> None:
        """End the server in its own way; kill it when that takes too long."""
        if self.server is None:
            return
        assert self.engine is not None
        self.server.send_signal(self.engine.stop_signal)
        try:
            self.server.wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait()
        self.server = None
        self.engine.clear()

    def _say(self, reason: str) -> None:
        """Not ready, and why."""
        self.status.ready, self.status.reason, self.status.standing = False, reason, ""
        self._report()

    def _report(self) -> None:
        """Write the status, where it says anything new."""
        self.status.outcomes = dict(self.tasks.done) if self.tasks else {}
        if self.settings is not None and self.settings.several:
            self.status.beat = time.monotonic()
        said = asdict(self.status)
        if said != self.said:
            try:
                write(self.folder / STATUS, said, lasting=False)
                self.said = said
            except OSError as error:
                print(f"{STATUS}: {error}", file=sys.stderr, flush=True)


def main() -> None:
    """Runs in the folder that it is started in."""
    os.umask(0o077)
    folder = Path.cwd()
    # Held for as long as this process lives: whoever finds it free does not believe the status.
    alive = os.open(folder / ALIVE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(alive, fcntl.LOCK_EX)
    try:
        Agent(folder).run()
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
