# A cluster with the default, controlled isolation: nodes talk to each other in a Private Network; each has a public
# address too, for what leaves the cluster only. Their security group drops whatever comes in.

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

resource "scaleway_vpc_private_network" "cluster" {
  name = "controlled"
}

resource "scaleway_k8s_cluster" "main" {
  name               = "controlled"
  version            = data.scaleway_k8s_version.latest.name
  cni                = "cilium"
  private_network_id = scaleway_vpc_private_network.cluster.id

  # Load balancers and volumes that Kubernetes made go with the cluster. The network is Terraform's own and stays.
  delete_additional_resources = false
}

resource "scaleway_k8s_pool" "default" {
  cluster_id  = scaleway_k8s_cluster.main.id
  name        = "default"
  node_type   = "DEV1-M"
  size        = var.nodes
  autohealing = true
}

output "nodes" {
  description = "Each node's name and public address."
  value       = { for node in scaleway_k8s_pool.default.nodes : node.name => node.public_ip }
}
