"""Clients that have come to the wrong port, known by their first bytes.

A web page can make its visitor's browser send HTTP to any port that the visitor reaches. The head of such a request is
a few bad lines; its body may be a good entry. So the connection ends before that.
"""

from typing import Final

from logboom.servers.tls_link import CLIENT_HELLO

_METHODS: Final = (
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"PATCH",
    b"DELETE",
    b"OPTIONS",
    b"TRACE",
    b"CONNECT",
    b"PRI",
)
_REQUESTS: Final = tuple(method + target for method in _METHODS for target in (b" /", b" *"))
"""What requests of browsers begin with (`PRI *` is HTTP/2): no JSON, no length of a frame and no token line does."""

FIRST_BYTES: Final = max(map(len, _REQUESTS))
"""So many are enough to tell."""


def stranger(first: bytes) -> str | None:
    """The foreign protocol that begins so; empty: it is none; None: it takes more bytes to tell."""
    if first.startswith(CLIENT_HELLO):
        return "TLS"
    if first.startswith(_REQUESTS):
        return "HTTP"
    return None if any(one.startswith(first) for one in (CLIENT_HELLO, *_REQUESTS)) else ""
