"""From what the kernel reported of one packet (inside/trace.py) to its way through the Fabric's hosts. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import msgspec

from hideaway.backends.linux import names
from hideaway.backends.linux.meaning import EDGE, Meanings
from hideaway.backends.linux.ruleset import Listed, listed
from hideaway.fabric import model
from hideaway.fabric.aims import has, next_hop, owners
from hideaway.fabric.model import Fabric, Host
from hideaway.fabric.seen import Count, Hop, Outcome, Packet, Trace

STARTS = ("prerouting", "output", "back-prerouting", "back-output")
LATE_START = "back-connection"
"""The chains in which inside/trace.py marks, and the one where only what was not marked before is."""
OURS = ("edge", "gateway", "router", "numbers", "faults")
"""The tables in which a rule without a comment is of no interest, unless it drops."""


class Head(Packet, frozen=True, kw_only=True):
    """A packet's head, and how many hops it may still make: what tells in which order it came through hosts."""

    ttl: int = 0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One report of the kernel's. type is rule, return or policy (of a chain's end); ours: of the mark's own chains.

    handle is 0 where it is about no rule. packet is None where nothing was said of it.
    """

    namespace: str
    table: str
    chain: str
    handle: int
    type: str
    verdict: str
    came_by: str
    leaves_by: str
    packet: Head | None
    ours: bool


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """What inside/trace.py answers. error is what the source's own kernel said; rules is nft's text by namespace."""

    source: str
    source_port: int
    error: str
    events: list[Report]
    rules: dict[str, str]


Look = Callable[[str, str, str, str], str]
"""(namespace, target, source, device that it came by or "") -> why the kernel there knows no way, "" where it does."""


class Passage(msgspec.Struct):
    """A packet in one namespace, from its arrival (or start) to its end there or its leaving."""

    namespace: str
    reports: list[Report]

    @property
    def answer(self) -> bool:
        """Whether it is of what came back."""
        return self.reports[0].chain.startswith("back-")

    @property
    def first(self) -> Head:
        return next(r.packet for r in self.reports if r.packet is not None)

    @property
    def last(self) -> Head:
        return next(r.packet for r in reversed(self.reports) if r.packet is not None)

    @property
    def dropped(self) -> bool:
        return any(r.verdict == "drop" for r in self.reports)

    @property
    def delivered(self) -> bool:
        return any(r.ours and r.chain == "input" for r in self.reports)

    @property
    def left_by(self) -> str:
        """The device that it left by, "" where it did not leave."""
        return next((r.leaves_by for r in self.reports if r.ours and r.chain == "postrouting"), "")

    @property
    def came_by(self) -> str:
        return next((r.came_by for r in self.reports if r.came_by), "")

    @property
    def ended(self) -> bool:
        return self.dropped or self.delivered or bool(self.left_by)


def passages(events: Iterable[Report]) -> list[Passage]:
    """The passages in the order of the way: of the packet itself, then of what came back."""
    found: dict[str, list[Passage]] = defaultdict(list)
    for event in events:
        there = found[event.namespace]
        if _begins(event, there[-1] if there else None):
            there.append(Passage(event.namespace, []))
        if there:
            there[-1].reports.append(event)
    every = [p for there in found.values() for p in there if any(r.packet for r in p.reports)]
    return sorted(every, key=lambda p: (p.answer, -p.first.ttl, not p.reports[0].chain.endswith("output")))


def _begins(event: Report, last: Passage | None) -> bool:
    """Whether it is the rule that marked the packet; one that meets two such rules is still one."""
    if not (event.ours and event.handle):
        return False
    if event.chain == LATE_START:
        return last is None or last.ended
    return event.chain in STARTS and (last is None or last.reports[-1].chain != event.chain)


class Story:
    """Tells what became of a packet. look asks a namespace's kernel for a way."""

    def __init__(self, fabric: Fabric, followed: Followed, look: Look):
        self.fabric, self.followed, self.look = fabric, followed, look
        self.meanings = Meanings(fabric)
        self.rules: dict[tuple[str, str, int], Listed] = {
            (namespace, rule.table, rule.handle): rule
            for namespace, text in followed.rules.items()
            for rule in listed(text)
        }
        self.edge_links = {
            names.edge_link(host.id, port.id): f"{host.name} {port.name}"
            for host in fabric.hosts
            for port in host.ports
            if port.link == model.EDGE
        }

    def tell(self, source: Host, packet: Packet) -> Trace:
        """The trace of a packet that a host sent."""
        every = passages(self.followed.events)
        way, back = [p for p in every if not p.answer], [p for p in every if p.answer]
        outcome, why = self._outcome(source, packet, way, back)
        return Trace(
            packet=packet,
            outcome=outcome,
            why=why,
            way=tuple(map(self._hop, way)),
            reply=tuple(map(self._hop, back)),
        )

    def _outcome(
        self, source: Host, packet: Packet, way: Sequence[Passage], back: Sequence[Passage]
    ) -> tuple[Outcome, str]:
        if not way:
            said = self.followed.error or "the packet never left its stack"
            return Outcome.LOST, f"{source.name} has no way to {packet.target}: {said}"
        last = way[-1]
        if last.dropped:
            return Outcome.DROPPED, self._dropped(last)
        home = [p for p in back if p.namespace == names.namespace(source.id) and p.delivered]
        if home:
            return self._answered(home[-1], last)
        if last.namespace == names.UPLINK_NAMESPACE and not back:
            return Outcome.UNANSWERED, f"it left the world for {packet.target}, and nothing came back"
        if not last.delivered:
            return Outcome.LOST, self._lost(last)
        if not back:
            return Outcome.UNANSWERED, self._unanswered(last)
        if back[-1].dropped:
            return Outcome.ANSWER_DROPPED, f"the answer: {self._dropped(back[-1])}"
        return Outcome.ANSWER_LOST, f"the answer: {self._lost(back[-1])}"

    def _answered(self, home: Passage, last: Passage) -> tuple[Outcome, str]:
        answer = home.last
        if "rst" in answer.note:
            return Outcome.REFUSED, f"{self._name(last)} refuses: nothing listens on port {last.last.target_port}"
        if last.namespace == names.UPLINK_NAMESPACE:
            return Outcome.ANSWERED, f"{answer.source} answers, out of the world"
        if answer.protocol != last.last.protocol or answer.note in ("unreachable", "too many hops", "error"):
            return Outcome.REFUSED, f"{self._who_has(answer.source)} says: {answer.note}"
        return Outcome.ANSWERED, f"{self._name(last)} answers"

    def _dropped(self, passage: Passage) -> str:
        rule = next(self._met(r) for r in passage.reports if r.verdict == "drop")
        reason = f" ({rule.because}{f', rule {rule.which}' if rule.which else ''})" if rule and rule.because else ""
        return f"{self._name(passage)} dropped it: {rule.says if rule else 'a rule of its own'}{reason}"

    def _lost(self, passage: Passage) -> str:
        """Why a packet that no rule dropped did not get on from a host."""
        name, head = self._name(passage), passage.last
        if not passage.left_by:
            said = self.look(passage.namespace, head.target, head.source, passage.came_by)
            if passage.namespace == names.EDGE_NAMESPACE:
                cut = _damaged(owners(self.fabric, model.EDGE, head.target))
                return cut or f"nobody on the public internet has {head.target}"
            return f"{name} has no way to {head.target}: {said or 'it does not pass on what is for others'}"
        if passage.namespace == names.EDGE_NAMESPACE:
            damaged = _damaged(owners(self.fabric, model.EDGE, head.target))
            left_for = self.edge_links.get(passage.left_by, passage.left_by)
            return damaged or f"it left the edge for {left_for} and did not arrive"
        host = self.meanings.hosts.get(passage.namespace)
        port = next((p for p in host.ports if p.name == passage.left_by), None) if host else None
        if host is None or port is None:
            return f"it left {name} by {passage.left_by}, which is no port of the cloud's"
        if port.link == model.EDGE:
            return _damaged([(host, port)]) or f"it left {name} by {port.name} and did not arrive at the edge"
        hop = next_hop(host, port, head.target)
        owner = list(owners(self.fabric, port.link, hop))
        network = next((s.name for s in self.fabric.segments if s.id == port.link), port.link)
        if not owner:
            return f"no host has {hop} in Private Network {network}"
        damaged = _damaged([(host, port), *owner])
        return damaged or f"it left {name} by {port.name} for {owner[0][0].name} ({hop}) and did not arrive"

    def _unanswered(self, passage: Passage) -> str:
        name, head = self._name(passage), passage.last
        said = self.look(passage.namespace, head.source, "", "")
        if said:
            return f"it arrived at {name}, which has no way back to {head.source}: {said}"
        if head.protocol == "udp":
            return f"it arrived at {name}; nothing came back, as UDP may"
        return f"it arrived at {name}, which does not answer"

    def _hop(self, passage: Passage) -> Hop:
        host = self.meanings.hosts.get(passage.namespace)
        at_edge = passage.namespace == names.EDGE_NAMESPACE
        came_by, left_by = passage.came_by, passage.left_by
        return Hop(
            host=host.id if host else passage.namespace,
            name=self._name(passage),
            role=host.role.value if host else passage.namespace,
            came_by=self.edge_links.get(came_by, came_by) if at_edge else came_by,
            left_by=self.edge_links.get(left_by, left_by) if at_edge else left_by,
            arrived=_plain(passage.first),
            left=_plain(passage.last),
            rules=tuple(met for r in passage.reports if (met := self._met(r)) is not None),
        )

    def _met(self, report: Report) -> Count | None:
        """The rule of a report; None for what decided nothing."""
        if report.ours or (report.type == "policy" and report.verdict != "drop") or report.type == "return":
            return None
        if report.type == "policy":
            host = self.meanings.hosts.get(report.namespace)
            unowned = report.namespace == names.EDGE_NAMESPACE and report.chain == "forward"
            says = "a port that nobody has" if unowned else f"{report.table} {report.chain}: nothing else is let in"
            because = host.because if host else ""
            return Count(host=host.id if host else EDGE, says=says, verdict="drop", because=because)
        rule = self.rules.get((report.namespace, report.table, report.handle))
        if rule is None:
            return None
        found = self.meanings.count(report.namespace, rule)
        if found is None and (report.verdict == "drop" or report.table not in OURS) and report.verdict != "continue":
            return self.meanings.raw(report.namespace, rule)
        return found

    def _name(self, passage: Passage) -> str:
        host = self.meanings.hosts.get(passage.namespace)
        places = {names.EDGE_NAMESPACE: "the edge", names.UPLINK_NAMESPACE: "the uplink"}
        return host.name if host else places.get(passage.namespace, passage.namespace)

    def _who_has(self, address: str) -> str:
        return next((h.name for h in self.fabric.hosts for p in h.ports if has(p, address)), address)


def _damaged(ends: Iterable[tuple[Host, model.Port]]) -> str:
    """What is wrong with the links of these ports, "" where nothing is."""
    for host, port in ends:
        if port.damage is not None:
            how = "is cut" if port.damage.down else f"loses {port.damage.loss:g} %, is {port.damage.delay:g} ms late"
            return f"the link of {host.name} {port.name} {how} ({port.damage.because})"
    return ""


def _plain(head: Head) -> Packet:
    return Packet(**{name: getattr(head, name) for name in Packet.__struct_fields__})
