"""rdb/v1: managed databases: instances, endpoints, users, databases, privileges, ACLs, settings, and their records."""

from hideaway.api.pipeline import Product
from hideaway.api.rdb import (
    acls,
    backups,
    catalogue,
    contents,
    endpoints,
    instances,
    logs,
    replicas,
    settings,
    snapshots,
    upgrades,
)

PRODUCT = Product(
    prefix="/rdb/v1",
    area="RelationalDatabases",
    routes=[
        *catalogue.ROUTES,
        *instances.ROUTES,
        *upgrades.ROUTES,
        *endpoints.ROUTES,
        *contents.ROUTES,
        *acls.ROUTES,
        *settings.ROUTES,
        *replicas.ROUTES,
        *backups.ROUTES,
        *snapshots.ROUTES,
        *logs.ROUTES,
    ],
)
