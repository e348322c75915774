"""What runs inside hosts: programs that answer on the host's addresses, said in networking's words.

A service states what it shall do, never how a program is configured for it: that is the backend's. Frozen values, as
all of the Fabric. A new kind is a struct here, a member of `AnyService`, and a module in `backends/linux/services`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from hideaway.fabric.balancing import Certificate, Frontend, Pool, Tls


class Service(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something that runs on a host. id is unique within the host and fit for a file's name (an API id, a word)."""

    id: str
    because: str = ""

    def listens(self) -> tuple[tuple[str, int], ...]:
        """The ports that it answers on, on all addresses of its host: (`tcp` or `udp`, port)."""
        return ()

    def quiet(self) -> Any:
        """The same without the words that are for people: two that differ only there need no step between them."""
        return msgspec.structs.replace(self, because="")


class Balancer(Service, frozen=True, kw_only=True, tag=True):
    """A Load Balancer: what comes in on a frontend is shared among a pool's servers.

    tls: whose TLS its frontends take. facts: `servers`, a list of Wellness.
    """

    tls: Tls = Tls.INTERMEDIATE
    frontends: tuple[Frontend, ...] = ()
    pools: tuple[Pool, ...] = ()
    certificates: tuple[Certificate, ...] = ()

    def listens(self) -> tuple[tuple[str, int], ...]:
        return tuple(("tcp", frontend.port) for frontend in self.frontends)


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """A user of a database server. verifier is what its engine keeps of a password, "" where there is none.

    admin: may also see what all sessions do, and end them.
    """

    name: str
    verifier: str = ""
    admin: bool = False


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What a user may do with a database: readonly, readwrite, all, none; custom is left as it is."""

    user: str
    database: str
    permission: str


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Whose data a new server begins with. live: another server that runs; else a copy that lies still.

    engine: what the data is of (PostgreSQL-15).
    """

    volume: str
    engine: str
    live: bool = False


DATABASE = "server"
"""The id of the service on each database's host."""
DUMP, LOG = "dump/dump", "log"
"""The files that tasks make and that somebody may download: a database's dump, what a server said."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a database server is asked to do once.

    what: `dump` a database into a volume; `restore` a database from one; `copy` all data into one; `log`: what it said
    from since to until (seconds since the epoch, 0 for no bound) into one.
    """

    id: str
    what: str
    volume: str
    database: str = ""
    since: float = 0.0
    until: float = 0.0


class DatabaseServer(Service, frozen=True, kw_only=True, tag=True):
    """A managed database: a server of an engine, with its data on a volume of its own.

    engine is what was asked for (PostgreSQL-15). node_memory in bytes. settings: name and value, with its unit.
    certificate and key are PEM. starts: a higher number starts it anew. logs_since: what was said before (seconds since
    the epoch) is forgotten; log_days and log_bytes: how much of it is kept, 0 for no bound. follows: the volume of the
    server that it is a copy of at every moment, "" where it leads; followers: the volumes of those that follow it;
    awaited: the one of them without which no commit is acknowledged, which is told so by its own volume; copies: a
    higher number copies all data anew.
    """

    engine: str
    volume: str
    port: int
    node_memory: int
    certificate: str = ""
    key: str = ""
    users: tuple[Login, ...] = ()
    databases: tuple[str, ...] = ()
    grants: tuple[Grant, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    origin: Origin | None = None
    starts: int = 0
    tasks: tuple[Task, ...] = ()
    logs_since: float = 0.0
    log_days: int = 0
    log_bytes: int = 0
    follows: str = ""
    followers: tuple[str, ...] = ()
    awaited: str = ""
    copies: int = 0

    def listens(self) -> tuple[tuple[str, int], ...]:
        return (("tcp", self.port),)


class HeldDatabase(msgspec.Struct, frozen=True, kw_only=True):
    """A database that a server holds; size in bytes."""

    name: str
    size: int


class HeldLog(msgspec.Struct, frozen=True, kw_only=True):
    """A file of what a server said; size in bytes, until is when it was last written (seconds since the epoch)."""

    name: str
    size: int
    until: float


class Standing(StrEnum):
    """What a database server is among those with the same data, while it answers."""

    NONE = ""  # it does not answer
    LEADS = "leads"
    PAIRED = "paired"  # leads, and the awaited follower has all that was ever acknowledged
    FOLLOWS = "follows"  # and does not hear from its leader
    STREAMS = "streams"  # follows, and hears


class Follower(msgspec.Struct, frozen=True, kw_only=True):
    """A server that follows, as its leader sees it. state: streaming, catchup, ...; lag: bytes that it has not yet."""

    volume: str
    state: str
    lag: int


class DatabaseFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of a DatabaseServer. version: the program that runs, and its number (PostgreSQL 15.18).

    ignored: settings that this program does not know. followers: those that are connected.
    """

    version: str = ""
    databases: tuple[HeldDatabase, ...] = ()
    logs: tuple[HeldLog, ...] = ()
    ignored: tuple[str, ...] = ()
    standing: Standing = Standing.NONE
    followers: tuple[Follower, ...] = ()


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A booking as it is handed out: to a port's MAC (lower case), its addresses without prefix length, IPv4 first.

    name is the host name that comes along, "" for none.
    """

    mac: str
    addresses: tuple[str, ...]
    name: str = ""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A name, whole, and an address that it leads to. reverse: the address leads back to it, too."""

    name: str
    address: str
    reverse: bool = True


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """A route that is handed out. via "": the destination is on the link."""

    destination: str
    via: str


class Zone(msgspec.Struct, frozen=True, kw_only=True):
    """Names and networks that another resolver knows: it is asked for them."""

    domain: str
    networks: tuple[str, ...]
    server: str


class Names(Service, frozen=True, kw_only=True, tag=True):
    """DHCP and names of one segment.

    device is the name of the host's interface there; networks are the segment's subnets, domain its own
    (`net.internal`). leases and hops are handed out, for lease seconds; servers, too, as whom to ask for names. Names
    of its domain and of its networks that have no record are unknown; those of zones are asked of their servers, all
    others refused.
    """

    device: str
    domain: str
    networks: tuple[str, ...]
    servers: tuple[str, ...]
    lease: int
    leases: tuple[Lease, ...] = ()
    hops: tuple[Hop, ...] = ()
    records: tuple[Record, ...] = ()
    zones: tuple[Zone, ...] = ()

    def listens(self) -> tuple[tuple[str, int], ...]:
        return (("udp", 53), ("tcp", 53), ("udp", 67), ("udp", 547))


class Shell(Service, frozen=True, kw_only=True, tag=True):
    """Lets people in over SSH, by these public keys (as in OpenSSH's authorized_keys): into a shell of the host's."""

    port: int = 22
    user: str = "root"
    hostname: str = ""
    keys: tuple[str, ...] = ()

    def listens(self) -> tuple[tuple[str, int], ...]:
        return (("tcp", self.port),)


class Bastion(Service, frozen=True, kw_only=True, tag=True):
    """Forwards connections of SSH's for people with one of these keys, to addresses in these networks only (CIDR).

    names are those that it knows: (name in lower case, address).
    """

    port: int
    user: str = "bastion"
    keys: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    names: tuple[tuple[str, str], ...] = ()

    def listens(self) -> tuple[tuple[str, int], ...]:
        return (("tcp", self.port),)


class Script(Service, frozen=True, kw_only=True, tag=True):
    """A program text that is run once when the host was built; content is base64, its first line names what reads it.

    output is the file in the host that keeps what it says.
    facts: `state` (running, done) and, once it is done, `status`, what it ended with.
    """

    content: str
    output: str
    hostname: str = ""


class Advertised(msgspec.Struct, frozen=True, kw_only=True):
    """What routers are said to know on a link. device: the host's interface there.

    networks are on the link, and addresses in them are to be had by DHCPv6; routes lead to others, by this host.
    """

    device: str
    networks: tuple[str, ...]
    routes: tuple[str, ...] = ()


class Advertisements(Service, frozen=True, kw_only=True, tag=True):
    """IPv6 router advertisements, for machines that nobody programs. The host is nobody's default router by them."""

    links: tuple[Advertised, ...] = ()


class LeaseClient(Service, frozen=True, kw_only=True, tag=True):
    """Asks by DHCP for what an interface of the host shall be, and makes it so. v6: by DHCPv6."""

    device: str
    v6: bool = False


AnyService = Balancer | DatabaseServer | Names | Advertisements | LeaseClient | Shell | Bastion | Script
"""All kinds of services."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a task ended: error says why it failed, "" when it did not; size is that of what it made, in bytes."""

    size: int = 0
    error: str = ""


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """How a service fares. ready: it does what was last asked of it; else reason says why not.

    facts are what only the program itself knows, in shapes of its kind (see the service). outcomes: of the tasks that
    it has ended, by their ids, for as long as it is asked for them.
    """

    ready: bool = False
    reason: str = ""
    facts: dict[str, Any] = {}
    outcomes: dict[str, Outcome] = {}
