"""What every layer may use: the clock, identifiers, errors, running programs. Knows nothing of clouds or packets."""
