"""The user's vocabulary: resource types, addressing, lifecycles, and the operations that touch several resources.

Operations take a `Change` (ledger, time, identifiers, pace) and know nothing of HTTP, of storage or of packets.
"""
