"""k8s/v1: clusters, their ACLs, pools and nodes; versions and cluster types."""

from hideaway.api.k8s import acls, clusters, kosmos, nodes, pools, versions
from hideaway.api.pipeline import Product

PRODUCT = Product(
    prefix="/k8s/v1",
    area="Kubernetes",
    routes=[*versions.ROUTES, *clusters.ROUTES, *acls.ROUTES, *pools.ROUTES, *nodes.ROUTES, *kosmos.ROUTES],
)
