"""What a walker may do to a cloud: every kind of change that reaches the data plane. A kind that is added later gets a
line in MOVES."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.packets.walker import GATEWAY, INSTANCE, K8S, LB, RDB, VPC, Item, Walker


def add_vpc(w: Walker) -> None:
    if w.room("vpc", 2):
        w.add("vpc", f"{VPC}/vpcs", {"name": "vpc", "enable_routing": True})


def change_vpc(w: Walker) -> None:
    if vpc := w.pick("vpc"):
        w.alter("POST", f"{VPC}/vpcs/{vpc}/enable-{w.random.choice(['routing', 'custom-routes-propagation'])}", {})


def filter_vpc(w: Walker) -> None:
    """Network ACLs, of either family."""
    if vpc := w.pick("vpc"):
        v6 = w.random.random() < 0.3
        rule = {
            "protocol": "TCP", "source": "::/0" if v6 else "0.0.0.0/0", "destination": "::/0" if v6 else "0.0.0.0/0",
            "src_port_low": 0, "src_port_high": 0, "dst_port_low": 80, "dst_port_high": w.random.randrange(80, 90),
            "action": w.random.choice(["accept", "drop"]), "description": "",
        }  # fmt: skip
        rules = [rule] * w.random.randrange(3)
        policy = w.random.choice(["accept", "drop"])
        w.alter("PUT", f"{VPC}/vpcs/{vpc}/acl-rules", {"rules": rules, "is_ipv6": v6, "default_policy": policy})


def drop_vpc(w: Walker) -> None:
    if vpc := w.pick("vpc", lambda v: not v["is_default"]):
        w.drop("vpc", vpc, f"{VPC}/vpcs/{vpc}")


def add_network(w: Walker) -> None:
    if w.room("network", 4):
        w.add("network", f"{VPC}/private-networks", {"name": "net", "vpc_id": w.pick("vpc")})


def drop_network(w: Walker) -> None:
    if network := w.pick("network"):
        w.drop("network", network, f"{VPC}/private-networks/{network}")


def add_route(w: Walker) -> None:
    nic = w.pick("nic")
    if nic and w.room("route", 3):
        network = w.known["nic"][nic]["private_network_id"]
        vpc = w.known["network"].get(network, {}).get("vpc_id")
        destination = f"10.{w.random.randrange(3)}.0.0/16"
        body = {"vpc_id": vpc, "destination": destination, "nexthop_resource_id": nic}
        w.add("route", f"{VPC}/routes", {**body, "nexthop_private_network_id": network}, above=("vpc", str(vpc)))


def drop_route(w: Walker) -> None:
    if route := w.pick("route"):
        w.drop("route", route, f"{VPC}/routes/{route}")


def add_server(w: Walker) -> None:
    if w.room("server", 4):
        body = {"name": "srv", "commercial_type": "DEV1-S", "image": "ubuntu_jammy"}
        public = {"dynamic_ip_required": w.random.random() < 0.7, "security_group": w.pick("group")}
        made = w.add("server", f"{INSTANCE}/servers", {**body, **public}, key="server")
        if made:
            w.alter("POST", f"{INSTANCE}/servers/{made['id']}/action", {"action": "poweron"})


def _own(w: Walker) -> str | None:
    """A server that is no node: those are their pools'."""
    return w.pick("server", lambda s: not s["tags"])


def power(w: Walker) -> None:
    if server := _own(w):
        action = w.random.choice(["poweron", "poweroff", "reboot", "stop_in_place"])
        w.alter("POST", f"{INSTANCE}/servers/{server}/action", {"action": action})


def move_server(w: Walker) -> None:
    """To another security group."""
    server, group = _own(w), w.pick("group")
    if server and group:
        w.alter("PATCH", f"{INSTANCE}/servers/{server}", {"security_group": {"id": group, "name": "g"}})


def drop_server(w: Walker) -> None:
    server = _own(w)
    if server and w.random.random() < 0.5:
        path = f"{INSTANCE}/servers/{server}/action"
        w.drop("server", server, path, method="POST", body={"action": "terminate"})


def add_nic(w: Walker) -> None:
    server, network = _own(w), w.pick("network")
    if server and network and w.room("nic", 8):
        path, body = f"{INSTANCE}/servers/{server}/private_nics", {"private_network_id": network}
        w.add("nic", path, body, key="private_nic", above=("server", server))


def drop_nic(w: Walker) -> None:
    if nic := w.pick("nic"):
        w.drop("nic", nic, f"{INSTANCE}/servers/{w.known['nic'][nic]['server_id']}/private_nics/{nic}")


def add_ip(w: Walker) -> None:
    if w.room("ip", 7):
        w.add("ip", f"{INSTANCE}/ips", {"type": w.random.choice(["routed_ipv4", "routed_ipv6"])}, key="ip")


def move_ip(w: Walker) -> None:
    """Attach a flexible IP to a server, or take it away."""
    if ip := w.pick("ip"):
        w.alter("PATCH", f"{INSTANCE}/ips/{ip}", {"server": w.random.choice([_own(w), None])})


def drop_ip(w: Walker) -> None:
    if ip := w.pick("ip"):
        w.drop("ip", ip, f"{INSTANCE}/ips/{ip}")


def add_group(w: Walker) -> None:
    if w.room("group", 4):
        body = {"name": "g", "stateful": w.random.random() < 0.7, "inbound_default_policy": "drop"}
        w.add("group", f"{INSTANCE}/security_groups", body, key="security_group")


def change_group(w: Walker) -> None:
    if group := w.pick("group"):
        body = {
            "stateful": w.random.random() < 0.7,
            "inbound_default_policy": w.random.choice(["accept", "drop"]),
            "outbound_default_policy": w.random.choice(["accept", "drop"]),
            "enable_default_security": w.random.random() < 0.5,
        }
        w.alter("PATCH", f"{INSTANCE}/security_groups/{group}", {k: body[k] for k in w.random.sample(sorted(body), 2)})


def drop_group(w: Walker) -> None:
    if group := w.pick("group", lambda g: not g["project_default"] and g["name"] == "g"):
        w.drop("group", group, f"{INSTANCE}/security_groups/{group}")


def add_rule(w: Walker) -> None:
    group = w.pick("group")
    if group and w.room("rule", 30):
        body = {
            "protocol": w.random.choice(["TCP", "UDP"]), "direction": w.random.choice(["inbound", "outbound"]),
            "action": w.random.choice(["accept", "drop"]), "ip_range": w.random.choice(["0.0.0.0/0", "::/0"]),
            "dest_port_from": w.random.randrange(1000, 2000), "position": 1, "editable": True,
        }  # fmt: skip
        path = f"{INSTANCE}/security_groups/{group}/rules"
        w.add("rule", path, body, key="rule", above=("group", group))


def drop_rule(w: Walker) -> None:
    if rule := w.pick("rule", lambda r: r["editable"]):
        _, group = w.above["rule", rule]
        w.drop("rule", rule, f"{INSTANCE}/security_groups/{group}/rules/{rule}")


def add_gateway(w: Walker) -> None:
    if w.room("gateway", 2):
        body = {"name": "gw", "type": "VPC-GW-S", "enable_smtp": False, "enable_bastion": w.random.random() < 0.5}
        w.add("gateway", f"{GATEWAY}/gateways", body)


def change_gateway(w: Walker) -> None:
    if gateway := w.pick("gateway"):
        body = {"enable_smtp": w.random.random() < 0.5, "enable_bastion": w.random.random() < 0.5}
        w.alter("PATCH", f"{GATEWAY}/gateways/{gateway}", body)


def upgrade_gateway(w: Walker) -> None:
    if gateway := w.pick("gateway", lambda g: g["type"] == "VPC-GW-S"):
        w.alter("POST", f"{GATEWAY}/gateways/{gateway}/upgrade", {"type": "VPC-GW-M"})


def drop_gateway(w: Walker) -> None:
    gateway = w.pick("gateway")
    if gateway and gateway not in {a["gateway_id"] for a in w.known["attachment"].values()}:
        w.drop("gateway", gateway, f"{GATEWAY}/gateways/{gateway}?delete_ip=true")


def attach(w: Walker) -> None:
    gateway, network = w.pick("gateway"), w.pick("network")
    if gateway and network and w.room("attachment", 3):
        default = w.random.random() < 0.8
        body = {"gateway_id": gateway, "private_network_id": network, "enable_masquerade": True}
        w.add("attachment", f"{GATEWAY}/gateway-networks", {**body, "push_default_route": default})


def change_attachment(w: Walker) -> None:
    if attachment := w.pick("attachment"):
        on = w.random.random() < 0.5
        body = {"enable_masquerade": on or w.random.random() < 0.5, "push_default_route": on}
        w.alter("PATCH", f"{GATEWAY}/gateway-networks/{attachment}", body)


def detach(w: Walker) -> None:
    if attachment := w.pick("attachment"):
        w.drop("attachment", attachment, f"{GATEWAY}/gateway-networks/{attachment}")


def translate(w: Walker) -> None:
    attachment = w.pick("attachment")
    if attachment and w.room("translation", 4):
        gateway, inside = (w.known["attachment"][attachment][k] for k in ("gateway_id", "private_network_id"))
        subnets = w.known["network"].get(inside, {}).get("subnets", [])
        first = next((s["subnet"].split("/")[0] for s in subnets if "." in s["subnet"]), "172.16.0.0")
        address = f"{first.rpartition('.')[0]}.{w.random.randrange(2, 9)}"
        body = {
            "gateway_id": gateway, "public_port": w.random.randrange(2000, 2050), "private_ip": address,
            "private_port": 80, "protocol": w.random.choice(["tcp", "udp", "both"]),
        }  # fmt: skip
        w.add("translation", f"{GATEWAY}/pat-rules", body, above=("gateway", gateway))


def drop_translation(w: Walker) -> None:
    if rule := w.pick("translation"):
        w.drop("translation", rule, f"{GATEWAY}/pat-rules/{rule}")


def add_balancer(w: Walker) -> None:
    if w.room("balancer", 2):
        public = w.random.random() < 0.7
        body = {"name": "lb", "type": "LB-S", "assign_flexible_ip": public, "description": ""}
        w.add("balancer", f"{LB}/lbs", body)


def migrate_balancer(w: Walker) -> None:
    if balancer := w.pick("balancer"):
        w.alter("POST", f"{LB}/lbs/{balancer}/migrate", {"type": w.random.choice(["LB-S", "LB-GP-M"])})


def join_balancer(w: Walker) -> None:
    """Into a Private Network, or out of it."""
    balancer, network = w.pick("balancer"), w.pick("network")
    if balancer and network:
        way = w.random.choice(["attach", "attach", "detach"])
        w.alter("POST", f"{LB}/lbs/{balancer}/{way}-private-network", {"private_network_id": network})


def _backend(w: Walker) -> dict[str, Any]:
    return {
        "forward_protocol": "http", "forward_port": w.random.randrange(80, 90),
        "forward_port_algorithm": w.random.choice(["roundrobin", "leastconn", "first"]),
        "sticky_sessions": w.random.choice(["none", "table"]), "proxy_protocol": "proxy_protocol_none",
    }  # fmt: skip


def add_backend(w: Walker) -> None:
    balancer = w.pick("balancer")
    if balancer and w.room("backend", 4):
        check = {"port": 80, "check_delay": 2000, "check_timeout": 1000, "check_max_retries": 2, "tcp_config": {}}
        body = {
            **_backend(w),
            "name": "b",
            "server_ip": [f"172.16.0.{w.random.randrange(2, 9)}"],
            "health_check": check,
        }
        w.add("backend", f"{LB}/lbs/{balancer}/backends", body, above=("balancer", balancer))


def change_backend(w: Walker) -> None:
    if backend := w.pick("backend"):
        if w.random.random() < 0.5:
            servers = [f"172.16.0.{w.random.randrange(2, 9)}" for _ in range(w.random.randrange(3))]
            w.alter("PUT", f"{LB}/backends/{backend}/servers", {"server_ip": servers})
        else:
            w.alter("PUT", f"{LB}/backends/{backend}", {**_backend(w), "name": "b"})


def add_frontend(w: Walker) -> None:
    backend = w.pick("backend")
    if backend and w.room("frontend", 4):
        _, balancer = w.above["backend", backend]
        body = {"name": "f", "inbound_port": w.random.randrange(8000, 8020), "backend_id": backend}
        w.add("frontend", f"{LB}/lbs/{balancer}/frontends", body, above=("balancer", balancer))


def add_acl(w: Walker) -> None:
    frontend = w.pick("frontend")
    if frontend and w.room("acl", 4):
        match = {"ip_subnet": [f"198.18.{w.random.randrange(9)}.0/24"], "http_filter": "acl_http_filter_none"}
        body = {"name": "a", "action": {"type": "deny"}, "match": match, "index": w.random.randrange(5)}
        w.add("acl", f"{LB}/frontends/{frontend}/acls", body, above=("frontend", frontend))


def add_way(w: Walker) -> None:
    """A balancer's route by host name."""
    frontend, backend = w.pick("frontend"), w.pick("backend")
    if frontend and backend and w.room("way", 3):
        match = {"host_header": f"host{w.random.randrange(9)}.test"}
        body = {"frontend_id": frontend, "backend_id": backend, "match": match}
        w.add("way", f"{LB}/routes", body, above=("frontend", frontend))


def drop_of_balancer(w: Walker) -> None:
    kind, path = w.random.choice(
        [("frontend", "frontends"), ("backend", "backends"), ("acl", "acls"), ("way", "routes")]
    )
    if id_ := w.pick(kind):
        w.drop(kind, id_, f"{LB}/{path}/{id_}")


def drop_balancer(w: Walker) -> None:
    balancer = w.pick("balancer")
    if balancer and w.random.random() < 0.5:
        w.drop("balancer", balancer, f"{LB}/lbs/{balancer}?release_ip=true")


def add_database(w: Walker) -> None:
    if w.room("database", 1):
        body = {
            "name": "db", "engine": "PostgreSQL-15", "node_type": "DB-DEV-S", "user_name": "user",
            "password": "thiZ_is_v&ry_s3cret", "disable_backup": True, "is_ha_cluster": False,
        }  # fmt: skip
        w.add("database", f"{RDB}/instances", body)


def add_endpoint(w: Walker) -> None:
    database, network = w.pick("database"), w.pick("network")
    if database and network:
        inside = {"private_network": {"private_network_id": network, "ipam_config": {}}}
        spec = w.random.choice([inside, {"load_balancer": {}}])
        path = f"{RDB}/instances/{database}/endpoints"
        w.add("endpoint", path, {"endpoint_spec": spec}, above=("database", database))


def drop_endpoint(w: Walker) -> None:
    if endpoint := w.pick("endpoint"):
        w.drop("endpoint", endpoint, f"{RDB}/endpoints/{endpoint}")


def filter_database(w: Walker) -> None:
    if database := w.pick("database"):
        rules = [{"ip": f"198.18.{w.random.randrange(9)}.0/24", "description": ""}] * w.random.randrange(2)
        w.alter("PUT", f"{RDB}/instances/{database}/acls", {"rules": rules})


def drop_database(w: Walker) -> None:
    database = w.pick("database")
    if database and w.random.random() < 0.3:
        w.drop("database", database, f"{RDB}/instances/{database}")


def _pool(w: Walker) -> Item:
    return {
        "name": f"p{w.random.randrange(1000)}", "node_type": "DEV1-M", "size": 1, "autoscaling": False,
        "autohealing": False, "public_ip_disabled": w.random.random() < 0.4,
    }  # fmt: skip


def add_cluster(w: Walker) -> None:
    network = w.pick("network")
    if network and w.room("cluster", 1):
        versions = (w.call("GET", f"{K8S}/versions") or {"versions": []})["versions"]
        body = {"name": "k", "type": "kapsule", "cni": "cilium", "private_network_id": network, "description": ""}
        w.add("cluster", f"{K8S}/clusters", {**body, "version": versions[0]["name"], "pools": [_pool(w)]})


def filter_cluster(w: Walker) -> None:
    if cluster := w.pick("cluster"):
        acls = [{"ip": f"198.18.{w.random.randrange(9)}.0/24", "description": ""}] * w.random.randrange(2)
        w.alter("PUT", f"{K8S}/clusters/{cluster}/acls", {"acls": acls})


def add_pool(w: Walker) -> None:
    cluster = w.pick("cluster")
    if cluster and w.room("pool", 2):
        w.add("pool", f"{K8S}/clusters/{cluster}/pools", _pool(w), above=("cluster", cluster))


def resize(w: Walker) -> None:
    if pool := w.pick("pool"):
        w.alter("PATCH", f"{K8S}/pools/{pool}", {"size": w.random.randrange(3)})


def renew_node(w: Walker) -> None:
    if node := w.pick("node"):
        w.alter("POST", f"{K8S}/nodes/{node}/{w.random.choice(['reboot', 'replace'])}", {})


def drop_pool(w: Walker) -> None:
    pool = w.pick("pool")
    if pool and w.random.random() < 0.5:
        w.drop("pool", pool, f"{K8S}/pools/{pool}")


def drop_cluster(w: Walker) -> None:
    cluster = w.pick("cluster")
    if cluster and w.random.random() < 0.3:
        w.drop("cluster", cluster, f"{K8S}/clusters/{cluster}")


NETWORKS: tuple[Callable[[Walker], None], ...] = (
    add_vpc, change_vpc, filter_vpc, filter_vpc, drop_vpc, add_network, add_network, drop_network, add_route,
    drop_route,
)  # fmt: skip
SERVERS: tuple[Callable[[Walker], None], ...] = (
    add_server, add_server, power, move_server, drop_server, add_nic, add_nic, drop_nic, add_ip, move_ip, move_ip,
    drop_ip, add_group, change_group, drop_group, add_rule, add_rule, drop_rule,
)  # fmt: skip
GATEWAYS: tuple[Callable[[Walker], None], ...] = (
    add_gateway, change_gateway, upgrade_gateway, drop_gateway, attach, attach, change_attachment, detach, translate,
    translate, drop_translation,
)  # fmt: skip
SERVICES: tuple[Callable[[Walker], None], ...] = (
    add_balancer, migrate_balancer, join_balancer, add_backend, change_backend, add_frontend, add_acl, add_way,
    drop_of_balancer, drop_balancer, add_database, add_endpoint, drop_endpoint, filter_database, drop_database,
)  # fmt: skip
CLUSTERS: tuple[Callable[[Walker], None], ...] = (
    add_cluster, filter_cluster, add_pool, resize, renew_node, drop_pool, drop_cluster,
)  # fmt: skip
MOVES = (*NETWORKS, *SERVERS, *GATEWAYS, *SERVICES, *CLUSTERS)
"""One that stands here twice is done twice as often."""
