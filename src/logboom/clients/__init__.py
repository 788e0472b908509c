"""Clients: senders over every supported protocol. Each package has one trade.

`wire` speaks the protocols, `delivery` sends windows of lines, resends them and keeps them in a spool.
`handler`, `follow`, `run` and `simulate` stand on these two. `delivery.sending` is the simplest use of both.
"""
