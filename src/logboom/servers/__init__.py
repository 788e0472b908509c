"""Thin shells that own sockets: they move bytes between peers and protocols, and supervise listeners."""
