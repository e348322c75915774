"""Who carries the steps out: `linux` in a world of its own, `dry` on paper. Knows the Fabric and steps, never resources."""
