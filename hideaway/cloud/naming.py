"""What resources and Private Networks are called in the names of a Private Network: `<resource>.<network>.internal`."""

from __future__ import annotations

import re

from hideaway.cloud.network import PrivateNetwork

TOP = "internal"
_ODD = re.compile(r"[^a-z0-9_-]+")
LONGEST = 63


def host_name(name: str) -> str:
    """A resource's name as a host name: what no name may have becomes a dash. "" when nothing is left.

    A dot parts labels. What the vendor makes of names that are no host names is not known.
    """
    return ".".join(filter(None, (_label(part) for part in name.lower().split("."))))


def _label(text: str) -> str:
    """A part of a name: it begins with a letter or digit."""
    return _ODD.sub("-", text).lstrip("-_")[:LONGEST].rstrip("-")


def domain(network: PrivateNetwork) -> str:
    """The domain of a Private Network's names; by its id where nothing of its own name can be in one."""
    return f"{host_name(network.name).replace('.', '-') or network.id}.{TOP}"
