"""Public test kits, which verify a protocol or an output with one call."""
