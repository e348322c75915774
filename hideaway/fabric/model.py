"""The Fabric and its elements. All are frozen values; tuples are kept sorted by id, so equal fabrics are equal.

They hold no cycles, so the garbage collector need not look at them (gc=False): with a thousand hosts it otherwise stops
every few passes for longer than the pass takes.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from hideaway.fabric.services import AnyService

EDGE = "edge"
"""The link of a public port: point to point with the edge, which routes the public internet."""

INTERNET_V4 = "198.18.0.0/15"
INTERNET_V6 = "2001:2::/48"
EDGE_V4 = "198.18.0.1"
EDGE_V6 = "2001:2::1"
METADATA_V4 = "169.254.42.42"
METADATA_V6 = "fd00:42::42"
"""Where a host asks about itself (the vendor's addresses): by a wire of its own, whatever its ports are."""
API_PORT, NAMES_PORT = 80, 53
"""Inside the world, at EDGE_V4, the cloud's own API answers; and names are resolved, where there is an uplink."""
USER_V4, USER_V6 = "198.18.0.2", "2001:2::2"
"""Who comes in from the machine outside, through a door, is here: filters apply to this address."""
PROBE_V4 = "198.18.9.9"
PROBE_V6 = "2001:2:0:909::9"
RESOLVER_V4 = "169.254.169.254"
"""Where a Private Network answers names and addresses: the vendor's resolver, on each network's own link."""


class Role(StrEnum):
    """What a host is, for names, drawings and status; the data plane treats all alike."""

    NODE = "node"
    INSTANCE = "instance"
    GATEWAY = "gateway"
    CONTROL_PLANE = "control-plane"
    DATABASE = "database"
    ROUTER = "router"
    PROBE = "probe"
    BALANCER = "balancer"
    NAMES = "names"
    MACHINE = "machine"


class Action(StrEnum):
    ACCEPT = "accept"
    DROP = "drop"


class Direction(StrEnum):
    """Seen from the host: inbound is what others send to it."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Protocol(StrEnum):
    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"  # ICMP on IPv4, ICMPv6 on IPv6
    ANY = "any"


class Rule(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of a filter. network is the *other* side (the source of inbound, the destination of outbound), as CIDR.

    ports are the destination's, both ends included; None means all. The order of rules is the order in the tuple. which
    is the rule within the resource that it is because of: its id there, or its number from 1; "" where it is all of it.
    """

    action: Action
    direction: Direction
    protocol: Protocol = Protocol.ANY
    network: str = "0.0.0.0/0"
    ports: tuple[int, int] | None = None
    because: str = ""
    which: str = ""


class Filter(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A first-match filter between the public internet and the public ports that name it.

    stateful: replies to what was accepted pass without a rule. Not stateful: every packet is matched on its own.
    The policies stand for what no rule matches.
    """

    id: str
    stateful: bool
    inbound: Action
    outbound: Action
    rules: tuple[Rule, ...] = ()
    because: str = ""


class Damage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is wrong with a port's link, both ways alike. down: it has no carrier, and nothing else counts.

    Each packet is late by delay milliseconds and up to jitter more (they stay in order), and loss percent of them never
    arrive.
    """

    down: bool = False
    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    because: str = ""


class Port(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A network interface of a host.

    name is the interface's name inside the host (pub, ens5, ...), at most 15 characters. link is EDGE or a segment's
    id. addresses are in CIDR form; on an EDGE port they are /32 and /128 and all of INTERNET_V4 or INTERNET_V6. filter
    is a Filter's id, for EDGE ports only; "" lets everything pass. mac is lower case, "" lets the data plane choose.
    damage is what is wrong with its link.
    """

    id: str
    name: str
    link: str
    addresses: tuple[str, ...]
    mac: str = ""
    filter: str = ""
    damage: Damage | None = None
    because: str = ""


class Route(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A route of a host. destination is CIDR (0.0.0.0/0 and ::/0 are the defaults); via is the next hop's address, ""
    where the destination itself is on the port's link."""

    destination: str
    via: str
    port: str  # the Port's id that it leaves by
    because: str = ""


class Forward(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Port translation (the vendor's PAT): what reaches the gateway's public address on a port goes to a private."""

    protocol: Protocol  # TCP, UDP, or ANY for both
    public_port: int
    private_address: str
    private_port: int
    because: str = ""


class Gateway(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Makes its host a gateway: it forwards from inside ports to the outside one, replies and forwards only.

    masquerade: the inside Ports' ids whose traffic leaves with the gateway's own public address. All else is dropped.
    ports: the source ports that translated TCP and UDP leaves from, both ends included; None leaves them to the data
    plane. closed: TCP destination ports that nothing leaves to. openings: what it answers itself, outside.
    """

    outside: str  # the public Port's id
    masquerade: tuple[str, ...] = ()
    forwards: tuple[Forward, ...] = ()
    ports: tuple[int, int] | None = None
    closed: tuple[int, ...] = ()
    openings: tuple[Opening, ...] = ()


class Opening(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A TCP port of a gateway's own, open to these networks (CIDR)."""

    port: int
    networks: tuple[str, ...]


class Router(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Makes its host a router between its ports; stateless first-match rules (the vendor's network ACL) filter there.

    rules' network is the source, to the destination; ports are the destination's. leaving: who may send where, where
    not everybody may follow its default route.
    """

    leaving: Leaving | None = None
    rules: tuple[RouterRule, ...] = ()
    default_v4: Action = Action.ACCEPT
    default_v6: Action = Action.ACCEPT


class Leaving(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What comes in by other ports than these (their ids) goes to inside networks only (IPv4, none in another)."""

    ports: tuple[str, ...]
    inside: tuple[str, ...]
    because: str = ""


class RouterRule(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of a router. which: as in Rule."""

    action: Action
    protocol: Protocol
    source: str
    source_ports: tuple[int, int] | None
    destination: str
    destination_ports: tuple[int, int] | None
    because: str = ""
    which: str = ""


class Listener(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A small TCP service that the data plane itself answers on a host, on all its addresses.

    what: `address` answers HTTP with the caller's address as it arrived (the probe host's "what is my address");
    `control-plane` takes heartbeats; `closed-api` answers HTTP 503 and says that no Kubernetes runs behind it.
    """

    port: int
    what: str


class Redirect(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A second number of a TCP service: what reaches a port's addresses there is answered by what listens on another.

    port is the Port's id; number is what clients ask for, target what the host's own program listens on.
    """

    port: str
    number: int
    target: int


class Resolver(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Whom a host's programs ask for names (addresses, in that order), and the domains that a bare name is tried in.

    Without servers every name is refused at once.
    """

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()


class Plug(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A machine that the cloud did not make. It is given a cable, and nothing inside: it asks for its settings.

    tap: the cable ends in a tap device of this name, for a virtual machine. place: an existing network namespace, in
    the words of the machine that the data plane runs on, and identity what tells it from a later one in that place.
    Without either the data plane makes it a place of its own.
    """

    tap: str = ""
    place: str = ""
    identity: str = ""


class Host(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A machine: a node, an Instance, a gateway, ... name is what people and `hideaway exec` call it.

    services are programs that run on it, sorted by id; killed: all of them are dead, and none is started. metadata: it
    is told about itself at METADATA_V4 and _V6. resolver: None leaves names to the data plane. plug: its ports'
    addresses and its routes are what it is told when it asks, and not what it is programmed with. boots counts its
    starts: one that is started again is built anew, without what ran or was changed inside. dhcp_dropped: nothing of
    DHCP gets to its programs, nor from them to others.
    """

    id: str
    name: str
    role: Role
    ports: tuple[Port, ...] = ()
    routes: tuple[Route, ...] = ()
    gateway: Gateway | None = None
    router: Router | None = None
    listeners: tuple[Listener, ...] = ()
    services: tuple[AnyService, ...] = ()
    killed: bool = False
    dhcp_dropped: bool = False
    redirects: tuple[Redirect, ...] = ()
    metadata: bool = False
    resolver: Resolver | None = None
    plug: Plug | None = None
    boots: int = 0
    because: str = ""


class Segment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A layer-2 network; networks are its subnets in CIDR form."""

    id: str
    name: str
    networks: tuple[str, ...]
    because: str = ""


class Volume(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Data that outlives its host and the world: a database's, a backup's. Named as long as its owner exists."""

    id: str
    because: str = ""


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A node that tells its control plane, over the data plane, that it lives.

    source and target are Hosts' ids; address and port are where the target listens (a `control-plane` Listener).
    """

    source: str
    target: str
    address: str
    port: int


class Fabric(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """All of what the data plane shall do."""

    segments: tuple[Segment, ...] = ()
    hosts: tuple[Host, ...] = ()
    filters: tuple[Filter, ...] = ()
    heartbeats: tuple[Heartbeat, ...] = ()
    volumes: tuple[Volume, ...] = ()

    def host(self, key: str) -> Host | None:
        """The host with this id, or else the first with this name; None when there is neither.

        Names are the tenants' own choice: an Instance called `internet` does not stand in for the probe host.
        """
        named = (h for h in self.hosts if h.name == key)
        return next((h for h in self.hosts if h.id == key), None) or next(named, None)
