"""block/v1, and block/v1alpha1 which `scw` still calls: volumes and snapshots that outlive their servers."""

from hideaway.api.block import snapshots, volumes
from hideaway.api.pipeline import Product

ROUTES = [*volumes.ROUTES, *snapshots.ROUTES]
PRODUCTS = (
    Product(prefix="/block/v1", area="BlockStorage", routes=ROUTES),
    Product(prefix="/block/v1alpha1", area="BlockStorage", routes=[*ROUTES, *snapshots.ROUTES_ALPHA]),
)
