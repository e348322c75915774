"""The Linux data plane as `backends.base` wants it: a world, a journal of what it holds, steps carried out in it."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from hideaway.backends.base import OpenDoor, Present, WorldLost
from hideaway.backends.linux import capabilities, journal, names, plugging, seeing, text, world
from hideaway.backends.linux.attending import Attendant
from hideaway.backends.linux.channel import Channel, Line
from hideaway.backends.linux.inside.namespaces import FURNITURE
from hideaway.backends.linux.operations import Operation, Performed, Stamp
from hideaway.backends.linux.staff import Staff
from hideaway.backends.linux.ways import Ways
from hideaway.base.errors import NotFound
from hideaway.fabric.doors import DOORS
from hideaway.fabric.model import Fabric, Plug
from hideaway.fabric.seen import Count, Packet, Trace
from hideaway.fabric.services import Names, Observed
from hideaway.plan import Step, suspects
from hideaway.plan.shapes import pulse
from hideaway.plan.steps import EDGE_RULES, VOLUMES, AddHost, RemoveHost, SetPulse, resolver_of, rules_of, service_of

PULSE = "pulse.sock"
APPLY_PATIENCE = 600.0
EDGE_HOST, WORLD_HOST = "edge", "world"
"""What `command` calls the edge and the namespace of the bridges, where no host has that name."""
AT_HOME = """
for file in "$1"/*; do [ ! -e "$file" ] || [ ! -e /etc/"${file##*/}" ] || mount --bind "$file" /etc/"${file##*/}"; done
shift; exec "$@"
"""
"""As namespaces.settle_in does it, for a shell: the folder with a host's own files of /etc, then what to run."""


class LinuxBackend:
    """The data plane in a world of its own.

    state is the server's folder: the world's things are in its folder `world`, and what services keep beyond the world
    (databases) in its folder `data`. rootless: without root, in a user namespace; None decides by who this process is.
    linger: seconds that the world outlives its server. heartbeat_interval: seconds between a node's heartbeats. doors:
    where on this machine the world's public addresses are reached (see fabric.doors), "" for nowhere. internet: whether
    the world has a way to the real internet through this machine. host_route: in the place of doors this machine has a
    link to the world and a route to all of its public addresses.
    """

    def __init__(
        self,
        state: Path,
        *,
        rootless: bool | None = None,
        linger: float = 60,
        heartbeat_interval: float = 10,
        doors: str = DOORS,
        internet: bool = False,
        host_route: bool = False,
    ):
        self.folder = Path(state).absolute() / "world"
        self.rootless = os.geteuid() != 0 if rootless is None else rootless
        self.linger, self.heartbeat_interval = linger, heartbeat_interval
        data = self.folder.parent / "data"
        self._attendant = Attendant(self.folder, data, self.alive)
        self._ways = Ways(
            self.folder, self.alive, doors=doors, road=host_route, internet=internet, nat=not self.rootless
        )
        self._staff = Staff(self.folder, data, self._attendant, self._ways.names)
        self._lock = threading.RLock()
        self._world: world.World | None = None
        self._present = Present()
        self._stamps: dict[str, int] = {}
        self._kept = journal.Journal(world="")
        """The journal that was written last."""
        self._followed: Counter[str] = Counter()  # namespaces in which a packet is being followed
        self._pulse = Line(self.folder, PULSE, self.alive)

    def up(self) -> bool:
        """Adopt the living world of the state folder, or make one. See Backend."""
        with self._lock:
            if self._world is not None:
                if self._world.answers():
                    return True
                self._let_go()
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._ways.internet:
                capabilities.require_internet(self.rootless)
            found = world.adopt(self.folder)
            if self._ways.road and not found:
                capabilities.require_route(self.rootless)
            self._world = found or world.create(self.folder, self.rootless, self.linger)
            try:
                return self._take_over(self._world)
            except BaseException:
                self._let_go()
                raise

    def _take_over(self, living: world.World) -> bool:
        """Believe the journal if it is this world's; else the world is new, or its server died while making it."""
        kept = journal.read(self._journal)
        adopted = kept is not None and kept.world == living.id
        if kept is not None and adopted:
            self._kept, self._present, self._stamps = kept, kept.present, kept.stamps
        else:
            self._staff.clear()
            # What was kept for another world is not known here: it is said again what of it is still wanted.
            self._present = Present(suspects=frozenset({VOLUMES}))
            self._stamps = self._perform(tuple(text.base())).stamps
            self._remember()
        argv = [*world.program("pulse"), "--world", living.id]
        living.channel.ask("employ", name="pulse", argv=argv)
        self._ways.employ(living.channel, living.id)
        self._tell_pulse(pulse(self._present.fabric))  # the interval may be another than the last server's
        self._attendant.attend(living.channel, living.id, self._present.fabric)
        self._ways.tell(living.id, self._present.fabric)
        self._ways.link(living.channel, living.id, self._perform)
        if self._ways.reach_out(living.channel, living.id, self._perform):
            # Whom hosts ask for names is said again: of the real internet's they know now, or no more.
            hosts = self._present.fabric.hosts
            self._doubt(frozenset(resolver_of(h.id) for h in hosts if h.resolver is not None))
            self._doubt(frozenset(service_of(h.id, s.id) for h in hosts for s in h.services if isinstance(s, Names)))
        self._ways.attend(self._present.fabric, look=True)
        return adopted

    def present(self) -> Present:
        """What the world holds. See Backend."""
        self._held()
        return self._present

    def apply(self, steps: Sequence[Step], wanted: Fabric) -> None:
        """Carry out steps and remember that the world now holds `wanted`. See Backend."""
        with self._lock:
            self._held()
            if not steps and wanted == self._present.fabric:
                return
            self._doubt(suspects(steps))
            keeper = self._held().channel
            for step in steps:
                self._staff.leave(step, keeper)
            with plugging.places(steps) as guests:
                before, done = self._stamps, self._perform(text.operations(steps, self._ways.names), guests)
            for step in steps:
                if isinstance(step, SetPulse):
                    self._tell_pulse(step)
                self._staff.come(step, keeper)
            made = {step.host for step in steps if isinstance(step, AddHost)}
            self._attendant.attend(keeper, self._held().id, wanted, made)
            self._present = Present(fabric=wanted)
            if any(isinstance(step, AddHost | RemoveHost) for step in steps):
                self._ways.tell(self._held().id, wanted)
            guarded = self._guarded()
            self._stamps = {name: stamp for name, stamp in (before | done.stamps).items() if name in guarded}
            self._remember()
            # Changing a part of rules must not hide that somebody else had changed them.
            changed = (name for name, stamp in done.found.items() if stamp != before.get(name))
            self._doubt(frozenset(guarded[name] for name in changed if not self._followed[name]))
            self._ways.attend(wanted)

    def check(self) -> None:
        """Look whether rules were changed by somebody else: those of the edge, of gateways and routers. See Backend."""
        with self._lock:
            ours = self._guarded()
            changed = ours.keys() - self._intact(ours)
            self._doubt(frozenset(ours[name] for name in changed if not self._followed[name]))
            self._ways.attend(self._present.fabric, look=True)

    def heartbeats(self) -> dict[str, float]:
        """Source host's id -> seconds since a heartbeat of it last arrived. See Backend."""
        answer = self._pulse.ask("ages")
        return {str(source): float(age) for source, age in answer["ages"].items()}

    def services(self) -> dict[str, Observed]:
        """`<host>/<service>` -> how it fares, of all programs that hosts run. See Backend."""
        return self._staff.look_at_all(self._present.fabric)

    def observed(self, host: str, service: str) -> Observed | None:
        """How one program fares, now. See Backend."""
        there = next((h for h in self._present.fabric.hosts if h.id == host), None)
        wanted = next((s for s in there.services if s.id == service), None) if there else None
        return self._staff.look(there, wanted) if there and wanted else None

    def strike(self, host: str, *, program: bool) -> None:
        """Kill a host or its programs once. See Backend."""
        there = self._present.fabric.host(host)
        if there is None:
            raise NotFound("host", host)
        with self._lock:
            if program:
                self._staff.strike(there.id, there.services, self._held().channel)
            else:
                self._doubt(frozenset({there.id}))

    def doors(self, host: str | None = None) -> tuple[OpenDoor, ...]:
        """The doors from the machine outside into the world. See Backend."""
        with self._lock:
            return self._ways.doors(self._present.fabric, host)

    def open(self, host: str, protocol: str, port: int) -> None:
        """Have a door to a port of a host, from now on and after every restart. See Backend."""
        with self._lock:
            self._ways.wish(host, protocol, port)
            self._ways.attend(self._present.fabric)

    def trace(self, source: str, packet: Packet, patience: float) -> Trace:
        """Send a packet and follow it. See Backend."""
        fabric = self._present.fabric
        sender = fabric.host(source)
        if sender is None:
            raise NotFound("host", source)
        order = seeing.order(fabric, sender, packet, patience)
        with self._following(order.namespaces):
            return seeing.follow(self.run_in, fabric, sender, order)

    def counts(self) -> tuple[Count, ...]:
        """What every rule has met. See Backend."""
        return seeing.counts(self.run_in, self._present.fabric)

    def plug(self, wanted: Plug) -> Plug:
        """See Backend."""
        return plugging.examined(wanted, self.rootless)

    def stored(self, volume: str, file: str) -> Path | None:
        """Where a file of a volume lies. See Backend."""
        return self._staff.stored(volume, file)

    def command(self, host: str, argv: Sequence[str]) -> list[str]:
        """A command line that runs argv inside a host. Needs only the state folder, not that this process serves."""
        kept = journal.read(self._journal)
        if kept is None:
            raise WorldLost(f"no world lives in {self.folder}")
        namespace = _namespace(kept.fabric, host)
        pid = self.keeper()
        # The files of the namespaces are in the world's own /run: /proc/PID/root leads there from outside.
        net = f"/proc/{pid}/root/run/netns/{namespace}" if namespace else f"/proc/{pid}/ns/net"
        user = ["--user", "--preserve-credentials"] if self.rootless else []
        furniture = ["sh", "-c", AT_HOME, "sh", f"{FURNITURE}/{namespace}"]
        furnished = ["unshare", "--mount", "--", *furniture] if namespace else []
        root, settled = self._attendant.at_home(kept.fabric.host(host), pid)
        # nsenter waits outside for its child within; when it is killed, the child hears that its terminal is gone.
        ends = ["setpriv", "--pdeathsig", "HUP", "--"]
        enter = ["nsenter", "--target", str(pid), *user, "--mount", "--pid", f"--net={net}", *root, "--"]
        return [*enter, *(settled or furnished), *ends, *argv]

    def running(self) -> dict[str, Any]:
        """The keeper's programs: name -> `pid` (0 while it is down) and `starts`, how often it was started."""
        found: dict[str, Any] = self._held().channel.ask("hello")["programs"]
        return found

    def capture(self, host: str, interface: str) -> list[str]:
        """A command line that writes a pcap of an interface. See Backend."""
        return self.command(host, [*world.program("capture"), interface])

    def name(self) -> str:
        """What the world is called that this process serves; "" while it serves none."""
        return self._world.id if self._world is not None else ""

    def api_socket(self) -> socket.socket:
        """A socket that listens where the world looks for the cloud's API. It goes with the world. Raises WorldLost."""
        self._held()
        return self._ways.api_socket()

    def guests_socket(self) -> socket.socket:
        """A socket on which the herald asks what hosts want to know of themselves."""
        return self._ways.guests_socket()

    def keeper(self) -> int:
        """The process id of the world's first process, seen from here. Raises WorldLost."""
        return world.keeper_of(self.folder)

    def alive(self) -> bool:
        """Whether the world of the state folder answers."""
        return world.answers(self.folder)

    def close(self) -> None:
        """End the world; does nothing when there is none."""
        with self._lock:
            if self._world is not None:
                self._world.end()
                self._let_go()
            journal.forget(self._journal)

    def leave(self) -> None:
        """Stop serving and leave the world to its linger, as a server does that is to be followed by another."""
        with self._lock:
            self._let_go()

    def run(self, host: str, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 60) -> dict[str, Any]:
        """Run argv inside a host through the keeper, to its end: status, stdout, stderr."""
        return self.run_in(_namespace(self._present.fabric, host), argv, stdin=stdin, timeout=timeout)

    def run_in(
        self, namespace: str, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 60
    ) -> dict[str, Any]:
        """The same in a network namespace of the world by its name, "" the world's own."""
        channel = Channel(self.folder, world.KEEPER)
        try:
            return channel.ask("run", timeout + 10, argv=list(argv), stdin=stdin, namespace=namespace, timeout=timeout)
        finally:
            channel.close()

    @property
    def _journal(self) -> Path:
        return self.folder / "journal.json"

    def _held(self) -> world.World:
        if self._world is None:
            raise WorldLost("there is no world: call up first")
        return self._world

    def _let_go(self) -> None:
        self._ways.forget()
        self._pulse.close()
        self._attendant.forget()
        if self._world is not None:
            self._world.forget()
            self._world = None

    def _guarded(self) -> dict[str, str]:
        """Network namespaces with rules of ours -> the suspect that stands for those rules."""
        hosts = (h.id for h in self._present.fabric.hosts if h.gateway or h.router or h.redirects or h.dhcp_dropped)
        return {names.EDGE_NAMESPACE: EDGE_RULES} | {names.namespace(id_): rules_of(id_) for id_ in hosts}

    def _intact(self, namespaces: Iterable[str]) -> set[str]:
        """Those of these namespaces whose rules are as we left them."""
        found = self._perform([Stamp(namespace=name) for name in namespaces]).stamps
        return {name for name, stamp in found.items() if stamp == self._stamps.get(name)}

    @contextlib.contextmanager
    def _following(self, namespaces: Iterable[str]) -> Iterator[None]:
        """While a packet is followed through these namespaces: its mark in their rules is nobody else's change."""
        with self._lock:
            self._held()
            ours = self._guarded().keys() & set(namespaces)
            intact = self._intact(ours)
            self._followed.update(ours)
        try:
            yield
        finally:
            with self._lock:
                self._followed.subtract(ours)
                if self._world is not None:
                    left = self._guarded().keys() & intact
                    self._stamps |= self._perform([Stamp(namespace=name) for name in left]).stamps
                    self._remember()

    def _doubt(self, doubts: frozenset[str]) -> None:
        if not doubts <= self._present.suspects:
            self._present = Present(fabric=self._present.fabric, suspects=self._present.suspects | doubts)
            journal.doubt(self._journal, self._kept, self._present.suspects)

    def _remember(self) -> None:
        """Write the journal anew."""
        suspects = tuple(sorted(self._present.suspects))
        self._kept = journal.Journal(
            world=self._held().id,
            number=self._kept.number + 1,
            fabric=self._present.fabric,
            suspects=suspects,
            stamps=self._stamps,
        )
        journal.write(self._journal, self._kept)

    def _perform(self, operations: Sequence[Operation], guests: Mapping[str, int] | None = None) -> Performed:
        """Carry operations out. guests: see plugging.places."""
        if not operations:
            return Performed()
        orders, handed = msgspec.to_builtins(list(operations)), guests or {}
        said = {"operations": orders, "guests": list(handed)}
        channel = self._held().channel
        return msgspec.convert(
            channel.ask("perform", APPLY_PATIENCE, descriptors=list(handed.values()), **said), Performed
        )

    def _tell_pulse(self, step: SetPulse) -> None:
        listeners = [{**msgspec.to_builtins(s), "namespace": names.namespace(s.host)} for s in step.listeners]
        beats = [{**msgspec.to_builtins(h), "namespace": names.namespace(h.source)} for h in step.heartbeats]
        settings = {
            "world": self._held().id,
            "interval": self.heartbeat_interval,
            "listeners": listeners,
            "heartbeats": beats,
        }
        self._pulse.ask("set", settings=settings)


def _namespace(fabric: Fabric, host: str) -> str:
    """The network namespace of a host by id or name. Raises NotFound."""
    found = fabric.host(host)
    if found is not None:
        return names.namespace(found.id)
    with contextlib.suppress(KeyError):
        return {EDGE_HOST: names.EDGE_NAMESPACE, WORLD_HOST: names.SWITCH}[host]
    raise NotFound("host", host)
