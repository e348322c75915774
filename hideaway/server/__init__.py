"""The composition: wires store, API, control loop and data plane into one server, and nothing else."""

from hideaway.server.serve import serve

__all__ = ["serve"]
