"""Rules of part 4: Public Gateways, whom they serve, and in plain words why not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hideaway.cloud.gateways import Gateway, GatewayIp, GatewayNetwork
from hideaway.cloud.network import Ip, PrivateNetwork
from hideaway.cloud.servers import Server
from hideaway.compile.faults import egress_fault
from hideaway.fabric.model import EDGE, EDGE_V4, Protocol, Role
from tests.unit.compile.factory import Cloud


class Egress:
    """A Private Network with an isolated server, and a gateway attached to it."""

    def __init__(self) -> None:
        self.cloud = Cloud()
        self.network: PrivateNetwork = self.cloud.network()
        self.server: Server = self.cloud.server(self.network)
        self.gateway: Gateway = self.cloud.gateway(name="egress")
        self.attachment: GatewayNetwork = self.cloud.attach(self.gateway, self.network)

    def defaults(self) -> list[str]:
        """The next hops of the isolated server's default routes."""
        return [r.via for r in self.cloud.host(self.server).routes if r.destination == "0.0.0.0/0"]

    def fault(self) -> str | None:
        return egress_fault(self.cloud.ledger, self.network.id)


@pytest.fixture
def egress() -> Egress:
    return Egress()


def test_a_gateway_is_a_host_with_one_port_outside_and_one_in_each_network(egress: Egress) -> None:
    other = egress.cloud.network()
    more = egress.cloud.attach(egress.gateway, other, masquerade_enabled=False)
    host = egress.cloud.host(egress.gateway)
    assert host.role == Role.GATEWAY
    assert [(p.link, p.addresses) for p in host.ports] == [
        (EDGE, ("198.18.16.1/32",)),
        (egress.network.id, ("172.16.0.3/22",)),
        (other.id, ("172.16.4.2/22",)),
    ]
    assert [p.filter for p in host.ports] == ["", "", ""], "a gateway's public address has no security group"
    assert host.ports[2].id == more.id
    assert host.gateway is not None
    assert host.gateway.outside == f"pub-{egress.gateway.id}"
    assert host.gateway.masquerade == (egress.attachment.id,)
    assert [r.via for r in host.routes if r.destination == "0.0.0.0/0"] == [EDGE_V4]


def test_isolated_hosts_leave_through_the_gateway(egress: Egress) -> None:
    assert egress.defaults() == ["172.16.0.3"]
    assert egress.fault() is None
    (route,) = (r for r in egress.cloud.host(egress.server).routes if r.via)
    assert route.because == f"vpcgw/gateway_network:{egress.attachment.id}"


def test_a_host_with_a_public_address_keeps_its_own_way_out(egress: Egress) -> None:
    egress.cloud.public_ip(egress.server)
    assert egress.defaults() == [EDGE_V4]


def test_a_host_with_only_a_public_ipv6_address_leaves_by_ipv4_through_the_gateway(egress: Egress) -> None:
    egress.cloud.public_ip(egress.server, v6=True)
    assert egress.defaults() == ["172.16.0.3"]


def test_the_oldest_attachment_gives_the_default_route(egress: Egress) -> None:
    younger = egress.cloud.gateway(name="younger")
    egress.cloud.attach(younger, egress.network)
    assert egress.defaults() == ["172.16.0.3"]
    egress.cloud.change(egress.attachment, status="detaching")
    assert egress.defaults() == ["172.16.0.4"]


def test_port_translations(egress: Egress) -> None:
    egress.cloud.pat(egress.gateway, 2222, "172.16.0.2", 22, protocol="tcp")
    egress.cloud.pat(egress.gateway, 53, "172.16.0.2", 53)
    gateway = egress.cloud.host(egress.gateway).gateway
    assert gateway is not None
    assert [(f.protocol, f.public_port, f.private_address, f.private_port) for f in gateway.forwards] == [
        (Protocol.ANY, 53, "172.16.0.2", 53),
        (Protocol.TCP, 2222, "172.16.0.2", 22),
    ]


def stop(e: Egress) -> None:
    e.cloud.change(e.gateway, status="stopped")


def delete(e: Egress) -> None:
    e.cloud.delete(e.gateway)


def detach(e: Egress) -> None:
    e.cloud.change(e.attachment, status="detaching")


def delete_attachment(e: Egress) -> None:
    e.cloud.delete(e.attachment)


def elsewhere(e: Egress) -> None:
    e.cloud.change(e.gateway, zone="nl-ams-1")


def legacy(e: Egress) -> None:
    e.cloud.change(e.gateway, is_legacy=True)


def without_address(e: Egress) -> None:
    e.cloud.ledger.remove(e.cloud.ledger.find(GatewayIp)[0])


def without_inside_address(e: Egress) -> None:
    ip = e.cloud.ledger.get(Ip, e.attachment.ipam_ip_id)
    assert ip is not None
    e.cloud.ledger.remove(ip)


def without_route(e: Egress) -> None:
    e.cloud.change(e.attachment, push_default_route=False)


def never_attached(e: Egress) -> None:
    e.cloud.ledger.remove(e.attachment)


def gone(e: Egress) -> None:
    e.cloud.ledger.remove(e.gateway)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (stop, "Public Gateway egress (GW) is stopped"),
        (delete, "Public Gateway egress (GW) is being deleted"),
        (detach, "Public Gateway egress (GW) is being detached"),
        (delete_attachment, "Public Gateway egress (GW) is being detached"),
        (elsewhere, "Public Gateway egress (GW) is in another region (nl-ams-1, the Private Network is in fr-par)"),
        (legacy, "Public Gateway egress (GW) is a legacy gateway, which IPAM does not know; upgrade it"),
        (without_address, "Public Gateway egress (GW) has no public address"),
        (without_inside_address, "Public Gateway egress (GW) has no address in the Private Network"),
        (without_route, "Public Gateway egress (GW) does not advertise its default route"),
        (never_attached, "no Public Gateway is attached to Private Network pn-0 (PN)"),
        (gone, "no Public Gateway is attached to Private Network pn-0 (PN)"),
    ],
)
def test_a_gateway_that_does_not_serve_gives_no_default_route_and_says_why(
    egress: Egress, spoil: Callable[[Egress], None], words: str
) -> None:
    spoil(egress)
    assert egress.defaults() == []
    assert egress.fault() == words.replace("GW", egress.gateway.id).replace("PN)", f"{egress.network.id})")


def test_without_masquerade_the_route_stands_but_nothing_is_translated(egress: Egress) -> None:
    egress.cloud.change(egress.attachment, masquerade_enabled=False)
    assert egress.defaults() == ["172.16.0.3"]
    gateway = egress.cloud.host(egress.gateway).gateway
    assert gateway is not None
    assert gateway.masquerade == ()
    assert egress.fault() == f"Public Gateway egress ({egress.gateway.id}) does not masquerade: dynamic NAT is off"


def test_all_that_is_wrong_is_told_at_once(egress: Egress) -> None:
    egress.cloud.change(egress.attachment, masquerade_enabled=False, push_default_route=False)
    assert egress.fault() == (
        f"Public Gateway egress ({egress.gateway.id}) does not advertise its default route, "
        "and does not masquerade: dynamic NAT is off"
    )


@pytest.mark.parametrize("spoil", [detach, elsewhere, legacy, without_inside_address])
def test_a_gateway_that_does_not_serve_a_network_has_no_port_in_it(
    egress: Egress, spoil: Callable[[Egress], None]
) -> None:
    spoil(egress)
    assert [p.link for p in egress.cloud.host(egress.gateway).ports] == [EDGE]


def test_a_gateway_attached_twice_to_a_network_has_one_port_there(egress: Egress) -> None:
    egress.cloud.attach(egress.gateway, egress.network)
    assert [p.id for p in egress.cloud.host(egress.gateway).ports[1:]] == [egress.attachment.id]


def test_a_legacy_gateway_translates_no_ports(egress: Egress) -> None:
    legacy(egress)
    egress.cloud.pat(egress.gateway, 2222, "172.16.0.2", 22)
    gateway = egress.cloud.host(egress.gateway).gateway
    assert gateway is not None
    assert gateway.forwards == ()


def test_an_address_that_went_to_another_gateway_is_not_this_ones(egress: Egress) -> None:
    other = egress.cloud.gateway(name="other")
    egress.cloud.change(egress.cloud.ledger.find(GatewayIp)[0], gateway_id=other.id)
    assert egress.cloud.fabric().host(egress.gateway.id) is None
    assert egress.fault() == f"Public Gateway egress ({egress.gateway.id}) has no public address"


def test_gateways_speak_ipv4_inside(egress: Egress) -> None:
    egress.cloud.change(egress.attachment, ipam_ip_id=egress.cloud.ip(egress.network, v6=True).id)
    assert egress.defaults() == []


@pytest.mark.parametrize("status", ["stopping", "stopped", "deleting"])
def test_a_gateway_that_is_not_up_is_no_host(egress: Egress, status: str) -> None:
    egress.cloud.change(egress.gateway, status=status)
    assert egress.cloud.fabric().host(egress.gateway.id) is None


@pytest.mark.parametrize("status", ["allocating", "configuring", "running"])
def test_a_gateway_is_built_before_it_says_that_it_runs(egress: Egress, status: str) -> None:
    egress.cloud.change(egress.gateway, status=status)
    assert egress.defaults() == ["172.16.0.3"]


def test_a_second_gateway_helps_where_the_first_does_not(egress: Egress) -> None:
    egress.cloud.change(egress.attachment, push_default_route=False)
    second = egress.cloud.gateway(name="second", status="stopped")
    egress.cloud.attach(second, egress.network)
    fault = egress.fault()
    assert fault is not None
    assert "egress" in fault
    assert "second" in fault
    egress.cloud.change(second, status="running")
    assert egress.fault() is None
    assert egress.defaults() == ["172.16.0.4"]


def test_a_network_that_is_gone() -> None:
    assert egress_fault(Cloud().ledger, "nowhere") == "Private Network nowhere is gone"


def test_a_gateway_closes_mail_unless_it_is_enabled(egress: Egress) -> None:
    gateway = egress.cloud.host(egress.gateway).gateway
    assert gateway is not None
    assert gateway.closed == (25, 465, 587)
    egress.cloud.change(egress.gateway, smtp_enabled=True)
    gateway = egress.cloud.host(egress.gateway).gateway
    assert gateway is not None
    assert gateway.closed == ()


def test_an_upgraded_gateway_is_built_anew(egress: Egress) -> None:
    assert egress.cloud.host(egress.gateway).boots == 0
    egress.cloud.change(egress.gateway, boots=1)
    assert egress.cloud.host(egress.gateway).boots == 1
