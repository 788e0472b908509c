"""Receivers: one folder per protocol, with its settings and its sans-IO code; `registry` lists them."""
