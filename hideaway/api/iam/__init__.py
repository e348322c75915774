"""iam/v1alpha1: who may do what: users, applications, groups, policies, API keys, SSH keys; logs and quotas."""

from hideaway.api.iam import (
    api_keys,
    applications,
    groups,
    organizations,
    permission_sets,
    policies,
    quotas,
    saml,
    scim,
    second_factors,
    sessions,
    ssh_keys,
    users,
)
from hideaway.api.pipeline import Product

PRODUCT = Product(
    prefix="/iam/v1alpha1",
    area="IAM",
    routes=[
        *users.ROUTES,
        *applications.ROUTES,
        *groups.ROUTES,
        *policies.ROUTES,
        *permission_sets.ROUTES,
        *api_keys.ROUTES,
        *ssh_keys.ROUTES,
        *organizations.ROUTES,
        *saml.ROUTES,
        *scim.ROUTES,
        *second_factors.ROUTES,
        *sessions.ROUTES,
        *quotas.ROUTES,
    ],
)
