"""Rules of part 7: managed databases."""

from __future__ import annotations

import msgspec

from hideaway.cloud.database_contents import settings_of
from hideaway.cloud.databases import (
    AccessRule,
    Backup,
    Database,
    DatabaseUser,
    LogicalDatabase,
    Privilege,
    Setting,
)
from hideaway.fabric.model import EDGE, EDGE_V4, Action, Protocol, Redirect, Role
from hideaway.fabric.services import DatabaseServer, Login, Task
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


def server_of(cloud: Cloud, database: Database) -> DatabaseServer:
    (server,) = cloud.host(database).services
    assert isinstance(server, DatabaseServer)
    return server


def test_the_public_endpoint_has_a_number_of_its_own_and_the_acl_before_it() -> None:
    cloud = Cloud()
    rules = [AccessRule(ip="10.0.0.0/8"), AccessRule(ip="2001:db8::/32"), AccessRule(ip="10.0.0.0/8")]
    database = cloud.database(public=True, access_rules=rules)
    (endpoint,) = database.listed_endpoints
    database = cloud.change(database, listed_endpoints=[msgspec.structs.replace(endpoint, port=21789)])
    host = cloud.host(database)
    (port,) = host.ports
    assert host.redirects == (Redirect(port=port.id, number=21789, target=5432),)
    (filter_,) = [f for f in cloud.fabric().filters if f.id == port.filter]
    assert (filter_.stateful, filter_.inbound, filter_.outbound) == (True, Action.DROP, Action.ACCEPT)
    let_in = [(r.network, r.ports) for r in filter_.rules if r.protocol == Protocol.TCP]
    assert let_in == [("10.0.0.0/8", (21789, 21789)), ("2001:db8::/32", (21789, 21789))]


def test_a_private_endpoint_is_not_filtered() -> None:
    cloud = Cloud()
    host = cloud.host(cloud.database(cloud.network(), access_rules=[]))
    assert [p.filter for p in host.ports] == [""]
    assert not [f for f in cloud.fabric().filters if f.id.startswith("acl:")]


def test_a_server_has_all_that_is_in_the_instance() -> None:
    cloud = Cloud()
    database = cloud.database(
        users=[DatabaseUser(name="admin", is_admin=True, verifier="v"), DatabaseUser(name="other")],
        databases=[LogicalDatabase(name="rdb")],
        privileges=[Privilege(database_name="rdb", user_name="other", permission="readonly")],
        settings=[Setting(name="work_mem", value="7"), Setting(name="jit", value="off")],
        node_type="db-dev-m",
    )
    server = server_of(cloud, database)
    assert (server.volume, server.port, server.node_memory) == (database.id, 5432, 4 * 2**30)
    assert server.users == (Login(name="admin", verifier="v", admin=True), Login(name="other"))
    assert {(g.user, g.permission) for g in server.grants} == {("admin", "all"), ("other", "readonly")}
    assert server.settings == (("work_mem", "7MB"), ("jit", "off"))


def test_a_new_instance_s_server_has_the_settings_that_are_answered_once_it_is_ready() -> None:
    cloud = Cloud()
    database = cloud.database(status="provisioning")
    ready = cloud.change(database, status="ready", settings=settings_of(database))
    assert database.settings == []
    assert server_of(cloud, ready).settings
    assert server_of(cloud, ready) == server_of(cloud, cloud.change(ready, status="provisioning", settings=[]))


def test_what_is_asked_for_once_is_its_performer_s_task() -> None:
    cloud = Cloud()
    one, other = cloud.database(), cloud.database()
    common = {"region": "fr-par", "instance_id": one.id, "instance_name": "db", "database_name": "rdb", "name": "b"}
    made = cloud.put(Backup, **common, task="t1", performer=one.id)
    back = cloud.put(Backup, **common, status="restoring", restored_as="new", task="t2", performer=other.id)
    cloud.put(Backup, **common, status="ready")
    assert server_of(cloud, one).tasks == (Task(id="t1", what="dump", volume=made.id, database="rdb"),)
    assert server_of(cloud, other).tasks == (Task(id="t2", what="restore", volume=back.id, database="new"),)
    assert {v.id for v in cloud.fabric().volumes} >= {one.id, other.id, made.id, back.id}
