"""ipam/v1: the addresses of Private Networks, booked by users or by resources, and the public ones of Instances."""

from hideaway.api.ipam import custom, ips
from hideaway.api.pipeline import Product

PRODUCT = Product(prefix="/ipam/v1", area="IPAM", routes=[*ips.ROUTES, *custom.ROUTES])
