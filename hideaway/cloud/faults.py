"""Faults that a user wishes for, to see what follows: each stands until it is taken back, whatever is restarted.

No resource of the vendor's. hideaway's own, below /hideaway/v1/faults.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from hideaway.cloud.documents import Document, Ledger


class Harm(StrEnum):
    """What is done. kill: to a host, or to the programs on it; cut, delay: to a port's link, or to all of a host's;
    zone: to every host of one; dhcp: a Private Network's is neither heard nor answers."""

    KILL = "kill"
    CUT = "cut"
    DELAY = "delay"
    ZONE = "zone"
    DHCP = "dhcp"


class Fault(Document, frozen=True, kw_only=True):
    """One fault, of its organization's own resources only.

    target is a host's id (a server's, a gateway's, ...), a zone or a Private Network's id; name is what people call it.
    port: of a cut or delay, the port's id, "" for all of the host's. program: a kill is of the host's programs, and the
    host goes on. delay, jitter (milliseconds) and loss (percent) hold each way.
    """

    kind: ClassVar[str] = "hideaway/fault"
    resource: ClassVar[str] = "fault"

    harm: Harm
    target: str
    name: str = ""
    port: str = ""
    interface: str = ""  # the port's name, for people
    program: bool = False
    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0

    @property
    def label(self) -> str:
        """Found by its target: a reference would keep that from being deleted."""
        return self.target

    @property
    def said(self) -> str:
        """The fault in words."""
        where = f"{self.name}{f':{self.interface}' if self.interface else ''}"
        if self.harm == Harm.KILL:
            return f"{'the programs of ' if self.program else ''}{where} {'are' if self.program else 'is'} killed"
        if self.harm == Harm.CUT:
            return f"the link of {where} is cut"
        if self.harm == Harm.DELAY:
            parts = (
                f"late by {self.delay:g} ms" if self.delay or self.jitter else "",
                f"and up to {self.jitter:g} ms more" if self.jitter else "",
                f"loses {self.loss:g} %" if self.loss else "",
            )
            return f"the link of {where} is {', '.join(filter(None, parts))}".replace("is loses", "loses")
        return f"zone {self.target} is lost" if self.harm == Harm.ZONE else f"DHCP of {where} is dropped"


def fatal(ledger: Ledger, document: Document) -> Fault | None:
    """The fault that takes out what a resource stands for: its host, by itself or by its zone, or its programs."""
    of_zone = ledger.find(Fault, label=zone) if (zone := getattr(document, "zone", "")) else []
    candidates = (*ledger.find(Fault, label=document.id), *of_zone)
    taking = (f for f in candidates if f.harm in (Harm.KILL, Harm.ZONE))
    return next((f for f in taking if f.organization_id == document.organization_id), None)
