"""block/v1, and block/v1alpha1 which `scw` still calls: volumes and snapshots that outlive their servers."""

from hideaway.api.block import snapshots, volumes
from hideaway.api.pipeline import Product

ROUTES = [*volumes.ROUTES, *snapshots.ROUTES]
PRODUCTS = tuple(
    Product(prefix=f"/block/{version}", area="BlockStorage", routes=ROUTES) for version in ("v1", "v1alpha1")
)
