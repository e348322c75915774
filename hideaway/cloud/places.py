"""Regions and zones: the vendor's, as its SDK lists them."""

from __future__ import annotations

REGIONS: dict[str, tuple[str, ...]] = {
    "fr-par": ("fr-par-1", "fr-par-2", "fr-par-3"),
    "nl-ams": ("nl-ams-1", "nl-ams-2", "nl-ams-3"),
    "pl-waw": ("pl-waw-1", "pl-waw-2", "pl-waw-3"),
    "it-mil": ("it-mil-1",),
}
ZONES: dict[str, str] = {zone: region for region, zones in REGIONS.items() for zone in zones}
"""Zone -> its region."""


def region_of(place: str) -> str:
    """The region of a zone, or the region itself; "" for neither."""
    return place if place in REGIONS else ZONES.get(place, "")
