"""Building of a segment's word filters, block by block, in bounded memory."""

from collections.abc import Iterator
from typing import Final

import xxhash

from logboom.journal.log import Block
from logboom.journal.word_filters import PARTS_MAX, ROWS_MAX, ROWS_MIN, STEP_PARTS_MAX, Covered, pack_words
from logboom.query.line_words import add_numbers, line_words

PART_WORDS: Final = 4096
"""Words after which a part ends. Four bits of 65,536 per word: 0.3 % of the parts without a word are read for it."""

PART_BYTES_MAX: Final = 4 << 20
"""Bytes after which a part ends: a hit costs as much as reading all of it."""

_ALL_ROWS: Final = int.from_bytes(b"\1" * ROWS_MAX, "little")


class WordBuilder:
    """Makes the filters of one segment: 64 KB per eight parts, some 6 MB for 256 MiB of usual lines.

    Args:
        first: first sequence of the segment.
    """

    def __init__(self, first: int) -> None:
        self._first = first
        self._parts: list[tuple[int, int]] = []
        self._columns: list[bytes] = []
        """Per eight parts, a byte per row."""
        self._last = 0
        """The same of the parts that are fewer than eight."""
        self._words: set[bytes] | None = set()
        """Words of the part that is read; None: it may hold any."""
        self._lines = self._bytes = 0
        """Size of the part that is read."""
        self._words_most = 0
        """Number of words of the part that has the most."""

    @property
    def is_full(self) -> bool:
        """Return whether another step may give more parts than a file can have."""
        return len(self._parts) > PARTS_MAX - STEP_PARTS_MAX

    def add(self, block: Block) -> None:
        """Add the words of the next block."""
        found = line_words(block.data, block.count)
        if found is None or self._words is None:
            self._words = None
        else:
            self._words |= found
        self._lines += block.count
        self._bytes += len(block.data)
        if self._words is None or len(self._words) >= PART_WORDS or self._bytes >= PART_BYTES_MAX:
            self._end_part()

    def packed(self) -> Iterator[bytes]:
        """Return the pieces of the file for all blocks so far, at least one. See `word_filters.pack_words`."""
        if self._lines:
            self._end_part()
        rows = ROWS_MAX
        while rows > ROWS_MIN and rows >= self._words_most * 2 * (ROWS_MAX // PART_WORDS):
            rows //= 2
        covered = Covered(
            self._first,
            self._first + sum(lines for lines, _ in self._parts),
            sum(size for _, size in self._parts),
        )
        columns = self._columns
        if self._last:
            columns = [*columns, self._last.to_bytes(ROWS_MAX, "little")]
        return pack_words(covered, self._parts, [_folded(column, rows) for column in columns])

    def _end_part(self) -> None:
        place = len(self._parts) % 8
        if self._words is None:
            column, self._words_most = _ALL_ROWS, PART_WORDS
        else:
            add_numbers(self._words)
            self._words_most = max(self._words_most, len(self._words))
            column = _column_of(self._words)
        self._last |= column << place
        self._parts.append((self._lines, self._bytes))
        if place == 7:
            self._columns.append(self._last.to_bytes(ROWS_MAX, "little"))
            self._last = 0
        self._words, self._lines, self._bytes = set(), 0, 0


def _column_of(words: set[bytes]) -> int:
    """Return the filter of some words: a byte per row, 0 or 1."""
    rows = bytearray(ROWS_MAX)
    for row in memoryview(b"".join(map(xxhash.xxh3_64_digest, words))).cast("H"):
        rows[row] = 1
    return int.from_bytes(rows, "little")


def _folded(column: bytes, rows: int) -> bytes:
    """Return a column with fewer rows, each joined of several."""
    while len(column) > rows:
        half = len(column) // 2
        low, high = int.from_bytes(column[:half], "little"), int.from_bytes(column[half:], "little")
        column = (low | high).to_bytes(half, "little")
    return column
