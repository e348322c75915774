"""The world on one Linux machine: namespaces, veth, bridges and nftables, held by the keeper (inside/keeper.py).

names: what a host, port or segment is called in the kernel. text, rules: steps as `ip` lines and nft text, pure.
world: starts, finds and asks the keeper. journal: what the world holds. backend: the whole, as backends.base wants it.
"""

from hideaway.backends.linux.backend import LinuxBackend

__all__ = ["LinuxBackend"]
