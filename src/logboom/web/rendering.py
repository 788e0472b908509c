"""Entries that were found, as JSON, JSON lines and CSV. The entry itself is unchanged."""

from collections.abc import Iterable
from typing import Final

import msgspec

from logboom.formats.csv_rows import header, record_rows
from logboom.formats.sent import sent_message
from logboom.query.matching import Found


class _Head(msgspec.Struct, gc=False, omit_defaults=True):
    """Fields before the entry."""

    sequence: int
    received_at: str
    time: str
    source: str
    listener: str
    level: str
    message: str
    wrong_clock: bool = False
    copy: bool = False
    time_from: str = ""


_encode: Final = msgspec.json.Encoder().encode


def json_of(found: Found) -> bytes:
    """One entry as a JSON object on one line; safe to be one line of anything, carriage returns included."""
    message, marks = sent_message(found.record, found.entry), found.record[8:]
    head = _encode(_Head(*found.record[:6], message, *marks))
    return b'%b,"entry":%b}' % (head[:-1], found.entry.replace(b"\r", b" "))


def json_lines(page: Iterable[Found]) -> bytes:
    """Return one JSON object per line."""
    return b"".join([json_of(found) + b"\n" for found in page])


def csv_of(page: Iterable[Found]) -> bytes:
    """RFC 4180, with a header."""
    found = list(page)
    entries = [one.entry.decode(errors="replace") for one in found]
    return header() + record_rows([one.record for one in found], entries)
