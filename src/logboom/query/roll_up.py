"""Roll-up of one segment: its entries counted by time, level, listener and sender, and its numeric fields.

The four sections of a file of `journal.counts`, each a zstd frame of MessagePack. A section that would be too large
is left out: queries read the segment instead.
"""

import struct
import sys
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

import msgspec

from logboom.journal.counts import section_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MINUTE_US: Final = 60_000_000
WIDTHS_US: Final = tuple(minutes * MINUTE_US for minutes in (5, 60, 360, 1440))
"""Widths of cells, microseconds: the first at which the cells are few enough. Each divides the next."""


_WIDTH: Final = struct.Struct("<Q")
"""Stands before each section's frame."""


class VolumeCells(msgspec.Struct, array_like=True, gc=False):
    """Entries by time, level and listener."""

    width: int
    """Length of a cell, microseconds."""
    levels: list[str]
    listeners: list[str]
    cells: list[tuple[int, int, int, int]]
    """Number of the cell from the epoch, level, listener, entries."""


class SourceCells(msgspec.Struct, array_like=True, gc=False):
    """Entries by time, level and sender."""

    width: int
    levels: list[str]
    rows: list[tuple[str, str, str, str]]
    """Listener, peer, the entry's own `source` where it is a text, and the sender's name."""
    cells: list[tuple[int, int, int, int]]
    """Number of the cell from the epoch, level, row, entries."""


class KindCells(msgspec.Struct, array_like=True, gc=False):
    """Entries by sender, type and level, with their first and last times."""

    listeners: list[str]
    senders: list[str]
    types: list[str]
    levels: list[str]
    cells: list[tuple[int, int, int, int, int, int, int, int, int]]
    """Listener, sender, type, level, entries, least and greatest time, and those of arrival, in microseconds."""


class FieldRows(msgspec.Struct, array_like=True, gc=False):
    """Numeric fields."""

    rows: list[tuple[str, int, int | float, int | float, int | float]]
    """Name, entries, lowest, highest, last value."""


class Sections(NamedTuple):
    """The sections as they are made; None: left out."""

    volume: VolumeCells | None
    sources: SourceCells | None
    kinds: KindCells | None
    fields: FieldRows | None


S = TypeVar("S", VolumeCells, SourceCells, KindCells, FieldRows)


def packed_sections(sections: Sections) -> list[bytes]:
    """Return the bytes of each section."""
    return [_packed(section) for section in sections]


def _packed(section: object) -> bytes:
    if section is None:
        return b""
    try:
        body = zstd.compress(msgspec.msgpack.encode(section))
    except (
        OverflowError,
        msgspec.EncodeError,
        UnicodeEncodeError,
    ):  # a number of thousands of digits, half a pair
        return b""
    return _WIDTH.pack(getattr(section, "width", 0)) + body


class RollUp:
    """A roll-up that was read. Sections are unpacked when they are used.

    Args:
        data: an undamaged file (`journal.counts`).
    """

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def volume_width(self) -> int | None:
        """Width of the cells of `volume`, microseconds; None: it was left out. Nothing is unpacked for it."""
        return self._width(0)

    @property
    def sources_width(self) -> int | None:
        """The same of `sources`."""
        return self._width(1)

    @property
    def has_fields(self) -> bool:
        """Return whether there are `fields`."""
        return self._width(3) is not None

    @property
    def has_kinds(self) -> bool:
        """Return whether there are `kinds`."""
        return self._width(2) is not None

    def volume(self) -> VolumeCells | None:
        """Return the entries by time, level and listener; None: they were too many to count."""
        return self._section(0, _volume.decode)

    def sources(self) -> SourceCells | None:
        """Return the entries by time, level and sender; None: they were too many to count."""
        return self._section(1, _sources.decode)

    def kinds(self) -> KindCells | None:
        """Return the entries by sender, type and level; None: they were too many to count."""
        return self._section(2, _kinds.decode)

    def fields(self) -> FieldRows | None:
        """Return the numeric fields; None: they were too many to count."""
        return self._section(3, _fields.decode)

    def _section(self, number: int, decode: Callable[[bytes], S]) -> S | None:
        section = section_of(self._data, number)
        return decode(zstd.decompress(section[_WIDTH.size :])) if section else None

    def _width(self, number: int) -> int | None:
        section = section_of(self._data, number)
        return _WIDTH.unpack_from(section)[0] if section else None


_volume: Final = msgspec.msgpack.Decoder(VolumeCells)
_sources: Final = msgspec.msgpack.Decoder(SourceCells)
_kinds: Final = msgspec.msgpack.Decoder(KindCells)
_fields: Final = msgspec.msgpack.Decoder(FieldRows)
