"""Thin shells that own sockets: they move bytes between peers and protocols. `ops.supervisor` keeps them alive."""
