"""instance/v1 and instance/v2alpha1: servers and all that they have."""

from hideaway.api.instance import (
    actions,
    dashboard,
    filesystems,
    groups,
    images,
    interfaces,
    ips,
    migration,
    nics,
    placement,
    rules,
    servers,
    types,
    user_data,
    v2,
    volumes,
)
from hideaway.api.pipeline import Product

PRODUCTS = (
    Product(
        prefix="/instance/v1",
        area="Instances",
        routes=[
            *types.ROUTES,
            *servers.ROUTES,
            *actions.ROUTES,
            *user_data.ROUTES,
            *nics.ROUTES,
            *ips.ROUTES,
            *rules.ROUTES,
            *groups.ROUTES,
            *images.ROUTES,
            *volumes.ROUTES,
            *placement.ROUTES,
            *dashboard.ROUTES,
            *filesystems.ROUTES,
            *migration.ROUTES,
        ],
    ),
    Product(prefix="/instance/v2alpha1", area="Instances", routes=[*interfaces.ROUTES, *placement.ROUTES2, *v2.ROUTES]),
)
