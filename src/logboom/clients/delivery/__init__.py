"""Delivery of lines: windows, resends, the durable spool, and the thread that empties it."""
