# A key for a CI job that may use one project's cluster and change nothing else: an application with a policy of its own.
# What the policy does not grant is refused on every call.

terraform {
  required_providers {
    scaleway = {
      source  = "scaleway/scaleway"
      version = ">= 2.60"
    }
  }
}

variable "permission_sets" {
  description = "What the job may do in the project."
  type        = set(string)
  default     = ["KubernetesReadOnly", "PrivateNetworksReadOnly"]
}

resource "scaleway_account_project" "staging" {
  name        = "staging"
  description = "What the CI job may see"
}

resource "scaleway_iam_application" "ci" {
  name        = "ci"
  description = "Deploys to staging"
}

resource "scaleway_iam_policy" "ci" {
  name           = "ci"
  description    = "What the CI job may do"
  application_id = scaleway_iam_application.ci.id

  rule {
    project_ids          = [scaleway_account_project.staging.id]
    permission_set_names = var.permission_sets
  }
}

resource "scaleway_iam_api_key" "ci" {
  application_id     = scaleway_iam_application.ci.id
  description        = "The CI job's"
  default_project_id = scaleway_account_project.staging.id # without it the key would work on the organization's default one
}

output "access_key" {
  value = scaleway_iam_api_key.ci.access_key
}

output "secret_key" {
  value     = scaleway_iam_api_key.ci.secret_key
  sensitive = true
}
