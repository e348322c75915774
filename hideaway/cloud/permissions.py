"""The vendor's permission sets, and what each allows here. The list is data: catalogue/permission_sets.json.

Names and scopes are the vendor's published ones; ids, which the vendor makes up, are made of the names.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Literal

import msgspec

PRODUCTS = "*"
"""The area of all products: everything but what belongs to the organization itself."""
EVERYTHING = "**"
ORGANIZATION_AREAS = frozenset(
    {"IAM", "Projects", "Organization", "Billing", "AuditTrail", "EnvironmentalImpact", "Support"}
)
"""Areas that AllProducts... does not reach: else whoever has it could give themselves more."""


class PermissionSet(msgspec.Struct, frozen=True, kw_only=True):
    """areas: the products (`Product.area`) that it reaches; none for a finer one that nothing here asks about."""

    name: str
    scope_type: Literal["projects", "organization"]
    description: str
    categories: list[str]
    areas: list[str]
    access: Literal["read", "write"]

    @property
    def id(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, self.name))

    def covers(self, area: str, *, write: bool) -> bool:
        """Whether it allows to read (write: to change) what is in an area."""
        if write and self.access != "write":
            return False
        return EVERYTHING in self.areas or area in self.areas or (PRODUCTS in self.areas and _is_product(area))


def _is_product(area: str) -> bool:
    return area not in ORGANIZATION_AREAS


_FILE = Path(__file__).parent / "catalogue" / "permission_sets.json"
PERMISSION_SETS: dict[str, PermissionSet] = {
    one.name: one for one in msgspec.json.decode(_FILE.read_bytes(), type=list[PermissionSet])
}
"""Every permission set by its name, in alphabetical order."""
