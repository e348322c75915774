"""Faults that users wish for, done to the Fabric that everything else came to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from hideaway.cloud.documents import KINDS, Document
from hideaway.cloud.faults import Fault, Harm
from hideaway.cloud.memory import MemoryLedger
from hideaway.compile.common import because
from hideaway.fabric.model import Damage, Fabric, Host, Port, Role


def harmed(ledger: MemoryLedger, fabric: Fabric) -> Fabric:
    """The Fabric with its faults: killed hosts left out, their programs dead, links damaged."""
    faults = ledger.find(Fault)
    if not faults:
        return fabric
    done = _Done(ledger, faults)
    hosts = (done.to(host) for host in fabric.hosts)
    return msgspec.structs.replace(fabric, hosts=tuple(host for host in hosts if host is not None))


class _Done:
    """What faults do to hosts."""

    def __init__(self, ledger: MemoryLedger, faults: Sequence[Fault]):
        self.ledger = ledger
        self.on: Mapping[str, list[Fault]] = defaultdict(list)
        for fault in faults:
            self.on[fault.target].append(fault)

    def to(self, host: Host) -> Host | None:
        """The host as it is with its faults; None when it is killed."""
        mine = list(self._of(host))
        if not mine:
            return host
        if any(_gone(fault) for fault in mine):
            return None
        return msgspec.structs.replace(
            host,
            ports=tuple(_damaged(port, mine) for port in host.ports),
            killed=any(fault.harm == Harm.KILL for fault in mine),
            dhcp_dropped=any(fault.harm == Harm.DHCP for fault in mine),
        )

    def _of(self, host: Host) -> Iterator[Fault]:
        """The faults that are on a host, by itself and by its zone: its own organization's, or of what is nobody's."""
        owner = self._document(host.because)
        zone = getattr(owner, "zone", "")
        # A network's DHCP is the host that is there because of it.
        served = owner.id if owner is not None and host.role == Role.NAMES else ""
        for fault in (fault for target in (host.id, zone, served) if target for fault in self.on.get(target, ())):
            if owner is None or owner.organization_id == fault.organization_id:
                yield fault

    def _document(self, reason: str) -> Document | None:
        kind, _, id_ = reason.partition(":")
        return self.ledger.get(KINDS[kind], id_) if kind in KINDS else None


def _gone(fault: Fault) -> bool:
    return fault.harm == Harm.ZONE or (fault.harm == Harm.KILL and not fault.program)


def _damaged(port: Port, faults: Sequence[Fault]) -> Port:
    """A port with all that is wrong with it: delays add up, and what one link leaves the next may lose."""
    on_it = [f for f in faults if f.harm in (Harm.CUT, Harm.DELAY) and f.port in ("", port.id)]
    if not on_it:
        return port
    passes = 1.0
    for fault in on_it:
        passes *= 1 - fault.loss / 100
    damage = Damage(
        down=any(f.harm == Harm.CUT for f in on_it),
        delay=sum(f.delay for f in on_it),
        jitter=sum(f.jitter for f in on_it),
        loss=round(100 * (1 - passes), 6),
        because=because(on_it[0]),
    )
    return msgspec.structs.replace(port, damage=damage)
