"""Rules of part 7: managed databases."""

from __future__ import annotations

from hideaway.fabric.model import EDGE, EDGE_V4, Role
from tests.unit.compile.factory import Cloud


def test_a_private_endpoint_is_a_port_in_the_network() -> None:
    cloud = Cloud()
    network = cloud.network()
    database = cloud.database(network)
    host = cloud.host(database)
    (port,) = host.ports
    assert (host.role, host.listeners) == (Role.DATABASE, ())
    assert (port.id, port.link, port.addresses) == (database.listed_endpoints[0].id, network.id, ("172.16.0.2/22",))


def test_a_load_balancer_endpoint_is_a_public_port() -> None:
    cloud = Cloud()
    host = cloud.host(cloud.database(public=True))
    assert [(p.name, p.link, p.addresses) for p in host.ports] == [("pub", EDGE, ("198.18.16.1/32",))]
    assert [r.via for r in host.routes] == [EDGE_V4]


def test_a_database_that_is_being_deleted_is_no_host() -> None:
    cloud = Cloud()
    leaving = cloud.database(cloud.network(), status="deleting")
    assert [h.name for h in cloud.fabric().hosts] == ["internet"]
    assert [v.id for v in cloud.fabric().volumes] == [leaving.id], "its data stays until it is gone"
    cloud.ledger.remove(leaving)
    assert cloud.fabric().volumes == ()


def test_a_server_runs_without_any_endpoint() -> None:
    cloud = Cloud()
    host = cloud.host(cloud.database())
    assert (host.ports, host.redirects) == ((), ())
    assert [s.id for s in host.services] == ["server"]


def test_an_endpoint_whose_network_is_gone_is_left_out() -> None:
    cloud = Cloud()
    network = cloud.network()
    database = cloud.database(network, public=True)
    cloud.ledger.remove(network)
    assert [p.name for p in cloud.host(database).ports] == ["pub"]
