# A cluster whose Kubernetes API answers only to those named here. Its nodes are let in by the service itself.

terraform {
  required_providers {
    scaleway = {
      source  = "scaleway/scaleway"
      version = ">= 2.60"
    }
  }
}

variable "allowed" {
  description = "Who may reach the Kubernetes API: a description for each range."
  type        = map(string)
  default = {
    "198.18.0.2/32" = "this machine"
  }
}

data "scaleway_k8s_version" "latest" {
  name = "latest"
}

resource "scaleway_vpc_private_network" "cluster" {
  name = "api-acl"
}

resource "scaleway_k8s_cluster" "main" {
  name                        = "api-acl"
  version                     = data.scaleway_k8s_version.latest.name
  cni                         = "cilium"
  private_network_id          = scaleway_vpc_private_network.cluster.id
  delete_additional_resources = false
}

# These rules take the place of the default one, which lets everyone in.
resource "scaleway_k8s_acl" "main" {
  cluster_id = scaleway_k8s_cluster.main.id

  dynamic "acl_rules" {
    for_each = var.allowed
    content {
      ip          = acl_rules.key
      description = acl_rules.value
    }
  }

  acl_rules {
    scaleway_ranges = true
    description     = "the vendor's own services"
  }
}

resource "scaleway_k8s_pool" "default" {
  cluster_id = scaleway_k8s_cluster.main.id
  name       = "default"
  node_type  = "DEV1-M"
  size       = 1
}
