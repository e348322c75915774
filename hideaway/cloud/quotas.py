"""How much of what an organization may have. The one table: what refuses, and what iam/v1alpha1 lists, are the same.

Limits come from the vendor's documentation (scaleway.md, Private network and VPC; its published limits of databases).
The quotas' names are assumed: no recording shows one.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hideaway.base.errors import QuotasExceeded


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """A limit, as iam/v1alpha1 lists it (there a Quotum). It counts within one thing: a network, a server, a VPC."""

    name: str
    pretty_name: str
    unit: str
    description: str
    limit: int
    locality_type: str = "global"

    @property
    def limits(self) -> list[dict[str, Any]]:
        return [{"global": True, "limit": self.limit}]

    def leaves_room(self, current: int, more: int = 1) -> None:
        """Raise QuotasExceeded where `more` than the current ones would be too many."""
        if current + more > self.limit:
            raise QuotasExceeded(self.name, self.limit, current)


NETWORK_RESOURCES = Quota(
    name="private_network_attached_resources",
    pretty_name="Resources attached to a Private Network",
    unit="resources",
    description="How many resources may have addresses in one Private Network",
    limit=512,
)
RESOURCE_NETWORKS = Quota(
    name="resource_private_networks",
    pretty_name="Private Networks of a resource",
    unit="networks",
    description="To how many Private Networks one Instance, gateway or Load Balancer may be attached",
    limit=8,
)
ACL_RULES = Quota(
    name="vpc_acl_rules",
    pretty_name="Network ACL rules",
    unit="rules",
    description="How many rules a VPC's network ACL may have, of one address family",
    limit=255,
)
READ_REPLICAS = Quota(
    name="rdb_read_replicas",
    pretty_name="Read replicas of a database",
    unit="replicas",
    description="How many read replicas one Database Instance may have",
    limit=3,
)
QUOTAS = (NETWORK_RESOURCES, RESOURCE_NETWORKS, ACL_RULES, READ_REPLICAS)
