# Nodes behind a security group of your own, named by the pool: what it lets in can reach a NodePort on the nodes' public
# addresses. (The document's own way, a group named `kubernetes <cluster-id>` made before the first pool, works as well:
# see tests/clients/document/main.tf.)

terraform {
  required_providers {
    scaleway = {
      source  = "scaleway/scaleway"
      version = ">= 2.60"
    }
  }
}

variable "node_port" {
  description = "The port that the outside may reach on every node."
  type        = number
  default     = 30080
}

variable "allowed" {
  description = "From where."
  type        = string
  default     = "198.18.0.0/15"
}

data "scaleway_k8s_version" "latest" {
  name = "latest"
}

resource "scaleway_vpc_private_network" "cluster" {
  name = "own-security-group"
}

resource "scaleway_instance_security_group" "nodes" {
  name                    = "own-security-group"
  inbound_default_policy  = "drop"
  outbound_default_policy = "accept"

  inbound_rule {
    action   = "accept"
    protocol = "TCP"
    port     = var.node_port
    ip_range = var.allowed
  }
}

resource "scaleway_k8s_cluster" "main" {
  name                        = "own-security-group"
  version                     = data.scaleway_k8s_version.latest.name
  cni                         = "cilium"
  private_network_id          = scaleway_vpc_private_network.cluster.id
  delete_additional_resources = false
}

resource "scaleway_k8s_pool" "default" {
  cluster_id        = scaleway_k8s_cluster.main.id
  name              = "default"
  node_type         = "DEV1-M"
  size              = 1
  security_group_id = scaleway_instance_security_group.nodes.id
}
