"""hideaway's own routes for faults: wish for one, list them, take them back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from hideaway.api.call import Call
from hideaway.api.pipeline import Later, Route
from hideaway.api.shapes import Body, Name
from hideaway.base.errors import Fault as Wrong
from hideaway.base.errors import InvalidArguments, NotFound, PlainError, invalid
from hideaway.cloud.faults import Fault, Harm
from hideaway.cloud.network import PrivateNetwork
from hideaway.cloud.places import ZONES
from hideaway.fabric.model import Fabric, Host, Role
from hideaway.server.rights import owner_only
from hideaway.server.view import View

PROGRAMS = (Role.BALANCER, Role.DATABASE, Role.NAMES)
"""The hosts whose programs are the cloud's and not a tenant's."""
FAULTS = "/hideaway/v1/faults"
Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=60_000)]


class Wish(Body, frozen=True, kw_only=True):
    """A fault to be.

    target: a host's id or name for kill, cut and delay, for the last two HOST:INTERFACE or the id of a NIC or
    attachment too; a zone; a Private Network's id or name for dhcp. program: kill the programs on the host, not the
    host. once: a kill that is over at once, so what was killed starts again. delay, jitter, loss (percent): of a delay.
    """

    harm: Harm
    target: Name
    program: bool | None = None
    once: bool | None = None
    delay: Milliseconds | None = None
    jitter: Milliseconds | None = None
    loss: Annotated[float, msgspec.Meta(ge=0, le=100)] | None = None


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A fault as it is answered. id is "" for one that is over; said is the fault in words."""

    id: str
    harm: Harm
    target: str
    name: str
    said: str
    created_at: str


class Faults:
    """The handlers. strike kills a host or its programs once, None without a data plane; fabric is what it holds now.

    organization_id: whom the cloud was started for, and who may strike what is nobody's.
    """

    def __init__(self, strike: Callable[[str, bool], None] | None, fabric: Callable[[], Fabric], organization_id: str):
        self.strike, self.fabric, self.organization_id = strike, fabric, organization_id

    def routes(self) -> list[Route]:
        return [
            Route(method="GET", path=FAULTS, handler=self.list),
            Route(method="POST", path=FAULTS, handler=self.make, body=Wish, status=201, records=False),
            Route(method="DELETE", path=FAULTS, handler=self.clear, status=204, records=False),
            Route(method="DELETE", path=f"{FAULTS}/{{fault_id}}", handler=self.undo, status=204, records=False),
        ]

    def list(self, call: Call) -> dict[str, Any]:
        """The caller's organization's faults, oldest first."""
        owner_only(call, Fault.resource)
        faults = [_shown(fault) for fault in _all(call)]
        return {"faults": faults, "total_count": len(faults)}

    def make(self, call: Call, body: Wish) -> Shown | Later:
        """Keep a fault; of what has one of this kind already, it takes that one's place."""
        owner_only(call, Fault.resource)
        strike = self.strike
        if strike is None:
            raise PlainError(412, "there is no data plane here: no packet flows", "precondition_failed")
        _check(body)
        wished = self._wished(call, body)
        if body.once:
            shown = msgspec.structs.replace(_shown(wished), id="")
            return Later(lambda: _once(strike, wished, shown))
        same = (f for f in _all(call) if _place(f) == _place(wished))
        if (old := next(same, None)) is not None:
            wished = msgspec.structs.replace(wished, id=old.id, created_at=old.created_at)
        call.change.ledger.put(wished)
        return _shown(wished)

    def undo(self, call: Call) -> None:
        """Take a fault back."""
        owner_only(call, Fault.resource)
        call.change.ledger.remove(call.own(Fault, param="fault_id"))

    def clear(self, call: Call) -> None:
        """Take all of the organization's faults back."""
        owner_only(call, Fault.resource)
        for fault in _all(call):
            call.change.ledger.remove(fault)

    def _wished(self, call: Call, body: Wish) -> Fault:
        common: dict[str, Any] = {**call.common(None, Fault.resource), "harm": body.harm}
        if body.harm == Harm.ZONE:
            if body.target not in ZONES:
                raise invalid("target", f"{body.target!r} is no zone: there are {', '.join(ZONES)}")
            return Fault(**common, target=body.target, name=body.target)
        if body.harm == Harm.DHCP:
            network = _network(call, body.target)
            return Fault(**common, target=network.id, name=network.name)
        view = View(call, self.fabric())
        host, port = view.place(body.target, "target")
        self._strikeable(call, host)
        if body.harm == Harm.KILL:
            if port is not None:
                raise invalid("target", "a host is killed, not a port of it: cut that")
            if body.program and host.role not in PROGRAMS:
                raise invalid("program", f"no program but its owner's runs on {host.name}: kill the host")
            return Fault(**common, target=host.id, name=host.name, program=bool(body.program))
        return Fault(
            **common,
            target=host.id,
            name=host.name,
            port=port.id if port else "",
            interface=port.name if port else "",
            delay=body.delay or 0.0,
            jitter=body.jitter or 0.0,
            loss=body.loss or 0.0,
        )

    def _strikeable(self, call: Call, host: Host) -> None:
        if host.because.startswith("fixed:") and call.principal.organization_id != self.organization_id:
            raise invalid("target", f"{host.name} is everybody's: only who started the cloud may strike it")


def _check(body: Wish) -> None:
    """Raises InvalidArguments with all that does not go with the kind of harm."""
    late = ("delay", "jitter", "loss")
    fits = {Harm.KILL: ("program", "once"), Harm.DELAY: late}.get(body.harm, ())
    given = [name for name in ("program", "once", *late) if getattr(body, name)]
    wrong = [Wrong(name, "constraint", f"does not go with {body.harm}") for name in given if name not in fits]
    if body.harm == Harm.DELAY and not any(getattr(body, name) for name in late):
        wrong.append(Wrong("delay", "required", "say how late (delay, jitter) or how lossy (loss) the link shall be"))
    if wrong:
        raise InvalidArguments(*wrong)


def _once(strike: Callable[[str, bool], None], wished: Fault, shown: Shown) -> Shown:
    try:
        strike(wished.target, wished.program)
    except NotFound as error:
        raise PlainError(404, f"{wished.name} has just gone", "not_found") from error
    return shown


def _network(call: Call, key: str) -> PrivateNetwork:
    """The caller's Private Network with this id or name. Raises InvalidArguments."""
    networks = call.change.ledger.find(PrivateNetwork, organization=call.principal.organization_id)
    found = next((n for n in networks if n.id == key), None) or next((n for n in networks if n.name == key), None)
    if found is None:
        names = ", ".join(n.name for n in networks) or "none"
        raise invalid("target", f"{key!r} is no Private Network; there are: {names}")
    return found


def _all(call: Call) -> list[Fault]:
    return call.change.ledger.find(Fault, organization=call.principal.organization_id)


def _place(fault: Fault) -> tuple[str, str, str]:
    return fault.harm, fault.target, fault.port


def _shown(fault: Fault) -> Shown:
    return Shown(
        id=fault.id,
        harm=fault.harm,
        target=fault.target,
        name=fault.name,
        said=fault.said,
        created_at=fault.created_at.isoformat(),
    )
