"""Hideaway: a cloud that you run yourself, with real isolation and proof of it."""

__version__ = "0.1.0"
