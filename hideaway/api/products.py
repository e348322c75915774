"""The products that are served. Adding one is adding its PRODUCT here."""

from __future__ import annotations

from hideaway.api import vpc, vpcgw
from hideaway.api.pipeline import Product

PRODUCTS: tuple[Product, ...] = (vpc.PRODUCT, vpcgw.PRODUCT)
