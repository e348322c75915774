"""Which server types nodes can be of, and how k8s/v1 spells them: PRO2-XXS, PRO2_XXS and pro2_xxs are one type."""

from __future__ import annotations

from hideaway.cloud.server_types import ServerType, offered, server_type

EXTERNAL = "external"
"""The node type of Kosmos pools whose nodes are machines elsewhere."""
LEAST_MEMORY = 4 * 2**30
"""Bytes; types with less (DEV1-S, PLAY2-PICO, STARDUST1-S) are refused: not enough memory, the contract says."""
DEFAULT_VOLUME_SIZE = 20_000_000_000  # bytes, of every recorded pool on block storage


def commercial(name: str) -> str:
    """A node type as instance/v1 spells it: PRO2-XXS."""
    wanted = name.upper().replace("_", "-")
    type_ = server_type(wanted)
    return type_.name if type_ else wanted


def answered(name: str) -> str:
    """A node type as pools answer it, however it was asked for: pro2_xxs (every recorded pool)."""
    return name.lower().replace("-", "_")


def node_type(name: str, zone: str) -> ServerType | None:
    """The server type of this name, in either spelling; None where the zone does not offer it."""
    return offered(zone).get(commercial(name))


def root_volume(type_: ServerType) -> tuple[str, int]:
    """The root volume that nodes of a type get by default: (type, bytes). Types with local storage use all of it."""
    return ("l_ssd", type_.volumes_constraint.max_size) if type_.local else ("sbs_5k", DEFAULT_VOLUME_SIZE)
