"""Reader of a column file's layout from the footer of the Parquet file, which needs no engine.

The footer is Thrift's compact protocol: the metadata are pairs of texts, each with a length before it. Parquet file
format: https://parquet.apache.org/docs/file-format/
"""

import os
from typing import Final

import msgspec

from logboom.journal.columns.layout import METADATA_KEY, VERSION, ColumnsLayout

FOOTER_BYTES_MAX: Final = 64 << 20
"""Longest footer that is read: hundreds of times that of a segment with the most columns and row groups."""

_END: Final = b"PAR1"
_END_BYTES: Final = 8
"""The footer's length in four bytes, and `_END`."""

_LENGTH_BYTES_MAX: Final = 5
_TEXT: Final = b"\x18"
"""Head of a text in the field after the one before. No layout holds it: JSON has no such byte."""

_BEFORE_VALUE: Final = b"%b%c%b%b" % (_TEXT, len(METADATA_KEY), METADATA_KEY.encode(), _TEXT)


def read_layout(descriptor: int) -> ColumnsLayout:
    """Return the layout of an open column file. Raises `OSError`: it is damaged, or of another version."""
    found = _footer(descriptor)
    before, _, value = found.rpartition(_BEFORE_VALUE)
    try:
        layout = msgspec.json.decode(_text(value), type=ColumnsLayout) if before else None
    except (IndexError, msgspec.DecodeError):
        layout = None
    if layout is None or layout.version != VERSION:
        raise OSError("the column file can't be read: it is damaged, or was written by another version")
    return layout


def _footer(descriptor: int) -> bytes:
    """Return the footer; empty where it can't be one."""
    end = os.fstat(descriptor).st_size - _END_BYTES
    last = os.pread(descriptor, _END_BYTES, max(0, end))
    size = int.from_bytes(last[:4], "little")
    if not last.endswith(_END) or not 0 < size <= min(end, FOOTER_BYTES_MAX):
        return b""
    return os.pread(descriptor, size, end - size)


def _text(data: bytes) -> bytes:
    """Return a text that begins with its length, seven bits per byte, the lowest first. Raises `IndexError`."""
    size = 0
    for place, byte in enumerate(data[:_LENGTH_BYTES_MAX]):
        size |= (byte & 127) << (7 * place)
        if byte < 128:
            return data[place + 1 : place + 1 + size]
    raise IndexError("the length of a text has no end")
