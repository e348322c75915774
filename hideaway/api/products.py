"""The products that are served. Adding one is adding its PRODUCT here."""

from __future__ import annotations

from hideaway.api import account, block, iam, instance, ipam, k8s, lb, marketplace, productcatalog, rdb, vpc, vpcgw
from hideaway.api.pipeline import Product

PRODUCTS: tuple[Product, ...] = (
    account.PRODUCT,
    iam.PRODUCT,
    *block.PRODUCTS,
    *instance.PRODUCTS,
    marketplace.PRODUCT,
    productcatalog.PRODUCT,
    ipam.PRODUCT,
    k8s.PRODUCT,
    lb.PRODUCT,
    rdb.PRODUCT,
    rdb.downloads.PRODUCT,
    vpc.PRODUCT,
    vpcgw.PRODUCT,
)
