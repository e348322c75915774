"""The products that are served. Adding one is adding its PRODUCT here."""

from __future__ import annotations

from hideaway.api import ipam, k8s, vpc, vpcgw
from hideaway.api.pipeline import Product

PRODUCTS: tuple[Product, ...] = (ipam.PRODUCT, k8s.PRODUCT, vpc.PRODUCT, vpcgw.PRODUCT)
