"""Who carries the steps out: `linux` in a world of its own, `dry` on paper. They know steps, never resources."""
