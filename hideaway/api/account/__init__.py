"""account/v3: projects."""

from hideaway.api.account import projects
from hideaway.api.pipeline import Product

PRODUCT = Product(prefix="/account/v3", area="Projects", routes=[*projects.ROUTES])
