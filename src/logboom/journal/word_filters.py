"""Files of word filters: which parts of a segment may hold a word.

A segment is cut into parts of a few hundred kilobytes, each with a Bloom filter of its words. All filters of a file
have the same size and lie across each other: a row has one bit per part. A word is thus found in all parts of a segment
by four small reads.

Derived data: a page or a table counts only with its checksum, and a file only for exactly the lines that it was made
of. What is missing or damaged is read instead.
"""

import os
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Final, NamedTuple

import xxhash

from logboom.durable import Sync, replace_file
from logboom.journal.segments import Segment
from logboom.journal.step_times import drop_if_deleted

ROWS_MAX: Final = 1 << 16
"""Rows, each a bit of every filter. A row's number has 16 bits, so that a hash of 64 bits has the four of a word."""

ROWS_MIN: Final = 1 << 10

PARTS_MAX: Final = 8192
"""Parts of one file: some 3 GB of lines. What follows is read."""

STEP_PARTS_MAX: Final = 256
"""More parts than a step of about a megabyte has: a file that could not take all of another step is full."""

EVERYWHERE: Final = -1
"""All parts, as bits."""

PAGE_BYTES: Final = 4096
"""Bytes that are read for a row: rows lie in pages, each with its checksum."""

_MAGIC: Final = b"lbwrds1" + (b"<" if sys.byteorder == "little" else b">")
"""The last byte is the order of bytes in which hashes are cut into rows: that of the machine, which is faster."""

_HEAD: Final = struct.Struct("<8sQQQIIQ")
_CHECKSUM: Final = struct.Struct("<Q")
_PART: Final = struct.Struct("<II")
_ROWS: Final = struct.Struct("=4H")
_ROOM: Final = PAGE_BYTES - _CHECKSUM.size

Lookup = Callable[[bytes], int]
"""Returns the parts that may have a word, one bit per part."""

WordTest = Callable[[Lookup], int]
"""Returns the parts that may have matching entries, one bit per part; `EVERYWHERE` for all."""


class DamagedWordsError(Exception):
    """A page or a table is not what was written."""


class FilteredPart(NamedTuple):
    """Lines of a segment that have one filter."""

    start: int
    """The first sequence."""
    end: int
    """The sequence after the last one."""
    offset: int
    """Start in the segment, bytes."""
    size: int
    """Bytes."""


class Covered(NamedTuple):
    """The lines that a file was made of: the first ones of a segment, or all."""

    first: int
    """First sequence of the segment."""
    end: int
    """The sequence after the last line."""
    size: int
    """Bytes of these lines."""


def rows_of(word: bytes) -> tuple[int, ...]:
    """Return the rows whose bits a word sets, of `ROWS_MAX`; a file with fewer rows has them modulo their number."""
    return _ROWS.unpack(xxhash.xxh3_64_digest(word))


def pack_words(
    covered: Covered, parts: Sequence[tuple[int, int]], columns: Sequence[bytes]
) -> Iterator[bytes]:
    """Yield the bytes of a file.

    Args:
        covered: what the parts are together.
        parts: lines and bytes of each, in their order; `PARTS_MAX` at most.
        columns: per eight parts, a byte per row; the lowest bit is the first part's.
    """
    rows, width = len(columns[0]), len(columns)
    table = b"".join([_PART.pack(*part) for part in parts])
    head = _HEAD.pack(_MAGIC, *covered, len(parts), rows, xxhash.xxh3_64_intdigest(table, covered.first))
    yield _page(head, covered.first, 0)
    per_page = _ROOM // width
    for page, start in enumerate(range(0, rows, per_page), 1):
        lying = bytearray(min(per_page, rows - start) * width)
        for number, column in enumerate(columns):
            lying[number::width] = column[start : start + per_page]
        yield _page(lying, covered.first, page)
    yield table


def _page(data: bytes | bytearray, first: int, number: int) -> bytes:
    body = bytes(data).ljust(_ROOM, b"\0")
    return body + _CHECKSUM.pack(xxhash.xxh3_64_intdigest(body, first + number))


def write_words(segment: Segment, pieces: Iterator[bytes], sync: Sync | None) -> None:
    """Replace the file of a segment, whole or not at all.

    Args:
        segment: the segment.
        pieces: from `pack_words`.
        sync: makes the file durable before it takes the place of the one before; None: not synced.

    Raises:
        OSError: it can't be written.
    """
    replace_file(segment.words_path, pieces, sync=sync)
    drop_if_deleted(segment)


class WordFilters:
    """The filters of one segment, open for reading.

    Args:
        descriptor: of the file.
        first: first sequence of the segment.

    Raises:
        DamagedWordsError: the file's first page is damaged, of another version or another segment.
        OSError: it can't be read.
    """

    def __init__(self, descriptor: int, first: int) -> None:
        self._descriptor = descriptor
        self._first = first
        magic, *covered, self._parts, self._rows, self._table_sum = _HEAD.unpack_from(self._page(0))
        if magic != _MAGIC or covered[0] != first:
            raise DamagedWordsError
        self.covered = Covered(*covered)
        self.is_full = self._parts > PARTS_MAX - STEP_PARTS_MAX
        """There are as many parts as a file may have: what follows has no filters."""
        self._width = -(-self._parts // 8)

    def parts_with(self, word: bytes) -> int:
        """Return the parts that may have a word, one bit per part. Raises as the class does."""
        found, per_page = EVERYWHERE, _ROOM // self._width
        for row in rows_of(word):
            page, place = divmod(row & (self._rows - 1), per_page)
            start = place * self._width
            found &= int.from_bytes(self._page(page + 1)[start : start + self._width], "little")
            if not found:
                break
        return found

    def parts(self, wanted: int) -> list[FilteredPart]:
        """Return some parts, in their order. Raises as the class does.

        Args:
            wanted: one bit per part.
        """
        per_page = _ROOM // self._width
        place = PAGE_BYTES * (1 + -(-self._rows // per_page))
        data = os.pread(self._descriptor, self._parts * _PART.size, place)
        if xxhash.xxh3_64_intdigest(data, self._first) != self._table_sum:
            raise DamagedWordsError
        lines, sizes = zip(*_PART.iter_unpack(data), strict=True)
        ends, offsets = list(accumulate(lines, initial=self._first)), list(accumulate(sizes, initial=0))
        return [
            FilteredPart(ends[number], ends[number + 1], offsets[number], sizes[number])
            for number in range(self._parts)
            if wanted >> number & 1
        ]

    def _page(self, number: int) -> bytes:
        page = os.pread(self._descriptor, PAGE_BYTES, number * PAGE_BYTES)
        body = page[:_ROOM]
        if len(page) < PAGE_BYTES or page[_ROOM:] != _CHECKSUM.pack(
            xxhash.xxh3_64_intdigest(body, self._first + number)
        ):
            raise DamagedWordsError
        return body


@contextmanager
def open_words(segment: Segment) -> Iterator[WordFilters]:
    """Open the filters of a segment.

    Raises:
        DamagedWordsError: see `WordFilters`.
        OSError: there are none, or they can't be read.
    """
    descriptor = os.open(segment.words_path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        yield WordFilters(descriptor, segment.first)
    finally:
        os.close(descriptor)
