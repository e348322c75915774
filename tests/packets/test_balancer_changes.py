"""What changes of a Load Balancer do to connections, and what it outlives: kills, moved addresses, restarts."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hideaway.backends.linux import names
from hideaway.backends.linux.channel import connect
from hideaway.backends.linux.services.haproxy import MASTER
from tests.cloud_under_test import cloud
from tests.packets.balanced import CHECK, HOST, LB, Site, certificate, echoes, get
from tests.packets.tenant import PROBE

pytestmark = [pytest.mark.packets, pytest.mark.slow]
UPGRADE = f"GET /upgrade HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: talk\r\nConnection: Upgrade\r\n\r\n".encode()
CHANGES = 200


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, packets: None) -> Iterator[Site]:
    flags = ("--data-plane", "linux", "--linger", "60")
    with cloud(tmp_path_factory.mktemp("cloud"), *flags) as running:
        made = Site(running)
        yield made
        made.close()


class Client(threading.Thread):
    """A client that goes on asking until it is told to end; wrong: what it met that it should not have."""

    def __init__(self, ask: Callable[[], None]):
        super().__init__(daemon=True)
        self.ask, self.asked, self.wrong, self.over = ask, 0, "", threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.005) and not self.wrong:
            try:
                self.ask()
                self.asked += 1
            except Exception as error:  # whatever it was, the test shall say it
                self.wrong = repr(error)

    def end(self) -> None:
        self.over.set()
        self.join(30)


class Polite:
    """A client of HTTP that keeps its connection as long as it is kept: after `Connection: close` it opens another."""

    def __init__(self, site: Site, port: int):
        self.site, self.port = site, port
        self.connection: socket.socket | None = None

    def __call__(self) -> None:
        self.connection = self.connection or self.site.client.connect(self.site.public, self.port)
        said = get(self.connection)
        assert said.status == 200, said
        if said.headers.get("connection") == "close":
            self.connection.close()
            self.connection = None


def changes(site: Site, tcp: str, http: str, frontend: str) -> Iterator[None]:
    """Change all that a Load Balancer has, to and fro, without an end: one change each time that one is asked for."""
    chain = certificate(HOST)
    a, b, c = site.servers.values()
    while True:
        for milliseconds in (250_000, 260_000):
            fields = {"forward_protocol": "tcp", "forward_port": CHECK["port"], "timeout_server": milliseconds}
            yield site.call("PUT", f"/backends/{tcp}", name="tcp", **fields)
        yield site.call("PUT", f"/backends/{http}/servers", server_ip=[a, b])
        yield site.call("PUT", f"/backends/{http}/servers", server_ip=[a, b, c])
        yield site.acls(frontend, {"action": {"type": "deny"}, "match": {"ip_subnet": ["10.0.0.0/8"]}})
        yield site.acls(frontend)
        yield site.call("PUT", f"/backends/{tcp}/healthcheck", **CHECK | {"check_delay": 250})
        imported = site.import_certificate(chain)
        yield
        made, _ = site.frontend(http, certificate_ids=[imported])
        yield
        yield site.call("DELETE", f"/frontends/{made}")
        yield site.call("DELETE", f"/certificates/{imported}")


def test_no_connection_is_dropped_over_200_changes(site: Site) -> None:
    """Connections that were there before the first change live after the last, and nobody who comes is refused."""
    tcp, http = site.backend("tcp"), site.backend("http")
    (tcp_frontend, tcp_port), (_, http_port) = site.frontend(tcp), site.frontend(http)
    with contextlib.ExitStack() as held:
        talking = [held.enter_context(site.held(tcp_port)) for _ in range(6)]
        tunnel = held.enter_context(site.client.connect(site.public, http_port))
        tunnel.sendall(UPGRADE)
        assert b" 101 " in tunnel.recv(4096)
        asking = (Polite(site, http_port), lambda: site.get(http_port), lambda: came(site, tcp_port))
        clients = [Client(ask) for ask in asking]
        for client in clients:
            client.start()
        for number, _ in zip(range(CHANGES), changes(site, tcp, http, tcp_frontend), strict=False):
            assert echoes(talking[number % len(talking)]), number
            assert echoes(tunnel), number
        for client in clients:
            client.end()
        assert [client.wrong for client in clients] == [""] * 3
        assert min(client.asked for client in clients) > CHANGES / 10
        assert all(map(echoes, talking))
    assert site.tenant.soon(lambda: workers(site) == 1, 20), "those that changes left behind end with their connections"


def came(site: Site, port: int) -> None:
    with site.held(port) as connection:
        assert echoes(connection)


def workers(site: Site) -> int:
    """How many processes of HAProxy have connections or take new ones."""
    folder = site.cloud.state / "world" / "services" / names.namespace(site.id) / "balancer"
    with connect(folder, MASTER, 5) as channel:
        channel.sendall(b"show proc;quit\n")
        said = channel.makefile().read()
    return sum(line.split()[1:2] == ["worker"] for line in said.splitlines())


def test_it_comes_back_when_haproxy_is_killed(site: Site) -> None:
    port = site.port("tcp")
    site.tenant.inside(site.id, "pkill", "-KILL", "haproxy")
    assert site.tenant.soon(lambda: site.ask(port) is not None)
    site.tenant.settled()


def test_balancing_outlives_its_server_and_follows_the_next(site: Site) -> None:
    """The world lingers: connections go on while nobody serves the API, and changes reach HAProxy again after that."""
    backend = site.backend("tcp", "a")
    _, port = site.frontend(backend)
    with site.held(port) as connection:
        site.cloud.kill()
        assert echoes(connection)
        assert site.ask(port) == "a"
        site.cloud.start()
        site.tenant.close()
        site.tenant = type(site.tenant)(site.cloud)
        site.call("PUT", f"/backends/{backend}/servers", server_ip=[site.servers["b"]])
        assert echoes(connection)
        assert site.ask(port) == "b"


def test_addresses_move_between_load_balancers(site: Site) -> None:
    """A flexible address is where it was moved, and whoever lost it is not there any more."""
    one, two = (site.call("POST", "/lbs", name=n, type="LB-S", assign_flexible_ip=n == "one") for n in ("one", "two"))
    ip = one["ip"][0]
    for lb, name in ((one, "a"), (two, "b")):
        site.attach(lb["id"])
        site.frontend(site.backend("http", name, lb_id=lb["id"]), lb_id=lb["id"])
    ports = [site.call("GET", f"/lbs/{lb['id']}/frontends")["frontends"][0]["inbound_port"] for lb in (one, two)]
    assert site.get(ports[0], address=ip["ip_address"]).name == "a"
    site.call("PATCH", f"/ips/{ip['id']}", lb_id="")
    with pytest.raises(OSError):
        site.client.connect(ip["ip_address"], ports[0], patience=1)
    site.call("PATCH", f"/ips/{ip['id']}", lb_id=two["id"])
    assert site.get(ports[1], address=ip["ip_address"]).name == "b"
    site.call("DELETE", f"/lbs/{one['id']}")
    site.call("DELETE", f"/lbs/{two['id']}?release_ip=false")
    assert site.call("GET", f"/ips/{ip['id']}")["lb_id"] is None
    three = site.call("POST", "/lbs", name="three", type="LB-S", ip_ids=[ip["id"]])
    site.attach(three["id"])
    _, port = site.frontend(site.backend("http", "c", lb_id=three["id"]), lb_id=three["id"])
    assert site.get(port, address=ip["ip_address"]).name == "c"
    site.call("DELETE", f"/lbs/{three['id']}?release_ip=true")
    assert site.tenant.http.get(f"{LB}/ips/{ip['id']}").status_code == 404
    with pytest.raises(OSError):
        site.client.connect(ip["ip_address"], port, patience=1)


def test_another_type_carries_on(site: Site) -> None:
    port = site.port("tcp")
    with site.held(port) as connection:
        site.call("POST", f"/lbs/{site.id}/migrate", type="LB-GP-M")
        said = site.call("GET", f"/lbs/{site.id}")
        assert (said["type"], said["status"]) == ("lb-gp-m", "ready")
        assert echoes(connection)


def test_networks_are_attached_and_detached(site: Site) -> None:
    """Servers of two networks behind one; a network that is left is left at once."""
    other = site.tenant.network("other", vpc=site.tenant.vpc("apart"))
    machine = site.tenant.instance("d", other, listen=True)
    site.call("POST", f"/lbs/{site.id}/attach-private-network", private_network_id=other)
    fields: dict[str, Any] = {"forward_port": 30080, "check": {"port": 30080}}
    backend = site.backend("tcp", machine.v4(other), **fields)
    _, port = site.frontend(backend)
    assert site.tenant.soon(lambda: site.ask(port) is not None), "its own address in that network is what it is told"
    site.call("POST", f"/lbs/{site.id}/detach-private-network", private_network_id=other)
    assert site.ask(port, patience=1) is None
    assert site.ask(site.port("tcp")) is not None, "the other network goes on"


def test_a_private_one_leaves_through_the_networks_gateway(site: Site) -> None:
    """Its servers may be anywhere: without a public address it goes the way of its Private Network, as hosts do."""
    made = site.call("POST", "/lbs", name="leaving", type="LB-S", assign_flexible_ip=False)
    inside = site.attach(made["id"])
    fields: dict[str, Any] = {"lb_id": made["id"], "forward_port": 80, "check": {"port": 80}}
    _, port = site.frontend(site.backend("http", PROBE, **fields), lb_id=made["id"])
    gateway, public = site.tenant.gateway("way-out")
    site.tenant.attach(gateway, site.network)

    def seen() -> bytes:
        with site.places["a"].connect(inside, port) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return connection.makefile("rb").read()

    assert site.tenant.soon(lambda: public.encode() in seen()), seen()


def test_security_groups_do_not_filter_it(site: Site) -> None:
    """The servers' group refuses all that comes from the internet; what comes by the balancer comes from within."""
    groups = site.tenant.call("GET", "/instance/v1/zones/fr-par-1/security_groups")["security_groups"]
    for group in groups:
        path = f"/instance/v1/zones/fr-par-1/security_groups/{group['id']}"
        site.tenant.call("PATCH", path, inbound_default_policy="drop", outbound_default_policy="drop")
    site.tenant.settled()
    assert site.ask(site.port("tcp")) is not None
    assert site.get(site.port("http")).status == 200
