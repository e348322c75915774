"""The products that are served. Adding one is adding its PRODUCT here."""

from __future__ import annotations

from hideaway.api import block, instance, ipam, k8s, marketplace, vpc, vpcgw
from hideaway.api.pipeline import Product

PRODUCTS: tuple[Product, ...] = (
    *block.PRODUCTS,
    *instance.PRODUCTS,
    marketplace.PRODUCT,
    ipam.PRODUCT,
    k8s.PRODUCT,
    vpc.PRODUCT,
    vpcgw.PRODUCT,
)
