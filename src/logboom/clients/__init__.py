"""Clients: sending lines to a server of any supported protocol, and simulated senders.

`sending.send_lines` is the way in. `dialect` says what a protocol looks like from here, `delivery` holds
windows, resends and reconnects, the same for all of them.
"""
