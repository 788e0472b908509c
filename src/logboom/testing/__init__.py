"""Public test kits: whoever writes a protocol or an output holds it to the same rules with one call."""
