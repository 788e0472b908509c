"""Clients that have come to the wrong port, known by what they send first.

A web page can make its visitor's browser send HTTP to any port that the visitor reaches. The head of such a request is
a few bad lines; its body may be a good entry. So the connection of a browser ends before that. Any other HTTP is
nonsense like all nonsense: bad lines, which harm nothing behind them.
"""

import re
from typing import Final

from logboom.servers.tls_peer import CLIENT_HELLO

HEAD_BYTES_MAX: Final = 8192
"""A request whose head goes on for longer is refused unseen: a page may make its address as long as it likes."""

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_BEGINNINGS: Final = tuple(f"{method} /".encode() for method in _METHODS)
_REQUEST: Final = re.compile(rb"[A-Z]+ /[^ ]* HTTP/1\.[01]\r?")
_HEADER: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\n]*")
_BROWSERS: Final = re.compile(
    rb"(?:(?:origin|referer|accept-language|sec-fetch-[a-z]+):|user-agent:[ \t]*mozilla/)", re.IGNORECASE
)
"""Headers that no page can keep its browser from sending: one of them is in every request that has a body."""

_HTTP2: Final = b"PRI * HTTP/2.0\r\n\r\nSM"
"""First bytes of gRPC clients, which would wait for an answer until their time limit."""


def stranger(first: bytes) -> str | None:
    """Return the foreign protocol that begins so; empty if there is none, None if more bytes are needed."""
    for name, beginning in (("TLS", CLIENT_HELLO), ("HTTP", _HTTP2)):
        if first.startswith(beginning):
            return name
    if first.startswith(_BEGINNINGS):
        return _browser(first)
    return None if any(one.startswith(first) for one in (CLIENT_HELLO, _HTTP2, *_BEGINNINGS)) else ""


def begins_http(first: bytes) -> bool | None:
    """Return whether a connection that begins so speaks HTTP/1; None if more bytes are needed."""
    if first.startswith(_BEGINNINGS):
        return True
    return None if any(one.startswith(first) for one in _BEGINNINGS) else False


def _browser(head: bytes) -> str | None:
    request, *lines = head.split(b"\n")
    if lines and not _REQUEST.fullmatch(request):
        return ""
    for line in lines[:-1]:
        if _BROWSERS.match(line):
            return "HTTP"
        if not _HEADER.fullmatch(line):  # the head ends here, or it was none
            return ""
    return "HTTP" if len(head) >= HEAD_BYTES_MAX else None
