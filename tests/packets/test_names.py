"""Rules of part 11 on packets: DHCP says what hosts were programmed with, names lead to what IPAM booked, at once."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator

import pytest

from tests.cloud_under_test import cloud
from tests.packets import dhcp
from tests.packets.site import IPS, NETWORKS, SERVERS, Site

pytestmark = pytest.mark.packets
FLAGS = ("--data-plane", "linux", "--linger", "0")
RESOLVER = "169.254.169.254"
SOON = 10.0  # seconds; what is measured on a quiet machine is far below one


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, packets: None) -> Iterator[Site]:
    """Two networks of a VPC that routes, one of another; a gateway in the first; servers here and there."""
    with cloud(tmp_path_factory.mktemp("names"), *FLAGS) as running:
        made = Site(running)
        vpc = made.vpc("vpc")
        made.networks = {"net-a": made.network("net-a", vpc), "pn_b": made.network("pn_b", vpc)}
        made.networks["far"] = made.network("far", made.vpc("other"))
        a, b, far = made.networks.values()
        made.server("web", a)
        made.server("db1", b)
        made.server("both", a, b)
        made.server("bridgehead", a, far)
        made.server("lonely", far)
        made.server("public", a, public=True)
        made.gateway("egress", a)
        made.settled()
        made.until(lambda: made.tries("web", "getent", "hosts", "db1.pn_b.internal"), True)
        made.until(lambda: made.tries("lonely", "getent", "hosts", "lonely"), True)
        yield made


def programmed(site: Site, host: str, device: str) -> tuple[str, dict[str, str]]:
    """The IPv4 address of a device in CIDR form, and the routes by it: destination -> next hop."""
    (link,) = json.loads(site.run(host, "ip", "-j", "-4", "address", "show", "dev", device))
    (address,) = (f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"])
    routes = json.loads(site.run(host, "ip", "-j", "-4", "route", "show", "dev", device))
    spelled = {"default": "0.0.0.0/0", RESOLVER: f"{RESOLVER}/32"}
    hops = {spelled.get(r["dst"], r["dst"]): r.get("gateway", "0.0.0.0") for r in routes if r["protocol"] == "static"}
    return address, hops


def resolver(site: Site, host: str) -> dict[str, list[str]]:
    """What a host's programs read of whom to ask."""
    found: dict[str, list[str]] = {"nameserver": [], "search": []}
    for line in site.run(host, "cat", "/etc/resolv.conf").splitlines():
        key, *values = line.split()
        found.setdefault(key, []).extend(values)
    return found


def routes(lease: dict[str, str]) -> dict[str, str]:
    words = lease["staticroutes"].split()
    return dict(zip(words[::2], words[1::2], strict=True))


@pytest.mark.parametrize(("host", "device", "network"), [("web", "ens5", "net-a"), ("db1", "ens5", "pn_b")])
def test_a_dhcp_client_is_given_what_the_host_was_programmed_with(
    site: Site, host: str, device: str, network: str
) -> None:
    lease = dhcp.lease(site.cloud, host, device)
    address, hops = programmed(site, host, device)
    assert f"{lease['ip']}/{lease['mask']}" == address
    assert lease["ip"] == site.addresses(site.networks[network], host)[0], "and what IPAM booked"
    assert routes(lease) == hops
    assert lease.get("router", "") == hops.get("0.0.0.0/0", "")
    asked = resolver(site, host)
    assert [lease["dns"]] == asked["nameserver"] == [RESOLVER]
    assert [lease["search"]] == asked["search"] == [f"{network}.internal"]
    assert (lease["domain"], lease["hostname"], lease["mtu"]) == (f"{network}.internal", host, "1500")
    assert lease["serverid"] == RESOLVER
    assert host == "db1" or "router" in lease, "the gateway's default route"


def test_a_host_in_two_networks_is_given_its_address_in_each(site: Site) -> None:
    for device, network in (("ens5", "net-a"), ("ens6", "pn_b")):
        lease = dhcp.lease(site.cloud, "both", device)
        assert lease["ip"] == site.addresses(site.networks[network], "both")[0]
        assert programmed(site, "both", device)[0] == f"{lease['ip']}/{lease['mask']}"


@pytest.mark.skipif(not dhcp.has_v6(), reason="no dhclient: apt-get install isc-dhcp-client")
def test_a_dhcpv6_client_is_given_the_booked_address(site: Site) -> None:
    lease = dhcp.lease_v6(site.cloud, "web", "ens5")
    assert lease["new_ip6_address"] == site.addresses(site.networks["net-a"], "web")[1]
    assert lease["new_dhcp6_domain_search"] == "net-a.internal."
    server = lease["new_dhcp6_name_servers"]
    assert "web.net-a.internal" in site.run("web", "busybox", "nslookup", lease["new_ip6_address"], server)


def test_a_lease_is_renewed_and_follows_what_changes(site: Site) -> None:
    with dhcp.client(site.cloud, "web", "ens5") as running:
        bound = running.told("bound")
        assert (bound["lease"], bound["serverid"]) == ("3600", RESOLVER)
        renewed = running.renew()
        assert renewed["ip"] == bound["ip"]
        vpc = site.call("GET", f"{NETWORKS}/{site.networks['net-a']}")["vpc_id"]
        new = site.call("POST", NETWORKS, {"name": "late", "vpc_id": vpc})
        subnet = next(s["subnet"] for s in new["subnets"] if ":" not in s["subnet"])
        site.until(lambda: subnet in routes(running.renew()), True)
        site.call("DELETE", f"{NETWORKS}/{new['id']}")
        site.until(lambda: subnet in routes(running.renew()), False)


def test_a_stranger_is_given_nothing(site: Site) -> None:
    device = ("ip", "link", "add", "odd", "link", "ens5", "type", "macvlan", "mode", "bridge")
    site.run("both", *device)
    site.run("both", "ip", "link", "set", "odd", "up")
    try:
        assert dhcp.lease(site.cloud, "both", "odd") == {}
    finally:
        site.run("both", "ip", "link", "delete", "odd")


def addresses(site: Site, host: str, name: str) -> set[str]:
    """What a name leads to for a host's programs."""
    done = site.cloud.run(host, "getent", "ahosts", name)
    return {line.split()[0] for line in done.stdout.splitlines()}


def test_names_lead_to_what_ipam_booked(site: Site) -> None:
    a, b = site.networks["net-a"], site.networks["pn_b"]
    assert addresses(site, "web", "both") == set(site.addresses(a, "both")), "in its own network first"
    assert addresses(site, "web", "both.pn_b.internal") == set(site.addresses(b, "both"))
    assert addresses(site, "db1", "both") == set(site.addresses(b, "both"))
    gateway = site.call("GET", f"{IPS}?private_network_id={a}&resource_type=vpc_gateway_network")["ips"]
    assert addresses(site, "web", "egress") == {ip["address"].partition("/")[0] for ip in gateway}
    assert site.tries("web", "ping", "-c1", "-W2", "db1.pn_b.internal")
    assert site.tries("web", "ping", "-4", "-c1", "-W2", "db1.pn_b.internal")


def test_addresses_lead_back_to_names(site: Site) -> None:
    for network, name in (("net-a", "web"), ("pn_b", "db1")):
        for address in site.addresses(site.networks[network], name):
            said = site.run("web", "busybox", "nslookup", address, RESOLVER)
            assert f"name = {name}.{network}.internal" in said, said


def test_an_address_leads_back_to_the_reverse_name_that_a_user_gave_it(site: Site) -> None:
    network, (address, _v6) = site.networks["net-a"], site.addresses(site.networks["net-a"], "web")
    ips = site.call("GET", f"{IPS}?private_network_id={network}&resource_name=web")["ips"]
    (ip,) = (ip for ip in ips if ip["address"].startswith(f"{address}/"))
    site.call("PATCH", f"{IPS}/{ip['id']}", {"reverses": [{"hostname": "www.example.com"}]})
    reverse = ("busybox", "nslookup", address, RESOLVER)
    site.until(lambda: "name = www.example.com" in site.run("both", *reverse), True, SOON)
    assert addresses(site, "both", "www.example.com") == {address}
    assert address in addresses(site, "both", "web")
    site.call("PATCH", f"{IPS}/{ip['id']}", {"reverses": []})
    site.until(lambda: "name = web.net-a.internal" in site.run("both", *reverse), True, SOON)


def test_a_burst_of_changes_is_followed_to_the_last(site: Site) -> None:
    """Also by a resolver that is only just starting."""
    network = site.network("burst")
    server = site.server("early", network)
    last = [site.server(f"late{number}", network) for number in range(8)]
    site.settled()
    for number in range(8):
        site.until(lambda n=number: site.tries("late0", "getent", "hosts", f"late{n}.burst.internal"), True, SOON)  # type: ignore[misc]
    for id_ in (server, *last):
        site.call("POST", f"{SERVERS}/{id_}/action", {"action": "terminate"})


def test_networks_of_other_vpcs_are_known_only_to_who_is_in_them(site: Site) -> None:
    assert addresses(site, "web", "lonely.far.internal") == set()
    assert addresses(site, "lonely", "web.net-a.internal") == set()
    for name, network in (("lonely", "far"), ("web", "net-a"), ("db1", "pn_b")):
        expected = set(site.addresses(site.networks[network], name))
        assert addresses(site, "bridgehead", f"{name}.{network}.internal") == expected


@pytest.mark.parametrize(
    ("name", "said"),
    [("nobody.net-a.internal", "NXDOMAIN"), ("example.com", "REFUSED"), ("nobody.else.internal", "REFUSED")],
)
def test_what_it_does_not_know_it_says_at_once(site: Site, name: str, said: str) -> None:
    began = time.monotonic()
    done = site.cloud.run("web", "busybox", "nslookup", name, RESOLVER)
    assert said in done.stdout + done.stderr
    assert addresses(site, "web", name) == set()
    assert time.monotonic() - began < 4, "nothing waits for an answer that never comes (5 s)"


def test_who_is_in_no_network_has_nobody_to_ask(site: Site) -> None:
    assert resolver(site, "internet") == {"nameserver": [], "search": [], "options": ["timeout:2", "attempts:2"]}
    assert addresses(site, "internet", "example.com") == set()


def test_the_machines_own_names_are_not_seen(site: Site) -> None:
    assert site.run("web", "cat", "/etc/hosts") == site.run("lonely", "cat", "/etc/hosts")
    assert "localhost" in site.run("web", "getent", "hosts", "127.0.0.1")
    assert addresses(site, "web", site.run("world", "uname", "-n").strip()) == set()


def test_a_change_reaches_names_and_bookings_at_once(site: Site) -> None:
    network = site.networks["net-a"]
    for turn in range(3):
        body = {"name": f"vm{turn}", "mac_address": f"02:00:5E:00:00:0{turn}"}
        ip = site.call("POST", IPS, {"source": {"private_network_id": network}, "resource": body})
        site.until(lambda t=turn: addresses(site, "web", f"vm{t}"), {ip["address"].partition("/")[0]}, SOON)  # type: ignore[misc]
        site.call("POST", f"{IPS}/{ip['id']}/detach", {"resource": body})
        site.call("DELETE", f"{IPS}/{ip['id']}")
        site.until(lambda t=turn: addresses(site, "web", f"vm{t}"), set(), SOON)  # type: ignore[misc]


def test_a_server_that_is_renamed_is_found_by_its_new_name(site: Site) -> None:
    server = next(s for s in site.call("GET", SERVERS)["servers"] if s["name"] == "public")
    found = set(site.addresses(site.networks["net-a"], "public"))
    assert addresses(site, "web", "public") == found
    site.call("PATCH", f"{SERVERS}/{server['id']}", {"name": "renamed"})
    site.until(lambda: addresses(site, "web", "renamed"), found, SOON)
    assert addresses(site, "web", "public") == set()
    site.call("PATCH", f"{SERVERS}/{server['id']}", {"name": "public"})


def test_a_network_that_is_renamed_has_another_domain(site: Site) -> None:
    def rename(name: str) -> None:
        site.call("PATCH", f"{NETWORKS}/{site.networks['far']}", {"name": name})

    found = set(site.addresses(site.networks["far"], "lonely"))
    rename("farther")
    site.until(lambda: addresses(site, "lonely", "lonely.farther.internal"), found, SOON)
    site.until(lambda: resolver(site, "lonely")["search"], ["farther.internal"], SOON)
    rename("far")
    site.until(lambda: addresses(site, "lonely", "lonely"), found, SOON)


def test_a_resolver_that_dies_is_started_again(site: Site) -> None:
    name = f"names-{site.networks['pn_b']}"
    (running,) = site.run(name, "sh", "-c", OURS).split()
    site.run(name, "kill", "-KILL", running)
    site.until(lambda: site.tries("db1", "getent", "hosts", "both"), True)
    (another,) = site.run(name, "sh", "-c", OURS).split()
    assert another != running


OURS = """
for pid in $(pidof dnsmasq); do
  [ "$(readlink /proc/$pid/ns/net)" != "$(readlink /proc/self/ns/net)" ] || echo $pid
done
"""
"""The dnsmasq in the namespace where this runs."""


def test_a_network_that_empties_needs_no_resolver(site: Site) -> None:
    def there() -> bool:
        return site.cloud.run("world", "test", "-e", f"/run/netns/host-names-{network}").returncode == 0

    network = site.network("passing")
    server = site.server("guest", network)
    site.settled()
    site.until(lambda: site.tries("guest", "getent", "hosts", "guest"), True)
    assert there()
    site.call("POST", f"{SERVERS}/{server}/action", {"action": "terminate"})
    site.until(there, False)


def test_network_acls_do_not_keep_names_from_each_other(site: Site) -> None:
    vpc = site.call("GET", f"{NETWORKS}/{site.networks['net-a']}")["vpc_id"]
    rules = f"/vpc/v2/regions/fr-par/vpcs/{vpc}/acl-rules"
    _, far = site.addresses(site.networks["pn_b"], "db1")
    try:
        for v6 in (False, True):
            site.call("PUT", rules, {"rules": [], "is_ipv6": v6, "default_policy": "drop"})
        site.until(lambda: site.tries("web", "ping", "-6", "-c1", "-W1", far), False)
        assert far in addresses(site, "web", "db1.pn_b.internal")
    finally:
        for v6 in (False, True):
            site.call("PUT", rules, {"rules": [], "is_ipv6": v6, "default_policy": "accept"})
    site.until(lambda: site.tries("web", "ping", "-6", "-c1", "-W1", far), True)


def test_names_are_answered_over_tcp_too(site: Site) -> None:
    said = site.run("web", sys.executable, "-I", "-S", "-c", ASK_BY_TCP, RESOLVER, "both.net-a.internal")
    assert said.strip() == site.addresses(site.networks["net-a"], "both")[0]


ASK_BY_TCP = """
import socket, struct, sys
name = b"".join(bytes([len(p)]) + p.encode() for p in sys.argv[2].split("."))
question = struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + name + struct.pack("!BHH", 0, 1, 1)
with socket.create_connection((sys.argv[1], 53), 5) as s:
    s.sendall(struct.pack("!H", len(question)) + question)
    answer = s.recv(2048)
print(socket.inet_ntoa(answer[-4:]))
"""


def test_the_same_addresses_in_two_vpcs_have_each_their_own_names(site: Site) -> None:
    networks = {}
    for name in ("left", "right"):
        body = {"name": "twin", "vpc_id": site.vpc(name), "subnets": ["10.7.0.0/22"]}
        networks[name] = site.call("POST", NETWORKS, body)["id"]
        site.server(name, networks[name])
    site.settled()
    for name, other in (("left", "right"), ("right", "left")):
        site.until(lambda n=name: "10.7.0.2" in addresses(site, n, n), True)  # type: ignore[misc]
        assert "10.7.0.2" in addresses(site, name, f"{name}.twin.internal")
        assert addresses(site, name, f"{other}.twin.internal") == set()
        assert dhcp.lease(site.cloud, name, "ens5")["ip"] == "10.7.0.2"
