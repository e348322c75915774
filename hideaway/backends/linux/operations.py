"""What the world's hands can do (inside/hands.py), as values. `namespace` is one of /run/netns, "" the world's own."""

from __future__ import annotations

import msgspec


class Operation(msgspec.Struct, frozen=True, kw_only=True, tag_field="do", tag=str.lower):
    """One call of the hands. Encoded as JSON, with the class's name in lower case under `do`."""


class Unlink(Operation, frozen=True, kw_only=True, tag_field="do", tag=str.lower):
    """Delete the links with these names and those whose names begin so. What is not there is no error."""

    namespace: str
    names: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()


class Vanish(Operation, frozen=True, kw_only=True, tag_field="do", tag=str.lower):
    """End namespaces and every process in them. What is not there is no error."""

    namespaces: tuple[str, ...]


class Appear(Operation, frozen=True, kw_only=True, tag_field="do", tag=str.lower):
    """Make namespaces, where they are not there yet, and set their sysctls (path under /proc/sys -> value)."""

    namespaces: tuple[str, ...]
    sysctls: dict[str, str]


class Welcome(Operation, frozen=True, kw_only=True, tag_field="do", tag=str.lower):
    """Give namespaces that were handed in to the keeper a name here; what was not handed in is made, and is empty."""

    namespaces: tuple[str, ...]


class Try(Operation, frozen=True, kw_only=True, tag_field="do", tag=str.lower):
    """One `ip -batch` that not every machine can carry out: why it failed goes to the world's log."""

    namespace: str
    lines: tuple[str, ...]


class Sysctl(Operation, frozen=True, kw_only=True, tag_field="do", tag=str.lower):
    namespace: str
    sysctls: dict[str, str]


class Ip(Operation, frozen=True, kw_only=True, tag_field="do", tag=str.lower):
    """One `ip -batch`."""

    namespace: str
    lines: tuple[str, ...]


class Settle(Operation, frozen=True, kw_only=True, tag_field="do", tag=str.lower):
    """Wait until the kernel has noticed that these links have a carrier: only then do they carry packets.

    links: by namespace.
    """

    links: dict[str, tuple[str, ...]]


class Know(Operation, frozen=True, kw_only=True, tag_field="do", tag=str.lower):
    """Write down permanent neighbours. places: namespaces and devices; neighbours: addresses, MACs and namespaces of
    who has them, who are not told their own.

    whole: other permanent neighbours of the device are forgotten; else those with stale addresses are.
    """

    places: tuple[tuple[str, str], ...]
    neighbours: tuple[tuple[str, str, str], ...]
    stale: tuple[str, ...]
    whole: bool


class Relink(Operation, frozen=True, kw_only=True, tag_field="do", tag=str.lower):
    """Have the outer end of a port up, down or relayed, whatever it is now; lines are told once it is up.

    Relayed: the end itself goes into the world's own namespace as `hidden`, and in its place comes another of its name
    and mac, whose other end, `twin` with twin_mac, is there too. Who passes packets on between the two, the hands do
    not know. master is the bridge that the end is at, "" for none.
    """

    namespace: str
    link: str
    mac: str
    hidden: str
    twin: str
    twin_mac: str
    state: str
    master: str = ""
    lines: tuple[str, ...] = ()


class Nft(Operation, frozen=True, kw_only=True, tag_field="do", tag=str.lower, omit_defaults=True):
    """One `nft -f`: all of it or nothing. part: it changes what is there, rather than stating the whole."""

    namespace: str
    text: str
    part: bool = False


class Furnish(Operation, frozen=True, kw_only=True, tag_field="do", tag=str.lower):
    """What programs find in /etc, where it is not the machine's: namespace -> file's name -> content."""

    files: dict[str, dict[str, str]]


class Stamp(Operation, frozen=True, kw_only=True, tag_field="do", tag=str.lower):
    """Answer the stamp of a namespace's rules: it differs when they were changed since, 0 where there is none."""

    namespace: str


class Resolve(Operation, frozen=True, kw_only=True, tag_field="do", tag=str.lower):
    """Have all hosts of the world ask this server for names; "" for whatever the machine's own file says."""

    server: str


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of a filter as the sweep needs it. high is 65535 and low 0 where the rule names no ports."""

    accept: bool
    inbound: bool
    protocol: str
    network: str
    low: int = 0
    high: int = 65535
    ported: bool = False


class Judge(msgspec.Struct, frozen=True, kw_only=True):
    """A filter as the sweep needs it: first match, else what the policy for the direction says."""

    inbound: bool
    outbound: bool
    rules: tuple[Judged, ...]


class SweepEdge(Operation, frozen=True, kw_only=True, tag_field="do", tag=str.lower, omit_defaults=True):
    """Cut the connections across the edge that its filters refuse. owners: address -> filter's id, "" for none.

    A connection is judged by its first packet. lost: the addresses whose connections are cut, whoever they are with;
    None: all that have no owner here.
    """

    namespace: str
    owners: dict[str, str]
    judges: dict[str, Judge]
    lost: tuple[str, ...] | None = None


class Translation(msgspec.Struct, frozen=True, kw_only=True):
    protocols: tuple[str, ...]
    public_port: int
    private_address: str
    private_port: int


class SweepGateway(Operation, frozen=True, kw_only=True, tag_field="do", tag=str.lower):
    """Cut the connections through a gateway that it no longer allows.

    own: its public addresses; mine: all its addresses; refused: the networks (CIDR) whose traffic may not leave; open:
    whether any may; closed: TCP ports that nothing may leave to; openings: its own TCP ports, and who may come to
    them; served: those that all may come to.
    """

    namespace: str
    own: tuple[str, ...]
    mine: tuple[str, ...]
    translations: tuple[Translation, ...]
    refused: tuple[str, ...]
    open: bool
    closed: tuple[int, ...] = ()
    openings: tuple[tuple[int, tuple[str, ...]], ...] = ()
    served: tuple[int, ...] = ()


class Performed(msgspec.Struct, frozen=True, kw_only=True):
    """What the hands answer. stamps: of the rules that were set or asked for, by namespace; found: those of rules of
    which a part was changed, as they were before."""

    stamps: dict[str, int] = {}
    found: dict[str, int] = {}


AnyOperation = (
    Unlink
    | Vanish
    | Appear
    | Welcome
    | Try
    | Sysctl
    | Ip
    | Settle
    | Relink
    | Know
    | Nft
    | Furnish
    | Stamp
    | Resolve
    | SweepEdge
    | SweepGateway
)
