"""What every layer may use: the clock, identifiers, errors. Knows nothing of clouds or packets."""
