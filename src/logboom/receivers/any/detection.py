"""Protocols distinguished by the first bytes of a connection."""

import re
from typing import Any, Final

import msgspec

from logboom.framing.objects import ObjectScanner

FIRST_BYTES_MAX: Final = 64 << 10
"""Bytes that are gathered at most before a connection is assigned: the first object of a client that sends JSON."""

DETECTED: Final = ("device", "gateway", "collector", "capnp", "syslog", "relp", "gelf", "forward", "beats")
"""Protocols that can be recognised."""

UNKNOWN: Final = ""

_GZIP: Final = b"\x1f\x8b"
_GZIP_AT: Final = 4
_SYSLOG: Final = re.compile(rb"<[0-9]{1,3}>|[1-9][0-9]{0,8} <|\x78[\x01\x5e\x9c\xda]")
_SYSLOG_START: Final = re.compile(rb"<[0-9]{0,3}|[1-9][0-9]{0,8} ?|\x78")
_RELP: Final = re.compile(rb"[0-9]{1,9} [A-Za-z]{1,32} ")
_RELP_START: Final = re.compile(rb"[0-9]{1,9}(?: [A-Za-z]{0,32})?")
_BEATS: Final = re.compile(rb"[12][WJDC]")
_BEATS_START: Final = re.compile(rb"[12]")
_FORWARD: Final = re.compile(rb"[\x92-\x96\xc0\xdc\xdd\[]")
_TEXTS: Final = (
    ("beats", _BEATS, _BEATS_START),
    ("relp", _RELP, _RELP_START),
    ("syslog", _SYSLOG, _SYSLOG_START),
    ("forward", _FORWARD, _FORWARD),
)
_decode: Final = msgspec.json.Decoder().decode


def detected(first: bytes, *, eof: bool = False) -> str | None:
    """Return the protocol of a connection that begins with these bytes.

    Args:
        first: the first bytes; those behind `FIRST_BYTES_MAX` are not needed.
        eof: no more will come.

    Returns:
        The name of a receiver; `UNKNOWN` for other bytes; None if more bytes are needed.
    """
    start = first.lstrip(b" \t\r\n")
    if start.startswith(b"{"):
        return _of_object(start, eof=eof)
    if first.startswith(b"\0"):
        return _of_length(first, eof=eof)
    for name, pattern, _ in _TEXTS:
        if pattern.match(start):
            return name
    if not eof and (not start or any(beginning.fullmatch(start) for _, _, beginning in _TEXTS)):
        return None
    return UNKNOWN


def _of_length(first: bytes, *, eof: bool) -> str | None:
    """Length-prefixed frames: gzip in them is that of the collector."""
    magic = first[_GZIP_AT : _GZIP_AT + len(_GZIP)]
    if len(magic) == len(_GZIP) or eof or not _GZIP.startswith(magic):
        return "collector" if magic == _GZIP else "capnp"
    return "capnp" if first == bytes(_GZIP_AT) else None  # a heartbeat may be all for a while


def _of_object(start: bytes, *, eof: bool) -> str | None:
    """JSON: the first object decides."""
    scanner = ObjectScanner(FIRST_BYTES_MAX)
    scanner.feed(start)
    found = scanner.scan(eof=eof)
    if not found:
        return None if len(start) < FIRST_BYTES_MAX and not eof else "collector"
    return _of_fields(found[0]) if isinstance(found[0], bytes) else "collector"


def _of_fields(data: bytes) -> str:
    try:
        fields: Any = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "collector"
    if {"boot_seq", "uptime_ms"} <= fields.keys():
        return "device"
    if {"time", "temp", "rh", "lux"} <= fields.keys():
        return "gateway"
    return "gelf" if "short_message" in fields else "collector"
