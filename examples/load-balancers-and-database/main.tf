# A public and a private Load Balancer before a cluster's nodes, and a database in the same Private Network. The public
# one has a public address and private backends; the private one has no public address at all.

terraform {
  required_providers {
    scaleway = {
      source  = "scaleway/scaleway"
      version = ">= 2.60"
    }
  }
}

variable "nodes" {
  description = "How many nodes the pool, and so each backend, has."
  type        = number
  default     = 1
}

variable "office" {
  description = "Who may see the private Load Balancer's service, apart from the cluster's network."
  type        = list(string)
  default     = ["10.0.0.0/8"]
}

data "scaleway_k8s_version" "latest" {
  name = "latest"
}

resource "scaleway_vpc_private_network" "main" {
  name = "load-balancers-and-database"

  ipv4_subnet {
    subnet = "172.16.32.0/22"
  }
}

# The cluster that serves

resource "scaleway_k8s_cluster" "main" {
  name                        = "load-balancers-and-database"
  version                     = data.scaleway_k8s_version.latest.name
  cni                         = "cilium"
  private_network_id          = scaleway_vpc_private_network.main.id
  delete_additional_resources = false
}

resource "scaleway_k8s_pool" "default" {
  cluster_id = scaleway_k8s_cluster.main.id
  name       = "default"
  node_type  = "DEV1-M"
  size       = var.nodes
}

locals {
  node_addresses = flatten([
    for node in scaleway_k8s_pool.default.nodes :
    [for ip in node.private_ips : ip.address if !strcontains(ip.address, ":")]
  ])
}

# The public Load Balancer: the web, on a NodePort

resource "scaleway_lb_ip" "web" {}

resource "scaleway_lb" "web" {
  name   = "web"
  type   = "LB-S"
  ip_ids = [scaleway_lb_ip.web.id]

  private_network {
    private_network_id = scaleway_vpc_private_network.main.id
  }
}

resource "scaleway_lb_backend" "web" {
  lb_id            = scaleway_lb.web.id
  name             = "web"
  forward_protocol = "http"
  forward_port     = 30080
  server_ips       = local.node_addresses

  health_check_http {
    uri  = "/healthz"
    code = 200
  }
}

resource "scaleway_lb_frontend" "web" {
  lb_id          = scaleway_lb.web.id
  backend_id     = scaleway_lb_backend.web.id
  name           = "web"
  inbound_port   = 80
  timeout_client = "30s"

  acl {
    name = "no administration from outside"
    action {
      type = "deny"
    }
    match {
      http_filter       = "path_begin"
      http_filter_value = ["/admin"]
    }
  }
}

# The private Load Balancer: the administration, at an address that is booked beforehand

resource "scaleway_ipam_ip" "admin" {
  address = "172.16.32.100"
  source {
    private_network_id = scaleway_vpc_private_network.main.id
  }
}

resource "scaleway_lb" "admin" {
  name               = "admin"
  type               = "LB-S"
  assign_flexible_ip = false

  private_network {
    private_network_id = scaleway_vpc_private_network.main.id
    ipam_ids           = [scaleway_ipam_ip.admin.id]
  }
}

resource "scaleway_lb_backend" "admin" {
  lb_id            = scaleway_lb.admin.id
  name             = "admin"
  forward_protocol = "tcp"
  forward_port     = 30081
  server_ips       = local.node_addresses
}

resource "scaleway_lb_frontend" "admin" {
  lb_id         = scaleway_lb.admin.id
  backend_id    = scaleway_lb_backend.admin.id
  name          = "admin"
  inbound_port  = 8443
  external_acls = true # they are resources of their own, below
}

resource "scaleway_lb_acl" "admin_allow" {
  frontend_id = scaleway_lb_frontend.admin.id
  name        = "allow"
  index       = 1
  action {
    type = "allow"
  }
  match {
    ip_subnet = concat(["172.16.32.0/22"], var.office)
  }
}

resource "scaleway_lb_acl" "admin_deny" {
  frontend_id = scaleway_lb_frontend.admin.id
  name        = "deny"
  index       = 2
  action {
    type = "deny"
  }
  match {
    ip_subnet = ["0.0.0.0/0"]
  }
}

# The database: only an endpoint in the Private Network, and a user that may not do more than it needs

variable "database_password" {
  type      = string
  sensitive = true
  default   = "thiZ_is_v&ry_s3cret" # for a cloud of your own; anywhere else, set TF_VAR_database_password
}

resource "scaleway_rdb_instance" "main" {
  name           = "load-balancers-and-database"
  engine         = "PostgreSQL-15"
  node_type      = "DB-DEV-S"
  is_ha_cluster  = false
  disable_backup = true
  user_name      = "admin"
  password       = var.database_password

  private_network {
    pn_id       = scaleway_vpc_private_network.main.id
    enable_ipam = true
  }
}

resource "scaleway_rdb_database" "app" {
  instance_id = scaleway_rdb_instance.main.id
  name        = "app"
}

resource "scaleway_rdb_user" "app" {
  instance_id = scaleway_rdb_instance.main.id
  name        = "app"
  password    = var.database_password
  is_admin    = false
}

resource "scaleway_rdb_privilege" "app" {
  instance_id   = scaleway_rdb_instance.main.id
  database_name = scaleway_rdb_database.app.name
  user_name     = scaleway_rdb_user.app.name
  permission    = "readwrite"
}

output "web" {
  value = scaleway_lb_ip.web.ip_address
}

output "database" {
  description = "Where the pods find the database."
  value       = one(scaleway_rdb_instance.main.private_network).ip
}
