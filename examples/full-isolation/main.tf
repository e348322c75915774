# A cluster with full isolation: its nodes have no public address. All that leaves goes through a Public Gateway, whose
# address is the only one that the outside sees.

terraform {
  required_providers {
    scaleway = {
      source  = "scaleway/scaleway"
      version = ">= 2.60"
    }
  }
}

variable "nodes" {
  description = "How many nodes the pool has."
  type        = number
  default     = 1
}

data "scaleway_k8s_version" "latest" {
  name = "latest"
}

resource "scaleway_vpc" "main" {
  name = "full-isolation"
}

resource "scaleway_vpc_private_network" "cluster" {
  name   = "full-isolation"
  vpc_id = scaleway_vpc.main.id
}

# An address of its own outlives the gateway: what others allow stays allowed when the gateway is replaced.
resource "scaleway_vpc_public_gateway_ip" "egress" {}

resource "scaleway_vpc_public_gateway" "main" {
  name  = "full-isolation"
  type  = "VPC-GW-S"
  ip_id = scaleway_vpc_public_gateway_ip.egress.id
}

resource "scaleway_vpc_gateway_network" "main" {
  gateway_id         = scaleway_vpc_public_gateway.main.id
  private_network_id = scaleway_vpc_private_network.cluster.id
  enable_masquerade  = true # dynamic NAT: without it no answer finds its way back

  ipam_config {
    push_default_route = true # without it the nodes do not know that the gateway is their way out
  }
}

resource "scaleway_k8s_cluster" "main" {
  name                        = "full-isolation"
  version                     = data.scaleway_k8s_version.latest.name
  cni                         = "cilium"
  private_network_id          = scaleway_vpc_private_network.cluster.id
  delete_additional_resources = false
}

resource "scaleway_k8s_pool" "isolated" {
  cluster_id         = scaleway_k8s_cluster.main.id
  name               = "isolated"
  node_type          = "DEV1-M"
  size               = var.nodes
  public_ip_disabled = true

  # The nodes register with the control plane through the gateway: it must be there first, and go last.
  depends_on = [scaleway_vpc_gateway_network.main]
}

output "egress" {
  description = "The address with which all nodes reach the outside."
  value       = scaleway_vpc_public_gateway_ip.egress.address
}
