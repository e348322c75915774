"""hideaway's own routes for machines that were not made through the API: plugging them in, and taking them out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from hideaway.api.call import Call, answer
from hideaway.api.pipeline import Route
from hideaway.api.shapes import Body, Name
from hideaway.base.errors import Conflict, NotFound, PermissionDenied, PlainError, Unavailable, invalid
from hideaway.cloud.machines import Machine, addresses, plug_in, unplug
from hideaway.cloud.network import PrivateNetwork
from hideaway.fabric.model import Plug
from hideaway.server.rights import owner_only

HostName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$")]
Mac = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}$")]
Device = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,15}$")]
Path = Annotated[str, msgspec.Meta(pattern=r"^/[^\x00]+$", max_length=4095)]
TAKEN = ("lo", "uplink", "bridge")
"""What else is in the namespace of a tap device."""


class Attach(Body, frozen=True, kw_only=True):
    """What to plug into a Private Network (its id or name): a new namespace, an existing one, or a tap device.

    dhcp: hideaway runs the DHCP clients; by default in a new namespace only.
    """

    network: Name
    name: HostName | None = None
    mac_address: Mac | None = None
    netns: Path | None = None
    tap: Device | None = None
    dhcp: bool | None = None


class Machines:
    """The handlers. plug: see Backend.plug; None without a data plane.

    organization_id: whom the cloud was started for, and who may have the machine outside be a part of it.
    """

    def __init__(self, plug: Callable[[Plug], Plug] | None, organization_id: str):
        self.plug, self.organization_id = plug, organization_id

    def routes(self) -> list[Route]:
        base = "/hideaway/v1/machines"
        return [
            Route(method="POST", path=base, handler=self.attach, body=Attach, records=False),
            Route(method="GET", path=base, handler=self.list),
            Route(method="GET", path=base + "/{machine}", handler=self.get),
            Route(method="DELETE", path=base + "/{machine}", handler=self.detach, records=False),
        ]

    def attach(self, call: Call, body: Attach) -> dict[str, Any]:
        """Book its addresses, and plug it in. Refused where this data plane cannot, or its name or MAC is in use."""
        owner_only(call, Machine.resource)
        network = _network(call, body.network)
        plug = self._examined(call, body)
        name, mac = body.name or f"machine-{call.change.ids.word()}", body.mac_address or call.change.ids.mac()
        for other in call.change.ledger.find(Machine, organization=network.organization_id):
            if other.leaving:
                continue
            if other.name == name:
                raise Conflict(Machine.resource, other.id, f"{name} is plugged in already")
            if (other.private_network_id, other.mac_address) == (network.id, mac.lower()):
                raise Conflict(Machine.resource, other.id, f"{mac} is {other.name}'s")
        machine = Machine(
            **call.change.of(network),
            name=name,
            region=network.region,
            private_network_id=network.id,
            mac_address=mac.lower(),
            netns=plug.place,
            netns_identity=plug.identity,
            tap=plug.tap,
            dhcp=not (plug.tap or plug.place) if body.dhcp is None else body.dhcp,
        )
        return view(call, plug_in(call.change, machine, network))

    def _examined(self, call: Call, body: Attach) -> Plug:
        """What to plug in. Raises InvalidArguments for what makes no sense, PlainError for what cannot be here."""
        if body.netns and body.tap:
            raise invalid("tap", "a machine is one thing: give netns or tap, or neither")
        if body.tap and body.dhcp:
            raise invalid("dhcp", "who opens the tap device asks for its address itself")
        if body.tap in TAKEN:
            raise invalid("tap", f"another device has that name: {', '.join(TAKEN)}")
        if body.netns and call.principal.organization_id != self.organization_id:
            raise PermissionDenied("write", Machine.resource)
        try:
            wanted = Plug(tap=body.tap or "", place=body.netns or "")
            return self.plug(wanted) if self.plug else wanted
        except Unavailable as error:
            raise PlainError(412, str(error), "precondition_failed") from None

    def list(self, call: Call) -> dict[str, Any]:
        """All of them."""
        owner_only(call, Machine.resource)
        found = call.visible(Machine)
        return {"machines": [view(call, machine) for machine in found], "total_count": len(found)}

    def get(self, call: Call) -> dict[str, Any]:
        return view(call, _own(call))

    def detach(self, call: Call) -> dict[str, Any]:
        """Take its cable and give its addresses back."""
        machine = _own(call)
        return view(call, unplug(call.change, machine))


def view(call: Call, machine: Machine) -> dict[str, Any]:
    """A machine with its addresses."""
    held = addresses(call.change.ledger, machine.private_network_id, machine.mac_address)
    return answer(machine, addresses=[ip.address for ip in sorted(held, key=lambda ip: ip.is_ipv6)])


def _own(call: Call) -> Machine:
    """The machine that the path names, by name or id. Raises NotFound."""
    owner_only(call, Machine.resource)
    wanted = call.params["machine"]
    named = [m for m in call.visible(Machine) if wanted in (m.name, m.id)]
    if not named:
        raise NotFound(Machine.resource, wanted)
    return call.own(Machine, named[0].id)


def _network(call: Call, wanted: str) -> PrivateNetwork:
    """The Private Network with this id, or else the one with this name. Raises NotFound, InvalidArguments."""
    visible = call.visible(PrivateNetwork)
    found = [n for n in visible if n.id == wanted.lower()] or [n for n in visible if n.name == wanted]
    if not found:
        raise NotFound(PrivateNetwork.resource, wanted)
    if len(found) > 1:
        raise invalid("network", f"several Private Networks have this name: {', '.join(n.id for n in found)}")
    return found[0]
