# One cluster over three Availability Zones: a controlled pool in each, and a fully isolated one for what must not have a
# public address. All nodes meet in one Private Network, which is the region's.

terraform {
  required_providers {
    scaleway = {
      source  = "scaleway/scaleway"
      version = ">= 2.60"
    }
  }
}

variable "zones" {
  description = "The zones of the controlled pools."
  type        = set(string)
  default     = ["fr-par-1", "fr-par-2", "fr-par-3"]
}

variable "isolated_nodes" {
  description = "How many nodes the isolated pool has."
  type        = number
  default     = 1
}

data "scaleway_k8s_version" "latest" {
  name = "latest"
}

resource "scaleway_vpc_private_network" "cluster" {
  name = "mixed-pools"
}

# One gateway serves the whole region, whatever zone it stands in.
resource "scaleway_vpc_public_gateway" "main" {
  name  = "mixed-pools"
  type  = "VPC-GW-S"
  ip_id = scaleway_vpc_public_gateway_ip.main.id
}

# Terraform's own: an address that is made along with a gateway stays behind when Terraform deletes the gateway.
resource "scaleway_vpc_public_gateway_ip" "main" {}

resource "scaleway_vpc_gateway_network" "main" {
  gateway_id         = scaleway_vpc_public_gateway.main.id
  private_network_id = scaleway_vpc_private_network.cluster.id

  ipam_config {
    push_default_route = true
  }
}

resource "scaleway_k8s_cluster" "main" {
  name                        = "mixed-pools"
  version                     = data.scaleway_k8s_version.latest.name
  cni                         = "cilium"
  private_network_id          = scaleway_vpc_private_network.cluster.id
  delete_additional_resources = false
}

resource "scaleway_k8s_pool" "controlled" {
  for_each = var.zones

  cluster_id = scaleway_k8s_cluster.main.id
  name       = "controlled-${each.key}"
  zone       = each.key
  node_type  = "PLAY2-NANO"
  size       = 1
}

resource "scaleway_k8s_pool" "isolated" {
  cluster_id         = scaleway_k8s_cluster.main.id
  name               = "isolated"
  zone               = "fr-par-1"
  node_type          = "PLAY2-NANO"
  size               = var.isolated_nodes
  public_ip_disabled = true

  depends_on = [scaleway_vpc_gateway_network.main]
}
