"""A Load Balancer before three servers of a Private Network, for tests that change one thing and look at packets.

Servers and clients are in the test's own process, on sockets in the hosts' networks (`elsewhere`). Each test makes
backends and frontends of its own, on ports of their own, so tests share one cloud and do not meet.
"""

from __future__ import annotations

import contextlib
import datetime
import http.client
import itertools
import json
import socket
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.cloud_under_test import Cloud
from tests.packets.elsewhere import Elsewhere
from tests.packets.tenant import ZONE, Machine, Tenant

LB = f"/lb/v1/zones/{ZONE}"
NAMES = ("a", "b", "c")
TCP_PORT, HTTP_PORT, TLS_PORT, RAW_PORT = 9000, 9001, 9002, 9003
CLOSED_PORT = 9999
CHECK = {"port": TCP_PORT, "check_delay": 200, "check_timeout": 1000, "check_max_retries": 2}
HOST = "a.example.org"


class Said(msgspec.Struct, frozen=True):
    """An HTTP answer: its status, its headers by their names in lower case, and what the server saw (see Web)."""

    status: int
    headers: dict[str, str]
    saw: dict[str, Any]

    @property
    def name(self) -> str:
        """Which server answered, "" for none."""
        return str(self.saw.get("name", ""))


class Web(BaseHTTPRequestHandler):
    """Answers with who it is and what it saw; `/status/503` with that status; `/upgrade` becomes an echo."""

    protocol_version = "HTTP/1.1"
    name, peer, sni = "", "", ""

    def do_GET(self) -> None:
        if self.path == "/upgrade":
            self.wfile.write(b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: talk\r\n\r\n")
            while data := self.connection.recv(64):
                self.connection.sendall(data)
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        saw = {"name": self.name, "peer": self.peer, "path": self.path, "headers": headers, "sni": self.sni}
        body = json.dumps({**saw, "method": self.command}).encode()
        words = self.path.split("/")
        self.send_response(int(words[2]) if words[1] == "status" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_OPTIONS = do_GET

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


Handler = Callable[[socket.socket, str], None]


def web(name: str, chain: str = "") -> Handler:
    """A web server's handler; chain: in TLS with this certificate."""
    context = served(chain) if chain else None

    def handle(connection: socket.socket, peer: str) -> None:
        if context is not None:
            connection = context.wrap_socket(connection, server_side=True)
        sni = getattr(connection, "asked_for", "")
        type("Handler", (Web,), {"name": name, "peer": peer, "sni": sni})(connection, (peer, 0), None)

    return handle


def named(name: str, seen: list[tuple[str, str]]) -> Handler:
    """A TCP server that says who it is and then repeats what it hears; seen: whom it met."""

    def handle(connection: socket.socket, peer: str) -> None:
        seen.append((name, peer))
        connection.sendall(f"{name}\n".encode())
        while data := connection.recv(4096):
            connection.sendall(data)

    return handle


def raw(connection: socket.socket, _peer: str) -> None:
    """Answers with the first bytes that it gets, and no more."""
    connection.sendall(connection.recv(4096))


def served(chain: str) -> ssl.SSLContext:
    """The server's side of TLS with a certificate and key in PEM; each connection notes as `asked_for` the SNI."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(chain)
        file.flush()
        context.load_cert_chain(file.name)

    def note(connection: Any, name: str | None, _context: ssl.SSLContext) -> None:
        connection.asked_for = name or ""

    context.sni_callback = note
    return context


def trusting(*chains: str) -> ssl.SSLContext:
    """The client's side of TLS: it trusts these certificates; without any it trusts everybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not chains:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for chain in chains:
        context.load_verify_locations(cadata=chain.partition("-----BEGIN PRIVATE")[0])
    return context


def certificate(*names: str, days: int = 1) -> str:
    """A self-signed certificate for names and its key, as PEM."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return (built.public_bytes(encoding) + key.private_bytes(encoding, form, serialization.NoEncryption())).decode()


class Site:
    """The scene. public, public_v6 and inside are the Load Balancer's addresses, servers' addresses by name."""

    def __init__(self, running: Cloud):
        self.cloud, self.tenant = running, Tenant(running)
        self.network = self.tenant.network("lb")
        self.machines: dict[str, Machine] = {n: self.tenant.instance(n, self.network, listen=False) for n in NAMES}
        self.servers = {n: m.v4(self.network) for n, m in self.machines.items()}
        lb = self.tenant.call("POST", f"{LB}/lbs", name="lb", type="LB-S", assign_flexible_ipv6=True)
        self.id, (self.public, self.public_v6) = lb["id"], [ip["ip_address"] for ip in lb["ip"]]
        self.inside = self.attach(self.id)
        self.places = {host: Elsewhere(self._argv(host)) for host in (*NAMES, "internet")}
        self.client = self.places["internet"]
        self.seen: list[tuple[str, str]] = []
        """Whom the servers of TCP_PORT met: (server's name, peer's address)."""
        self._ports = itertools.count(2000)
        self._ends = contextlib.ExitStack()
        for name in NAMES:
            place = self.places[name]
            self._ends.enter_context(place.serve(TCP_PORT, named(name, self.seen)))
            self._ends.enter_context(place.serve(HTTP_PORT, web(name)))
            self._ends.enter_context(place.serve(RAW_PORT, raw))
        self._ends.enter_context(self.places["a"].serve(TLS_PORT, web("a", certificate(HOST))))

    def close(self) -> None:
        self._ends.close()
        for place in self.places.values():
            place.close()
        self.tenant.close()

    def _argv(self, host: str) -> Any:
        return lambda command: self.tenant.hosts.argv(host, command)

    # what the API does

    def call(self, method: str, path: str, **body: Any) -> Any:
        """A request to lb/v1 that must succeed, and that the data plane has followed."""
        answer = self.tenant.call(method, LB + path, **body)
        self.tenant.settled()
        return answer

    def attach(self, lb: str) -> str:
        """Attach a Load Balancer to the network; its address there."""
        self.call("POST", f"/lbs/{lb}/attach-private-network", private_network_id=self.network)
        (attached,) = self.call("GET", f"/lbs/{lb}/private-networks")["private_network"]
        assert attached["status"] == "ready"
        ip = self.tenant.call("GET", f"/ipam/v1/regions/fr-par/ips/{attached['ipam_ids'][0]}")
        return str(ip["address"].partition("/")[0])

    def backend(self, protocol: str = "tcp", *names: str, check: dict[str, Any] | None = None, **fields: Any) -> str:
        """A backend of these servers (all, where none is named); its id."""
        port = HTTP_PORT if protocol == "http" else TCP_PORT
        addresses = [self.servers.get(n, n) for n in names or NAMES]
        body = {"forward_protocol": protocol, "forward_port": port, "server_ip": addresses, **fields}
        body.setdefault("lb_id", self.id)
        made = self.call("POST", f"/lbs/{body.pop('lb_id')}/backends", health_check=CHECK | (check or {}), **body)
        return str(made["id"])

    def frontend(self, backend: str, **fields: Any) -> tuple[str, int]:
        """A frontend before a backend: its id and its port."""
        port = next(self._ports)
        lb = fields.pop("lb_id", self.id)
        made = self.call("POST", f"/lbs/{lb}/frontends", inbound_port=port, backend_id=backend, **fields)
        return made["id"], port

    def port(self, protocol: str = "tcp", *names: str, **fields: Any) -> int:
        """The port of a new frontend before a new backend with these fields."""
        return self.frontend(self.backend(protocol, *names, **fields))[1]

    def acls(self, frontend: str, *acls: dict[str, Any]) -> None:
        """Give a frontend these ACLs, in this order, and no others."""
        whole = [{"name": f"acl-{i}", "index": i, **acl} for i, acl in enumerate(acls)]
        self.call("PUT", f"/frontends/{frontend}/acls", acls=whole)

    def import_certificate(self, chain: str) -> str:
        body = {"name": "own", "custom_certificate": {"certificate_chain": chain}}
        return str(self.call("POST", f"/lbs/{self.id}/certificates", **body)["id"])

    def stats(self, backend: str) -> dict[str, tuple[str, str]]:
        """Server's name -> its state and the result of its last check, as the API says."""
        rows = self.tenant.call("GET", f"{LB}/lbs/{self.id}/backend-stats?backend_id={backend}&page_size=100")
        by_address = {address: name for name, address in self.servers.items()}
        return {
            by_address.get(row["ip"], row["ip"]): (row["server_state"], row["last_health_check_status"])
            for row in rows["backend_servers_stats"]
        }

    def checked(self, backend: str, **wanted: tuple[str, str]) -> None:
        """Wait until servers fare so."""
        assert self.tenant.soon(lambda: wanted.items() <= self.stats(backend).items(), 15), self.stats(backend)

    # what packets do

    def ask(self, port: int, *, address: str = "", host: str = "internet", patience: float = 5) -> str | None:
        """Which server answers a new TCP connection; None when none does."""
        try:
            with self.places[host].connect(address or self.public, port, patience=patience) as connection:
                return connection.makefile().readline().strip() or None
        except OSError:
            return None

    def spread(self, port: int, times: int = 6) -> list[str | None]:
        """Which servers answer that many connections, one after the other."""
        return [self.ask(port) for _ in range(times)]

    def get(
        self,
        port: int,
        path: str = "/",
        *,
        headers: dict[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        sni: str = HOST,
        address: str = "",
        host: str = "internet",
    ) -> Said:
        """GET over a new connection. Raises OSError or HTTPException."""
        connection = self.places[host].connect(address or self.public, port)
        with contextlib.closing(tls.wrap_socket(connection, server_hostname=sni) if tls else connection) as wrapped:
            return get(wrapped, path, headers)

    @contextlib.contextmanager
    def held(self, port: int) -> Iterator[socket.socket]:
        """A TCP connection to some server, which has said its name."""
        with self.client.connect(self.public, port) as connection:
            assert connection.recv(64).decode().strip() in NAMES
            yield connection


def get(connection: socket.socket, path: str = "/", headers: dict[str, str] | None = None) -> Said:
    """GET over a connection, which stays open where the server lets it."""
    client = http.client.HTTPConnection(HOST)
    client.sock = connection
    client.request("GET", path, headers=headers or {})
    answer = client.getresponse()
    body = answer.read()
    told = {name.lower(): value for name, value in answer.getheaders()}
    saw = json.loads(body) if body.startswith(b"{") else {}
    client.sock = None
    return Said(status=answer.status, headers=told, saw=saw)


def echoes(connection: socket.socket, patience: float = 5) -> bool:
    """Whether a held connection lives."""
    connection.settimeout(patience)
    try:
        connection.sendall(b"x")
        return connection.recv(1) == b"x"
    except OSError:
        return False


def lasts(connection: socket.socket, patience: float) -> float:
    """How many seconds pass until the other side ends a silent connection; as many as the patience when it does not."""
    began = time.monotonic()
    connection.settimeout(patience)
    with contextlib.suppress(OSError):
        connection.recv(1)
    return time.monotonic() - began
