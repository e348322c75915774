"""account/v3: projects, and signatures under contracts."""

from hideaway.api.account import contracts, projects
from hideaway.api.pipeline import Product

PRODUCT = Product(prefix="/account/v3", area="Projects", routes=[*projects.ROUTES, *contracts.ROUTES])
