"""The ways between one world and what is outside it: doors in, an uplink out, and what the world asks its server."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from hideaway.backends.base import OpenDoor
from hideaway.backends.linux import names, outside, world
from hideaway.backends.linux.channel import Channel, Line
from hideaway.backends.linux.doors import Doors, Wishes
from hideaway.backends.linux.inside.programs import OUTSIDE
from hideaway.backends.linux.operations import Operation
from hideaway.base.errors import HideawayError
from hideaway.fabric.doors import Door, Reckoner, doors
from hideaway.fabric.model import API_PORT, EDGE_V4, EDGE_V6, INTERNET_V4, INTERNET_V6, USER_V4, USER_V6, Fabric

log = logging.getLogger(__name__)

PORTER, HERALD, UPLINK, ROAD, GUESTS = "porter", "herald", "uplink", "road", "guests.sock"


class Ways:
    """folder is the world's, in the state folder. doors: the network of doors, "" for none. road: the machine itself is
    linked to the world. nat: whether the kernel may translate. names: who is asked for the real internet's names, ""
    without an uplink."""

    def __init__(self, folder: Path, alive: Callable[[], bool], *, doors: str, road: bool, internet: bool, nat: bool):
        self.folder, self.road, self.internet, self.nat = folder, road, internet, nat
        self.names, doors = EDGE_V4 if internet else "", "" if road else doors
        self._doors = Doors(Line(folder, f"{PORTER}.sock", alive), doors)
        self._herald = Line(folder, f"{HERALD}.sock", alive)
        self._reckoner = Reckoner() if doors else None
        self._heard: dict[str, str] = {}
        self._wishes = Wishes(folder.parent / "doors.json")

    def employ(self, keeper: Channel, name: str) -> None:
        """Have the programs that keep these ways. name: the world's."""
        for program, namespace, arguments in (
            (PORTER, names.EDGE_NAMESPACE, ["--source", USER_V4]),
            (HERALD, names.METADATA_NAMESPACE, ["--world", name]),
        ):
            keeper.ask("employ", name=program, namespace=namespace, argv=[*world.program(program), *arguments])

    def reach_out(self, keeper: Channel, name: str, perform: Callable[[Sequence[Operation]], Any]) -> bool:
        """Have an uplink to the real internet, or none; one that is there goes on. Whether it is news inside."""
        there = UPLINK in keeper.ask("hello")["programs"]
        if there and not self.internet:
            keeper.ask("dismiss", names=[UPLINK], at_once=True)
            perform(tuple(outside.no_uplink()))
        elif self.internet:
            if not there:
                perform(tuple(outside.uplink()))
            argv = [*world.program(UPLINK), "--world", name, "--resolver", EDGE_V4, *(["--nat"] if self.nat else [])]
            keeper.ask("employ", name=UPLINK, namespace=OUTSIDE, argv=argv)
        return there != self.internet

    def link(self, keeper: Channel, name: str, perform: Callable[[Sequence[Operation]], Any]) -> None:
        """Have the road to the machine, or none."""
        there = ROAD in keeper.ask("hello")["programs"]
        if self.road:
            argv = [*world.program(ROAD), "--world", name, "--mac", outside.ROAD_MAC]
            for way in ((USER_V4, EDGE_V4, INTERNET_V4), (USER_V6, EDGE_V6, INTERNET_V6)):
                argv += ["--way", ",".join(way)]
            keeper.ask("employ", name=ROAD, namespace=OUTSIDE, argv=argv)
        elif there:
            keeper.ask("dismiss", names=[ROAD], at_once=True)
            perform(tuple(outside.no_road()))

    def tell(self, name: str, fabric: Fabric) -> None:
        """Which hosts to tell about themselves. One that was built anew has a new wire under the old name."""
        told = [host.id for host in fabric.hosts if host.metadata]
        hosts = [{"host": host, "link": names.metadata_link(host)} for host in told]
        self._herald.ask("set", settings={"world": name, "hosts": hosts})

    def attend(self, fabric: Fabric, look: bool = False) -> None:
        """Have the doors that a Fabric calls for. Without them the world lives all the same, and a later look mends it.

        look: see Doors.attend.
        """
        for name in (UPLINK, ROAD) if look else ():
            self._hear(name)
        try:
            self._doors.attend(self._wanted(fabric), look=look)
        except HideawayError as error:
            log.warning("doors: %s", error)

    def _hear(self, name: str) -> None:
        """Say once what keeps a way outside closed."""
        try:
            fault = (self.folder / f"{name}.fault").read_text()
        except OSError:
            fault = ""
        if fault and fault != self._heard.get(name):
            log.warning("%s: %s", name, fault)
        self._heard[name] = fault

    def doors(self, fabric: Fabric, host: str | None) -> tuple[OpenDoor, ...]:
        """The doors, or those that lead to one host."""
        if self.road:  # all is where it is
            found = (d for d in doors(fabric, self._wishes.kept()) if host in (None, d.host))
            return tuple(OpenDoor(**msgspec.structs.asdict(d), at=d.address, at_port=d.port) for d in found)
        wanted = [door for door in self._wanted(fabric) if host in (None, door.host)]
        return tuple(self._doors.open(wanted)) if self._reckoner else ()

    def wish(self, host: str, protocol: str, port: int) -> None:
        """Have a door to this port as well, from now on and after every restart."""
        self._wishes.add(host, protocol, port)

    def _wanted(self, fabric: Fabric) -> tuple[Door, ...]:
        return self._reckoner.doors(fabric, self._wishes.kept()) if self._reckoner else ()

    def api_socket(self) -> socket.socket:
        """A socket that listens where the world looks for the cloud's API. Raises HideawayError."""
        return self._doors.lend(EDGE_V4, API_PORT)

    def guests_socket(self) -> socket.socket:
        """A socket on which the herald asks what hosts want to know of themselves."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / GUESTS).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            listener.bind(f"/proc/self/fd/{descriptor}/{GUESTS}")  # a whole path may be too long for a socket
            (self.folder / GUESTS).chmod(0o600)
            listener.listen(256)
        except OSError:
            listener.close()
            raise
        finally:
            os.close(descriptor)
        return listener

    def forget(self) -> None:
        """Leave all as it is."""
        self._doors.forget()
        self._herald.close()
