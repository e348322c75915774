"""One of everything that the vendor's SDK can make on hideaway, and the ids by which it is read again."""

from __future__ import annotations

from typing import Any

from scaleway.block.v1 import CreateVolumeRequestFromEmpty
from scaleway.iam.v1alpha1 import RuleSpecs
from scaleway.instance.v2alpha1 import (
    CreateServerRequestBookIP,
    CreateServerRequestCreateVolume,
    CreateServerRequestPublicNetworkInterface,
    CreateServerRequestServerIP,
    CreateServerRequestServerVolume,
    CreateTemplateRequestVolumeTemplate,
    SecurityGroupRuleConfig,
    SecurityGroupRulePortRange,
)
from scaleway.ipam.v1 import Source
from scaleway.k8s.v1 import CreateClusterRequestPoolConfig
from scaleway.lb.v1 import AclAction, AclActionRedirect, HealthCheck, HealthCheckTcpConfig, RouteMatch
from scaleway.rdb.v1 import EndpointSpec, EndpointSpecPrivateNetwork, EndpointSpecPrivateNetworkIpamConfig

from tests.clients.sdk import Sdk, ended, made

PASSWORD = "thiZ_is_v&ry_s3cret"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJRnqVbHBPGZbqnG6bVBFbMpPAZjDjbV0cFS0DXpVuQg me@example.com"


def populate(sdk: Sdk) -> dict[str, Any]:
    """Make one of everything. Returns arguments by name, some as `<product>.<name>` where products share a name."""
    network = sdk.vpc.create_private_network(name="n", default_route_propagation_enabled=False)
    known = _network(sdk, network) | _gateway(sdk, network) | _cluster(sdk, network) | _server(sdk, network)
    known |= _database(sdk, network) | _balancer(sdk) | _people(sdk) | _disks(sdk) | _server2(sdk, network)
    known["private_network_id"] = network.id
    images = sdk.marketplace.list_images(include_eol=False).images
    known["marketplace.image_id"] = images[0].id
    known["category_id"] = sdk.marketplace.list_categories().categories[0].id
    local = sdk.marketplace.list_local_images(image_id=images[0].id).local_images
    known["local_image_id"] = local[0].id
    known["version_id"] = sdk.marketplace.list_versions(image_id=images[0].id).versions[0].id
    return known


def _network(sdk: Sdk, network: Any) -> dict[str, Any]:
    other = sdk.vpc.create_vpc(name="other", enable_routing=True)
    connector = sdk.vpc.create_vpc_connector(vpc_id=network.vpc_id, target_vpc_id=other.id, name="connector")
    sdk.vpc.create_vpc_connector(vpc_id=other.id, target_vpc_id=network.vpc_id, name="back")
    route = sdk.vpc.create_route(
        description="r", vpc_id=network.vpc_id, destination="10.9.0.0/24", nexthop_private_network_id=network.id
    )
    ip = sdk.ipam.book_ip(source=made(Source, private_network_id=network.id), is_ipv6=False, tags=["mine"])
    rule = sdk.vpc.create_ingress_rule(
        vpc_id=network.vpc_id, source="192.0.2.0/24", nexthop_resource_ip=ip.address.split("/")[0],
        nexthop_private_network_id=network.id,
    )  # fmt: skip
    sdk.vpc.set_acl(vpc_id=network.vpc_id, is_ipv6=False, default_policy="accept", rules=[])
    return {
        "vpc_id": network.vpc_id, "vpc_connector_id": connector.id, "vpc.route_id": route.id, "vpc.rule_id": rule.id,
        "ipam.ip_id": ip.id, "is_ipv6": False,
    }  # fmt: skip


def _gateway(sdk: Sdk, network: Any) -> dict[str, Any]:
    gateway = sdk.vpcgw.create_gateway(type_="VPC-GW-S", enable_smtp=False, enable_bastion=True, name="g")
    ended(sdk.vpcgw.get_gateway, "running", gateway_id=gateway.id)
    attached = sdk.vpcgw.create_gateway_network(
        gateway_id=gateway.id, private_network_id=network.id, enable_masquerade=True, push_default_route=True
    )
    ended(sdk.vpcgw.get_gateway_network, gateway_network_id=attached.id)
    ended(sdk.vpcgw.get_gateway, "running", gateway_id=gateway.id)
    rule = sdk.vpcgw.create_pat_rule(
        gateway_id=gateway.id, public_port=2222, private_ip="172.16.0.9", private_port=22, protocol="tcp"
    )
    return {
        "gateway_id": gateway.id, "gateway_network_id": attached.id, "pat_rule_id": rule.id,
        "vpcgw.ip_id": sdk.vpcgw.create_ip().id,
    }  # fmt: skip


def _cluster(sdk: Sdk, network: Any) -> dict[str, Any]:
    version = sdk.k8s.list_versions().versions[0].name
    pool = made(
        CreateClusterRequestPoolConfig,
        name="p",
        node_type="DEV1-M",
        autoscaling=False,
        size=2,
        autohealing=False,
        public_ip_disabled=False,
    )
    cluster = sdk.k8s.create_cluster(
        type_="kapsule", description="", version=version, cni="cilium", name="c", private_network_id=network.id,
        pools=[pool],
    )  # fmt: skip
    ended(sdk.k8s.get_cluster, cluster_id=cluster.id)
    pools = sdk.k8s.list_pools(cluster_id=cluster.id).pools
    nodes = sdk.k8s.list_nodes(cluster_id=cluster.id).nodes
    sdk.k8s.create_pool(
        cluster_id=cluster.id, node_type="DEV1-M", autoscaling=True, size=1, min_size=1, max_size=2, autohealing=True,
        public_ip_disabled=True, name="isolated",
    )  # fmt: skip
    for pool in sdk.k8s.list_pools(cluster_id=cluster.id).pools:
        ended(sdk.k8s.get_pool, pool_id=pool.id)
    return {"cluster_id": cluster.id, "pool_id": pools[0].id, "node_id": nodes[0].id, "version_name": version}


def _server(sdk: Sdk, network: Any) -> dict[str, Any]:
    group = sdk.instance.create_security_group(description="g", stateful=True, name="g").security_group
    rule = sdk.instance.create_security_group_rule(
        security_group_id=group.id, protocol="TCP", direction="inbound", action="accept", ip_range="192.0.2.0/24",
        position=1, editable=True, dest_port_from=80,
    ).rule  # fmt: skip
    placement = sdk.instance.create_placement_group(name="p").placement_group
    address = sdk.instance.create_ip(type_="routed_ipv4").ip
    server = sdk.instance.api._create_server(
        commercial_type="DEV1-S", name="s", image="ubuntu_jammy", security_group=group.id, public_ips=[address.id],
        placement_group=placement.id, protected=False, dynamic_ip_required=False,
    ).server  # fmt: skip
    nic = sdk.instance.create_private_nic(server_id=server.id, private_network_id=network.id).private_nic
    sdk.instance.server_action(server_id=server.id, action="poweron")
    return {
        "server_id": server.id, "private_nic_id": nic.id, "security_group_id": group.id,
        "security_group_rule_id": rule.id, "placement_group_id": placement.id, "ip": address.id,
    }  # fmt: skip


def _server2(sdk: Sdk, network: Any) -> dict[str, Any]:
    """The same again in instance/v2alpha1's words."""
    api = sdk.instance2
    group = api.create_security_group(
        name="g2", description="", disable_default_rules=False, project_default=False, stateless=False
    )
    inbound = made(
        SecurityGroupRuleConfig, protocol="tcp", direction="inbound", action="accept", source_ip_range="192.0.2.0/24",
        destination_ip_range="0.0.0.0/0", destination_ports=SecurityGroupRulePortRange(start=80, end=90), position=1,
    )  # fmt: skip
    added = api.add_security_group_rules(security_group_id=group.id, security_group_rules=[inbound])
    root = made(CreateServerRequestCreateVolume, name="root", tags=[], image_label="ubuntu_jammy")
    new_ip = made(CreateServerRequestBookIP, type_="zonal_ipv4", tags=["v2"])
    server = api.create_server(
        name="s2", server_type="DEV1-S",
        volumes=[made(CreateServerRequestServerVolume, volume_type="sbs", new_volume=root)],
        public_network_interface=CreateServerRequestPublicNetworkInterface(
            ips=[CreateServerRequestServerIP(new_ip=new_ip)], security_group_id=group.id
        ),
    )  # fmt: skip
    nic = api.create_private_network_interface(private_network_id=network.id)
    api.attach_server_private_network_interface(server_id=server.id, private_network_interface_id=nic.id)
    api.start_server(server_id=server.id)
    ended(api.get_server, "started", server_id=server.id)
    volume = made(
        CreateTemplateRequestVolumeTemplate, volume_type="sbs", name="root", tags=[], image_label="ubuntu_jammy"
    )
    template = api.create_template(
        name="t", server_type="DEV1-S", public_ip_v4_count=1, public_ip_v6_count=0, security_group_id=group.id,
        volumes=[volume],
    )  # fmt: skip
    api.set_server_cloud_init(server_id=server.id, content="eA==")
    api.set_template_cloud_init(template_id=template.id, content="eA==")
    local = sdk.volumes2.create_volume(name="l2", size=10_000_000_000, volume_type="l_ssd")
    kept = sdk.volumes2.create_snapshot(name="k2", base_volume_id=local.id, public=False)
    return {
        "instance2.server_id": server.id, "private_network_interface_id": nic.id,
        "instance2.security_group_id": group.id, "instance2.security_group_rule_id": added.added_rules[0].id,
        "template_id": template.id,
        "instance2.key": "cloud-init", "volumes2.volume_id": local.id, "volumes2.snapshot_id": kept.id,
    }  # fmt: skip


def _disks(sdk: Sdk) -> dict[str, Any]:
    volume = sdk.block.create_volume(
        name="v", perf_iops=5000, from_empty=made(CreateVolumeRequestFromEmpty, size=5_000_000_000)
    )
    snapshot = sdk.block.create_snapshot(volume_id=volume.id, name="s", public=False)
    local = sdk.instance.create_volume(name="l", volume_type="l_ssd", size=10_000_000_000).volume
    kept = sdk.instance.create_snapshot(name="k", volume_id=local.id).snapshot
    image = sdk.instance.create_image(root_volume=kept.id, arch="x86_64", name="i").image
    return {
        "block.volume_id": volume.id, "block.snapshot_id": snapshot.id, "instance.volume_id": local.id,
        "instance.snapshot_id": kept.id, "instance.image_id": image.id, "include_deleted": False,
    }  # fmt: skip


def _database(sdk: Sdk, network: Any) -> dict[str, Any]:
    private = made(
        EndpointSpecPrivateNetwork, private_network_id=network.id, ipam_config=EndpointSpecPrivateNetworkIpamConfig()
    )
    database = sdk.rdb.create_instance(
        engine="PostgreSQL-15", user_name="me", password=PASSWORD, node_type="DB-DEV-S", is_ha_cluster=False,
        disable_backup=False, volume_size=0, backup_same_region=False, name="d",
    )  # fmt: skip
    id_ = database.id
    ended(sdk.rdb.get_instance, instance_id=id_)
    endpoint = sdk.rdb.create_endpoint(instance_id=id_, endpoint_spec=made(EndpointSpec, private_network=private))
    ended(sdk.rdb.get_instance, instance_id=id_)
    sdk.rdb.create_database(instance_id=id_, name="app")
    sdk.rdb.create_user(instance_id=id_, name="bob", is_admin=False, password=PASSWORD)
    sdk.rdb.set_privilege(instance_id=id_, database_name="app", user_name="bob", permission="readonly")
    ended(sdk.rdb.get_instance, instance_id=id_)
    backup = sdk.rdb.create_database_backup(instance_id=id_, database_name="app", name="b")
    ended(sdk.rdb.get_database_backup, database_backup_id=backup.id)
    ended(sdk.rdb.get_instance, instance_id=id_)
    snapshot = sdk.rdb.create_snapshot(instance_id=id_, name="s")
    ended(sdk.rdb.get_snapshot, snapshot_id=snapshot.id)
    ended(sdk.rdb.get_instance, instance_id=id_)
    replica = sdk.rdb.create_read_replica(instance_id=id_)
    ended(sdk.rdb.get_read_replica, read_replica_id=replica.id)
    return {
        "instance_id": id_, "endpoint_id": endpoint.id, "database_backup_id": backup.id,
        "rdb.snapshot_id": snapshot.id, "read_replica_id": replica.id, "include_disabled_types": True,
    }  # fmt: skip


def _balancer(sdk: Sdk) -> dict[str, Any]:
    balancer = sdk.lb.create_lb(description="", type_="LB-S", name="l", assign_flexible_ip=True)
    ended(sdk.lb.get_lb, lb_id=balancer.id)
    check = made(
        HealthCheck, port=80, check_max_retries=3, check_send_proxy=False, transient_check_delay="0.5s",
        check_delay="60s", check_timeout="30s", tcp_config=HealthCheckTcpConfig(),
    )  # fmt: skip
    backend = sdk.lb.create_backend(
        forward_protocol="http", forward_port=80, forward_port_algorithm="roundrobin", sticky_sessions="none",
        sticky_sessions_cookie_name="", lb_id=balancer.id, health_check=check, server_ip=["192.0.2.1"], name="b",
    )  # fmt: skip
    frontend = sdk.lb.create_frontend(
        inbound_port=80, lb_id=balancer.id, backend_id=backend.id, enable_http3=False, enable_access_logs=False,
        name="f",
    )  # fmt: skip
    route = sdk.lb.create_route(
        frontend_id=frontend.id, backend_id=backend.id, match=made(RouteMatch, host_header="example.com")
    )
    redirect = made(AclActionRedirect, type_="scheme", target="https")
    acl = sdk.lb.create_acl(
        frontend_id=frontend.id,
        action=made(AclAction, type_="redirect", redirect=redirect),
        index=1,
        description="",
        name="a",
    )
    return {
        "lb_id": balancer.id, "backend_id": backend.id, "frontend_id": frontend.id, "lb.route_id": route.id,
        "acl_id": acl.id, "lb.ip_id": balancer.ip[0].id,
    }  # fmt: skip


def _people(sdk: Sdk) -> dict[str, Any]:
    application = sdk.iam.create_application(description="", name="app")
    group = sdk.iam.create_group(description="", name="group")
    sdk.iam.add_group_member(group_id=group.id, application_id=application.id)
    rules = [
        made(RuleSpecs, condition="", permission_set_names=["VPCReadOnly"], project_ids=[sdk.client.default_project_id])
    ]
    policy = sdk.iam.create_policy(description="", name="policy", group_id=group.id, rules=rules)
    key = sdk.iam.create_api_key(description="", application_id=application.id)
    user = sdk.iam.create_user(email="me@example.com")
    ssh = sdk.iam.create_ssh_key(public_key=PUBLIC_KEY, name="key")
    return {
        "application_id": application.id, "group_id": group.id, "policy_id": policy.id, "access_key": key.access_key,
        "user_id": user.id, "ssh_key_id": ssh.id,
    }  # fmt: skip
