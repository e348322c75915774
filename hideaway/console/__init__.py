"""The web console. Empty until it is built."""
