"""vpc/v2: VPCs, Private Networks, routes, network ACLs."""

from hideaway.api.pipeline import Product
from hideaway.api.vpc import networks, vpcs

PRODUCT = Product(prefix="/vpc/v2", area="VPC", routes=[*vpcs.ROUTES, *networks.ROUTES])
