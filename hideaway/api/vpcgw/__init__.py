"""vpc-gw/v2: Public Gateways, their networks, port translations and addresses."""

from hideaway.api.pipeline import Product
from hideaway.api.vpcgw import bastions, gateways, ips, networks, rules

PRODUCT = Product(
    prefix="/vpc-gw/v2",
    area="PublicGateways",
    routes=[*gateways.ROUTES, *bastions.ROUTES, *networks.ROUTES, *rules.ROUTES, *ips.ROUTES],
)
