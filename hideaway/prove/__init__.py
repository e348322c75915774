"""Reads a Fabric and says who can reach whom. Empty until the prover is built."""
