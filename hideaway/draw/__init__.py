"""Draws a Fabric. Empty until drawings are built."""
