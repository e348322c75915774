"""The vendor's HTTP API. Validates, writes the store, answers. Starts no process and touches no network."""
