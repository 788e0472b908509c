"""Outputs: views of the journal in files and databases, each with its own durable position. `registry` lists them."""
