"""Keeps documents, one per resource, in transactions, and tells who asks that something changed. Knows no resource."""

from hideaway.store.sqlite import Durability, Store

__all__ = ["Durability", "Store"]
