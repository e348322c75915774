"""vpc/v2: VPCs, Private Networks and their subnets, routes, network ACLs, ingress rules, connectors."""

from hideaway.api.pipeline import Product
from hideaway.api.vpc import acls, connectors, ingress, networks, object_storage, routes, vpcs

PRODUCT = Product(
    prefix="/vpc/v2",
    area="VPC",
    routes=[
        *vpcs.ROUTES,
        *networks.ROUTES,
        *routes.ROUTES,
        *acls.ROUTES,
        *connectors.ROUTES,
        *ingress.ROUTES,
        *object_storage.ROUTES,
    ],
)
